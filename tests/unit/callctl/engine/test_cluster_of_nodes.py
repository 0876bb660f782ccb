"""Calls to sleepers while nodes come and go (CMG-04 to CMG-11, CALL-15, CALL-16)."""

from __future__ import annotations

import pytest

from callctl.cluster.event import BindingStored
from callctl.engine.event import ClusterEventReceived, CpnsChanged, DeviceSignedOut
from callctl.model.build import desk_phone, iphone, make_cluster
from callctl.model.service_parameter import ServiceParameters
from callctl.push.events import Outcome
from callctl.push.kind import PushKind
from helpers.engine_rig import EngineRig, Sent, iphone_binding
from sipstack.message.message import Request, Response
from sipstack.transport.flow import Flow

CALLER = "192.0.2.50:5060"
PHONE = "192.0.2.60:40000"

INVITE = """
INVITE sip:2001@lab.example SIP/2.0
Via: SIP/2.0/UDP 192.0.2.50:5060;branch=z9hG4bK{number}
Max-Forwards: 70
From: <sip:1001@lab.example>;tag=a{number}
To: <sip:2001@lab.example>
Call-ID: call-{number}
CSeq: 1 INVITE
Contact: <sip:1001@192.0.2.50:5060>
Content-Length: 0
"""

REGISTER = """
REGISTER sip:lab.example SIP/2.0
Via: SIP/2.0/TCP 192.0.2.60:40000;branch=z9hG4bKr{number}
Max-Forwards: 70
From: <sip:2001@lab.example>;tag=p1
To: <sip:2001@lab.example>
Call-ID: reg
CSeq: {number} REGISTER
Contact: <sip:2001@192.0.2.60:40000;transport=tcp>;+sip.instance="<urn:uuid:1>"
Expires: 600
Content-Length: 0
"""


@pytest.fixture
def rig() -> EngineRig:
    cluster = make_cluster(
        devices=[desk_phone("1001"), iphone("2001")],
        parameters=ServiceParameters(authentication="none", parked_calls_per_callee_max=3),
    )
    rig = EngineRig(cluster)
    rig.sign_in(iphone_binding(cluster.devices["TCT2001"]))
    return rig


def call(rig: EngineRig, node: str, number: int = 1) -> list[Sent]:
    return rig.feed(node, INVITE.format(number=number), rig.flow(node, CALLER))


def flow(rig: EngineRig, node: str, connection: int) -> Flow:
    return rig.flow(node, PHONE, transport="TCP", connection=connection)


def register(rig: EngineRig, node: str, connection: int, number: int) -> list[Sent]:
    return rig.feed(node, REGISTER.format(number=number), flow(rig, node, connection))


def named(rig: EngineRig) -> list[str]:
    """Nodes named in the ring pushes."""
    nodes = [push.content.active_node for push in rig.pushes if push.kind is PushKind.INCOMING]
    return [node.fqdn.partition(".")[0] for node in nodes if node is not None]


def invites(sent: list[Sent], rig: EngineRig, node: str, connection: int) -> list[Sent]:
    phone = flow(rig, node, connection)
    return [
        s
        for s in sent
        if s.flow == phone and isinstance(s.message, Request) and s.message.method == "INVITE"
    ]


def sleep_after_registering_at(rig: EngineRig, node: str) -> None:
    register(rig, node, 7, 1)
    rig.close(node, flow(rig, node, 7))


@pytest.mark.req("CMG-05", "CMG-07")
def test_push_names_the_node_the_device_registered_at_last(rig: EngineRig) -> None:
    sleep_after_registering_at(rig, "ucm2")
    call(rig, "ucm3")
    assert named(rig) == ["ucm2"]
    assert rig.pushes[0].content.active_node is not None
    assert rig.pushes[0].content.active_node.role == "backup"


@pytest.mark.req("CMG-04", "CMG-07", "CMG-09")
def test_call_at_a_third_node_wakes_the_phone_of_a_dead_node_at_the_next_of_its_group(
    rig: EngineRig,
) -> None:
    sleep_after_registering_at(rig, "ucm1")
    rig.kill("ucm1")
    rig.run_to(3000)
    call(rig, "ucm3")
    assert named(rig) == ["ucm2"]
    woken = register(rig, "ucm2", 8, 2)
    assert len(invites(woken, rig, "ucm2", 8)) == 1


@pytest.mark.req("CALL-16", "CMG-04")
def test_node_named_in_the_push_dies_meanwhile_so_one_more_push_names_the_next(
    rig: EngineRig,
) -> None:
    sleep_after_registering_at(rig, "ucm2")
    call(rig, "ucm3")
    rig.run_to(1000)
    rig.kill("ucm2")
    rig.run_to(4000)
    assert named(rig) == ["ucm2", "ucm1"]
    assert len({push.call_uuid for push in rig.pushes}) == 1
    assert len({push.deadline for push in rig.pushes}) == 1
    rig.run_to(20_000)
    assert [push.kind for push in rig.pushes][2:] == [PushKind.MISSED]


@pytest.mark.req("CMG-11", "CPNS-03")
def test_without_any_push_service_in_service_nothing_is_pushed_and_the_call_ends_480(
    rig: EngineRig,
) -> None:
    for name, engine in rig.engines.items():
        rig.perform(name, engine.receive(CpnsChanged(running=False), rig.now))
    sent = call(rig, "ucm1")
    assert rig.pushes == []
    assert [s.message.status for s in sent if isinstance(s.message, Response)] == [100, 480]


@pytest.mark.req("CMG-10")
def test_push_service_that_stops_changes_the_very_next_push(rig: EngineRig) -> None:
    call(rig, "ucm3", 1)
    engine = rig.engines["ucm1"]
    rig.perform("ucm1", engine.receive(CpnsChanged(running=False), rig.now))
    call(rig, "ucm3", 2)
    assert named(rig) == ["ucm1", "ucm2"]


@pytest.mark.req("CALL-15")
def test_one_register_releases_every_call_that_waits_in_the_order_they_came(
    rig: EngineRig,
) -> None:
    for number in (1, 2, 3):
        call(rig, "ucm1", number)
        rig.run_to(number * 100)
    assert len(named(rig)) == 3
    woken = invites(register(rig, "ucm1", 9, 1), rig, "ucm1", 9)
    assert [s.message.call_id for s in woken] == ["call-1", "call-2", "call-3"]
    assert len({push.call_uuid for push in rig.pushes}) == 3


@pytest.mark.req("CALL-15")
def test_call_whose_window_has_passed_is_not_released_with_the_others(rig: EngineRig) -> None:
    call(rig, "ucm1", 1)
    rig.run_to(6000)
    call(rig, "ucm1", 2)
    rig.run_to(13_500)
    woken = invites(register(rig, "ucm1", 9, 1), rig, "ucm1", 9)
    assert [s.message.call_id for s in woken] == ["call-2"]


def test_one_call_too_many_for_a_sleeper_is_busy(rig: EngineRig) -> None:
    for number in (1, 2, 3):
        call(rig, "ucm1", number)
    sent = call(rig, "ucm1", 4)
    assert [s.message.status for s in sent if isinstance(s.message, Response)] == [100, 486]
    assert len(rig.pushes) == 3


def test_what_a_node_learns_late_about_a_call_that_is_over_releases_nothing(
    rig: EngineRig,
) -> None:
    register(rig, "ucm2", 9, 1)
    (binding,) = rig.engines["ucm2"].bindings.of_dn("2001", rig.now)
    rig.close("ucm2", flow(rig, "ucm2", 9))
    call(rig, "ucm1")
    event = ClusterEventReceived(BindingStored(binding, fresh=True))
    before = len(rig.sent)
    rig.perform("ucm1", rig.engines["ucm1"].receive(event, rig.now))
    assert rig.sent[before:] == []


@pytest.mark.req("REG-08", "MODE-18")
def test_signed_out_device_is_neither_pushed_nor_waited_for(rig: EngineRig) -> None:
    rig.perform("ucm2", rig.engines["ucm2"].receive(DeviceSignedOut("TCT2001"), rig.now))
    sent = call(rig, "ucm1")
    assert [s.message.status for s in sent if isinstance(s.message, Response)] == [100, 480]
    assert rig.pushes == []


@pytest.mark.req("REG-06", "CLOUD-06")
def test_410_stops_pushes_until_the_client_gives_a_new_token(rig: EngineRig) -> None:
    call(rig, "ucm1", 1)
    rig.outcome(rig.pushes[0], Outcome.REFUSED_TOKEN)
    assert [s.message.status for s in rig.sent if isinstance(s.message, Response)][-1] == 480
    call(rig, "ucm2", 2)
    assert len(rig.pushes) == 1
    rig.run_to(1)
    rig.sign_in(iphone_binding(rig.cluster.devices["TCT2001"]))
    call(rig, "ucm2", 3)
    assert len(rig.pushes) == 2


def cut(rig: EngineRig, node: str) -> None:
    """Take a node off the bus for long enough to be taken for dead, and keep it running."""
    rig.cut.add(node)
    rig.run_to(rig.now / 1_000_000 + 3000)


def heal(rig: EngineRig, node: str) -> None:
    rig.cut.discard(node)
    rig.run_to(rig.now / 1_000_000 + 1000)


@pytest.mark.req("REG-11")
def test_node_that_was_cut_off_learns_what_came_and_what_went(rig: EngineRig) -> None:
    """I12: nothing lost, nothing brought back."""
    register(rig, "ucm1", 7, 1)
    cut(rig, "ucm3")
    register(rig, "ucm2", 8, 2)
    rig.perform("ucm1", rig.engines["ucm1"].receive(DeviceSignedOut("TCT2001"), rig.now))
    (old,) = rig.engines["ucm3"].bindings.of_dn("2001", rig.now)
    assert old.node == "ucm1"
    assert rig.engines["ucm3"].push_binding("TCT2001") is not None
    heal(rig, "ucm3")
    for engine in rig.engines.values():
        (binding,) = engine.bindings.of_dn("2001", rig.now)
        assert binding.node == "ucm2"
        assert engine.push_binding("TCT2001") is None


def test_phone_that_registered_beyond_a_cut_gets_its_call_once_the_cut_heals(
    rig: EngineRig,
) -> None:
    cut(rig, "ucm3")
    call(rig, "ucm1")
    register(rig, "ucm3", 9, 1)
    before = len(rig.sent)
    heal(rig, "ucm3")
    assert len(invites(rig.sent[before:], rig, "ucm3", 9)) == 1


def test_invite_that_was_held_up_between_nodes_does_not_reach_the_next_connection_of_its_phone(
    rig: EngineRig,
) -> None:
    """I3: over that the phone has the call already, or gets it from the node that owns it."""
    register(rig, "ucm1", 7, 1)
    sent = call(rig, "ucm2")
    (hop,) = [s for s in sent if s.node == "ucm2" and s.flow.remote_host == "192.0.2.1"]
    assert len(invites(sent, rig, "ucm1", 7)) == 1
    rig.close("ucm1", flow(rig, "ucm1", 7))
    register(rig, "ucm1", 8, 2)
    late = hop.message.to_bytes().replace(b"branch=", b"branch=z9hG4bKlate", 1)
    between = rig.flow("ucm1", "192.0.2.2:40001", transport="TCP", connection=901)
    answered = rig.feed_bytes("ucm1", late, between)
    assert invites(answered, rig, "ucm1", 8) == []
    assert [s.message.status for s in answered if isinstance(s.message, Response)] == [430]
