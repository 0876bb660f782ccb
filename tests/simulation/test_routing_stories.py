"""Hunt pilots, mobility identities and forwarding, with phones that sleep: who rings, who is told.

A desk phone stands for the number outside that a mobility identity is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from callctl.call.event import MobilityOutcome
from callctl.model.build import desk_phone, make_user
from callctl.model.hunt_pilot import Distribution, HuntPilot
from callctl.model.line import Forwarding, Line
from callctl.phone.event import IncomingCall
from callctl.phone.phone_event import PushOpened
from callctl.phone.settings import AnswerPlan
from callctl.sim.scenario import AgentPlan
from simulation.platforms import (
    ANDROID,
    CALL,
    CHINA,
    IPHONE,
    RINGS_ON,
    TOAST,
    VIDEO,
    events,
    plan_of,
    screen,
    story_of,
)
from simulation.story import PATIENT, PHONE, PHONE_DN, Story, at
from sipstack.timing import SECOND

PILOT, DESK_DN, MOBILE = "3000", "2002", "1900"
SHOWN = f"CallKit, full screen: {VIDEO}"
DECLINES = AnswerPlan(after_ns=SECOND, status=486)


def desk(dn: str, name: str, answer: AnswerPlan = PATIENT) -> AgentPlan:
    device = desk_phone(f"at-{dn}", dn, name=name, device_pool="desks")
    return AgentPlan(device, "203.0.113.2", "TCP", answer)


def hunt(distribution: Distribution, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    pilot = HuntPilot(PILOT, (PHONE_DN, DESK_DN), distribution, "Front Desk", **more)
    return {"hunt_pilots": [pilot]}


def rang_at(story: Story, name: str) -> list[float]:
    """When a desk phone was called."""
    return [
        (when - at(0)) / SECOND for when, _ in story.simulation.agents[name].events(IncomingCall)
    ]


def mobility(story: Story) -> dict[MobilityOutcome, int]:
    values = story.nodes["ucm3"].processes.engine.counters.values
    return {it: values[it.value] for it in MobilityOutcome if values[it.value]}


# Hunt pilots.


@pytest.mark.req("CALL-20", "CALL-21")
def test_a_hunt_goes_on_from_a_phone_that_rings_and_nothing_was_missed() -> None:
    story = story_of(
        plan_of(IPHONE, answer=RINGS_ON),
        locked=True,
        desks=(desk(DESK_DN, "SEPSECOND"),),
        **hunt(Distribution.SEQUENTIAL, member_ring_s=6),
    )
    story.call(PILOT, hang_up_s=2)
    story.run_to(60)
    assert rang_at(story, "SEPSECOND") == [6.0]
    assert story.answered() == [at(8)]
    assert [push for _, push, _ in story.pushes()] == ["ucm3 incoming", "ucm3 cancelled"]
    assert {opened.hunt_pilot_dn for _, opened in events(story, PushOpened)} == {PILOT}
    assert "cause=26" in story.message(PHONE, "CANCEL")
    assert screen(story)[:2] == [SHOWN, "call gone: remoteEnded"]
    assert "Missed" not in "".join(screen(story))
    assert not story.phone.phone.callkit.calls[0].active
    story.rests()


@pytest.mark.req("CALL-20")
def test_a_hunt_goes_on_from_a_phone_that_never_woke_and_a_late_one_gets_no_invite() -> None:
    story = story_of(
        plan_of(IPHONE, wake_s=8, answer=RINGS_ON),
        locked=True,
        desks=(desk(DESK_DN, "SEPSECOND", AnswerPlan(after_ns=4 * SECOND)),),
        **hunt(Distribution.SEQUENTIAL, member_ring_s=6),
    )
    story.call(PILOT, hang_up_s=2)
    story.run_to(60)
    assert story.heard(PHONE, "INVITE") == []
    assert rang_at(story, "SEPSECOND") == [6.0]
    assert story.answered() == [at(10)]
    assert "Missed" not in "".join(screen(story))
    story.rests()


@pytest.mark.req("CALL-20", "SHL-03", "CALL-14")
@pytest.mark.parametrize("distribution", list(Distribution), ids=lambda it: it.value)
def test_a_member_declines_and_the_other_answers(distribution: Distribution) -> None:
    story = story_of(
        plan_of(IPHONE, answer=DECLINES),
        locked=True,
        desks=(desk(DESK_DN, "SEPSECOND", AnswerPlan(after_ns=5 * SECOND)),),
        **hunt(distribution),
    )
    story.call(PILOT, hang_up_s=2)
    story.run_to(60)
    at_once = distribution is Distribution.SIMULTANEOUS
    assert rang_at(story, "SEPSECOND") == [0.0 if at_once else 2.0]
    assert story.answered() == [at(5 if at_once else 7)]
    assert screen(story) == [SHOWN, "call gone: owner"]
    assert [push for _, push, _ in story.pushes()] == ["ucm3 incoming"]
    story.rests()


@pytest.mark.req("CALL-20", "SHL-03", "SHL-05")
def test_all_members_ring_at_once_and_the_phone_is_told_who_was_faster() -> None:
    story = story_of(
        plan_of(ANDROID, answer=RINGS_ON),
        locked=True,
        desks=(desk(DESK_DN, "SEPSECOND", AnswerPlan(after_ns=4 * SECOND)),),
        **hunt(Distribution.SIMULTANEOUS),
    )
    story.call(PILOT, hang_up_s=2)
    story.run_to(60)
    assert story.answered() == [at(4)]
    assert screen(story) == [f"own full screen: {CALL}", "call gone: answeredElsewhere"]
    assert {opened.hunt_pilot_dn for _, opened in events(story, PushOpened)} == {PILOT}
    story.rests()


# Mobility identity.


def reachable(**parameters: Any) -> dict[str, Any]:  # noqa: ANN401
    """The owner of the phone has a mobility identity, at which somebody answers in 2 s."""
    user = replace(make_user("owner"), mobility_identity=MOBILE)
    return {"users": [user], "desks": (desk(MOBILE, "SEPMOBILE"),), **parameters}


@pytest.mark.req("MOB-01", "MOB-02", "SHL-03")
def test_the_app_does_not_come_so_the_mobility_identity_is_called_and_the_app_hears_of_it() -> None:
    story = story_of(plan_of(IPHONE, wake_s=13.5, answer=RINGS_ON), locked=True, **reachable())
    story.call(hang_up_s=2)
    story.run_to(60)
    assert rang_at(story, "SEPMOBILE") == [10.0]
    assert story.answered() == [at(12)]
    assert story.heard(PHONE, "INVITE") == []
    assert mobility(story) == {MobilityOutcome.TO_MOBILITY_IDENTITY: 1}
    assert [push for _, push, _ in story.pushes()] == ["ucm3 incoming", "ucm3 answeredElsewhere"]
    assert "Missed" not in "".join(screen(story))
    story.rests()


@pytest.mark.req("MOB-03", "MOB-06")
def test_the_app_comes_at_9_9_s_so_the_mobility_identity_is_left_in_peace() -> None:
    story = story_of(plan_of(IPHONE, wake_s=9.9), locked=True, **reachable())
    story.call(hang_up_s=2)
    story.run_to(60)
    assert rang_at(story, "SEPMOBILE") == []
    assert story.answered() == [at(11.9)]
    assert mobility(story) == {MobilityOutcome.TO_JABBER: 1}
    assert screen(story) == [SHOWN, "in conversation", "call gone: remoteEnded"]
    story.rests()


@pytest.mark.req("MOB-02", "CHN-05")
@pytest.mark.parametrize("tap_s", [None, 5.0])
def test_in_china_the_tap_decides_between_the_app_and_the_mobility_identity(
    tap_s: float | None,
) -> None:
    tap_ns = None if tap_s is None else round(tap_s * SECOND)
    story = story_of(plan_of(CHINA, tap_ns=tap_ns), locked=True, **reachable())
    story.call(hang_up_s=2)
    story.run_to(60)
    assert rang_at(story, "SEPMOBILE") == ([10.0] if tap_s is None else [])
    assert story.answered() == [at(12 if tap_s is None else 7)]
    replaced = "notification in place of another: Loading Dock: Answered on another device"
    assert screen(story)[:2] == [TOAST, replaced if tap_s is None else "the app is open"]
    story.rests()


@pytest.mark.req("MOB-05", "MOB-06")
@pytest.mark.parametrize("with_identity", [True, False])
def test_who_gives_up_or_has_no_mobility_identity_counts_nothing(with_identity: bool) -> None:
    more = reachable() if with_identity else {}
    story = story_of(plan_of(IPHONE, wake_s=None), locked=True, **more)
    call = story.call()
    story.run_to(5 if with_identity else 30)
    story.caller.hang_up(call)
    story.run_to(40)
    assert mobility(story) == {}
    assert story.ended() == [(at(5), 487) if with_identity else (at(13), 480)]
    story.rests()


@pytest.mark.req("MOB-07")
def test_android_follows_the_13_s_alone_whatever_its_user_has() -> None:
    story = story_of(plan_of(ANDROID, wake_s=None), locked=True, **reachable())
    story.call()
    story.run_to(40)
    assert rang_at(story, "SEPMOBILE") == []
    assert story.ended() == [(at(13), 480)]
    assert mobility(story) == {}
    story.rests()


# Forwarding.


@pytest.mark.req("CALL-09", "CALL-06")
def test_nobody_wakes_so_at_13_s_the_call_is_forwarded_and_the_phone_missed_it() -> None:
    line = Line(PHONE_DN, "Owner", forwarding=Forwarding(unregistered=DESK_DN))
    others = (desk(DESK_DN, "SEPSECOND"),)
    story = story_of(plan_of(IPHONE, wake_s=14), locked=True, desks=others, lines=(line,))
    story.call(hang_up_s=2)
    story.run_to(60)
    assert rang_at(story, "SEPSECOND") == [13.0]
    assert story.answered() == [at(15)]
    assert story.rang()[0] == (at(5), 180)
    assert story.heard(PHONE, "INVITE") == []
    assert "notification: Loading Dock: Missed call" in screen(story)
    story.rests()


@pytest.mark.req("CALL-14", "CALL-09", "SHL-09")
def test_a_decline_in_callkit_takes_the_call_to_where_busy_is_forwarded() -> None:
    line = Line(PHONE_DN, "Owner", forwarding=Forwarding(busy=DESK_DN))
    others = (desk(DESK_DN, "SEPSECOND"),)
    story = story_of(plan_of(IPHONE, answer=DECLINES), locked=True, desks=others, lines=(line,))
    story.call(hang_up_s=2)
    story.run_to(60)
    assert rang_at(story, "SEPSECOND") == [2.0]
    assert story.answered() == [at(4)]
    assert screen(story) == [SHOWN, "call gone: owner"]
    assert [push for _, push, _ in story.pushes()] == ["ucm3 incoming"]
    story.rests()
