"""Tokens, service and key of a phone: what it gives away, when it changes (REG-05, REG-07)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callctl.model.device import ClientType, Platform
from callctl.phone.phone_event import AttachPush, CallShown, PushRejected, SignIn, SignOut
from callctl.phone.phone_settings import PhoneSettings
from callctl.push.sign_in import SignInRequest
from helpers.phone_rig import ANDROID, IPHONE, Rig, s
from sipstack.timing import SECOND

IOS_12 = replace(IPHONE, os_version="12.4")
RENEWS = replace(IPHONE, key_life_ns=60 * SECOND)


def sign_ins(rig: Rig) -> list[tuple[int, SignInRequest]]:
    return [(at, event.request) for at, event in rig.wire.timed("phone", SignIn)]


@pytest.mark.req("MODE-08")
def test_ios_12_has_one_token_and_it_is_one_that_wakes_the_app() -> None:
    """OP-63."""
    rig = Rig(IOS_12)
    rig.start()
    token = rig.phone.identity.voip_token
    assert rig.wire.events("phone", AttachPush) == [
        AttachPush(token, "APNS", "org.callctl.phone.voip")
    ]
    (request,) = (request for _, request in sign_ins(rig))
    assert (request.voip_token, request.message_token) == (token, None)


@pytest.mark.req("MODE-09")
def test_ios_13_has_a_token_for_each_channel() -> None:
    rig = Rig()
    rig.start()
    apps = [attached.app for attached in rig.wire.events("phone", AttachPush)]
    assert apps == ["org.callctl.phone.voip", "org.callctl.phone"]
    (request,) = (request for _, request in sign_ins(rig))
    assert len({request.voip_token, request.message_token, None}) == 3


@pytest.mark.req("AND-02")
def test_android_has_the_one_registration_token_of_fcm() -> None:
    rig = Rig(ANDROID)
    rig.start()
    assert [it.app for it in rig.wire.events("phone", AttachPush)] == ["callctl-phone"]


def test_a_standard_client_keeps_the_double_form_of_apple_on_any_system() -> None:
    """OP-01."""
    rig = Rig(replace(IOS_12, client=ClientType.STANDARD))
    prid = rig.phone.settings.agent.contact_uri_params[-1]
    assert prid.endswith(":remote")
    assert ":voip&" in prid


@pytest.mark.req("REG-07", "AND-04")
@pytest.mark.parametrize(
    ("service", "platform"),
    [
        ("APNS", Platform.IOS),
        ("APNS:beta", Platform.IOS),
        ("APNS:dev", Platform.IOS),
        ("APNS:test", Platform.IOS),
        ("APNS:load", Platform.IOS),
        ("FCM", Platform.ANDROID),
        ("FCM:dev", Platform.ANDROID),
    ],
)
def test_the_build_of_the_client_decides_the_subscriber_service(
    service: str, platform: Platform
) -> None:
    base = IPHONE if platform is Platform.IOS else ANDROID
    rig = Rig(replace(base, subscriber_service=service))
    rig.start()
    assert sign_ins(rig)[0][1].subscriber_service == service
    assert {it.service for it in rig.wire.events("phone", AttachPush)} == {service}


@pytest.mark.req("REG-05")
def test_the_key_is_renewed_again_and_again_while_the_app_runs() -> None:
    rig = Rig(RENEWS)
    rig.start()
    rig.wire.run(190_000)
    assert [at for at, _ in sign_ins(rig)] == [0, 60_000, 120_000, 180_000]
    assert len({request.key for _, request in sign_ins(rig)}) == 4
    assert len({request.key_id for _, request in sign_ins(rig)}) == 4


@pytest.mark.req("REG-05")
def test_an_app_that_sleeps_renews_its_key_when_a_push_wakes_it() -> None:
    """A frozen app has no timers; the push that woke it is still opened by the old key."""
    rig = Rig(RENEWS)
    rig.sleep()
    rig.wire.run(200_000)
    assert len(sign_ins(rig)) == 1
    rig.push(200_000, node=1)
    rig.wire.run(230_000)
    assert [at for at, _ in sign_ins(rig)] == [0, 200_400]
    assert rig.wire.events("phone", CallShown)[0].caller_name == "Carol"


@pytest.mark.req("REG-05")
def test_pushes_under_way_with_one_of_the_two_keys_before_still_open_older_ones_do_not() -> None:
    rig = Rig()
    rig.sleep()
    for age in (3, 2, 1):
        rig.push(20_000 + 1_000 * (4 - age), uuid=f"sealed {age} keys ago", node=1)
        rig.phone.renew_key(rig.wire.now)
    rig.wire.run(60_000)
    shown = [call.call_uuid for call in rig.wire.events("phone", CallShown)]
    assert "sealed 3 keys ago" not in shown
    assert {"sealed 2 keys ago", "sealed 1 keys ago"} <= set(shown)
    assert [event.reason for event in rig.wire.events("phone", PushRejected)] == ["unreadable"]


@pytest.mark.req("MODE-18")
@pytest.mark.parametrize("settings", [RENEWS, IPHONE], ids=["by plan", "by command"])
def test_a_client_that_has_signed_out_does_not_sign_in_for_a_new_key(
    settings: PhoneSettings,
) -> None:
    rig = Rig(settings)
    rig.start()
    rig.wire.at(1_000, "phone", rig.phone.sign_out)
    rig.wire.at(70_000, "phone", rig.phone.renew_key)
    rig.wire.run(200_000)
    assert len(sign_ins(rig)) == len(rig.wire.events("phone", SignOut)) == 1
    rig.wire.at(210_000, "phone", rig.phone.start)
    rig.wire.run(210_500)
    first, second = (request for _, request in sign_ins(rig))
    assert first.key != second.key  # the new one is told at the next sign-in
    assert rig.wire.now >= s(210)
