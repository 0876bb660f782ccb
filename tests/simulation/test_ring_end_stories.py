"""How a ring ends on the screen of a phone: declined, given up, answered elsewhere, too late."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callctl.cloud.faults import Fault
from callctl.phone.event import Registered
from callctl.phone.phone_event import AppTerminated, CallShown, PushRejected
from callctl.phone.settings import AnswerPlan
from simulation.platforms import (
    ANDROID,
    CALL,
    IPHONE,
    RINGS_ON,
    VIDEO,
    events,
    plan_of,
    posted,
    screen,
    story_of,
)
from simulation.story import at, awake
from sipstack.timing import SECOND


@pytest.mark.req("CALL-14", "SHL-09")
@pytest.mark.parametrize("status", [486, 603])
def test_a_decline_in_callkit_before_the_invite_is_here_registers_and_refuses_it(
    status: int,
) -> None:
    story = story_of(plan_of(IPHONE, answer=AnswerPlan(after_ns=0, status=status)), locked=True)
    story.call()
    story.run_to(40)
    assert screen(story) == [f"CallKit, full screen: {VIDEO}", "call gone: owner"]
    assert [when for when, _ in events(story, Registered)] == [at(1)]
    assert story.heard("ucm1", f"SIP/2.0 {status}")
    assert story.ended() == [(at(1), status)]
    assert [push for _, push, _ in story.pushes()] == ["ucm3 incoming"]
    assert not story.phone.phone.callkit.calls[0].active
    story.rests()


@pytest.mark.req("SHL-01", "SHL-10", "CALL-21")
def test_caller_gives_up_while_callkit_rings_so_a_voip_push_of_the_same_call_ends_it() -> None:
    """OP-08."""
    story = story_of(plan_of(IPHONE, answer=RINGS_ON), locked=True)
    story.simulation.network.cut("198.51.100.1", "192.0.2.1")  # CallKit rings, SIP is not there
    call = story.call()
    story.run_to(3)
    story.caller.hang_up(call)
    story.run_to(3.5)
    assert [it.channel for it in posted(story)] == ["voip", "voip"]
    assert len(story.call_uuids()) == 1
    (shown,) = story.phone.phone.callkit.calls
    assert shown.reports == 2
    assert screen(story) == [
        f"CallKit, full screen: {VIDEO}",
        "notification: Loading Dock: Missed call",
        "call gone: unanswered",
    ]
    story.simulation.network.heal()
    story.rests()


@pytest.mark.req("SHL-03", "REG-12", "SHL-08")
def test_pushes_are_decided_for_each_device_of_one_user() -> None:
    """One sleeps, one is on the screen, one has signed out."""
    sleeper = plan_of(replace(IPHONE, name="TCTSLEEPER"), 2, RINGS_ON, host="198.51.100.1")
    watched = awake(plan_of(replace(IPHONE, name="TCTWATCHED"), host="198.51.100.2"))
    gone = plan_of(replace(ANDROID, name="BOTGONE"), host="198.51.100.3", sign_out_at=12 * SECOND)
    story = story_of(sleeper, watched, gone)
    story.call(hang_up_s=3)
    story.run_to(30)
    assert [push for _, push, _ in story.pushes("TCTSLEEPER")] == [
        "ucm3 incoming",
        "ucm3 answeredElsewhere",
    ]
    assert [push for _, push, _ in story.pushes("TCTWATCHED")] == ["ucm3 incoming"]
    assert story.pushes("BOTGONE") == []
    assert screen(story, "TCTSLEEPER") == [
        f"CallKit, banner: {VIDEO}",
        "call gone: answeredElsewhere",
    ]
    assert screen(story, "TCTWATCHED")[1:2] == ["in conversation"]
    assert screen(story, "BOTGONE") == []
    story.rests()


@pytest.mark.req("SHL-03", "SHL-05")
def test_a_second_mobile_answers_and_the_first_is_told_by_cancel_and_by_push() -> None:
    first = plan_of(replace(IPHONE, name="TCTFIRST"), 1, RINGS_ON, host="198.51.100.1")
    second = plan_of(replace(ANDROID, name="BOTSECOND"), 2, host="198.51.100.2")
    story = story_of(first, second, locked=True)
    story.call(hang_up_s=3)
    story.run_to(30)
    assert story.answered() == [at(4)]
    assert "cause=200" in story.message("TCTFIRST", "CANCEL")
    shown = [f"CallKit, full screen: {VIDEO}", "call gone: answeredElsewhere"]
    # Once with its INVITE and CANCEL, and for a moment more as each VoIP push wants it (OP-08).
    assert screen(story, "TCTFIRST") == shown * 2
    assert screen(story, "BOTSECOND") == [
        f"own full screen: {CALL}",
        "in conversation",
        "call gone: remoteEnded",
    ]
    story.rests()


@pytest.mark.req("CALL-10")
def test_a_phone_that_wakes_after_the_drop_ends_its_callkit_call_5_s_after_registering() -> None:
    """OP-06."""
    story = story_of(plan_of(IPHONE, wake_s=13.5, answer=RINGS_ON), locked=True)
    story.call()
    story.run_to(5)
    story.cloud.apns.faults.add(Fault(delay_ns=10 * SECOND, times=1))  # of the missed-call push
    story.run_to(60)
    assert story.ended() == [(at(13), 480)]
    assert story.heard(story.phone.name, "INVITE") == []
    assert list(story.phone.phone.screen.seen) == [
        (at(13.5), f"CallKit, full screen: {VIDEO}"),
        (at(18.5), "call gone: failed"),
        (at(23), f"CallKit, full screen: {VIDEO}"),  # for the missed-call push
        (at(23), "call gone: unanswered"),
        (at(23), "notification: Loading Dock: Missed call"),
    ]
    story.rests()


@pytest.mark.req("CALL-10", "CALL-06")
def test_a_phone_that_wakes_after_the_drop_finds_both_pushes_and_shows_a_missed_call() -> None:
    story = story_of(plan_of(IPHONE, wake_s=13.5, answer=RINGS_ON), locked=True)
    story.call()
    story.run_to(60)
    assert list(story.phone.phone.screen.seen) == [
        (at(13.5), f"CallKit, full screen: {VIDEO}"),
        (at(13.5), "notification: Loading Dock: Missed call"),
        (at(13.5), "call gone: unanswered"),
    ]
    assert story.heard(story.phone.name, "INVITE") == []
    story.rests()


@pytest.mark.req("CALL-17")
def test_a_push_that_is_later_than_the_whole_call_is_harmless() -> None:
    story = story_of(awake(plan_of(IPHONE)))
    story.cloud.apns.faults.add(Fault(delay_ns=10 * SECOND, times=1))
    story.call(hang_up_s=2)
    story.run_to(60)
    assert story.answered() == [at(2)]
    assert [(when, event.reason) for when, event in events(story, PushRejected)] == [
        (at(10), "duplicate")
    ]
    (call,) = story.phone.phone.callkit.calls
    assert (call.reports, call.active) == (2, False)
    assert events(story, AppTerminated) == []
    assert len(story.heard(story.phone.name, "INVITE")) == 1
    story.rests()


@pytest.mark.req("CALL-16")
def test_the_cloud_delivers_twice_and_it_rings_once() -> None:
    story = story_of(plan_of(IPHONE), locked=True)
    story.cloud.apns.faults.add(Fault(duplicate=True, times=1))
    story.call(hang_up_s=2)
    story.run_to(60)
    assert len(events(story, CallShown)) == 1
    assert [event.reason for _, event in events(story, PushRejected)] == ["duplicate"]
    assert len(story.heard(story.phone.name, "INVITE")) == 1
    story.rests()


@pytest.mark.req("CALL-02")
def test_twenty_looks_at_the_phone_during_the_wait_are_one_ring_and_one_invite_for_each_flow() -> (
    None
):
    story = story_of(plan_of(IPHONE, answer=RINGS_ON))
    story.simulation.network.cut("198.51.100.1", "192.0.2.1")
    call = story.call()
    for toggle in range(20):
        story.run_to(0.3 * (toggle + 1))
        story.phone.look(toggle % 2 == 0)
        if toggle == 10:
            story.simulation.network.heal()
    story.run_to(12)
    assert len([text for text in screen(story) if "call from" in text]) == 1
    assert 1 <= len(story.heard(story.phone.name, "INVITE")) <= 2
    story.caller.hang_up(call)
    story.run_to(13)
    story.rests()
