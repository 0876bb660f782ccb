"""The registering end: digest, refresh, and the order of registrars (RFC 3261 §10.2, RFC 5626)."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from callctl.phone.event import (
    Registered,
    RegistrarFailed,
    RegistrationFailed,
    RegistrationLost,
    Unregistered,
)
from callctl.phone.settings import UserAgentSettings
from callctl.phone.user_agent import UserAgent
from helpers.phone_rig import AGENT, NODES, PHONE, Rig
from helpers.phone_wire import Seeded
from sipstack.message.instance import instance_of, reg_id_of
from sipstack.timing import MS, Instant
from sipstack.transport.flow import BytesReceived, CloseFlow, Flow, FlowClosed, Send

INSTANCE = "urn:uuid:00000000-0000-4000-8000-000000000001"
DESK = replace(AGENT, instance=INSTANCE)


def desk(settings: UserAgentSettings = DESK) -> tuple[Rig, UserAgent]:
    """A user agent alone, in the place of the phone."""
    rig = Rig()
    agent = UserAgent(settings, Seeded(9))
    rig.wire.add("desk", *PHONE, agent)
    rig.wire.at(0, "desk", agent.register)
    return rig, agent


def test_a_challenge_is_answered_and_the_contact_says_which_device_it_is() -> None:
    rig, agent = desk()
    rig.wire.run(1_000)
    assert rig.wire.ladder("desk", "node1") == [
        "desk: REGISTER",
        "node1: 401 REGISTER",
        "desk: REGISTER",
        "node1: 200 REGISTER",
    ]
    register = rig.nodes[0].registers[0]
    contact = register.contacts[0]
    assert str(contact.uri) == "sip:2001@192.0.2.50:5060"
    assert instance_of(contact) == INSTANCE
    assert reg_id_of(contact) == 1
    assert contact.params.get("+u.sip!devicename.ccm.cisco.com") == '"TCTALICE"'
    assert register.supported == ["path", "outbound"]
    registered = rig.wire.events("desk", Registered)[0]
    assert (registered.registrar, registered.expires_s) == (NODES[0], 3600)
    assert agent.registered == NODES[0]


def test_it_is_refreshed_at_90_percent_of_the_granted_life_with_the_same_nonce() -> None:
    rig, _ = desk()
    rig.nodes[0].expires_s = 100
    rig.wire.run(100_000)
    first, second = rig.nodes[0].registers
    assert [at for at, who, what in rig.wire.sent if what == "REGISTER"] == [0, 20, 90_040]
    assert 'nonce="n1"' in (second.headers.first("authorization") or "")
    assert "nc=00000002" in (second.headers.first("authorization") or "")
    assert second.call_id == first.call_id
    assert second.cseq.number == first.cseq.number + 1
    assert rig.wire.events("desk", Registered)[1].refresh


def test_too_brief_an_interval_is_lengthened_as_asked() -> None:
    rig, _ = desk(replace(DESK, expires_s=30))
    rig.nodes[0].min_expires_s = 60
    rig.wire.run(1_000)
    assert [request.expires for request in rig.nodes[0].registers] == [30, 60]
    assert len(rig.wire.events("desk", Registered)) == 1


def test_a_silent_registrar_is_passed_over_after_4_s_and_one_out_of_service_at_once() -> None:
    rig, agent = desk()
    rig.nodes[0].silent = True
    rig.nodes[1].status = 503
    rig.wire.run(6_000)
    assert agent.registered == NODES[2]
    failed = [
        (at, event.registrar, event.status) for at, event in rig.wire.timed("desk", RegistrarFailed)
    ]
    assert failed == [(4_000, NODES[0], 408), (4_040, NODES[1], 503)]
    assert rig.wire.timed("desk", Registered)[0][0] == 4_080


def test_a_wrong_password_is_not_tried_for_ever() -> None:
    rig, agent = desk(replace(DESK, password="wrong", retry_base_ns=None))
    rig.wire.run()
    assert len(rig.wire.events("desk", RegistrarFailed)) == 3
    assert len(rig.wire.events("desk", RegistrationFailed)) == 1
    assert rig.wire.ladder("desk").count("desk: REGISTER") == 6  # one and one more at each node
    assert set(agent.counts().values()) == {0}
    assert agent.next_deadline() is None


def test_refused_by_all_it_tries_again_later_and_later() -> None:
    rig, _ = desk()
    for node in rig.nodes:
        node.status = 503
    rig.wire.run(300_000)
    rounds = [at for at, _ in rig.wire.timed("desk", RegistrationFailed)]
    waits = [later - earlier for earlier, later in pairwise(rounds)]
    assert 30_000 <= waits[0] <= 61_000
    assert 60_000 <= waits[1] <= 121_000


def test_unregistering_removes_the_contact() -> None:
    rig, agent = desk()
    rig.wire.at(1_000, "desk", agent.unregister)
    rig.wire.run()
    assert rig.nodes[0].registers[-1].expires == 0
    assert len(rig.wire.events("desk", Unregistered)) == 1
    assert agent.registered is None
    assert set(agent.counts().values()) == {0}


# Over a stream, by hand: one connection, numbered 4.

TCP = Flow("TCP", "192.0.2.50", 5060, "192.0.2.1", 5060)
LIVE = TCP._replace(connection=4)


def at(ms: int) -> Instant:
    return Instant(ms * MS)


def registered_over_tcp(settings: UserAgentSettings) -> tuple[UserAgent, Rig]:
    rig = Rig()
    agent = UserAgent(settings, Seeded(9))
    actions = agent.register(at(0))
    for _ in range(2):
        (send,) = [action for action in actions if isinstance(action, Send)]
        (answer,) = rig.nodes[0].receive(BytesReceived(send.flow, send.data), at(0))
        actions = agent.receive(BytesReceived(LIVE, answer.data), at(0))
    assert agent.registered == NODES[0]
    return agent, rig


def test_a_lost_connection_is_noticed_and_the_registration_made_anew_within_a_second() -> None:
    agent, _ = registered_over_tcp(replace(DESK, transport="TCP"))
    actions = agent.receive(FlowClosed(LIVE, "reset"), at(1_000))
    assert RegistrationLost("reset") in actions
    assert agent.registered is None
    due = agent.next_deadline()
    assert due is not None
    assert at(1_000) < due <= at(2_000)
    (send,) = [action for action in agent.advance(due) if isinstance(action, Send)]
    assert send.flow == TCP  # no number: the shell opens a connection


def test_pings_keep_a_connection_alive_and_a_missing_pong_ends_it() -> None:
    agent, _ = registered_over_tcp(replace(DESK, transport="TCP", keep_alive_ns=100 * 1000 * MS))
    due = agent.next_deadline()
    assert due is not None
    assert at(80_000) <= due <= at(100_000)
    assert agent.advance(due) == (Send(LIVE, b"\r\n\r\n"),)
    assert agent.receive(BytesReceived(LIVE, b"\r\n"), Instant(due + MS)) == ()
    due = agent.next_deadline()
    assert due is not None
    agent.advance(due)
    late = Instant(due + 10_000 * MS)
    assert agent.next_deadline() == late
    assert agent.advance(late) == (CloseFlow(LIVE),)


def test_shutting_closes_the_connection_and_leaves_nothing() -> None:
    agent, _ = registered_over_tcp(replace(DESK, transport="TCP"))
    agent.invite("1001", at(10))
    actions = agent.shut(at(20))
    assert CloseFlow(LIVE) in actions
    assert set(agent.counts().values()) == {0}
    assert agent.next_deadline() is None


@pytest.mark.parametrize("transport", ["TCP", "TLS"])
def test_the_contact_names_the_transport(transport: str) -> None:
    agent = UserAgent(replace(DESK, transport=transport), Seeded(9))
    (send,) = [action for action in agent.register(at(0)) if isinstance(action, Send)]
    assert f"<sip:2001@192.0.2.50:5060;transport={transport.lower()}>".encode() in send.data
