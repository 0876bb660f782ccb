"""The emulated APNs against the documented provider rules."""

from __future__ import annotations

from typing import Any

import pytest

from callctl.cloud.apns import Apns, ApnsAction
from callctl.cloud.delivery import (
    Deliver,
    DeviceAttached,
    DeviceDetached,
    DeviceUnregistered,
    Discard,
)
from callctl.cloud.faults import Fault
from callctl.cloud.http import HttpAnswer, HttpRequest, Ignored, RequestReceived, SendAnswer
from callctl.cloud.provider_token import ProviderTokenError, ProviderTokenVerifier
from callctl.model.push_access import SigningKey
from callctl.push.direct.provider_token import sign_provider_token
from callctl.push.envelope import b64url
from helpers.pushes import UNIX_MS, VOIP_TOKEN, CountedEntropy, at

UNIX_S = UNIX_MS // 1000
KEY = SigningKey.make(CountedEntropy())
TOPIC = "org.callctl.phone.voip"
DEVICE = DeviceAttached(VOIP_TOKEN, TOPIC)
APNS_ID = "123e4567-e89b-42d3-a456-426614174000"


def apns() -> Apns:
    verifier = ProviderTokenVerifier({(KEY.team_id, KEY.key_id): KEY.private.public_key()})
    core = Apns(verifier, CountedEntropy(), UNIX_MS)
    core.receive(DEVICE, at(0))
    return core


def request(
    *, body: bytes = b'{"aps":{}}', method: str = "POST", path: str = "", **headers: str | None
) -> HttpRequest:
    """A good VoIP push, with headers changed or (None) left out."""
    fields: dict[str, str | None] = {
        "authorization": f"bearer {sign_provider_token(KEY, UNIX_S)}",
        "apns-push-type": "voip",
        "apns-topic": TOPIC,
        "apns-priority": "10",
        "apns-expiration": str(UNIX_S + 13),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    given = tuple((name, value) for name, value in fields.items() if value is not None)
    return HttpRequest(method, path or f"/3/device/{VOIP_TOKEN}", given, body)


def answer(actions: tuple[ApnsAction, ...]) -> HttpAnswer:
    (made,) = (action for action in actions if isinstance(action, SendAnswer))
    return made.answer


def delivered(actions: tuple[ApnsAction, ...]) -> list[str]:
    return [a.delivery.message_id for a in actions if isinstance(a, Deliver)]


@pytest.mark.req("CLOUD-13")
def test_good_push_is_answered_200_with_its_apns_id_and_delivered() -> None:
    actions = apns().receive(RequestReceived(1, request(apns_id=APNS_ID)), at(0))
    assert answer(actions) == HttpAnswer(200, (("apns-id", APNS_ID),))
    assert delivered(actions) == [APNS_ID]


@pytest.mark.req("CLOUD-13")
@pytest.mark.parametrize(
    ("made", "status", "reason"),
    [
        (request(path="/4/device/x"), 404, "BadPath"),
        (request(method="GET"), 405, "MethodNotAllowed"),
        (request(authorization=None), 403, "MissingProviderToken"),
        (request(authorization="bearer x.y.z"), 403, "InvalidProviderToken"),
        (
            request(authorization=f"bearer {sign_provider_token(KEY, UNIX_S - 3601)}"),
            403,
            "ExpiredProviderToken",
        ),
        (request(path="/3/device/"), 400, "MissingDeviceToken"),
        (request(path="/3/device/unknown"), 400, "BadDeviceToken"),
        (request(apns_id="no-uuid"), 400, "BadMessageId"),
        (request(apns_push_type=None), 400, "InvalidPushType"),
        (request(apns_push_type="ring"), 400, "InvalidPushType"),
        (request(apns_topic=None), 400, "MissingTopic"),
        (request(apns_topic="org.callctl.phone"), 400, "BadTopic"),
        (request(apns_push_type="alert"), 400, "BadTopic"),
        (request(apns_topic="org.other.voip"), 400, "DeviceTokenNotForTopic"),
        (request(apns_priority="7"), 400, "BadPriority"),
        (request(apns_push_type="background", apns_topic="x"), 400, "BadPriority"),
        (request(apns_expiration="soon"), 400, "BadExpirationDate"),
        (request(apns_collapse_id="x" * 65), 400, "BadCollapseId"),
        (request(body=b""), 400, "PayloadEmpty"),
        (request(body=b"{"), 400, "PayloadEmpty"),
        (request(body=b'{"a":"' + b"x" * 5113 + b'"}'), 413, "PayloadTooLarge"),
    ],
)
def test_each_documented_refusal(made: HttpRequest, status: int, reason: str) -> None:
    """OP-12."""
    actions = apns().receive(RequestReceived(1, made), at(0))
    assert (answer(actions).status, answer(actions).json()) == (status, {"reason": reason})
    assert delivered(actions) == []


@pytest.mark.req("SEC-08", "CLOUD-13")
def test_voip_push_may_have_5120_octets_and_an_alert_4096() -> None:
    core = apns()
    core.receive(DeviceAttached("alert", "org.callctl.phone"), at(0))
    alert = {"apns_push_type": "alert", "apns_topic": "org.callctl.phone"}
    for made, size, status in (
        (request, 5120, 200),
        (request, 5121, 413),
        (lambda body: request(body=body, path="/3/device/alert", **alert), 4096, 200),
        (lambda body: request(body=body, path="/3/device/alert", **alert), 4097, 413),
    ):
        body = b'{"a":"' + b"x" * (size - 8) + b'"}'
        assert len(body) == size
        assert answer(core.receive(RequestReceived(1, made(body=body)), at(0))).status == status


def test_token_of_a_removed_app_is_410_with_the_time_since_when() -> None:
    """OP-12."""
    core = apns()
    core.receive(DeviceUnregistered(VOIP_TOKEN), at(2_500))
    refused = answer(core.receive(RequestReceived(1, request()), at(3_000)))
    assert refused.status == 410
    assert refused.json() == {"reason": "Unregistered", "timestamp": UNIX_MS + 2_500}


def test_absent_device_gets_on_its_return_what_has_not_expired() -> None:
    core = apns()
    core.receive(DeviceDetached(VOIP_TOKEN), at(0))
    stored = core.receive(RequestReceived(1, request(apns_id=APNS_ID)), at(0))
    assert (answer(stored).status, delivered(stored)) == (200, [])
    assert delivered(core.receive(DEVICE, at(12_999))) == [APNS_ID]


def test_nothing_is_delivered_at_its_expiration_or_later() -> None:
    core = apns()
    core.receive(DeviceDetached(VOIP_TOKEN), at(0))
    core.receive(RequestReceived(1, request()), at(0))
    assert core.next_deadline() == at(13_000)
    (gone,) = core.advance(at(13_000))
    assert isinstance(gone, Discard)
    assert gone.reason == "expired"
    assert core.receive(DEVICE, at(13_000)) == ()
    assert core.desk.counts() == {"late": 0, "stored": 0}


def test_push_that_must_be_delivered_now_is_not_stored() -> None:
    core = apns()
    core.receive(DeviceDetached(VOIP_TOKEN), at(0))
    _, gone = core.receive(RequestReceived(1, request(apns_expiration="0")), at(0))
    assert isinstance(gone, Discard)


def test_push_with_the_same_collapse_id_takes_the_place_of_the_stored_one() -> None:
    core = apns()
    core.receive(DeviceDetached(VOIP_TOKEN), at(0))
    core.receive(RequestReceived(1, request(apns_collapse_id="call")), at(0))
    second = request(apns_collapse_id="call", apns_id=APNS_ID)
    *_, replaced = core.receive(RequestReceived(2, second), at(1))
    assert isinstance(replaced, Discard)
    assert delivered(core.receive(DEVICE, at(2))) == [APNS_ID]


def test_delay_is_in_virtual_time_and_does_not_outlive_the_expiration() -> None:
    core = apns()
    core.faults.add(Fault(delay_ns=at(4_000), times=1))
    core.faults.add(Fault(delay_ns=at(14_000), times=1))
    late = core.receive(RequestReceived(1, request(apns_id=APNS_ID)), at(0))
    assert (answer(late).status, delivered(late)) == (200, [])
    core.receive(RequestReceived(2, request()), at(0))
    assert core.advance(at(3_999)) == ()
    assert delivered(core.advance(at(4_000))) == [APNS_ID]
    (gone,) = core.advance(at(14_000))
    assert isinstance(gone, Discard)


def test_faults_lose_double_silence_and_refuse() -> None:
    core = apns()
    for fault in (
        Fault(lose=True, times=1),
        Fault(duplicate=True, times=1),
        Fault(silent=True, times=1),
        Fault(status=503, reason="Shutdown", times=1),
    ):
        core.faults.add(fault)
    lost, doubled, silent, refused = (
        core.receive(RequestReceived(number, request()), at(0)) for number in range(4)
    )
    assert (answer(lost).status, delivered(lost)) == (200, [])
    assert len(delivered(doubled)) == 2
    assert [type(action) for action in silent] == [Ignored]
    assert answer(refused).json() == {"reason": "Shutdown"}


def test_provider_token_with_another_algorithm_key_or_claim_is_refused() -> None:
    """RFC 8725."""
    verifier = ProviderTokenVerifier({(KEY.team_id, KEY.key_id): KEY.private.public_key()})
    good = sign_provider_token(KEY, UNIX_S)
    verifier.check(good, UNIX_S)
    header, claims, signature = good.split(".")
    other = SigningKey(KEY.key_id, KEY.team_id, SigningKey.make(_Other()).private)
    none = b64url(b'{"alg":"none","kid":"CALLCTL001"}')
    hs256 = b64url(b'{"alg":"HS256","kid":"CALLCTL001"}')
    forged = [
        f"{none}.{claims}.",
        f"{hs256}.{claims}.{signature}",
        f"{header}.{claims}.{signature[:-2]}AA",
        f"{header}.{claims}",
        sign_provider_token(other, UNIX_S),
        "x" * 3000,
        "..",
    ]
    for token in forged:
        with pytest.raises(ProviderTokenError, match="InvalidProviderToken"):
            verifier.check(token, UNIX_S)
    with pytest.raises(ProviderTokenError, match="ExpiredProviderToken"):
        verifier.check(good, UNIX_S + 3601)


@pytest.mark.req("CLOUD-13")
def test_key_may_have_a_new_provider_token_every_20_minutes_and_the_old_one_until_it_is_60() -> (
    None
):
    core = apns()
    good, newer = (sign_provider_token(KEY, UNIX_S + at_s) for at_s in (0, 60))

    def pushed(token: str, now_ms: int) -> tuple[int, Any]:
        made = request(authorization=f"bearer {token}", apns_expiration="0")
        refused = answer(core.receive(RequestReceived(1, made), at(now_ms)))
        return refused.status, refused.json().get("reason")

    assert pushed(good, 0) == (200, None)
    assert pushed(newer, 1_199_000) == (429, "TooManyProviderTokenUpdates")
    assert pushed(good, 1_199_000) == (200, None)
    assert pushed(newer, 1_200_000) == (200, None)
    assert pushed(good, 3_600_000) == (200, None)
    assert pushed(good, 3_601_000) == (403, "ExpiredProviderToken")


@pytest.mark.req("CLOUD-13")
def test_header_that_is_given_twice_is_refused() -> None:
    made = request()
    doubled = HttpRequest(made.method, made.path, (*made.headers, ("apns-topic", TOPIC)), made.body)
    refused = answer(apns().receive(RequestReceived(1, doubled), at(0)))
    assert (refused.status, refused.json()) == (400, {"reason": "DuplicateHeaders"})


def test_token_of_the_future_is_refused_but_for_a_minute_of_skew() -> None:
    for ahead_s, status in ((60, 200), (61, 403)):
        made = request(authorization=f"bearer {sign_provider_token(KEY, UNIX_S + ahead_s)}")
        assert answer(apns().receive(RequestReceived(1, made), at(0))).status == status


class _Other(CountedEntropy):
    def octets(self, count: int) -> bytes:
        return b"\x07" * count
