"""Calls to sleeping phones of every platform over real sockets: what owner, cloud and caller saw.

5 s and 13 s are 1 s and 2 s here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import anyio
import anyio.lowlevel
import msgspec
import pytest

from callctl.model.build import android, iphone
from callctl.model.device import ClientType
from callctl.model.line import ExternalPresentation, Line
from callctl.phone.event import IncomingCall, Registered
from callctl.phone.phone_event import AppSuspended, CallShown, PushArrived, PushRejected
from callctl.phone.settings import AnswerPlan
from helpers.node_rig import eventually
from helpers.stage import PICKS_UP, WAITS, Stage, manner, staged

pytestmark = pytest.mark.anyio

VIDEO = "video call from Front Desk 4930111001"
TOAST = "notification: Front Desk: Incoming call: tap now to answer"

WATCHED = iphone("4930222001")
LOCKED = iphone("4930222002")
BANNER = iphone("4930222003", client=ClientType.WEBEX, client_version="44.1")
OLD_JABBER = iphone("4930222004", client_version="12.8.1")
ANDROID = android("4930222005")
TAPS = iphone("4930222006", custom_region=True)
TAPS_NOT = iphone("4930222007", custom_region=True)
DECLINES = iphone("4930222008")
NOBODY = iphone("4930222009")
TOGGLED = iphone("4930222010")
LATE = iphone("4930222011")
SIGNED_OUT = iphone("4930222012")
CLOSED = iphone("4930222013")
BETA = replace(iphone("4930222014"), subscriber_service="APNS:beta")
NEVER_MS = 60_000


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def stage(anyio_backend: str) -> AsyncIterator[Stage]:
    sleepers = {
        LOCKED: manner(),
        BANNER: manner(),
        OLD_JABBER: manner(),
        ANDROID: manner(),
        TAPS: manner(tap_ms=300),
        TAPS_NOT: manner(),
        DECLINES: manner(AnswerPlan(after_ns=0, status=603)),
        NOBODY: manner(wake_ms=NEVER_MS),
        TOGGLED: manner(WAITS, wake_ms=NEVER_MS),
        LATE: manner(WAITS, wake_ms=2_100),
        SIGNED_OUT: manner(),
        CLOSED: manner(),
        BETA: manner(),
    }
    async with staged(sleepers=sleepers, watched={WATCHED: manner()}) as made:
        yield made


@pytest.mark.req("MODE-04", "MODE-05", "CALL-03")
async def test_on_the_screen_the_call_comes_over_sip_and_the_push_changes_nothing(
    stage: Stage,
) -> None:
    phone = stage.phones[WATCHED.name]
    call = stage.call("4930222001", hang_up_ms=200)
    await call.answered()
    await phone.until(PushArrived)
    await call.ended()
    await phone.sees("call gone")
    assert phone.screen == [
        f"CallKit, banner: {VIDEO}",
        "in conversation",
        "call gone: remoteEnded",
    ]
    assert len(phone.all(IncomingCall)) == 1
    assert phone.all(Registered) == []  # it was, and the push makes it no more so
    assert call.steps[:3] == ["received", f"direct {WATCHED.name}", f"ring-push {WATCHED.name}"]
    assert call.steps[-1] == f"answered {WATCHED.name}"


@pytest.mark.req("MODE-11", "MODE-16", "MODE-20", "CALL-12", "CID-01")
async def test_locked_iphone_shows_callkit_with_the_caller_and_answers_without_unlocking(
    stage: Stage,
) -> None:
    phone = stage.phones[LOCKED.name]
    call = stage.call("4930222002", hang_up_ms=100)
    await call.answered()
    await phone.until(AppSuspended)
    assert phone.screen == [
        f"CallKit, full screen: {VIDEO}",
        "in conversation",
        "call gone: remoteEnded",
    ]
    kinds = (PushArrived, CallShown, Registered, IncomingCall)
    seen = [kind for _, event in phone.told for kind in kinds if isinstance(event, kind)]
    assert seen == list(kinds)
    (outer,) = await stage.outer(phone)
    assert (outer["channel"], outer["priority"], outer["ttl"]) == ("voip", "high", 2)
    (at_apns,) = stage.at_partner(phone)
    assert at_apns["apns-push-type"] == "voip"
    assert at_apns["apns-priority"] == "10"
    assert call.steps == [
        "received",
        f"parked {LOCKED.name}",
        f"ring-push {LOCKED.name}",
        f"push-accepted {LOCKED.name}",
        f"registered {LOCKED.name}",
        f"offered {LOCKED.name}",
        f"ringing {LOCKED.name}",
        f"answered {LOCKED.name}",
    ]


@pytest.mark.req("MODE-11", "MODE-20")
async def test_unlocked_iphone_shows_a_banner_and_the_app_opens_when_it_is_answered(
    stage: Stage,
) -> None:
    phone = stage.phones[BANNER.name]
    phone.shell.lock(False)
    call = stage.call("4930222003", hang_up_ms=100)
    await call.answered()
    await phone.sees("call gone")
    assert phone.screen[:3] == [f"CallKit, banner: {VIDEO}", "the app is open", "in conversation"]


@pytest.mark.req("MODE-20", "MODE-21", "MODE-22")
async def test_jabber_12_8_shows_the_call_inside_the_app(stage: Stage) -> None:
    phone = stage.phones[OLD_JABBER.name]
    phone.shell.lock(False)
    call = stage.call("4930222004", hang_up_ms=100)
    await call.answered()
    await phone.sees("call gone")
    assert phone.screen[:2] == [
        "the app comes to the front by itself",
        "in the app: call from Front Desk 4930111001",
    ]
    assert phone.shell.phone.callkit.calls == ()


@pytest.mark.req("MODE-12", "AND-02")
async def test_android_is_woken_through_fcm_and_rings_on_its_own_screen(stage: Stage) -> None:
    phone = stage.phones[ANDROID.name]
    call = stage.call("4930222005", hang_up_ms=100)
    await call.answered()
    await phone.sees("call gone")
    assert phone.screen[0] == "own full screen: call from Front Desk 4930111001"
    assert [push.push_type for push in phone.all(PushArrived)] == ["data"]
    (outer,) = await stage.outer(phone)
    assert (outer["service"], outer["channel"]) == ("FCM", "voip")
    (at_fcm,) = stage.at_partner(phone)
    message = msgspec.json.decode(at_fcm["body"])["message"]
    assert message["android"] == {"priority": "HIGH", "ttl": "2s"}
    assert phone.shell.phone.callkit.calls == ()


@pytest.mark.req("CHN-01", "CHN-04", "CHN-05", "CHN-09")
async def test_in_china_the_tap_on_the_message_fetches_the_call(stage: Stage) -> None:
    phone = stage.phones[TAPS.name]
    call = stage.call("4930222006", hang_up_ms=100)
    await call.answered()
    await phone.sees("call gone")
    assert phone.screen == [
        TOAST,
        "the app is open",
        "in the app: call from Front Desk 4930111001",
        "in conversation",
        "call gone: remoteEnded",
    ]
    assert [push.push_type for push in phone.all(PushArrived)] == ["alert"]
    assert [outer["channel"] for outer in await stage.outer(phone)] == ["message"]
    assert phone.shell.phone.callkit.calls == ()


@pytest.mark.req("CHN-06", "SHL-06", "CALL-06")
async def test_in_china_nobody_taps_so_the_missed_call_takes_the_place_of_the_message(
    stage: Stage,
) -> None:
    phone = stage.phones[TAPS_NOT.name]
    call = stage.call("4930222007")
    assert await call.ended() == 480
    await phone.sees("Missed call")
    assert phone.screen == [
        TOAST,
        "notification in place of another: Front Desk: Missed call",
    ]
    assert [push.push_type for push in phone.all(PushArrived)] == ["alert", "alert"]
    first, second = stage.at_partner(phone)
    assert first["apns-collapse-id"] == second["apns-collapse-id"]
    assert phone.shell.state == "suspended"
    assert call.steps[-3:] == [
        f"dropped {TAPS_NOT.name}",
        f"missed-push {TAPS_NOT.name}",
        "final",
    ]


@pytest.mark.req("CALL-14", "SHL-09")
async def test_a_decline_in_callkit_reaches_the_caller_and_nobody_is_pushed_again(
    stage: Stage,
) -> None:
    phone = stage.phones[DECLINES.name]
    call = stage.call("4930222008")
    assert await call.ended() == 603
    await phone.until(AppSuspended)
    assert phone.screen == [f"CallKit, full screen: {VIDEO}", "call gone: owner"]
    assert len(await stage.outer(phone)) == 1
    assert f"declined {DECLINES.name}" in call.steps


@pytest.mark.req("CALL-04", "CALL-05", "CALL-06", "SHL-02", "SHL-10")
async def test_nobody_wakes_so_it_rings_at_the_ring_back_time_and_ends_480_at_the_drop(
    stage: Stage,
) -> None:
    phone = stage.phones[NOBODY.name]
    call = stage.call("4930222009")
    assert await call.ended() == 480
    assert call.rang == [180]
    await phone.until(PushArrived, 2)
    assert [outer["channel"] for outer in await stage.outer(phone, 2)] == ["voip", "voip"]
    assert [step.partition(" ")[0] for step in call.steps][-4:] == [
        "ring-back",
        "dropped",
        "missed-push",
        "final",
    ]


@pytest.mark.req("CALL-11", "SHL-01")
async def test_the_caller_gives_up_and_the_phone_that_was_pushed_is_told(stage: Stage) -> None:
    phone = stage.phones[NOBODY.name]
    before = len(phone.all(PushArrived))
    call = stage.call("4930222009")
    await phone.until(PushArrived, before + 1)
    call.hang_up()
    assert await call.ended() == 487
    await phone.until(PushArrived, before + 2)
    assert [step.partition(" ")[0] for step in call.steps][-2:] == ["cancelled", "missed-push"]


@pytest.mark.req("CALL-10")
async def test_a_phone_that_wakes_after_the_drop_gets_no_invite_and_shows_a_missed_call(
    stage: Stage,
) -> None:
    phone = stage.phones[LATE.name]
    call = stage.call("4930222011")
    assert await call.ended() == 480
    await phone.sees("Missed call")
    await phone.until(Registered)
    assert phone.screen[0] == f"CallKit, full screen: {VIDEO}"
    assert phone.all(IncomingCall) == []


@pytest.mark.req("CALL-02")
async def test_the_phone_is_taken_up_and_put_away_twenty_times_during_the_wait(
    stage: Stage,
) -> None:
    phone = stage.phones[TOGGLED.name]
    call = stage.call("4930222010")
    await phone.until(PushArrived)
    for _ in range(10):
        phone.shell.resume()
        await anyio.lowlevel.checkpoint()
        phone.shell.suspend()
        await anyio.lowlevel.checkpoint()
    phone.shell.resume()
    await phone.until(IncomingCall)
    assert len([text for text in phone.screen if VIDEO in text]) == 1
    call.hang_up()
    assert await call.ended() == 487
    await phone.sees("call gone")
    flows = [event.flow for event in phone.all(Registered)]
    assert len(phone.all(IncomingCall)) <= len(set(flows))


@pytest.mark.req("MODE-18")
async def test_who_has_signed_out_is_not_pushed(stage: Stage) -> None:
    phone = stage.phones[SIGNED_OUT.name]
    phone.shell.sign_out()
    await eventually(lambda: stage.shell.view.engine.push_binding(SIGNED_OUT.name) is None)
    call = stage.call("4930222012")
    assert await call.ended() == 480
    assert await stage.outer(phone, 0) == []
    assert call.steps[1] == f"unreachable {SIGNED_OUT.name}"


@pytest.mark.req("MODE-23", "REG-05")
async def test_an_app_that_was_closed_is_launched_and_opens_a_push_of_the_newest_key(
    stage: Stage,
) -> None:
    phone = stage.phones[CLOSED.name]
    identity = phone.shell.phone.identity
    phone.shell.renew_key()
    (newest,) = list(identity.keys)[-1:]
    view = stage.shell.view.engine
    await eventually(lambda: getattr(view.push_binding(CLOSED.name), "key_id", "") == newest)
    phone.shell.close_app()
    call = stage.call("4930222013", hang_up_ms=100)
    await call.answered()
    await phone.sees("call gone")
    assert phone.screen[:2] == ["the app is closed", f"CallKit, full screen: {VIDEO}"]
    assert [outer["payload"]["kid"] for outer in await stage.outer(phone)] == [newest]
    assert phone.all(PushRejected) == []


@pytest.mark.req("REG-07")
async def test_the_subscriber_service_of_a_beta_client_is_that_of_its_pushes(stage: Stage) -> None:
    phone = stage.phones[BETA.name]
    call = stage.call("4930222014", hang_up_ms=100)
    await call.answered()
    assert [outer["service"] for outer in await stage.outer(phone)] == ["APNS:beta"]


@pytest.mark.req("CID-10")
async def test_a_caller_who_asks_for_privacy_is_shown_as_nobody(stage: Stage) -> None:
    phone = stage.phones[LOCKED.name]
    phone.forget()
    call = stage.call("4930222002", privacy="id", hang_up_ms=100)
    await call.answered()
    await phone.sees("call gone")
    assert phone.screen[0] == "CallKit, full screen: video call from Anonymous"


@pytest.mark.req("MODE-08", "MODE-10", "CID-03")
async def test_ios_12_and_external_presentation_on_12_5_1_su3() -> None:
    """One old phone with the shared channel, one new one that shows the caller's public side."""
    old = iphone("4930222021", os_version="12.4", client_version="12.8")
    new = iphone("4930222022")
    line = Line("4930111001", "Front Desk", ExternalPresentation("Harbour", "+4940555000"))
    async with staged(
        sleepers={old: manner(PICKS_UP), new: manner()}, lines=[line], release="12.5(1)SU3"
    ) as stage:
        phone = stage.phones[old.name]
        phone.shell.lock(False)
        call = stage.call("4930222021", hang_up_ms=100)
        await call.answered()
        await phone.sees("call gone")
        assert phone.screen[:2] == [
            "the app comes to the front by itself",
            "in the app: call from Harbour +4940555000",
        ]
        (outer,) = await stage.outer(phone)
        assert (outer["channel"], outer["priority"]) == ("default", "high")
        assert phone.shell.attached == {phone.shell.phone.identity.voip_token}
        other = stage.phones[new.name]
        call = stage.call("4930222022", hang_up_ms=100)
        await call.answered()
        assert other.screen[0] == "CallKit, full screen: video call from Harbour +4940555000"
