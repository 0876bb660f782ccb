"""What the owner sees of a call, by platform, client version and lock (Tables A1 and A2)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callctl.model.device import ClientType
from callctl.phone.event import Registered
from callctl.phone.operating_system import AppState, OperatingSystem
from callctl.phone.phone_event import (
    AppForegrounded,
    AppLaunched,
    AppTerminated,
    AppWoken,
    CallShown,
    NotificationShown,
    NotificationWithheld,
    PhoneAction,
    PhoneAnswered,
    PhoneRang,
    PushArrived,
    PushWithheld,
    Screen,
)
from callctl.phone.phone_settings import PhoneSettings
from callctl.phone.settings import AnswerPlan
from callctl.push.kind import PushKind
from helpers.phone_rig import ANDROID, IPHONE, UUID, Rig, s
from sipstack.timing import Instant

TALKS = AnswerPlan(after_ns=s(1), hang_up_after_ns=s(1))
IOS_12 = replace(IPHONE, os_version="12.4")
JABBER_12_9 = replace(IPHONE, client=ClientType.JABBER, client_version="12.9.0")
JABBER_12_8 = replace(JABBER_12_9, client_version="12.8.1")


def put_away(rig: Rig, *, locked: bool) -> None:
    """The app is suspended, on a phone that is locked and dark or shows something else."""
    rig.start()
    rig.wire.at(
        1_000,
        "phone",
        lambda now: rig.phone.set_screen(now, off_screen=True, locked=locked, screen_off=locked),
    )
    rig.wire.run(10_000)
    assert rig.phone.system.state is AppState.SUSPENDED
    rig.phone.screen.seen.clear()


def rung(settings: PhoneSettings, *, locked: bool, plan: AnswerPlan = TALKS) -> Rig:
    """A put-away phone that was pushed at 20 s and got its INVITE 0.6 s later."""
    rig = Rig(settings, plan)
    put_away(rig, locked=locked)
    rig.push(20_000, node=1)
    rig.invite(20_600)
    rig.wire.run(60_000)
    rig.assert_at_rest()
    return rig


@pytest.mark.req("MODE-20", "MODE-21")
@pytest.mark.parametrize("settings", [JABBER_12_9, IPHONE], ids=["Jabber 12.9", "Webex"])
def test_a_call_on_a_locked_phone_is_answered_in_callkit_without_unlocking(
    settings: PhoneSettings,
) -> None:
    rig = rung(settings, locked=True)
    assert rig.phone.screen.texts == [
        "CallKit, full screen: video call from Carol 1001",
        "in conversation",
        "call gone: owner",
    ]
    assert rig.phone.system.locked
    assert rig.wire.events("phone", AppForegrounded) == [AppForegrounded()]  # of the start


@pytest.mark.req("MODE-20")
def test_a_call_on_an_unlocked_phone_is_a_banner_and_the_app_opens_when_it_is_answered() -> None:
    rig = rung(JABBER_12_9, locked=False)
    assert rig.phone.screen.texts == [
        "CallKit, banner: video call from Carol 1001",
        "the app is open",
        "in conversation",
        "call gone: owner",
    ]
    opened = rig.wire.timed("phone", AppForegrounded)[-1][0]
    assert opened == rig.wire.timed("phone", PhoneAnswered)[0][0] == 21_400


@pytest.mark.req("MODE-20")
def test_a_call_that_is_declined_in_the_banner_does_not_open_the_app() -> None:
    rig = rung(JABBER_12_9, locked=False, plan=AnswerPlan(after_ns=s(1), status=603))
    assert rig.phone.screen.texts == [
        "CallKit, banner: video call from Carol 1001",
        "call gone: owner",
    ]
    assert rig.phone.system.state is AppState.SUSPENDED


@pytest.mark.req("MODE-20", "MODE-21")
@pytest.mark.parametrize("locked", [True, False])
def test_jabber_12_8_shows_the_call_inside_the_app_on_any_system(locked: bool) -> None:
    rig = rung(JABBER_12_8, locked=locked)
    assert rig.wire.timed("phone", AppWoken) == [(20_400, AppWoken())]
    assert rig.wire.timed("phone", Registered)[-1][0] == 20_420  # before anything shows
    shown = CallShown(UUID, "Carol", "1001", Screen.IN_APP, video=False)
    assert rig.wire.timed("phone", CallShown) == [(20_610, shown)]
    assert rig.phone.callkit.calls == ()
    assert rig.phone.system.locked is locked
    front = [] if locked else ["the app comes to the front by itself"]
    assert rig.phone.screen.texts == [
        *front,
        "in the app: call from Carol 1001",
        "in conversation",
        "call gone: owner",
    ]
    assert rig.wire.events("phone", AppTerminated) == []  # its builds owe CallKit nothing


@pytest.mark.req("MODE-20")
@pytest.mark.parametrize(
    "settings", [JABBER_12_9, JABBER_12_8, IOS_12, ANDROID], ids=["12.9", "12.8", "iOS 12", "14"]
)
def test_the_app_that_was_closed_is_launched_by_the_push_and_rings(settings: PhoneSettings) -> None:
    rig = Rig(settings, TALKS)
    put_away(rig, locked=False)
    rig.wire.at(11_000, "phone", rig.phone.close_app)
    rig.push(20_000, node=1)
    rig.invite(20_600)
    rig.wire.run(60_000)
    assert AppLaunched(by_push=True) in rig.wire.events("phone")
    assert len(rig.wire.events("phone", PhoneAnswered)) == 1


@pytest.mark.req("MODE-10")
@pytest.mark.parametrize("locked", [True, False])
def test_ios_12_registers_gets_the_invite_comes_to_the_front_by_itself_and_rings(
    locked: bool,
) -> None:
    rig = rung(IOS_12, locked=locked)
    wire = rig.wire
    assert wire.timed("phone", Registered)[-1][0] == 20_420
    assert [at for at, _ in wire.timed("phone", CallShown)] == [20_610]  # with the INVITE
    assert [at for at, _ in wire.timed("phone", PhoneRang)] == [20_610]
    if not locked:
        assert wire.timed("phone", AppForegrounded)[-1] == (20_610, AppForegrounded(by_itself=True))
    assert rig.phone.callkit.calls == ()
    shown = [text for text in rig.phone.screen.texts if "call from" in text]
    assert shown == ["in the app: call from Carol 1001"]


@pytest.mark.req("MODE-10", "MODE-12")
@pytest.mark.parametrize("settings", [IOS_12, JABBER_12_8, ANDROID], ids=["iOS 12", "12.8", "14"])
def test_without_callkit_a_push_whose_invite_never_comes_shows_nothing(
    settings: PhoneSettings,
) -> None:
    """OP-06."""
    rig = Rig(settings, TALKS)
    put_away(rig, locked=False)
    rig.push(20_000, node=1)
    rig.wire.run(60_000)
    assert rig.phone.screen.texts == []
    assert rig.phone.system.state is AppState.SUSPENDED
    rig.assert_at_rest()


@pytest.mark.req("MODE-12")
@pytest.mark.parametrize("locked", [True, False])
def test_android_rings_on_its_own_full_screen_and_callkit_does_not_exist(locked: bool) -> None:
    """OP-19."""
    rig = rung(ANDROID, locked=locked)
    opens = [] if locked else ["the app is open"]
    assert rig.phone.screen.texts == [
        "own full screen: call from Carol 1001",
        *opens,
        "in conversation",
        "call gone: owner",
    ]
    assert rig.phone.callkit.calls == ()


@pytest.mark.req("MODE-16")
@pytest.mark.parametrize("settings", [IPHONE, JABBER_12_9], ids=["Webex", "Jabber"])
def test_a_call_in_the_foreground_is_a_video_call_to_callkit_too(settings: PhoneSettings) -> None:
    rig = Rig(settings, TALKS)
    rig.start()
    rig.invite(1_000)  # its offer is audio only
    rig.wire.run(60_000)
    (call,) = rig.phone.callkit.calls
    assert call.video
    assert rig.wire.events("phone", CallShown)[0].video


@pytest.mark.parametrize("settings", [IPHONE, ANDROID, IOS_12], ids=["17", "Android", "iOS 12"])
def test_the_invite_names_the_caller_where_the_push_does_not(settings: PhoneSettings) -> None:
    """The phone's part of CID-02 and CID-05."""
    rig = Rig(settings, TALKS)
    put_away(rig, locked=True)
    rig.push(20_000, node=1, caller=("", ""))
    rig.invite(20_600)
    rig.wire.run(60_000)
    callkit = [
        "CallKit, full screen: video call from nobody known",
        "the call is from Carol 1001",
    ]
    own = [f"{rig.phone._view.screen.value}: call from Carol 1001"]
    assert rig.phone.screen.texts[:-2] == (callkit if settings.callkit else own)


@pytest.mark.req("MODE-14")
@pytest.mark.parametrize(
    ("settings", "push_type"),
    [(IPHONE, "alert"), (JABBER_12_8, "alert"), (IOS_12, "voip"), (ANDROID, "data")],
    ids=["Webex", "Jabber 12.8", "iOS 12", "Android"],
)
def test_a_message_is_shown_and_only_the_tap_of_the_owner_opens_the_app(
    settings: PhoneSettings, push_type: str
) -> None:
    rig = Rig(settings)
    put_away(rig, locked=False)
    rig.push(20_000, PushKind.INSTANT_MESSAGE, push_type=push_type)
    rig.wire.run(60_000)
    assert rig.phone.screen.texts == ["notification: Carol: New message"]
    assert rig.phone.system.state is AppState.SUSPENDED
    assert rig.phone.suspended
    rig.wire.at(60_000, "phone", rig.phone.tap)
    rig.wire.run(61_000)
    assert rig.phone.screen.texts[1:] == ["the app is open"]
    assert rig.phone.system.state.name == "FOREGROUND"
    assert list(rig.phone.lock_screen.notifications) == []


@pytest.mark.req("MODE-17")
def test_where_notifications_are_not_allowed_a_message_is_not_shown_but_a_call_is() -> None:
    rig = Rig(plan=TALKS)
    put_away(rig, locked=True)
    rig.wire.at(15_000, "phone", lambda now: rig.phone.allow_notifications(now, False))
    rig.push(16_000, PushKind.INSTANT_MESSAGE, push_type="alert")
    rig.push(20_000, node=1)
    rig.invite(20_600)
    rig.wire.run(60_000)
    withheld = [(16_000, NotificationWithheld("New message"))]
    assert rig.wire.timed("phone", NotificationWithheld) == withheld
    assert rig.wire.events("phone", NotificationShown) == []
    assert list(rig.phone.lock_screen.notifications) == []
    assert len(rig.wire.events("phone", PhoneAnswered)) == 1
    rig.wire.at(70_000, "phone", lambda now: rig.phone.allow_notifications(now, True))
    rig.push(71_000, PushKind.INSTANT_MESSAGE, push_type="alert", uuid="later")
    rig.wire.run(72_000)
    assert len(rig.phone.lock_screen.notifications) == 1


@pytest.mark.req("MODE-11")
def test_each_voip_push_wants_a_report_of_its_own() -> None:
    """Two pushes and one report: the system ends the app, and withholds pushes from there on."""
    system, told = OperatingSystem(IPHONE), list[PhoneAction]()
    system.open_app(Instant(0), told)
    for number in (1, 2):
        system.receive(PushArrived("token", "voip", {"number": number}), Instant(s(number)), told)
    system.call_reported()
    assert system.next_deadline() == s(2 + 5)
    system.advance(Instant(s(7)), told)
    assert told[-1] == AppTerminated("VoIP push without a call", by_system=True)
    assert system.withholds_voip
    system.receive(PushArrived("token", "voip", {}), Instant(s(8)), told)
    assert [type(it) for it in told[-1:]] == [PushWithheld]


@pytest.mark.req("MODE-11")
@pytest.mark.parametrize(
    "kind", [PushKind.INCOMING, PushKind.MISSED, PushKind.INSTANT_MESSAGE], ids=lambda it: it.value
)
def test_whatever_a_voip_push_says_callkit_hears_of_a_call_so_the_app_lives(kind: PushKind) -> None:
    rig = Rig()
    put_away(rig, locked=True)
    rig.push(20_000, kind)
    rig.wire.run(60_000)
    (call,) = rig.phone.callkit.calls
    assert call.reported_at == s(20.4)
    assert not call.active
    assert rig.wire.events("phone", AppTerminated, PushWithheld) == []
    rig.assert_at_rest()


def test_the_owner_cannot_answer_what_does_not_show() -> None:
    rig = Rig(ANDROID)
    put_away(rig, locked=False)
    rig.push(20_000, node=1)
    rig.wire.at(20_450, "phone", rig.phone.answer)
    rig.invite(20_600)
    rig.wire.run(25_000)
    assert rig.wire.events("phone", PhoneAnswered) == []
    rig.wire.at(26_000, "phone", rig.phone.decline)
    rig.wire.run(60_000)
    rig.assert_at_rest()
