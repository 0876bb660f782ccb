"""CallManager's end of the link: one connection, heartbeats, one outcome for each push."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callctl.push.call_manager_link import (
    HELD_MAX,
    CallManagerLink,
    CloseLink,
    LinkAction,
    LinkClosed,
    LinkOctets,
    LinkOpened,
    OpenLink,
    ServiceReached,
    WriteLink,
)
from callctl.push.content import DISPLAY_NAME_MAX, CallContent
from callctl.push.events import Ignored, Outcome, PushOutcome, PushSent, PushWithdrawn
from callctl.push.intent import PushIntent
from callctl.push.kind import PushKind
from callctl.push.link_frame import FRAME_MAX
from callctl.serviceability.condition import ConditionEntered, ConditionLeft
from helpers.push_link import framed, others, written
from helpers.pushes import ANDROID, IPHONE, at, content, intent

F1 = "PushNotificationServiceUnavailable"
F3 = "PushNotificationServiceAccessTokenUnavailable"
WELCOME = '{"type":"welcome","node":"ucm1"}'
PUSH = {
    "type": "push",
    "intent_id": "i1",
    "device_name": "TCTALICE",
    "kind": "incoming",
    "call_uuid": "c1",
    "content": {
        "event": "incoming",
        "call_uuid": "c1",
        "display_name": "Büro Süd",
        "display_number": "+498912345678",
        "hunt_pilot_dn": "555800099",
        "video": True,
        "active_node": {
            "fqdn": "cm2.example.com",
            "ip": "192.0.2.12",
            "port": 5061,
            "transport": "tls",
            "role": "backup",
        },
    },
    "deadline": 13_000_000_000,
}


def ring(number: int = 1, call_uuid: str = "c1") -> PushIntent:
    return intent(intent_id=f"i{number}", call_uuid=call_uuid)


def hear(link: CallManagerLink, *texts: str, ms: int = 0) -> tuple[LinkAction, ...]:
    return link.receive(LinkOctets(framed(*texts)), at(ms))


def started() -> CallManagerLink:
    link = CallManagerLink("ucm1")
    assert link.start(at(0)) == (OpenLink(),)
    return link


def up(ms: int = 0) -> CallManagerLink:
    """A link that has been welcomed."""
    link = started()
    link.receive(LinkOpened(), at(ms))
    hear(link, WELCOME, ms=ms)
    return link


def down() -> CallManagerLink:
    link = started()
    link.receive(LinkClosed("connection refused"), at(0))
    return link


def refused(number: int) -> PushOutcome:
    return PushOutcome(f"i{number}", Outcome.REFUSED, None, "no push service")


def lost(number: int) -> PushOutcome:
    return PushOutcome(f"i{number}", Outcome.FAILED, None, "push service lost")


@pytest.mark.req("CPNS-03", "CPNS-04")
def test_it_says_whose_it_is_and_hands_over_pushes_once_it_is_welcome() -> None:
    link = started()
    assert written(link.receive(LinkOpened(), at(0))) == [{"type": "hello", "node": "ucm1"}]
    assert hear(link, WELCOME) == (ConditionLeft(F1, "ucm1"), ServiceReached(reached=True))
    assert written(link.push(ring(), at(0))) == [{**PUSH, "asked_at": at(0)}]
    assert written(link.withdraw(PushWithdrawn("c1", "TCTALICE"))) == [
        {"type": "withdraw", "call_uuid": "c1", "device_name": "TCTALICE"}
    ]
    assert hear(link, '{"type":"sent","intent_id":"i1"}') == (PushSent("i1"),)
    ended = '{"type":"ended","intent_id":"i1","outcome":"accepted","status":200,"tracking_id":"t1"}'
    assert hear(link, ended) == (PushOutcome("i1", Outcome.ACCEPTED, 200, "", "t1"),)
    assert link.counts() == {"pushes_at_service": 0, "pushes_held": 0}


@pytest.mark.req("CLOUD-06")
def test_refused_target_is_told_with_its_mark_and_a_410() -> None:
    link = up()
    link.push(ring(), at(0))
    ended = (
        '{"type":"ended","intent_id":"i1","outcome":"refused token","status":410,'
        '"reason":"Gone","tracking_id":"t1","target_mark":"0123456789abcdef"}'
    )
    assert hear(link, ended) == (
        PushOutcome("i1", Outcome.REFUSED_TOKEN, 410, "Gone", "t1", "0123456789abcdef"),
    )


def test_pushes_tell_no_key_and_no_device_token() -> None:
    said = repr(written(up().push(ring(), at(0))))
    assert IPHONE.key is not None
    for secret in (IPHONE.voip_token, IPHONE.message_token, IPHONE.key_id, IPHONE.key.hex()):
        assert str(secret) not in said


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("x" * 70_000, "x" * DISPLAY_NAME_MAX),
        ('"' * 70_000, '"' * DISPLAY_NAME_MAX),
        ("Fran\udce7ois", "Fran\ufffdois"),  # octets that were Latin-1 and not UTF-8
        ("\udce7" * 70_000, "\ufffd" * (DISPLAY_NAME_MAX // 3)),
        ("", ""),
        (None, None),
    ],
    ids=["long", "long in JSON", "no UTF-8", "long and no UTF-8", "empty", "none"],
)
def test_no_caller_can_break_the_link_by_its_name(name: str | None, told: str | None) -> None:
    shown = CallContent(PushKind.INCOMING, "c1", name, name, name)
    (action,) = up().push(replace(ring(), content=shown), at(0))
    assert isinstance(action, WriteLink)
    assert len(action.octets) < FRAME_MAX
    (frame,) = written([action])
    assert frame["content"]["display_name"] == told


@pytest.mark.req("CPNS-03", "CPNS-13")
def test_without_a_service_its_alarm_is_raised_and_pushes_are_refused_at_once() -> None:
    link = started()
    assert link.receive(LinkClosed("connection refused"), at(0)) == (ServiceReached(reached=False),)
    alarm = ConditionEntered(F1, "ucm1", detail="connection refused")
    assert link.push(ring(1), at(1)) == (alarm, refused(1))
    assert link.push(ring(2), at(2)) == (refused(2),)


@pytest.mark.req("CPNS-11", "CPNS-13", "ALARM-10")
def test_service_that_restarts_and_is_wanted_by_nobody_meanwhile_is_no_alarm() -> None:
    link = up()
    assert link.receive(LinkClosed("closed by the service"), at(0)) == (
        ServiceReached(reached=False),
    )
    for ms in range(200, 2_000, 200):
        link.advance(at(ms))
        assert link.receive(LinkClosed("connection refused"), at(ms)) == ()
    link.advance(at(2_000))
    assert link.receive(LinkClosed("connection refused"), at(2_000)) == (
        ConditionEntered(F1, "ucm1", detail="connection refused"),
    )


@pytest.mark.req("ALARM-10")
def test_it_is_tried_again_every_200_ms_and_the_alarm_said_again_only_for_another_reason() -> None:
    link = down()
    for ms in range(200, 2_000, 200):
        assert link.next_deadline() == at(ms)
        assert link.advance(at(ms - 1)) == ()
        assert link.advance(at(ms)) == (OpenLink(),)
        assert link.next_deadline() is None
        assert link.receive(LinkClosed("connection refused"), at(ms)) == ()
    link.advance(at(2_000))
    assert link.receive(LinkClosed("no answer to connect"), at(4_000)) == (
        ConditionEntered(F1, "ucm1", detail="no answer to connect"),
    )


@pytest.mark.req("CPNS-13")
def test_alarm_is_left_once_the_service_is_back_and_not_before_its_welcome() -> None:
    link = down()
    link.advance(at(200))
    assert others(link.receive(LinkOpened(), at(201))) == []
    assert link.push(ring(1), at(202))[-1:] == (refused(1),)
    assert hear(link, WELCOME, ms=203) == (
        ConditionLeft(F1, "ucm1"),
        ServiceReached(reached=True),
    )
    assert written(link.push(ring(2), at(204)))[0]["intent_id"] == "i2"


def test_pushes_of_a_node_that_just_started_wait_for_the_first_try_in_order() -> None:
    link = started()
    assert link.push(ring(1), at(0)) == ()
    link.receive(LinkOpened(), at(1))
    assert link.push(ring(2), at(1)) == ()
    assert link.counts() == {"pushes_at_service": 0, "pushes_held": 2}
    handed = hear(link, WELCOME, ms=2)
    assert [frame["intent_id"] for frame in written(handed)] == ["i1", "i2"]
    assert others(handed) == [ConditionLeft(F1, "ucm1"), ServiceReached(reached=True)]
    assert link.counts() == {"pushes_at_service": 2, "pushes_held": 0}


def test_first_try_that_fails_refuses_what_waited_for_it() -> None:
    link = started()
    link.push(ring(1), at(0))
    link.push(ring(2), at(0))
    closed = link.receive(LinkClosed("connection refused"), at(1))
    assert [it for it in closed if isinstance(it, PushOutcome)] == [refused(1), refused(2)]
    assert link.counts() == {"pushes_at_service": 0, "pushes_held": 0}


def test_call_that_is_over_before_the_first_connection_takes_its_pushes_with_it() -> None:
    link = started()
    link.push(ring(1, "c1"), at(0))
    link.push(ring(2, "c2"), at(0))
    link.push(intent(PushKind.MISSED, intent_id="i3"), at(0))
    link.push(intent(binding=ANDROID, intent_id="i4"), at(0))
    withdrawn = link.withdraw(PushWithdrawn("c1", "TCTALICE"))
    assert withdrawn == (
        PushOutcome("i1", Outcome.WITHDRAWN, None, "call is over"),
        PushOutcome("i3", Outcome.WITHDRAWN, None, "call is over"),
    )
    link.receive(LinkOpened(), at(1))
    handed = written(hear(link, WELCOME, ms=2))
    assert [frame["intent_id"] for frame in handed] == ["i2", "i4"]


def test_no_more_than_so_many_wait() -> None:
    link = started()
    for number in range(HELD_MAX):
        assert link.push(ring(number), at(0)) == ()
    assert link.push(ring(HELD_MAX), at(0)) == (refused(HELD_MAX),)


@pytest.mark.req("CPNS-13")
def test_service_that_takes_the_connection_and_never_welcomes_is_none() -> None:
    link = started()
    link.receive(LinkOpened(), at(0))
    link.push(ring(), at(1))
    hear(link, '{"type":"heartbeatAck","number":1}', ms=4_000)
    assert link.next_deadline() == at(5_000)
    assert link.advance(at(5_000)) == (
        CloseLink(),
        ConditionEntered(F1, "ucm1", detail="no welcome"),
        ServiceReached(reached=False),
        refused(1),
    )


@pytest.mark.req("CPNS-13")
def test_two_heartbeats_without_an_answer_end_the_link_15_s_after_it_was_last_heard() -> None:
    """OP-34."""
    link = up()
    link.push(ring(), at(0))
    assert written(link.advance(at(5_000))) == [{"type": "heartbeat", "number": 1}]
    assert written(link.advance(at(10_000))) == [{"type": "heartbeat", "number": 2}]
    assert link.advance(at(14_999)) == ()
    assert link.advance(at(15_000)) == (
        CloseLink(),
        ConditionEntered(F1, "ucm1", detail="no heartbeat"),
        ServiceReached(reached=False),
        lost(1),
    )
    assert link.advance(at(15_200)) == (OpenLink(),)


def test_link_that_answers_heartbeats_stays_for_a_day() -> None:
    link = up()
    for number in range(1, 24 * 720 + 1):
        ms = number * 5_000
        assert written(link.advance(at(ms))) == [{"type": "heartbeat", "number": number}]
        assert hear(link, f'{{"type":"heartbeatAck","number":{number}}}', ms=ms + 1) == ()


@pytest.mark.parametrize("says", ['{"type":"heartbeatAck","number":1}', WELCOME])
def test_whatever_the_service_says_shows_that_it_is_there(says: str) -> None:
    link = up()
    link.advance(at(5_000))
    link.advance(at(10_000))
    hear(link, says, ms=14_999)
    assert written(link.advance(at(15_000))) == [{"type": "heartbeat", "number": 3}]


@pytest.mark.req("CPNS-13")
def test_link_that_breaks_ends_each_push_that_is_open_exactly_once() -> None:
    link = up()
    for number in (1, 2, 3):
        link.push(ring(number), at(0))
    ended = '{"type":"ended","intent_id":"i2","outcome":"accepted","status":200}'
    hear(link, ended, ms=1)
    assert link.receive(LinkClosed("closed by the service"), at(2)) == (
        ConditionEntered(F1, "ucm1", detail="closed by the service"),
        ServiceReached(reached=False),
        lost(1),
        lost(3),
    )
    link.advance(at(202))
    link.receive(LinkOpened(), at(203))
    late = '{"type":"ended","intent_id":"i1","outcome":"accepted","status":200}'
    assert hear(link, WELCOME, late, ended, ms=204)[2:] == (
        Ignored("stray push outcome", "i1"),
        Ignored("stray push outcome", "i2"),
    )
    assert link.counts() == {"pushes_at_service": 0, "pushes_held": 0}


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ('{"type":"refused","reason":"this is the push service of ucm2 (CPNS-03)"}', "refused: "),
        ("[]", "a frame that is none"),
        ('{"type":"welcome","node":"ucm2"}', "welcome of another node"),
    ],
)
@pytest.mark.req("CPNS-03")
def test_service_that_is_not_ours_is_left(says: str, why: str) -> None:
    link = started()
    link.receive(LinkOpened(), at(0))
    close, entered, *_ = hear(link, says)
    assert close == CloseLink()
    assert isinstance(entered, ConditionEntered)
    assert entered.detail.startswith(why)
    assert link.push(ring(), at(1)) == (refused(1),)


def test_outcomes_before_a_frame_that_is_none_are_taken() -> None:
    link = up()
    link.push(ring(1), at(0))
    link.push(ring(2), at(0))
    ended = '{"type":"ended","intent_id":"i1","outcome":"accepted","status":200}'
    first, close, *rest = hear(link, ended, "[]", ended.replace("i1", "i2"))
    assert (first, close) == (PushOutcome("i1", Outcome.ACCEPTED, 200), CloseLink())
    assert rest[-1] == lost(2)


@pytest.mark.parametrize(
    "says",
    [
        '{"type":"hello","node":"ucm1"}',
        '{"type":"heartbeat","number":1}',
        '{"type":"sent","intent_id":"nobody"}',
        WELCOME,
    ],
)
def test_what_makes_no_sense_is_told_and_changes_nothing(says: str) -> None:
    link = up()
    (ignored,) = hear(link, says)
    assert isinstance(ignored, Ignored)
    assert link.counts() == {"pushes_at_service": 0, "pushes_held": 0}


def test_octets_of_a_connection_that_was_ended_welcome_nobody() -> None:
    link = down()
    assert hear(link, WELCOME) == (Ignored("octets of a link that was ended", ""),)
    assert link.push(ring(), at(1))[-1:] == (refused(1),)


def test_service_without_an_access_token_is_an_alarm_until_it_has_one() -> None:
    link = up()
    lacks = '{"type":"tokenState","available":false,"reason":"invalid_grant"}'
    assert hear(link, lacks) == (ConditionEntered(F3, "ucm1", detail="invalid_grant"),)
    assert hear(link, '{"type":"tokenState","available":true,"reason":""}') == (
        ConditionLeft(F3, "ucm1"),
    )


def test_what_a_service_lacked_is_not_said_of_the_next() -> None:
    link = up()
    hear(link, '{"type":"tokenState","available":false,"reason":"invalid_grant"}')
    closed = link.receive(LinkClosed("closed by the service"), at(1))
    assert ConditionLeft(F3, "ucm1") in closed
    link.advance(at(201))
    assert ConditionLeft(F3, "ucm1") not in link.receive(LinkClosed("connection refused"), at(202))


def test_after_its_end_nothing_happens_any_more() -> None:
    link = up()
    link.push(ring(), at(0))
    assert link.stop() == (CloseLink(),)
    assert link.next_deadline() is None
    assert link.counts() == {"pushes_at_service": 0, "pushes_held": 0}
    for event in (LinkOpened(), LinkClosed("x"), LinkOctets(framed(WELCOME))):
        (ignored,) = link.receive(event, at(1))
        assert isinstance(ignored, Ignored)
    assert link.push(ring(2), at(2)) == (refused(2),)


def test_events_and_actions_show_no_name_and_no_number() -> None:
    link = up()
    (action,) = link.push(ring(), at(0))
    assert content().display_number is not None
    assert "498912345678" not in repr(action)
    assert "Büro" not in repr(LinkOctets("Büro Süd".encode()))
