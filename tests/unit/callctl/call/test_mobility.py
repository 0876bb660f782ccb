"""Mobility identity: the user's mobile number is called if the app does not come (MOB)."""

from __future__ import annotations

import pytest

from callctl.call.event import CallerCancelled, PushEnded, PushResult
from callctl.call.itinerary import Cause
from callctl.call.leg import LegState
from callctl.model.build import desk_phone, iphone
from callctl.model.line import Forwarding
from callctl.model.service_parameter import ServiceParameters
from callctl.model.trunk import TrunkDestination
from callctl.push.kind import PushKind
from helpers.call_rig import CallRig

PHONE, DESK = iphone("2001"), desk_phone("2001")
MOBILE = "901701234"
TO_JABBER = "MobilityPushNotificationCallsExtendedToJabber"
TO_MI = "MobilityPushNotificationCallsExtendedToMIDueToTimeout"


def sleeper(mobility: str | None = MOBILE, **parameters: int) -> CallRig:
    rig = CallRig("2001", ServiceParameters(**parameters))  # type: ignore[arg-type]
    rig.asleep(PHONE, "2001", mobility=mobility)
    rig.outside(MOBILE, TrunkDestination("UDP", "192.0.2.90", 5060))
    return rig


@pytest.mark.req("MOB-01", "MOB-02", "MOB-06")
def test_app_that_does_not_register_in_time_gives_way_to_the_mobility_identity() -> None:
    for wait in (1, 10, 13):
        rig = sleeper(mobility_wait_s=wait)
        rig.start()
        rig.run_to(wait - 0.001)
        assert rig.asked() == []
        rig.run_to(wait)
        assert rig.reached == [(MOBILE, Cause.MOBILITY)]
        assert rig.asked() == ["trunk PSTN"]
        assert rig.counted == [TO_MI]


@pytest.mark.req("MOB-03", "MOB-06")
def test_app_that_registers_in_time_gets_the_call_and_counts_once() -> None:
    rig = sleeper()
    rig.start()
    rig.registers(PHONE, "2001", 9.9)
    rig.registers(PHONE, "2001", 9.95, port=40001)
    rig.run_to(30)
    assert set(rig.asked()) == {"TCT2001"}
    assert rig.counted == [TO_JABBER]


@pytest.mark.req("MOB-05")
def test_without_a_mobility_identity_the_13_s_apply_alone() -> None:
    rig = sleeper(None)
    rig.start()
    rig.run_to(12.9)
    assert rig.answers == [180]
    rig.run_to(13)
    assert rig.answers == [180, 480]
    assert rig.counted == []


@pytest.mark.req("MOB-06")
def test_caller_who_gives_up_first_counts_nothing() -> None:
    rig = sleeper()
    rig.start()
    rig.happens(CallerCancelled(None), 5)
    rig.run_to(30)
    assert rig.counted == []
    assert rig.reached == []
    assert rig.pushes == [("TCT2001", PushKind.INCOMING), ("TCT2001", PushKind.MISSED)]


@pytest.mark.req("MOB-02", "CALL-10")
def test_app_that_registers_after_the_extension_gets_no_invite() -> None:
    rig = sleeper()
    rig.start()
    rig.run_to(10)
    rig.registers(PHONE, "2001", 10.5)
    assert rig.asked() == ["trunk PSTN"]
    assert "late-register" in rig.steps()


@pytest.mark.req("MOB-02", "SHL-03")
def test_mobile_number_answers_and_the_app_hears_of_it() -> None:
    rig = sleeper()
    rig.start()
    rig.run_to(10)
    rig.says(180, 11)
    rig.says(200, 15)
    assert rig.answers == [180, 180, 200]
    assert rig.pushes == [("TCT2001", PushKind.INCOMING), ("TCT2001", PushKind.ANSWERED_ELSEWHERE)]


@pytest.mark.req("CALL-06", "MOB-02")
def test_missed_push_comes_at_the_end_of_the_call_not_at_13_s() -> None:
    rig = sleeper()
    rig.start()
    rig.run_to(10)
    rig.says(180, 11)
    rig.run_to(20)
    assert rig.pushes == [("TCT2001", PushKind.INCOMING)]
    rig.says(486, 25)
    assert rig.answers[-1] == 486
    assert rig.pushes == [("TCT2001", PushKind.INCOMING), ("TCT2001", PushKind.MISSED)]


@pytest.mark.req("CALL-09", "CALL-18")
def test_push_refused_for_good_extends_the_call_at_once() -> None:
    rig = sleeper()
    rig.start()
    leg = rig.call.legs[0]
    rig.happens(PushEnded(leg, PushResult.TARGET_INVALID), 0.2)
    assert rig.asked() == ["trunk PSTN"]
    assert leg.state is LegState.EXTENDED


def test_app_that_cannot_even_be_pushed_to_gives_way_at_once_and_counts_nothing() -> None:
    rig = CallRig("2001")
    rig.gone(PHONE, "2001", mobility=MOBILE)
    rig.outside(MOBILE, TrunkDestination("UDP", "192.0.2.90", 5060))
    rig.start()
    assert rig.asked() == ["trunk PSTN"]
    assert rig.counted == []


@pytest.mark.req("CALL-09")
def test_mobility_identity_comes_before_forwarding() -> None:
    rig = sleeper()
    rig.awake(desk_phone("2002"), "2002")
    rig.forwards("2001", Forwarding(unregistered="2002", busy="2002"))
    rig.start()
    rig.run_to(10)
    assert rig.reached == [(MOBILE, Cause.MOBILITY)]
    rig.says(486, 12)
    assert rig.reached == [(MOBILE, Cause.MOBILITY), ("2002", Cause.BUSY)]
    assert rig.asked() == ["trunk PSTN", "SEP2002"]
    rig.says(200, 13)
    assert rig.pushes[-1] == ("TCT2001", PushKind.ANSWERED_ELSEWHERE)


def test_mobility_identity_that_leads_nowhere_leaves_the_caller_480() -> None:
    rig = CallRig("2001")
    rig.asleep(PHONE, "2001", mobility="77")
    rig.start()
    rig.run_to(10)
    assert rig.answers == [180, 480]
    assert rig.pushes[-1] == ("TCT2001", PushKind.MISSED)


def test_other_devices_of_the_line_ring_on_while_the_mobile_number_is_called() -> None:
    rig = sleeper()
    rig.awake(DESK, "2001")
    rig.start()
    rig.says(180, 1, who="SEP2001")
    rig.run_to(10)
    assert rig.asked() == ["SEP2001", "trunk PSTN"]
    rig.says(603, 12, who="trunk PSTN")
    assert 603 not in rig.answers
    rig.says(200, 14, who="SEP2001")
    assert rig.answers[-1] == 200
    assert rig.pushes[-1] == ("TCT2001", PushKind.ANSWERED_ELSEWHERE)
