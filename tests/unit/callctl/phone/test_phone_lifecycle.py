"""The phone around the app: three switches, suspension, and what a push may do (MODE)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callctl.phone.callkit import BUTTONS
from callctl.phone.event import CallEnded, Registered
from callctl.phone.operating_system import AppState
from callctl.phone.phone_event import (
    AppForegrounded,
    AppLaunched,
    AppSuspended,
    AppTerminated,
    AppWoken,
    AttachPush,
    CallHidden,
    CallShown,
    DetachPush,
    ModeChanged,
    PhoneAnswered,
    PhoneRang,
    PushRejected,
    PushWithheld,
    Screen,
    SignedIn,
    SignIn,
    SignOut,
    ViewEnd,
)
from callctl.phone.settings import AnswerPlan, Registrar
from callctl.push.envelope import b64url
from callctl.push.sign_in import ClusterFacts, NodeAddress, NodeFacts
from helpers.phone_rig import ANDROID, IPHONE, NODES, UUID, Rig, s
from sipstack.message.message import Request, Response
from sipstack.timing import Instant
from sipstack.transaction.events import Ignored


@pytest.mark.req("MODE-03")
def test_a_start_attaches_the_tokens_signs_in_and_then_registers() -> None:
    rig = Rig()
    rig.wire.at(0, "phone", rig.phone.start)
    rig.wire.run(1_000)
    assert rig.wire.ladder() == []  # not before the sign-in
    identity = rig.phone.identity
    assert rig.wire.events("phone", AttachPush) == [
        AttachPush(identity.voip_token, "APNS", "org.callctl.phone.voip"),
        AttachPush(identity.message_token or "", "APNS", "org.callctl.phone"),
    ]
    request = rig.wire.events("phone", SignIn)[0].request
    assert (request.user_id, request.device_name) == ("alice", "TCTALICE")
    assert b64url(identity.keys[request.key_id]) == request.key
    rig.wire.at(2_000, "phone", lambda now: rig.phone.receive(SignedIn(), now))
    rig.wire.run(3_000)
    assert rig.phone.registered == NODES[0]


def test_the_sign_in_tells_the_cm_group() -> None:
    rig = Rig()
    node = NodeFacts(
        "ucm3",
        "ucm3.example.com",
        "primary",
        (NodeAddress("TLS", "192.0.2.3", 5061), NodeAddress("UDP", "192.0.2.3", 5060)),
    )
    facts = ClusterFacts("example.com", "alice", (node,), ())
    rig.wire.at(0, "phone", rig.phone.start)
    rig.wire.at(0, "phone", lambda now: rig.phone.receive(SignedIn(facts), now))
    rig.wire.run(1_000)
    assert rig.phone.registered == Registrar("192.0.2.3", 5060, "ucm3.example.com")


@pytest.mark.req("MODE-01", "MODE-02")
@pytest.mark.parametrize("off_screen", [False, True])
@pytest.mark.parametrize("locked", [False, True])
@pytest.mark.parametrize("screen_off", [False, True])
def test_the_client_is_suspended_if_any_one_of_three_switches_says_so(
    off_screen: bool, locked: bool, screen_off: bool
) -> None:
    rig = Rig()
    rig.start()
    rig.wire.at(
        1_000,
        "phone",
        lambda now: rig.phone.set_screen(
            now, off_screen=off_screen, locked=locked, screen_off=screen_off
        ),
    )
    rig.wire.run(10_000)
    suspended = off_screen or locked or screen_off
    assert rig.phone.suspended is suspended
    assert rig.phone.system.state is (AppState.SUSPENDED if suspended else AppState.FOREGROUND)
    assert (ModeChanged(True) in rig.wire.events("phone")) is suspended


@pytest.mark.req("MODE-01", "MODE-02")
def test_all_three_switches_have_to_be_off_for_the_foreground() -> None:
    rig = Rig()
    rig.sleep()
    rig.wire.at(11_000, "phone", lambda now: rig.phone.set_screen(now, screen_off=True))
    rig.wire.at(12_000, "phone", lambda now: rig.phone.set_screen(now, locked=False))
    rig.wire.run(12_500)
    assert rig.phone.system.state.name == "SUSPENDED"
    rig.wire.at(13_000, "phone", lambda now: rig.phone.set_screen(now, screen_off=False))
    rig.wire.run(14_000)
    assert rig.phone.system.state.name == "FOREGROUND"
    assert rig.wire.timed("phone", Registered)[-1][0] == 13_020


def test_the_app_is_suspended_after_its_grace_and_is_deaf_then() -> None:
    rig = Rig()
    rig.sleep()
    assert [at for at, _ in rig.wire.timed("phone", AppSuspended)] == [6_000]
    assert rig.phone.next_deadline() is None  # a frozen app has no timers
    rig.assert_at_rest()
    rig.invite(11_000)
    rig.wire.run(12_000)
    assert not [who for _, who, _ in rig.wire.sent if who == "phone"][3:]
    assert Ignored("asleep", "BytesReceived") in rig.wire.events("phone")


def test_who_looks_again_within_the_grace_is_not_suspended() -> None:
    rig = Rig()
    rig.start()
    rig.wire.at(1_000, "phone", lambda now: rig.phone.set_screen(now, off_screen=True))
    rig.wire.at(3_000, "phone", lambda now: rig.phone.set_screen(now, off_screen=False))
    rig.wire.run(20_000)
    assert rig.wire.events("phone", AppSuspended) == []
    assert len(rig.wire.events("phone", AppForegrounded)) == 2


@pytest.mark.req("MODE-11", "MODE-16")
def test_a_push_wakes_an_iphone_which_shows_callkit_registers_rings_and_talks() -> None:
    rig = Rig(plan=AnswerPlan(after_ns=s(2), hang_up_after_ns=s(3)))
    rig.sleep()
    rig.push(20_000, node=1)
    rig.invite(20_600)
    rig.wire.run(60_000)
    wire = rig.wire
    assert wire.timed("phone", AppWoken) == [(20_400, AppWoken())]
    # CallKit comes at once, before the phone has said a word to the node; and as video, although
    # the offer is audio only.
    shown = CallShown(UUID, "Carol", "1001", Screen.CALLKIT, video=True)
    assert wire.timed("phone", CallShown) == [(20_400, shown)]
    assert [at for at, who, what in wire.sent if (who, what) == ("phone", "REGISTER")][2:] == [
        20_400
    ]
    assert wire.timed("phone", PhoneRang)[0][0] == 20_610
    assert wire.timed("phone", PhoneAnswered)[0][0] == 22_400
    (call,) = rig.phone.callkit.calls
    assert call.video
    assert call.full_screen
    assert call.buttons == BUTTONS
    assert call.end_reason is ViewEnd.OWNER
    assert [at for at, _ in wire.timed("phone", AppSuspended)] == [6_000, 30_420]
    rig.assert_at_rest()


@pytest.mark.parametrize(("status", "lost"), [(200, "BYE"), (603, "603 INVITE")])
def test_the_app_is_not_suspended_before_the_other_side_knows_how_the_call_ended(
    status: int, lost: str
) -> None:
    rig = Rig(plan=AnswerPlan(after_ns=s(1), status=status, hang_up_after_ns=s(1)))
    rig.sleep()
    rig.push(20_000, node=1)
    rig.invite(20_600)
    rig.wire.lose = lambda message: (
        rig.wire.now < Instant(s(32))
        and (
            (isinstance(message, Request) and message.method == lost)
            or (isinstance(message, Response) and f"{message.status} {message.cseq.method}" == lost)
        )
    )
    rig.wire.run(60_000)
    assert rig.wire.timed("phone", AppSuspended)[-1][0] > 37_000
    assert len(rig.wire.events("node1", CallEnded)) == 1
    rig.assert_at_rest()


def test_a_call_keeps_the_app_alive_however_long() -> None:
    rig = Rig(plan=AnswerPlan(after_ns=s(1)))
    rig.sleep()
    rig.push(20_000, node=1)
    rig.invite(20_600)
    rig.wire.at(200_000, "node1", lambda now: rig.nodes[0].caller.bye(1, now))
    rig.wire.run(300_000)
    assert rig.wire.timed("phone", AppSuspended)[1][0] == 205_010
    (call,) = rig.phone.callkit.calls
    assert call.end_reason is ViewEnd.REMOTE_ENDED
    rig.assert_at_rest()


@pytest.mark.req("MODE-12")
def test_an_android_phone_rings_without_callkit() -> None:
    rig = Rig(ANDROID, AnswerPlan(after_ns=s(2), hang_up_after_ns=s(1)))
    rig.sleep()
    assert len(rig.wire.events("phone", AttachPush)) == 1
    rig.push(20_000, node=1)
    rig.invite(20_600)
    rig.wire.run(60_000)
    shown = rig.wire.events("phone", CallShown)
    assert shown == [CallShown(UUID, "Carol", "1001", Screen.FULL_SCREEN, video=False)]
    assert rig.phone.callkit.calls == ()
    assert len(rig.wire.events("phone", PhoneAnswered)) == 1
    rig.assert_at_rest()


def test_an_app_that_reports_no_call_is_ended_and_gets_no_more_voip_pushes() -> None:
    rig = Rig(replace(IPHONE, reports_calls=False))
    rig.sleep()
    rig.push(20_000, node=1)
    rig.push(40_000, node=1, uuid="other")
    rig.wire.run(60_000)
    terminated = AppTerminated("VoIP push without a call", by_system=True)
    assert rig.wire.timed("phone", AppTerminated) == [(25_400, terminated)]
    assert [at for at, _ in rig.wire.timed("phone", PushWithheld)] == [40_000]
    rig.wire.at(70_000, "phone", lambda now: rig.phone.set_screen(now, locked=False))
    rig.wire.run(71_000)
    assert AppLaunched(by_push=False) in rig.wire.events("phone")
    assert not rig.phone.system.withholds_voip  # its owner wants it after all
    assert rig.phone.registered is not None


@pytest.mark.req("MODE-23")
def test_a_push_launches_an_app_that_its_owner_has_closed() -> None:
    rig = Rig(plan=AnswerPlan(after_ns=s(1), hang_up_after_ns=s(1)))
    rig.start()
    rig.wire.at(1_000, "phone", rig.phone.close_app)
    rig.push(20_000, node=1)
    rig.invite(20_600)
    rig.wire.run(60_000)
    assert AppLaunched(by_push=True) in rig.wire.events("phone")
    assert len(rig.wire.events("phone", PhoneAnswered)) == 1
    rig.assert_at_rest()


@pytest.mark.req("MODE-18")
def test_after_a_sign_out_no_push_does_anything() -> None:
    rig = Rig()
    rig.start()
    rig.wire.at(1_000, "phone", rig.phone.sign_out)
    rig.push(20_000, node=1)
    rig.wire.run(60_000)
    assert rig.nodes[0].registers[-1].expires == 0
    assert len(rig.wire.events("phone", SignOut)) == 1
    assert len(rig.wire.events("phone", DetachPush)) == 2
    assert Ignored("push after sign-out", "voip") in rig.wire.events("phone")
    assert rig.wire.events("phone", CallShown) == []
    rig.assert_at_rest()


def test_a_sign_out_ends_a_call_that_was_announced_and_has_no_invite_yet() -> None:
    rig = Rig()
    rig.sleep()
    rig.push(100_000, node=1)
    rig.wire.at(101_000, "phone", rig.phone.sign_out)
    rig.wire.run(160_000)
    assert [shown.reason for shown in rig.wire.events("phone", CallHidden)] == [ViewEnd.FAILED]
    rig.assert_at_rest()


@pytest.mark.parametrize("reason", ["unreadable", "stale"])
def test_a_push_that_cannot_be_used_is_reported_and_ended_at_once(reason: str) -> None:
    rig = Rig()
    rig.sleep()
    if reason == "stale":
        rig.push(100_000, node=1, sent_at_ms=30_000)
    else:
        rig.push(100_000, node=1)
        rig.phone.identity.keys = type(rig.phone.identity.keys)(k9=bytes(32))
    rig.wire.run(200_000)
    assert rig.wire.events("phone", PushRejected)[0].reason == reason
    (call,) = rig.phone.callkit.calls
    assert call.end_reason is ViewEnd.FAILED
    assert rig.wire.events("phone", AppTerminated) == []
    assert rig.registers()[0] == 1  # only that of the start
    rig.assert_at_rest()


def test_a_renewed_key_is_told_and_the_old_one_still_opens() -> None:
    rig = Rig()
    rig.sleep()
    rig.push(20_000, node=1)  # sealed with the key of the start
    rig.wire.at(15_000, "phone", rig.phone.renew_key)
    rig.wire.run(21_000)
    first, second = rig.wire.events("phone", SignIn)
    assert first.request.key_id != second.request.key_id
    assert rig.wire.events("phone", CallShown)[0].caller_name == "Carol"
