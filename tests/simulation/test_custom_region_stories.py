"""Mainland China: a call is a message, the tap fetches it, 13 s are all there is (CHN)."""

from __future__ import annotations

import pytest

from callctl.model.build import desk_phone
from callctl.phone.settings import AnswerPlan
from callctl.sim.scenario import AgentPlan
from simulation.platforms import (
    CALL,
    CHINA,
    IPHONE,
    TOAST,
    plan_of,
    posted,
    screen,
    story_of,
)
from simulation.story import PHONE_DN, at
from sipstack.timing import SECOND


@pytest.mark.req("CHN-01", "CHN-02", "CHN-04", "CHN-05", "CHN-09", "CID-08")
@pytest.mark.parametrize("tap_s", [0.5, 12.5])
def test_in_china_a_call_is_a_message_and_the_tap_fetches_it(tap_s: float) -> None:
    plan = plan_of(CHINA, tap_ns=round(tap_s * SECOND))
    story = story_of(plan, locked=True)
    story.call(hang_up_s=4)
    story.run_to(60)
    (push,) = posted(story)
    assert (push.channel, push.priority, push.ttl, push.sealed) == ("message", "high", 13, True)
    assert push.collapse_id is not None
    assert [when for when, _ in story.heard(story.phone.name, "INVITE")] == [at(tap_s)]
    assert screen(story) == [
        TOAST,
        "the app is open",
        f"in the app: {CALL}",
        "in conversation",
        "call gone: remoteEnded",
    ]
    assert story.answered() == [at(tap_s + 2)]
    assert story.phone.phone.callkit.calls == ()
    story.rests()


@pytest.mark.req("CHN-06", "CHN-09", "SHL-06")
@pytest.mark.parametrize("tap_s", [None, 13.1])
def test_in_china_nobody_taps_in_13_s_so_the_missed_call_replaces_the_message(
    tap_s: float | None,
) -> None:
    tap_ns = None if tap_s is None else round(tap_s * SECOND)
    story = story_of(plan_of(CHINA, tap_ns=tap_ns), locked=True)
    story.call()
    story.run_to(60)
    assert story.ended() == [(at(13), 480)]
    assert list(story.phone.phone.screen.seen) == [
        (at(0), TOAST),
        (at(13), "notification in place of another: Loading Dock: Missed call"),
    ]
    first, second = posted(story)
    assert first.channel == second.channel == "message"
    assert first.collapse_id == second.collapse_id is not None
    assert story.heard(story.phone.name, "INVITE") == []
    story.rests()


@pytest.mark.req("CHN-09", "SHL-06")
def test_in_china_the_desk_phone_answers_so_the_message_says_so() -> None:
    desk = AgentPlan(
        desk_phone("owner", PHONE_DN, name="SEPDESK", device_pool="desks"),
        "203.0.113.2",
        "TCP",
        AnswerPlan(after_ns=2 * SECOND),
    )
    story = story_of(plan_of(CHINA), locked=True, desks=(desk,))
    story.call(hang_up_s=3)
    story.run_to(60)
    assert screen(story) == [
        TOAST,
        "notification in place of another: Loading Dock: Answered on another device",
    ]
    assert [it.channel for it in posted(story)] == ["message", "message"]
    story.rests()


@pytest.mark.req("MODE-17")
def test_without_notifications_a_call_in_china_is_never_seen_and_callkit_rings_elsewhere() -> None:
    story = story_of(plan_of(CHINA, wake_s=None), locked=True)
    story.phone.allow_notifications(False)
    story.call()
    story.run_to(40)
    assert screen(story) == []
    story.rests()
    elsewhere = story_of(plan_of(IPHONE), locked=True)
    elsewhere.phone.allow_notifications(False)
    elsewhere.call(hang_up_s=1)
    elsewhere.run_to(40)
    assert elsewhere.answered() == [at(3)]
    elsewhere.rests()
