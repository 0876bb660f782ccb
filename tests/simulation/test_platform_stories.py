"""What each platform and client version does with a call: Tables A1 and A2, told by the screen."""

from __future__ import annotations

from unittest.mock import patch

import msgspec
import pytest

from callctl.cloud.faults import Fault
from callctl.model.device import Device
from callctl.phone.call_view import CallView
from callctl.phone.event import Registered
from callctl.phone.phone_event import AppWoken, CallShown
from simulation.platforms import (
    ANDROID,
    CALL,
    CHINA,
    IOS_12,
    IPHONE,
    JABBER_12_8,
    VIDEO,
    WEBEX,
    Posted,
    events,
    plan_of,
    posted,
    screen,
    story_of,
    voip,
)
from simulation.story import Story, at, awake, phone_plan
from sipstack.timing import SECOND


@pytest.mark.req("MODE-04", "MODE-05")
@pytest.mark.parametrize(
    ("device", "release", "shown"),
    [
        (IPHONE, "15", f"CallKit, banner: {VIDEO}"),
        (WEBEX, "15", f"CallKit, banner: {VIDEO}"),
        (IOS_12, "12.5(1)SU3", f"in the app: {CALL}"),
        (JABBER_12_8, "15", f"in the app: {CALL}"),
        (ANDROID, "15", f"own full screen: {CALL}"),
        (CHINA, "15", f"in the app: {CALL}"),
    ],
    ids=["iOS 17", "Webex", "iOS 12", "Jabber 12.8", "Android", "China"],
)
def test_in_the_foreground_sip_sets_the_call_up_and_the_push_changes_nothing(
    device: Device, release: str, shown: str
) -> None:
    story = story_of(awake(plan_of(device)), release=release)
    story.call(hang_up_s=4)
    story.run_to(30)
    assert [when for when, _ in story.heard(story.phone.name, "INVITE")] == [at(0)]
    assert [when for when, _, _ in story.pushes(story.phone.name)] == [at(0)]
    assert [seen for when, seen in events(story, CallShown) if when > at(0)] == []
    assert screen(story) == [shown, "in conversation", "call gone: remoteEnded"]
    assert story.answered() == [at(2)]
    assert (
        len(story.sent(story.phone.name, "REGISTER")) == 2
    )  # at the start: the challenge, the answer
    story.rests()


@pytest.mark.req("MODE-07", "MODE-08", "MODE-10", "CALL-12")
def test_ios_12_is_pushed_on_its_one_channel_registers_comes_to_the_front_and_rings() -> None:
    story = story_of(plan_of(IOS_12), release="12.5(1)SU3")
    story.call(hang_up_s=4)
    story.run_to(30)
    assert posted(story) == [Posted("APNS", "default", "high", 13, sealed=True, collapse_id=None)]
    assert story.pushes() == [(at(0), "ucm3 incoming", "")]  # CMG-05: no node for iOS 12
    assert [when for when, _ in events(story, AppWoken)] == [at(1)]
    assert [when for when, _ in events(story, Registered)] == [at(1)]
    assert [when for when, _ in story.heard(story.phone.name, "INVITE")] == [at(1)]
    assert screen(story) == [
        "the app comes to the front by itself",
        f"in the app: {CALL}",
        "in conversation",
        "call gone: remoteEnded",
    ]
    assert story.phone.phone.callkit.calls == ()
    assert story.answered() == [at(3)]
    story.rests()


@pytest.mark.req("MODE-09", "MODE-11", "MODE-16", "MODE-20", "CID-01", "CALL-12")
@pytest.mark.parametrize("device", [IPHONE, WEBEX], ids=["Jabber", "Webex"])
@pytest.mark.parametrize("locked", [True, False], ids=["locked", "unlocked"])
def test_ios_13_shows_callkit_at_once_with_the_caller_of_the_push_then_registers(
    device: Device, locked: bool
) -> None:
    story = story_of(plan_of(device), locked=locked)
    story.cloud.push_rest.faults.add(Fault(delay_ns=2 * SECOND, times=1))
    # The caller is known from the push alone: the INVITE is a second away when CallKit shows it.
    story.simulation.network.cut("198.51.100.1", "192.0.2.1")
    story.call(hang_up_s=4)
    story.run_to(4)
    story.simulation.network.heal()
    story.run_to(40)
    assert posted(story)[0] == voip()
    ((shown_at, shown),) = events(story, CallShown)
    assert (shown_at, shown.caller_name, shown.caller_number) == (at(3), "Loading Dock", "1001")
    assert events(story, Registered)[0][0] > shown_at
    assert story.heard(story.phone.name, "INVITE")[0][0] == events(story, Registered)[0][0]
    opens = [] if locked else ["the app is open"]
    kind = "CallKit, full screen" if locked else "CallKit, banner"
    ends = ["in conversation", "call gone: remoteEnded"]
    assert screen(story) == [f"{kind}: {VIDEO}", *opens, *ends]
    story.rests()


@pytest.mark.req("MODE-20", "MODE-21", "MODE-22")
@pytest.mark.parametrize("locked", [True, False], ids=["locked", "unlocked"])
def test_jabber_12_8_on_a_new_server_gets_its_voip_channel_and_keeps_its_old_screens(
    locked: bool,
) -> None:
    story = story_of(plan_of(JABBER_12_8), locked=locked)
    story.call(hang_up_s=4)
    story.run_to(30)
    assert posted(story)[0].channel == "voip"
    assert [when for when, _ in events(story, AppWoken)] == [at(1)]
    front = [] if locked else ["the app comes to the front by itself"]
    ends = ["in conversation", "call gone: remoteEnded"]
    assert screen(story) == [*front, f"in the app: {CALL}", *ends]
    assert story.phone.phone.callkit.calls == ()
    story.rests()


@pytest.mark.req("MODE-22", "CID-02")
def test_a_new_jabber_on_an_old_server_shows_callkit_for_a_push_without_a_name() -> None:
    story = story_of(plan_of(IPHONE), release="12.5(1)SU2", locked=True)
    story.call(hang_up_s=4)
    story.run_to(30)
    assert posted(story)[0].channel == "default"
    assert story.pushes() == [(at(0), "ucm3 incoming", "")]
    assert screen(story) == [
        "CallKit, full screen: video call from nobody known",
        "the call is from Loading Dock 1001",
        "in conversation",
        "call gone: remoteEnded",
    ]
    story.rests()


@pytest.mark.req("MODE-09", "MODE-12", "AND-02", "AND-05", "CALL-12", "CID-05")
@pytest.mark.parametrize("locked", [True, False], ids=["locked", "unlocked"])
def test_android_is_pushed_through_google_registers_and_rings_on_its_own_screen(
    locked: bool,
) -> None:
    story = story_of(plan_of(ANDROID), locked=locked)
    story.call(hang_up_s=4)
    story.run_to(30)
    assert posted(story) == [voip(service="FCM")]
    (record,) = story.cloud.fcm.log
    assert record.raw is not None
    message = msgspec.json.decode(record.raw.body)["message"]
    assert message["android"] == {"priority": "HIGH", "ttl": "13s"}
    assert "notification" not in message  # a data message: the app itself is woken (OP-19)
    assert len(story.cloud.apns.log) == 0
    assert [when for when, _ in story.heard(story.phone.name, "INVITE")] == [at(1)]
    opens = [] if locked else ["the app is open"]
    ends = ["in conversation", "call gone: remoteEnded"]
    assert screen(story) == [f"own full screen: {CALL}", *opens, *ends]
    assert story.phone.phone.callkit.calls == ()
    story.rests()


@pytest.mark.req("MODE-23")
@pytest.mark.parametrize("device", [IPHONE, ANDROID], ids=["iOS", "Android"])
def test_an_app_that_its_owner_has_closed_is_reached_like_one_that_sleeps(device: Device) -> None:
    story = story_of(plan_of(device))
    story.phone.close_app()
    story.call(hang_up_s=4)
    story.run_to(30)
    assert story.answered() == [at(3)]
    assert screen(story)[0] == "the app is closed"
    story.rests()


@pytest.mark.req("MODE-18", "REG-08")
def test_who_has_signed_out_gets_no_push_until_the_next_sign_in() -> None:
    story = Story(phone_plan())
    story.run_to(-5)
    story.phone.sign_out()
    story.run_to(0)
    story.call()
    story.run_to(1)
    assert story.pushes() == []
    assert story.ended() == [(at(0), 480)]
    story.phone.start()
    story.run_to(5)
    story.phone.look(False)
    story.run_to(15)
    story.call(hang_up_s=1)
    story.run_to(40)
    assert [push for _, push, _ in story.pushes()] == ["ucm3 incoming"]
    assert len(story.answered()) == 1
    story.rests()


@pytest.mark.req("MODE-11")
def test_an_app_that_is_ended_by_its_system_is_a_violation_in_any_story() -> None:
    with patch.object(CallView, "show", lambda *_: None):
        story = story_of(plan_of(IPHONE), locked=True)
        call = story.call()
        story.run_to(7)
        story.caller.hang_up(call)
        story.run_to(40)
    assert [violation.invariant for violation in story.simulation.watch.violations] == [
        "OP-08",  # ended
        "OP-08",  # and the second push withheld
    ]
