"""Hunt pilots: one number in front of several lines (CALL-20, OP-66)."""

from __future__ import annotations

import pytest

from callctl.call.event import BranchResponded, CallerCancelled
from callctl.call.itinerary import Cause
from callctl.call.parties import CallState
from callctl.model.build import desk_phone, iphone
from callctl.model.hunt_pilot import Distribution, HuntPilot
from callctl.model.line import Forwarding
from callctl.push.kind import PushKind
from helpers.call_rig import CallRig, invite
from sipstack.message.response import respond

DESK, PHONE, OTHER = desk_phone("2001"), iphone("2002"), iphone("2003")
PILOT = HuntPilot("3000", ("2001", "2002", "2003"), member_ring_s=10)
ALL = HuntPilot("3000", ("2001", "2002", "2003"), Distribution.SIMULTANEOUS, member_ring_s=20)


def hunt(pilot: HuntPilot = PILOT) -> CallRig:
    rig = CallRig("3000")
    rig.awake(DESK, "2001")
    rig.asleep(PHONE, "2002")
    rig.asleep(OTHER, "2003")
    rig.hunts(pilot)
    rig.start()
    return rig


@pytest.mark.req("CALL-20")
def test_members_are_tried_one_after_the_other_each_for_its_time() -> None:
    rig = hunt()
    assert rig.asked() == ["SEP2001"]
    rig.says(180, 1)
    rig.run_to(9.9)
    assert rig.pushes == []
    rig.run_to(10)
    assert [branch.leg.name for branch in rig.cancelled] == ["SEP2001"]
    assert rig.pushes == [("TCT2002", PushKind.INCOMING)]
    assert rig.reached == [("2001", Cause.HUNT), ("2002", Cause.HUNT)]


@pytest.mark.req("CALL-20")
def test_the_wait_for_a_push_counts_as_ringing_and_a_member_left_has_missed_nothing() -> None:
    rig = hunt()
    rig.run_to(20)
    assert rig.pushes == [
        ("TCT2002", PushKind.INCOMING),
        ("TCT2002", PushKind.CANCELLED),
        ("TCT2003", PushKind.INCOMING),
    ]
    rig.registers(PHONE, "2002", 21)
    assert "TCT2002" not in rig.asked()


def test_busy_member_is_left_at_once() -> None:
    rig = hunt()
    rig.says(486, 2)
    assert rig.pushes == [("TCT2002", PushKind.INCOMING)]
    assert rig.answers == []


@pytest.mark.req("SHL-03")
def test_another_member_answers_and_the_sleeper_hears_that_it_was_answered_elsewhere() -> None:
    rig = hunt(ALL)
    assert rig.asked() == ["SEP2001"]
    assert rig.pushes == [("TCT2002", PushKind.INCOMING), ("TCT2003", PushKind.INCOMING)]
    rig.says(200, 3)
    assert rig.answers == [200]
    assert rig.pushes[2:] == [
        ("TCT2002", PushKind.ANSWERED_ELSEWHERE),
        ("TCT2003", PushKind.ANSWERED_ELSEWHERE),
    ]


def test_caller_who_gives_up_is_missed_by_the_member_that_rang_and_by_no_other() -> None:
    rig = hunt()
    rig.run_to(12)
    rig.happens(CallerCancelled(None), 12)
    assert rig.answers == [487]
    assert rig.pushes == [("TCT2002", PushKind.INCOMING), ("TCT2002", PushKind.MISSED)]


def test_hunt_nobody_took_goes_to_the_number_for_unanswered_calls() -> None:
    rig = CallRig("3000")
    rig.awake(DESK, "2001")
    rig.asleep(PHONE, "2002")
    rig.hunts(HuntPilot("3000", ("2002",), member_ring_s=4, forward_unanswered="2001"))
    rig.start()
    rig.run_to(4)
    assert rig.reached == [("2002", Cause.HUNT), ("2001", Cause.NO_ANSWER)]
    rig.says(200, 5)
    assert rig.answers == [200]


def test_hunt_nobody_took_ends_480_and_leaves_no_timer() -> None:
    rig = hunt()
    rig.run_to(31)
    assert rig.answers[-1] == 480
    assert rig.call.state is CallState.ENDED
    assert rig.call.next_deadline() is None


def test_forwarding_of_a_member_does_not_lead_the_hunt_away() -> None:
    rig = CallRig("3000")
    rig.awake(DESK, "2001")
    rig.forwards("2001", Forwarding(all="4000", busy="4000"))
    rig.hunts(PILOT)
    rig.start()
    assert rig.asked() == ["SEP2001"]
    rig.says(486, 1)
    assert ("4000", Cause.BUSY) not in rig.reached


def test_late_answer_of_a_member_that_was_left_is_the_answer_while_nobody_else_has() -> None:
    rig = hunt()
    rig.says(180, 1)
    first = rig.offered[0]
    rig.run_to(10)
    rig.happens(BranchResponded(first, respond(invite(), 200, to_tag="late")), 10.1)
    assert rig.answers == [180, 200]
    assert rig.pushes[-1] == ("TCT2002", PushKind.ANSWERED_ELSEWHERE)
