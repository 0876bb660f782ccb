"""Mainland China: a call is a message, a tap fetches it, and CallKit is never seen (CHN)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callctl.phone.event import Registered
from callctl.phone.operating_system import AppState
from callctl.phone.phone_event import (
    AppForegrounded,
    AppLaunched,
    AppTerminated,
    CallHidden,
    NotificationShown,
    PhoneAnswered,
    PhoneRang,
    PushRejected,
)
from callctl.phone.settings import AnswerPlan
from callctl.push.kind import PushKind
from helpers.phone_rig import IPHONE, NODES, Rig, s

CHINA = replace(IPHONE, custom_region=True)
TALKS = AnswerPlan(after_ns=s(1), hang_up_after_ns=s(1))
TOAST = "notification: Carol: Incoming call: tap now to answer"


def asleep(*, tap_after_s: float | None = None, plan: AnswerPlan = TALKS) -> Rig:
    rig = Rig(replace(CHINA, tap_after_ns=None if tap_after_s is None else s(tap_after_s)), plan)
    rig.sleep()
    rig.phone.screen.seen.clear()
    return rig


@pytest.mark.req("CHN-04", "CHN-05", "MODE-14")
def test_a_call_is_a_message_with_its_caller_and_a_tap_fetches_it() -> None:
    rig = asleep(tap_after_s=4)
    rig.push(20_000, node=2, push_type="alert")
    rig.invite(24_200, node=2)
    rig.wire.run(24_000 - 1)
    assert rig.phone.screen.texts == [TOAST]
    assert rig.phone.system.state is AppState.SUSPENDED
    assert rig.registers() == [1, 0, 0]  # the message alone does nothing
    rig.wire.run(60_000)
    assert rig.wire.timed("phone", Registered)[-1][1].registrar == NODES[1]
    assert len(rig.wire.events("phone", PhoneAnswered)) == 1
    assert rig.phone.screen.texts[1:] == [
        "the app is open",
        "in the app: call from Carol 1001",
        "in conversation",
        "call gone: owner",
    ]
    assert rig.phone.callkit.calls == ()
    rig.assert_at_rest()


@pytest.mark.req("CHN-05")
def test_the_tap_starts_an_app_that_is_not_running() -> None:
    rig = asleep(tap_after_s=2)
    rig.wire.at(15_000, "phone", rig.phone.close_app)
    rig.push(20_000, node=1, push_type="alert")
    rig.invite(22_200)
    rig.wire.run(60_000)
    assert rig.wire.timed("phone", AppLaunched)[-1] == (22_000, AppLaunched(by_push=False))
    assert len(rig.wire.events("phone", PhoneRang)) == 1


@pytest.mark.req("CHN-11")
def test_the_message_asks_its_reader_to_be_quick() -> None:
    rig = asleep()
    rig.push(20_000, push_type="alert")
    rig.wire.run(21_000)
    assert "tap now" in rig.wire.events("phone", NotificationShown)[0].text


@pytest.mark.req("CHN-06")
def test_the_missed_call_takes_the_place_of_the_message_and_nothing_alerted_the_owner() -> None:
    rig = asleep()
    rig.push(20_000, push_type="alert")
    rig.push(33_000, PushKind.MISSED, push_type="alert")
    rig.wire.run(60_000)
    assert rig.phone.screen.texts == [
        TOAST,
        "notification in place of another: Carol: Missed call",
    ]
    assert [note.text for note in rig.phone.lock_screen.notifications] == ["Missed call"]
    rig.wire.at(70_000, "phone", rig.phone.tap)
    rig.wire.run(80_000)
    assert rig.phone.calls == ()  # a tap only opens the app
    assert rig.wire.events("phone", AppForegrounded)[1:] == [AppForegrounded()]


@pytest.mark.req("SHL-06")
@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (PushKind.MISSED, "Missed call"),
        (PushKind.ANSWERED_ELSEWHERE, "Answered on another device"),
        (PushKind.CANCELLED, "Call ended"),
    ],
    ids=["missed", "elsewhere", "cancelled"],
)
def test_each_second_push_replaces_the_message_and_stops_the_tap_that_was_to_come(
    kind: PushKind, text: str
) -> None:
    rig = asleep(tap_after_s=6)
    rig.push(20_000, push_type="alert")
    rig.push(23_000, kind, push_type="alert")
    rig.wire.run(60_000)
    assert [note.text for note in rig.phone.lock_screen.notifications] == [text]
    assert rig.registers() == [1, 0, 0]


def test_a_tap_that_comes_too_late_rings_nowhere_and_shows_no_call() -> None:
    """The missed-call push is late here; OP-06 ends the wait for the INVITE."""
    rig = asleep(tap_after_s=14)
    rig.push(20_000, node=1, push_type="alert")
    rig.wire.run(60_000)
    assert rig.phone.screen.texts == [TOAST, "the app is open"]
    assert rig.wire.events("phone", CallHidden) == []
    assert rig.phone.calls == ()
    rig.push(61_000, PushKind.MISSED, push_type="alert")
    rig.wire.run(62_000)
    assert rig.phone.screen.texts[-1] == "notification: Carol: Missed call"


def test_two_ring_messages_of_one_call_are_one_and_the_tap_goes_to_the_newer_node() -> None:
    """OP-07; one more ring push names the next node (CALL-16)."""
    rig = asleep(tap_after_s=5)
    rig.push(20_000, node=1, push_type="alert")
    rig.push(22_000, node=3, push_type="alert")
    rig.invite(25_200, node=3)
    rig.wire.run(60_000)
    assert rig.phone.screen.texts[:3] == [
        TOAST,
        TOAST.replace("notification", "notification in place of another"),
        "the app is open",
    ]
    assert rig.wire.timed("phone", AppForegrounded)[-1][0] == 25_000  # counted from the first
    assert rig.wire.timed("phone", Registered)[-1][1].registrar == NODES[2]
    assert len(rig.wire.events("phone", PhoneAnswered)) == 1


def test_a_ring_message_that_comes_twice_is_dropped_after_the_call_is_over() -> None:
    rig = asleep(tap_after_s=2)
    rig.push(20_000, push_type="alert")
    rig.push(21_000, PushKind.MISSED, push_type="alert")
    rig.push(30_000, push_type="alert", tracking_id="CPNS_1")
    rig.wire.run(60_000)
    assert [event.reason for event in rig.wire.events("phone", PushRejected)] == ["duplicate"]
    assert [note.text for note in rig.phone.lock_screen.notifications] == ["Missed call"]
    assert rig.registers() == [1, 0, 0]


@pytest.mark.req("MODE-05", "CHN-04")
def test_in_the_foreground_the_call_rings_in_the_app_and_there_is_no_message() -> None:
    rig = Rig(CHINA, TALKS)
    rig.start()
    rig.phone.screen.seen.clear()
    rig.push(1_000, node=1, push_type="alert")
    rig.invite(1_050)
    rig.push(1_100, node=1, push_type="alert")
    rig.wire.run(60_000)
    assert rig.phone.screen.texts == [
        "in the app: call from Carol 1001",
        "in conversation",
        "call gone: owner",
    ]
    assert rig.registers() == [1, 0, 0]
    rig.assert_at_rest()


@pytest.mark.parametrize("push_at", [22_500, 24_000], ids=["before the CANCEL", "after it"])
def test_a_call_that_is_missed_while_it_rings_in_the_app_is_noted_once(push_at: int) -> None:
    rig = asleep(tap_after_s=1, plan=AnswerPlan())
    rig.push(20_000, node=1, push_type="alert")
    rig.invite(21_200)
    away = {"off_screen": True, "locked": True}
    rig.wire.at(22_000, "phone", lambda now: rig.phone.set_screen(now, **away))
    caller = rig.nodes[0].caller
    rig.wire.at(23_000, "node1", lambda now: caller.cancel(1, now))
    rig.push(push_at, PushKind.MISSED, push_type="alert")
    rig.wire.run(60_000)
    assert [note.text for note in rig.phone.lock_screen.notifications] == ["Missed call"]
    assert rig.phone.screen.texts.count("call gone: unanswered") == 1
    rig.assert_at_rest()


@pytest.mark.req("CHN-09")
def test_a_voip_push_costs_such_an_app_its_life_so_it_must_never_get_one() -> None:
    rig = asleep()
    rig.push(20_000, node=1, push_type="voip")
    rig.wire.run(60_000)
    assert rig.phone.callkit.calls == ()
    assert rig.wire.timed("phone", AppTerminated) == [
        (25_400, AppTerminated("VoIP push without a call", by_system=True))
    ]


@pytest.mark.req("CHN-07")
def test_an_instant_message_looks_as_anywhere() -> None:
    rig = asleep()
    rig.push(20_000, PushKind.INSTANT_MESSAGE, push_type="alert")
    rig.wire.run(60_000)
    assert rig.phone.screen.texts == ["notification: Carol: New message"]


@pytest.mark.req("MODE-17")
def test_where_notifications_are_not_allowed_the_owner_learns_of_no_call() -> None:
    rig = asleep()
    rig.wire.at(15_000, "phone", lambda now: rig.phone.allow_notifications(now, False))
    rig.push(20_000, push_type="alert")
    rig.push(33_000, PushKind.MISSED, push_type="alert")
    rig.wire.run(60_000)
    assert rig.phone.screen.texts == []
    rig.wire.at(61_000, "phone", rig.phone.tap)  # on nothing
    rig.wire.run(62_000)
    assert rig.phone.calls == ()
