"""The push service's end of the link: it serves the CallManager of its own node, one at a time."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from callctl.push.channel import Channels
from callctl.push.cpns import Cpns, CpnsSettings
from callctl.push.events import (
    AbandonPush,
    Ignored,
    PostPush,
    PushAnswered,
    PushWritten,
    TokenChanged,
)
from callctl.push.rest import PushRestChannel
from callctl.push.service import (
    ClosePeer,
    CpnsService,
    PeerGone,
    PeerOctets,
    ServiceAction,
    WritePeer,
)
from callctl.registration.push_binding import PushBinding, mark_of
from helpers.machine import granted_answer, machine_token, refused_answer
from helpers.push_link import framed, others, written
from helpers.pushes import (
    IPHONE,
    URL,
    VOIP_TOKEN,
    CountedEntropy,
    Service,
    at,
    features_in,
)

HELLO = '{"type":"hello","node":"ucm1"}'
WELCOME = {"type": "welcome", "node": "ucm1"}
WITHDRAW = '{"type":"withdraw","call_uuid":"c1","device_name":"TCTALICE"}'


def push(
    intent_id: str = "i1",
    *,
    call_uuid: str = "c1",
    device: str = "TCTALICE",
    kind: str = "incoming",
    asked_ms: int | None = None,
) -> str:
    content = {"event": kind, "call_uuid": call_uuid, "display_name": "Büro Süd"}
    return json.dumps(
        {
            "type": "push",
            "intent_id": intent_id,
            "device_name": device,
            "kind": kind,
            "call_uuid": call_uuid,
            "content": content,
            "deadline": at(13_000),
            "asked_at": None if asked_ms is None else at(asked_ms),
        }
    )


class Rig:
    """A service of ucm1, the database of its node, and peers by number."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401
        self.bindings: dict[str, PushBinding] = {"TCTALICE": IPHONE}
        maker = Service(**settings)
        maker.bindings = self.bindings
        self.cpns = maker.cpns
        self.service = CpnsService("ucm1", self.cpns, self.bindings.get)
        self.service.start(at(0))

    def hear(self, peer: int, *texts: str, ms: int = 0) -> tuple[ServiceAction, ...]:
        return self.service.receive(PeerOctets(peer, framed(*texts)), at(ms))

    def posts(self, actions: tuple[ServiceAction, ...]) -> list[PostPush]:
        return [it for it in actions if isinstance(it, PostPush)]


def no_binding(device_name: str) -> PushBinding | None:
    return None


def refused(actions: tuple[ServiceAction, ...], peer: int) -> str:
    """Why a peer was refused; nothing else happened."""
    said, close, ignored = actions
    assert isinstance(said, WritePeer)
    assert said.peer == peer
    (frame,) = written([said])
    assert frame["type"] == "refused"
    assert close == ClosePeer(peer)
    assert ignored == Ignored("push service link refused", frame["reason"])
    reason: str = frame["reason"]
    return reason


@pytest.mark.req("CPNS-02", "CPNS-03", "CPNS-04")
def test_callmanager_of_the_node_is_welcome_and_its_push_leaves() -> None:
    rig = Rig()
    assert written(rig.hear(1, HELLO)) == [WELCOME]
    (post,) = others(rig.hear(1, push()))
    assert isinstance(post, PostPush)
    sent = rig.service.receive(PushWritten(post.tracking_id), at(40))
    assert sent == (WritePeer(1, framed('{"type":"sent","intent_id":"i1"}')),)
    ended = rig.service.receive(PushAnswered(post.tracking_id, 200), at(80))
    assert written(ended) == [
        {
            "type": "ended",
            "intent_id": "i1",
            "outcome": "accepted",
            "status": 200,
            "tracking_id": post.tracking_id,
        }
    ]


@pytest.mark.req("CLOUD-06")
def test_410_is_told_with_the_mark_of_the_target_it_was_for_and_not_the_target() -> None:
    rig = Rig()
    rig.hear(1, HELLO)
    (post,) = rig.posts(rig.hear(1, push()))
    rig.bindings["TCTALICE"] = replace(IPHONE, voip_token="cc" * 32)  # meanwhile
    (action,) = rig.service.receive(PushAnswered(post.tracking_id, 410, b"Gone"), at(80))
    (ended,) = written([action])
    assert (ended["outcome"], ended["status"]) == ("refused token", 410)
    assert ended["target_mark"] == mark_of(VOIP_TOKEN)
    assert isinstance(action, WritePeer)
    assert VOIP_TOKEN.encode() not in action.octets


@pytest.mark.req("CPNS-03")
def test_callmanager_of_another_node_is_refused() -> None:
    rig = Rig()
    why = refused(rig.hear(1, '{"type":"hello","node":"ucm2"}'), 1)
    assert why == "this is the push service of ucm1 (CPNS-03)"


@pytest.mark.parametrize("said", [push(), WITHDRAW])
def test_nobody_is_served_before_it_has_said_who_it_is(said: str) -> None:
    rig = Rig()
    assert refused(rig.hear(1, said), 1).endswith(" before hello")
    assert rig.cpns.counts()["posted_pushes"] == 0


@pytest.mark.parametrize(
    "said", ["[]", '{"type":"welcome","node":"+498912345678"}', '{"type":"+498912345678"}']
)
def test_refusal_repeats_nothing_of_what_was_said(said: str) -> None:
    rig = Rig()
    rig.hear(1, HELLO)
    assert "498912345678" not in refused(rig.hear(1, said), 1)


@pytest.mark.req("NET-06")
def test_whoever_asks_hears_that_the_service_is_there() -> None:
    rig = Rig()
    ask = '{"type":"heartbeat","number":7}'
    assert rig.hear(9, ask) == (WritePeer(9, framed('{"type":"heartbeatAck","number":7}')),)
    rig.hear(1, HELLO)
    assert rig.hear(9, ask) == (WritePeer(9, framed('{"type":"heartbeatAck","number":7}')),)
    assert rig.service.receive(PeerGone(9), at(1)) == ()
    assert len(rig.posts(rig.hear(1, push()))) == 1


@pytest.mark.req("CPNS-03")
def test_of_two_callmanagers_the_newest_is_served_and_the_other_s_pushes_are_forgotten() -> None:
    rig = Rig(in_flight_max=1)
    rig.hear(1, HELLO)
    rig.hear(1, push("i1"), push("i2", call_uuid="c2"))
    assert rig.cpns.counts()["queued_calls"] == 1
    taken = rig.hear(2, HELLO, ms=1)
    assert taken == (ClosePeer(1), WritePeer(2, framed('{"type":"welcome","node":"ucm1"}')))
    assert rig.cpns.counts()["queued_calls"] == 0
    assert rig.service.receive(PeerGone(1), at(2)) == ()
    assert rig.service.receive(PeerGone(2), at(3)) == ()


def test_hello_that_is_said_twice_changes_nothing() -> None:
    rig = Rig(in_flight_max=1)
    rig.hear(1, HELLO, push("i1"), push("i2", call_uuid="c2"))
    assert written(rig.hear(1, HELLO)) == [WELCOME]
    assert rig.cpns.counts()["queued_calls"] == 1


@pytest.mark.req("CPNS-03")
def test_pushes_of_a_callmanager_that_is_gone_do_not_leave() -> None:
    """I5: nobody can say any more that the call is over."""
    rig = Rig(in_flight_max=1, next_address=True)
    rig.hear(1, HELLO, push("i1"), push("i2", call_uuid="c2"))
    rig.hear(1, push("i3", kind="missed"))
    assert rig.cpns.counts()["held_second_pushes"] == 1
    assert rig.service.receive(PeerGone(1), at(1)) == ()  # and nobody to tell it to
    counts = rig.cpns.counts()
    assert (counts["queued_calls"], counts["held_second_pushes"], counts["posted_pushes"]) == (
        0,
        0,
        1,
    )
    (abandoned,) = rig.service.advance(at(5_000))  # and what has left does not leave again
    assert isinstance(abandoned, AbandonPush)
    assert rig.cpns.counts()["posted_pushes"] == 0


WITHDRAWN = '{"type":"withdraw","call_uuid":"c1","device_name":"TCTALICE"}'


def test_service_that_hung_reads_on_before_it_posts_and_finds_that_the_call_is_over() -> None:
    """I5: for 100 ms from the first push that was on the wire too long."""
    rig = Rig()
    rig.hear(1, HELLO)
    assert rig.posts(rig.hear(1, push(asked_ms=0), ms=3_000)) == []
    assert rig.service.next_deadline() == at(3_100)
    assert rig.posts(rig.hear(1, push("i2", call_uuid="c2", asked_ms=2_900), ms=3_010)) == []
    assert rig.posts(rig.hear(1, WITHDRAWN, ms=3_020)) == []
    assert rig.posts(rig.service.advance(at(3_099))) == []
    (post,) = rig.posts(rig.service.advance(at(3_100)))
    assert post.deadline == at(13_000)
    assert rig.cpns.counts()["queued_calls"] == 0
    assert len(rig.posts(rig.hear(1, push("i3", call_uuid="c3", asked_ms=3_200), ms=3_201))) == 1


def test_service_that_hung_posts_nothing_for_a_callmanager_that_has_left_meanwhile() -> None:
    rig = Rig()
    rig.hear(1, HELLO)
    rig.hear(1, push(asked_ms=0), ms=3_000)
    assert rig.posts(rig.service.receive(PeerGone(1), at(3_001))) == []
    assert rig.posts(rig.service.advance(at(3_100))) == []
    assert rig.cpns.counts()["queued_calls"] == 0


@pytest.mark.req("CPNS-03")
def test_caller_that_breaks_the_protocol_is_gone_too() -> None:
    rig = Rig(in_flight_max=1)
    rig.hear(1, HELLO, push("i1"), push("i2", call_uuid="c2"))
    refused(rig.hear(1, "[]"), 1)
    assert rig.cpns.counts()["queued_calls"] == 0
    assert rig.service.receive(PeerGone(1), at(2)) == ()
    assert written(rig.hear(2, HELLO)) == [WELCOME]


@pytest.mark.req("REG-08")
def test_binding_is_the_one_of_the_node_when_the_push_comes() -> None:
    rig = Rig()
    rig.hear(1, HELLO)
    rig.bindings["TCTALICE"] = replace(IPHONE, voip_token="cc" * 32)
    (post,) = rig.posts(rig.hear(1, push("i1")))
    assert "cc" * 32 in post.body.decode()
    del rig.bindings["TCTALICE"]
    assert written(rig.hear(1, push("i2"))) == [
        {
            "type": "ended",
            "intent_id": "i2",
            "outcome": "withdrawn",
            "reason": "no push binding",
        }
    ]


def test_withdrawn_push_that_waits_does_not_leave_and_is_told() -> None:
    rig = Rig(in_flight_max=1)
    rig.hear(1, HELLO, push("i0", call_uuid="c0"), push("i1"))
    assert written(rig.hear(1, WITHDRAW)) == [
        {
            "type": "ended",
            "intent_id": "i1",
            "outcome": "withdrawn",
            "reason": "call is over",
        }
    ]


def test_service_that_stops_tells_what_becomes_of_each_push_and_ends_every_connection() -> None:
    rig = Rig(in_flight_max=1)
    rig.hear(9, '{"type":"heartbeat","number":1}')
    rig.hear(1, HELLO, push("i1"), push("i2", call_uuid="c2"))
    actions = rig.service.stop(at(1))
    assert [(it["intent_id"], it["outcome"]) for it in written(actions)] == [
        ("i2", "refused"),
        ("i1", "failed"),
    ]
    assert actions[-2:] == (ClosePeer(9), ClosePeer(1))
    assert rig.service.receive(PeerGone(1), at(2)) == ()


@pytest.mark.req("CPNS-13")
def test_callmanager_hears_whether_there_is_an_access_token_as_it_comes_and_goes() -> None:
    channels = Channels(PushRestChannel(URL, machine_token()))
    cpns = Cpns(CpnsSettings(URL), CountedEntropy(), no_binding, features_in(), channels)
    service = CpnsService("ucm1", cpns, no_binding)
    service.start(at(0))
    service.advance(at(0))
    service.receive(refused_answer("invalid_grant"), at(0))
    service.advance(at(0))
    lacks, token_state = written(service.receive(PeerOctets(1, framed(HELLO)), at(1)))
    assert lacks == WELCOME
    assert (token_state["type"], token_state["available"]) == ("tokenState", False)
    assert token_state["reason"] == "400 of CI: invalid refresh token"
    due = service.next_deadline()
    assert due is not None
    service.advance(due)
    told = [*service.receive(granted_answer("token-1"), due), *service.advance(due)]
    assert written(told) == [{"type": "tokenState", "available": True, "reason": ""}]
    (welcome, again) = written(service.receive(PeerOctets(2, framed(HELLO)), due))
    assert (welcome, again["available"]) == (WELCOME, True)


def test_no_frame_to_callmanager_shows_a_key_a_token_or_a_name() -> None:
    rig = Rig()
    actions = [*rig.hear(1, HELLO), *rig.hear(1, push("i1"), push("i2", call_uuid="c2"))]
    for post in rig.posts(tuple(actions)):
        actions += rig.service.receive(PushWritten(post.tracking_id), at(1))
        answer = PushAnswered(post.tracking_id, 410 if "i2" in repr(post) else 200, b"Gone")
        actions += rig.service.receive(answer, at(2))
    actions += rig.service.receive(TokenChanged(None), at(3))
    actions += rig.hear(1, push("i3"), ms=3)
    actions += rig.service.stop(at(4))
    said = b"".join(it.octets for it in actions if isinstance(it, WritePeer))
    assert said.count(b'"ended"') == 3
    assert IPHONE.key is not None
    assert IPHONE.voip_token is not None
    assert IPHONE.message_token is not None
    for secret in (
        IPHONE.key,
        IPHONE.key.hex().encode(),
        IPHONE.voip_token.encode(),
        IPHONE.message_token.encode(),
        b"secret-token",
        "Büro".encode(),
    ):
        assert secret not in said
