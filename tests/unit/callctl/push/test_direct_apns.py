"""The direct channel to APNs: what it sends, and what it makes of each answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from callctl.cloud.apns import Apns
from callctl.cloud.delivery import Deliver, DeviceAttached
from callctl.cloud.http import HttpRequest, RequestReceived, SendAnswer
from callctl.cloud.provider_token import ProviderTokenVerifier
from callctl.push.events import Outcome, PostPush, PushAnswered, PushOutcome
from callctl.push.kind import PushKind
from callctl.push.reader import read_push
from callctl.registration.push_binding import PushBinding
from helpers.direct import APNS_URL, BUNDLE_ID, SIGNING_KEY, UNIX_S, DirectService
from helpers.pushes import (
    CHINA,
    IOS_12,
    IPHONE,
    KEY,
    KEY_ID,
    KEYLESS,
    MESSAGE_TOKEN,
    UNIX_MS,
    VOIP_TOKEN,
    CountedEntropy,
    at,
    intent,
    outcomes,
    posts,
)


def sent(
    binding: PushBinding = IPHONE, kind: PushKind = PushKind.INCOMING, *, now_ms: int = 0
) -> PostPush:
    service = DirectService()
    service.bindings[binding.device_name] = binding
    asked = intent(kind, binding, deadline_ms=now_ms + 13_000)
    (post,) = posts(service.cpns.receive(asked, at(now_ms)))
    return post


def answered(
    service: DirectService, status: int, body: dict[str, Any], retry_after: str | None = None
) -> PushOutcome:
    """The outcome of a ring push that is answered like this."""
    (post,) = posts(service.cpns.receive(intent(call_uuid="asked"), at(0)))
    octets = msgspec.json.encode(body)
    answer = PushAnswered(post.tracking_id, status, octets, retry_after)
    (outcome,) = outcomes(service.cpns.receive(answer, at(1)))
    return outcome


@pytest.mark.req("PUSH-04", "CALL-12")
def test_ring_push_is_a_voip_push_of_high_priority_that_ends_with_the_wait() -> None:
    """OP-12."""
    post = sent()
    assert (post.channel, post.url, post.path) == ("apns", APNS_URL, f"/3/device/{VOIP_TOKEN}")
    headers = dict(post.headers)
    assert headers.pop("authorization").startswith("bearer ey")
    assert headers == {
        "apns-push-type": "voip",
        "apns-topic": "org.callctl.phone.voip",
        "apns-priority": "10",
        "apns-expiration": str(UNIX_S + 13),
    }


def test_push_in_the_last_second_of_the_wait_is_for_now_or_never() -> None:
    service = DirectService()
    (post,) = posts(service.cpns.receive(intent(), at(12_500)))
    assert dict(post.headers)["apns-expiration"] == "0"


@pytest.mark.parametrize("binding", [IPHONE, IOS_12])
@pytest.mark.req("SEC-01", "SEC-06", "PUSH-07")
def test_managed_phone_gets_the_sealed_content_and_no_word_in_the_clear(
    binding: PushBinding,
) -> None:
    post = sent(binding)
    body = msgspec.json.decode(post.body)
    assert set(body) == {"aps", "trackingId", "payload"}
    assert body["aps"] == {}
    read = read_push(body, VOIP_TOKEN, {KEY_ID: KEY})
    assert read.content is not None
    assert read.content.call_uuid == "c1"
    outside = repr((post.path, post.headers)).encode() + post.body
    for personal in ("Büro", "Süd", "498912345678", "555800099"):
        assert personal.encode() not in outside


@pytest.mark.req("SEC-06")
def test_standard_phone_is_woken_and_told_nothing() -> None:
    """OP-01, RFC 8599."""
    body = msgspec.json.decode(sent(KEYLESS).body)
    assert body["payload"] == {"enc": "none"}
    assert read_push(body, VOIP_TOKEN, {}).content is None


@pytest.mark.req("CHN-09")
def test_custom_region_phone_gets_an_alert_that_the_next_one_replaces() -> None:
    """OP-08: the call as collapse id."""
    rings, missed = sent(CHINA), sent(CHINA, PushKind.MISSED)
    headers = dict(rings.headers)
    assert rings.path == f"/3/device/{MESSAGE_TOKEN}"
    assert (headers["apns-push-type"], headers["apns-topic"]) == ("alert", BUNDLE_ID)
    assert headers["apns-collapse-id"] == dict(missed.headers)["apns-collapse-id"]
    assert len(headers["apns-collapse-id"].encode()) <= 64
    assert msgspec.json.decode(rings.body)["aps"]["alert"] == {"loc-key": "PUSH"}


@pytest.mark.parametrize("topic", ["org.example.phone", "org.example.phone.voip"])
def test_app_that_the_client_names_is_pushed_to_by_its_bundle_id(topic: str) -> None:
    headers = dict(sent(replace(KEYLESS, topic=topic)).headers)
    assert headers["apns-topic"] == "org.example.phone.voip"
    china = replace(CHINA, topic=topic)
    assert dict(sent(china).headers)["apns-topic"] == "org.example.phone"


def test_provider_token_is_renewed_while_calls_go_on() -> None:
    used = [
        dict(sent(now_ms=minute * 60_000).headers)["authorization"] for minute in (0, 29, 30, 89)
    ]
    assert used[0] == used[1] != used[2]
    service = DirectService()
    tokens = []
    for minute in range(0, 180, 5):
        asked = intent(call_uuid=f"c{minute}", deadline_ms=minute * 60_000 + 13_000)
        (post,) = posts(service.cpns.receive(asked, at(minute * 60_000)))
        tokens.append(dict(post.headers)["authorization"])
    assert len(set(tokens)) == 6


@pytest.mark.parametrize(
    ("status", "reason", "outcome"),
    [
        (200, "", Outcome.ACCEPTED),
        (301, "", Outcome.REFUSED),
        (400, "BadDeviceToken", Outcome.REFUSED_TOKEN),
        (400, "DeviceTokenNotForTopic", Outcome.REFUSED_TOKEN),
        (400, "BadTopic", Outcome.REFUSED),
        (403, "InvalidProviderToken", Outcome.REFUSED),
        (403, "ExpiredProviderToken", Outcome.REFUSED),  # no newer one is to be had
        (405, "MethodNotAllowed", Outcome.REFUSED),
        (410, "Unregistered", Outcome.REFUSED_TOKEN),
        (410, "ExpiredToken", Outcome.REFUSED_TOKEN),
        (413, "PayloadTooLarge", Outcome.REFUSED),
        (429, "TooManyRequests", Outcome.FAILED),
        (500, "InternalServerError", Outcome.FAILED),
        (503, "ServiceUnavailable", Outcome.FAILED),
    ],
)
def test_each_answer_of_apns_has_its_outcome(status: int, reason: str, outcome: Outcome) -> None:
    """OP-13, OP-20."""
    ended = answered(DirectService(), status, {"reason": reason})
    assert (ended.outcome, ended.status, ended.reason) == (outcome, status, reason or ended.reason)


def test_410_counts_only_against_a_token_that_is_not_newer_than_it() -> None:
    """REG-06: what was dead before the client gave this token says nothing about it."""
    service = DirectService()
    service.bindings[IPHONE.device_name] = replace(IPHONE, stamp=(at(-1_000), "ucm1"))
    gone = {"reason": "Unregistered"}
    before = answered(service, 410, {**gone, "timestamp": UNIX_MS - 1_001})
    assert (before.outcome, before.reason) == (
        Outcome.FAILED,
        "Unregistered, but the token is newer",
    )
    for timestamp in (UNIX_MS - 1_000, UNIX_MS, "soon", None):
        after = answered(service, 410, {**gone, "timestamp": timestamp})
        assert after.outcome is Outcome.REFUSED_TOKEN, timestamp


@pytest.mark.parametrize("reason", ["ExpiredProviderToken", "TooManyProviderTokenUpdates"])
def test_push_that_another_provider_token_may_save_is_sent_once_more(reason: str) -> None:
    now = 31 * 60_000 if reason.startswith("TooMany") else 29 * 60_000
    service = DirectService()
    asked = intent(deadline_ms=now + 120_000)
    (first,) = posts(service.cpns.receive(asked, at(now)))
    later = now + 61_000 if reason.startswith("Expired") else now
    # Within the 5 s of its answer no half hour ends: the answer is told as if it did.
    body = msgspec.json.encode({"reason": reason})
    answers = service.cpns.receive(PushAnswered(first.tracking_id, 403, body), at(later))
    (again,) = posts(answers)
    assert dict(again.headers)["authorization"] != dict(first.headers)["authorization"]
    ended = service.cpns.receive(PushAnswered(first.tracking_id, 403, body), at(later))
    assert posts(ended) == []
    assert [o.outcome for o in outcomes(ended)] == [Outcome.REFUSED]


def test_retry_after_is_for_one_device_with_429_and_for_all_with_503() -> None:
    other = replace(IPHONE, device_name="TCTOTHER", voip_token="cc" * 32)
    for status, others in ((429, True), (503, False)):
        service = DirectService()
        service.bindings["TCTOTHER"] = other
        answered(service, status, {"reason": "later"}, "10")
        again = service.cpns.receive(intent(call_uuid="c2"), at(2))
        assert [o.reason for o in outcomes(again)] == ["asked to retry later"]
        assert bool(posts(service.cpns.receive(intent(binding=other), at(2)))) == others
        assert posts(service.cpns.receive(intent(call_uuid="c3"), at(10_001)))


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"reason":7}', b"[" * 60_000, b"\xff"])
def test_answer_that_is_no_json_is_judged_by_its_status(body: bytes) -> None:
    service = DirectService()
    (post,) = posts(service.cpns.receive(intent(), at(0)))
    (ended,) = outcomes(service.cpns.receive(PushAnswered(post.tracking_id, 410, body), at(1)))
    assert ended.outcome is Outcome.REFUSED_TOKEN


@pytest.mark.req("SEC-08")
def test_every_push_of_the_longest_content_is_taken_by_the_emulated_apns() -> None:
    """Push type, topic, priority, expiration and size, all of them enforced there."""
    key = SIGNING_KEY
    verifier = ProviderTokenVerifier({(key.team_id, key.key_id): key.private.public_key()})
    apns = Apns(verifier, CountedEntropy(), UNIX_MS)
    apns.receive(DeviceAttached(VOIP_TOKEN, f"{BUNDLE_ID}.voip"), at(0))
    apns.receive(DeviceAttached(MESSAGE_TOKEN, BUNDLE_ID), at(0))
    for binding in (IPHONE, IOS_12, CHINA, KEYLESS):
        for kind in (PushKind.INCOMING, PushKind.MISSED):
            asked = intent(kind, binding)
            long = replace(
                asked.content, display_name='"' * 256, display_number="1" * 128, call_uuid="u" * 64
            )
            (post,) = posts(DirectService().cpns.receive(replace(asked, content=long), at(0)))
            request = HttpRequest("POST", post.path, post.headers, post.body)
            answer, delivered = apns.receive(RequestReceived(1, request), at(0))
            assert isinstance(answer, SendAnswer)
            assert answer.answer.status == 200, answer.answer.body
            assert isinstance(delivered, Deliver)
