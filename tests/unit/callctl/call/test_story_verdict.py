"""Verdicts of calls that the page of stories does not have."""

from __future__ import annotations

import pytest

from callctl.call.called import CalledDevice
from callctl.call.event import CallerCancelled, NodeLost, PushEnded, PushResult
from callctl.call.story import CallRecord
from callctl.call.verdict import verdict
from callctl.model.build import desk_phone, iphone
from callctl.model.line import Forwarding
from callctl.model.trunk import TrunkDestination
from helpers.call_rig import CallRig, at

PHONE, DESK = iphone("2001"), desk_phone("2001")
FIRST = TrunkDestination("UDP", "192.0.2.90", 5060)
SECOND = TrunkDestination("UDP", "192.0.2.91", 5060)


def rig_with(*devices: str, **more: Forwarding) -> CallRig:
    """A call to 2001, whose devices are "asleep" or "awake"."""
    rig = CallRig("2001")
    for name, device in (("asleep", PHONE), ("awake", DESK)):
        if name in devices:
            getattr(rig, name)(device, "2001")
        called = CalledDevice.of(device, "2001", None, None, "")
        rig.call.record.called[device.name] = called
    for forwarding in more.values():
        rig.forwards("2001", forwarding)
    return rig


def told(rig: CallRig) -> str:
    return verdict(rig.call.record)


def test_a_call_under_way_names_who_rings_and_who_is_waited_for() -> None:
    rig = rig_with("asleep", "awake")
    rig.start()
    assert told(rig) == "The call is under way, TCT2001 parked so far."
    rig.says(180, 1, who="SEP2001")
    assert told(rig) == "The call is under way, SEP2001 ringing, TCT2001 parked so far."
    rig.registers(PHONE, "2001", 2)
    rig.says(180, 2, who="TCT2001")
    assert told(rig) == "The call is under way, TCT2001 and SEP2001 ringing."


def test_a_number_that_nobody_has_is_the_whole_reason() -> None:
    record = CallRecord("uuid-1", "c1", "ucm1", "1001", "2009", at(0))
    record.note(at(0), "no-such-line", dn="2009")
    record.status, record.ended_at = 404, at(0)
    assert verdict(record) == (
        "Not answered: the caller got 404 Not Found after 0.000 s, because nobody has number 2009."
    )


def test_a_phone_whose_only_node_went_down_is_not_blamed_for_being_away() -> None:
    rig = rig_with("asleep")
    rig.start()
    rig.happens(PushEnded(rig.call.legs[0], PushResult.ACCEPTED), 0.1)
    rig.happens(NodeLost("ucm1"), 3)
    rig.call.record.note(at(3), "no-node", PHONE.name, group="ucm1")
    rig.run_to(13)
    assert told(rig).endswith(
        "The push sent TCT2001 to a node that went out of service meanwhile, and its CM group has "
        "no other that is in service."
    )


def test_a_fault_of_ours_is_not_blamed_on_the_push() -> None:
    rig = rig_with("asleep")
    rig.start()
    rig.happens(PushEnded(rig.call.legs[0], PushResult.FAILED), 1)
    record = rig.call.record
    record.note(at(2), "fault", node="ucm1")
    record.status, record.ended_at = 503, at(2)
    text = verdict(record)
    assert "after 2.000 s, because ucm1 had a fault of its own." in text
    assert "503, and no 480" not in text


def test_a_caller_who_demands_reliable_ringing_hears_nothing_from_us() -> None:
    rig = rig_with("asleep")
    rig.call.reliable_ringing = True
    rig.start()
    rig.run_to(13)
    assert any("requires 100rel: no 180 of our own" in line for line in rig.story())
    assert "heard ringing" not in told(rig)


def test_devices_that_are_told_the_same_are_named_together() -> None:
    rig = rig_with("asleep", "awake")
    rig.start()
    rig.says(180, 1, who="SEP2001")
    rig.registers(PHONE, "2001", 2)
    rig.says(180, 2, who="TCT2001")
    rig.happens(CallerCancelled(None), 4)
    assert told(rig) == (
        "Not answered: the caller gave up after 4.000 s, when TCT2001 was ringing and SEP2001 was "
        "ringing. The caller heard ringing from 1.000 s on. TCT2001 is told by CANCEL and push of "
        "a missed call. SEP2001 is told by CANCEL of a missed call."
    )


def test_each_device_of_a_line_has_its_own_reason() -> None:
    rig = rig_with("asleep", "awake")
    rig.start()
    rig.says(486, 2, who="SEP2001")
    rig.run_to(13)
    text = told(rig)
    assert "because TCT2001 did not register within 13 s and SEP2001 declined (486 Busy Here)" in (
        text
    )
    assert "SEP2001 is told" not in text


def test_a_flow_that_was_lost_while_it_rang_is_not_a_phone_that_never_came() -> None:
    rig = rig_with("asleep")
    rig.start()
    rig.registers(PHONE, "2001", 1)
    rig.says(180, 2)
    rig.says(430, 4)
    rig.run_to(13)
    lost = "TCT2001 was lost before it answered (its flow at ucm1 is gone): INVITE parked again"
    assert f"{lost}, for 9.000 s" in rig.story()
    assert "because TCT2001 was lost and did not come back within 13 s." in told(rig)


def test_a_push_that_is_refused_while_the_phone_rings_is_not_the_reason() -> None:
    rig = rig_with("asleep")
    rig.start()
    rig.registers(PHONE, "2001", 1)
    rig.says(180, 2)
    rig.happens(PushEnded(rig.call.legs[0], PushResult.TARGET_INVALID), 3)
    rig.happens(CallerCancelled(None), 4)
    assert "when TCT2001 was ringing." in told(rig)


@pytest.mark.parametrize(
    ("statuses", "end"),
    [
        ((503, 200), "Tried in vain: udp:192.0.2.90:5060 of trunk PSTN (it answered 503)."),
        ((503, 500), "because udp:192.0.2.91:5060 of trunk PSTN did not take the call"),
    ],
)
def test_destinations_of_a_trunk_that_did_not_take_the_call_are_named(
    statuses: tuple[int, ...], end: str
) -> None:
    rig = rig_with(forwarding=Forwarding(unregistered="9001"))
    rig.outside("9001", FIRST, SECOND)
    rig.start()
    for second, status in enumerate(statuses, start=1):
        rig.says(status, second)
    text = told(rig)
    assert end in text
    if 200 in statuses:
        how = "forwarded to 9001, as nobody could be reached at 2001"
        assert f"Answered by trunk PSTN after 2.000 s at udp:192.0.2.91:5060: {how}." in text


def test_a_circle_of_forwarding_shows_in_the_steps() -> None:
    rig = rig_with(forwarding=Forwarding(all="2002"))
    rig.forwards("2002", Forwarding(all="2001"))
    rig.start()
    assert rig.story()[:2] == [
        "2001 has all calls forwarded to 2002",
        "not forwarded to 2001: the call has been there, or was forwarded often enough",
    ]
    assert told(rig).startswith(
        "Not answered: the caller got 480 Temporarily Unavailable after 0.0"
    )
