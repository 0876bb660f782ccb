"""Forwarding of a line: all, busy, no answer, unregistered; trunks and their destinations."""

from __future__ import annotations

import pytest

from callctl.call.event import BranchFailed
from callctl.call.itinerary import Cause
from callctl.model.build import desk_phone, iphone
from callctl.model.line import Forwarding
from callctl.model.service_parameter import ServiceParameters
from callctl.model.trunk import TrunkDestination
from callctl.push.kind import PushKind
from helpers.call_rig import CallRig

DESK, OTHER, PHONE = desk_phone("2001"), desk_phone("2002"), iphone("2001")
FIRST = TrunkDestination("UDP", "192.0.2.90", 5060)
SECOND_ONE = TrunkDestination("UDP", "192.0.2.91", 5060)


def rig_with(forwarding: Forwarding, **parameters: int) -> CallRig:
    rig = CallRig("2001", ServiceParameters(**parameters))  # type: ignore[arg-type]
    rig.forwards("2001", forwarding)
    rig.awake(OTHER, "2002")
    return rig


@pytest.mark.req("CALL-09")
def test_line_nobody_can_be_reached_at_forwards_as_unregistered() -> None:
    rig = rig_with(Forwarding(unregistered="2002"))
    rig.start()
    assert rig.reached == [("2002", Cause.UNREGISTERED)]
    assert rig.asked() == ["SEP2002"]


@pytest.mark.req("CALL-09", "CALL-06")
def test_sleeper_that_does_not_come_in_13_s_is_told_and_the_call_is_forwarded() -> None:
    rig = rig_with(Forwarding(unregistered="2002"))
    rig.asleep(PHONE, "2001")
    rig.start()
    rig.run_to(12.9)
    assert rig.asked() == []
    rig.run_to(13)
    assert rig.asked() == ["SEP2002"]
    assert rig.pushes == [("TCT2001", PushKind.INCOMING), ("TCT2001", PushKind.MISSED)]
    assert rig.answers == [180]  # the ring-back; no final answer yet
    rig.registers(PHONE, "2001", 14)
    assert rig.asked() == ["SEP2002"]


@pytest.mark.req("CALL-09")
def test_without_a_number_for_unregistered_the_one_for_no_answer_takes_the_call() -> None:
    rig = rig_with(Forwarding(no_answer="2002"))
    rig.asleep(PHONE, "2001")
    rig.start()
    rig.run_to(13)
    assert rig.reached == [("2002", Cause.UNREGISTERED)]


@pytest.mark.req("CALL-14")
def test_decline_of_the_only_device_is_busy_to_the_forwarding() -> None:
    for status in (486, 603):
        rig = rig_with(Forwarding(busy="2002", no_answer="4000"))
        rig.awake(DESK, "2001")
        rig.start()
        rig.says(status, 1)
        assert rig.reached == [("2002", Cause.BUSY)]
        assert rig.answers == []


@pytest.mark.req("CALL-14")
def test_decline_of_one_device_does_not_forward_while_another_may_come() -> None:
    rig = rig_with(Forwarding(busy="2002"))
    rig.awake(DESK, "2001")
    rig.asleep(PHONE, "2001")
    rig.start()
    rig.says(486, 1)
    assert rig.reached == []
    rig.run_to(13)
    assert rig.reached == [("2002", Cause.BUSY)]


def test_no_answer_counts_from_the_first_ringing() -> None:
    rig = rig_with(Forwarding(no_answer="2002", no_answer_s=12))
    rig.asleep(PHONE, "2001")
    rig.start()
    rig.registers(PHONE, "2001", 10)
    rig.says(180, 10)
    rig.run_to(21.9)
    assert rig.reached == []
    rig.run_to(22)
    assert rig.reached == [("2002", Cause.NO_ANSWER)]
    assert [branch.leg.name for branch in rig.cancelled] == ["TCT2001"]
    assert rig.pushes[-1] == ("TCT2001", PushKind.MISSED)


def test_all_calls_are_forwarded_without_a_push_to_the_line() -> None:
    rig = rig_with(Forwarding(all="2002"))
    rig.asleep(PHONE, "2001")
    rig.start()
    assert rig.reached == [("2002", Cause.UNCONDITIONAL)]
    assert rig.pushes == []


def test_two_lines_that_forward_to_one_another_end_the_call() -> None:
    rig = rig_with(Forwarding(all="2002"))
    rig.forwards("2002", Forwarding(all="2001"))
    rig.start()
    assert rig.answers == [480]
    assert "forward-refused" in rig.steps()


def test_chain_of_forwarding_ends_after_its_longest_length() -> None:
    rig = rig_with(Forwarding(all="5001"), forward_hops_max=3)
    for hop in range(5001, 5010):
        rig.forwards(str(hop), Forwarding(all=str(hop + 1)))
    rig.start()
    assert [number for number, _ in rig.reached] == ["5001", "5002", "5003"]
    assert rig.answers == [480]


def test_600_of_one_device_is_not_forwarded() -> None:
    rig = rig_with(Forwarding(busy="2002"))
    rig.awake(DESK, "2001")
    rig.start()
    rig.says(600, 1)
    assert rig.answers == [600]
    assert rig.reached == []


def test_destination_of_a_trunk_that_says_nothing_gives_way_to_the_next() -> None:
    rig = CallRig("9001")
    rig.outside("9001", FIRST, SECOND_ONE)
    rig.start()
    rig.run_to(3.9)
    assert [branch.destination for branch in rig.offered] == [FIRST]
    rig.run_to(4)
    assert [branch.destination for branch in rig.offered] == [FIRST, SECOND_ONE]
    assert [branch.destination for branch in rig.cancelled] == [FIRST]
    rig.says(200, 5)
    assert rig.answers == [200]


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 401, 407])
def test_destination_in_trouble_gives_way_and_when_all_are_the_caller_gets_503(status: int) -> None:
    rig = CallRig("9001")
    rig.outside("9001", FIRST, SECOND_ONE)
    rig.start()
    rig.says(status, 0.1)
    rig.says(status, 0.2)
    assert rig.answers == [503]
    assert len(rig.offered) == 2


def test_unreachable_destination_gives_way_at_once() -> None:
    rig = CallRig("9001")
    rig.outside("9001", FIRST, SECOND_ONE)
    rig.start()
    rig.happens(BranchFailed(rig.offered[0], "transport"), 0)
    assert [branch.destination for branch in rig.offered] == [FIRST, SECOND_ONE]


def test_busy_behind_a_trunk_is_the_answer_and_tries_no_other_destination() -> None:
    rig = CallRig("9001")
    rig.outside("9001", FIRST, SECOND_ONE)
    rig.start()
    rig.says(486, 0.1)
    assert rig.answers == [486]
    assert len(rig.offered) == 1


def test_destination_that_rang_and_then_fails_is_not_followed_by_another() -> None:
    rig = CallRig("9001")
    rig.outside("9001", FIRST, SECOND_ONE)
    rig.start()
    rig.says(180, 1)
    rig.run_to(10)
    rig.says(503, 11)
    assert len(rig.offered) == 1
    assert rig.answers == [180, 503]


def test_line_forwards_over_a_trunk() -> None:
    rig = rig_with(Forwarding(unregistered="9001"))
    rig.outside("9001", FIRST)
    rig.start()
    assert rig.asked() == ["trunk PSTN"]


def test_each_step_of_these_stories_has_a_sentence() -> None:
    rig = rig_with(Forwarding(busy="9001", unregistered="9001"))
    rig.outside("9001", FIRST)
    rig.start()
    rig.says(503, 1)
    assert "nobody could be reached at 2001: forwarded to 9001" in rig.story()
    assert "INVITE sent over trunk PSTN to udp:192.0.2.90:5060" in rig.story()
    assert all("{" not in line for line in rig.story())
