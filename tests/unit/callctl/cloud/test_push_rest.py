"""The emulated Push REST: what it takes, refuses, forwards and answers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from callctl.cloud.faults import Fault
from callctl.cloud.http import (
    Forward,
    ForwardAnswered,
    ForwardFailed,
    HttpAnswer,
    HttpRequest,
    Ignored,
    RequestReceived,
    SendAnswer,
    json_answer,
)
from callctl.cloud.partner import Partner
from callctl.cloud.push_rest import (
    PUSH_PATH,
    PushRest,
    PushRestAction,
    PushRestSettings,
)
from callctl.model.push_access import SigningKey
from callctl.registration.push_binding import PushBinding
from helpers.pushes import (
    ANDROID,
    CHINA,
    FCM_TOKEN,
    IOS_12,
    IPHONE,
    KEYLESS,
    MESSAGE_TOKEN,
    UNIX_MS,
    VOIP_TOKEN,
    CountedEntropy,
    Service,
    at,
    intent,
    posts,
)


def push_rest() -> PushRest:
    entropy = CountedEntropy()
    return PushRest(
        PushRestSettings(
            ("secret-token",),
            SigningKey.make(entropy),
            {"callctl-phone": "google-token"},
            unix_ms_at_zero=UNIX_MS,
        ),
        entropy,
    )


def request(binding: PushBinding = IPHONE, **changes: Any) -> HttpRequest:  # noqa: ANN401
    """What CPNS posts for a ring push, with members changed or (None) left out."""
    (post,) = posts(Service().cpns.receive(intent(binding=binding), at(0)))
    headers = tuple((name.lower(), value) for name, value in post.headers)
    if not changes:
        return HttpRequest("POST", PUSH_PATH, headers, post.body)
    fields = {**msgspec.json.decode(post.body), **changes}
    fields = {name: value for name, value in fields.items() if value is not None}
    return HttpRequest("POST", PUSH_PATH, headers, msgspec.json.encode(fields))


def answer(actions: tuple[PushRestAction, ...]) -> HttpAnswer:
    (made,) = (action for action in actions if isinstance(action, SendAnswer))
    return made.answer


def forwards(actions: tuple[PushRestAction, ...]) -> list[Forward]:
    return [action for action in actions if isinstance(action, Forward)]


def refusal(made: HttpRequest) -> tuple[int, Any]:
    """Status and reason of a request that must not be forwarded."""
    actions = push_rest().receive(RequestReceived(1, made), at(0))
    assert forwards(actions) == []
    return answer(actions).status, answer(actions).json().get("error")


@pytest.mark.req("PUSH-03", "CLOUD-04")
@pytest.mark.parametrize(
    ("binding", "partner", "path"),
    [
        (IPHONE, Partner.APNS, f"/3/device/{VOIP_TOKEN}"),
        (ANDROID, Partner.FCM, "/v1/projects/callctl-phone/messages:send"),
    ],
)
def test_subscriber_service_decides_the_partner(
    binding: PushBinding, partner: Partner, path: str
) -> None:
    (forward,) = forwards(push_rest().receive(RequestReceived(1, request(binding)), at(0)))
    assert (forward.partner, forward.request.path) == (partner, path)


@pytest.mark.req("MODE-09", "CHN-09")
@pytest.mark.parametrize(
    ("binding", "headers"),
    [
        (IPHONE, {"apns-push-type": "voip", "apns-topic": "org.callctl.phone.voip"}),
        (CHINA, {"apns-push-type": "alert", "apns-topic": "org.callctl.phone"}),
        (IOS_12, {"apns-push-type": "voip", "apns-topic": "org.callctl.phone.voip"}),
    ],
)
def test_channel_becomes_push_type_and_topic_of_apns(
    binding: PushBinding, headers: dict[str, str]
) -> None:
    """OP-12."""
    (forward,) = forwards(push_rest().receive(RequestReceived(1, request(binding)), at(0)))
    sent = dict(forward.request.headers)
    assert headers.items() <= sent.items()
    assert sent["apns-priority"] == "10"
    assert sent["apns-expiration"] == str(UNIX_MS // 1000 + 13)
    assert ("apns-collapse-id" in sent) == (binding is CHINA)


def test_push_to_fcm_is_a_data_message_of_high_priority() -> None:
    """OP-12."""
    (forward,) = forwards(push_rest().receive(RequestReceived(1, request(ANDROID)), at(0)))
    message = msgspec.json.decode(forward.request.body)["message"]
    assert set(message) == {"token", "data", "android"}
    assert message["token"] == FCM_TOKEN
    assert message["android"] == {"priority": "HIGH", "ttl": "13s"}
    assert all(isinstance(value, str) for value in message["data"].values())
    assert forward.request.header("authorization") == "Bearer google-token"


@pytest.mark.req("SEC-03", "CLOUD-05")
@pytest.mark.parametrize(
    "payload",
    [
        {"displayName": "Büro Süd"},
        {"enc": "none", "event": "incoming"},
        {"enc": "A256GCM", "kid": "k", "iv": "A" * 16, "tag": "A" * 22},
        {},
    ],
)
def test_payload_that_is_not_encrypted_is_refused_before_anything_is_forwarded(
    payload: dict[str, str],
) -> None:
    assert refusal(request(payload=payload)) == (400, "NotEncrypted")


@pytest.mark.req("SEC-03")
@pytest.mark.parametrize(
    "changes",
    [
        {"displayName": "Büro Süd"},
        {"target": "a/b"},
        {"target": None},
        {"ttl": -1},
        {"ttl": "13"},
        {"channel": "Zoë"},
        {"priority": "urgent"},
        {"collapseId": "Büro Süd"},
        {"topic": "a b"},
        {"payload": "text"},
    ],
)
def test_clear_text_finds_no_member_to_hide_in(changes: dict[str, Any]) -> None:
    assert refusal(request(**changes)) == (400, "Malformed")


def test_each_fault_of_a_request_has_its_status() -> None:
    good = request()
    no_token = tuple(field for field in good.headers if field[0] != "authorization")
    bad_token = (*no_token, ("authorization", "Bearer other"))
    no_id = tuple(field for field in good.headers if field[0] != "trackingid")
    other_id = (*no_id, ("trackingid", "x"))
    assert refusal(HttpRequest("POST", "/", good.headers, good.body)) == (404, "NotFound")
    assert refusal(HttpRequest("GET", PUSH_PATH, good.headers)) == (405, "MethodNotAllowed")
    for headers in (no_token, bad_token):
        made = HttpRequest("POST", PUSH_PATH, headers, good.body)
        assert refusal(made) == (401, "InvalidAccessToken")
    for body in (b"", b"[]", b"{", b'{"a":1}'):
        assert refusal(HttpRequest("POST", PUSH_PATH, good.headers, body)) == (400, "Malformed")
    long = HttpRequest("POST", PUSH_PATH, good.headers, b" " * 16_385)
    assert refusal(long) == (413, "PayloadTooLarge")
    mismatch = HttpRequest("POST", PUSH_PATH, other_id, good.body)
    assert refusal(mismatch) == (400, "TrackingIdMismatch")
    assert refusal(request(service="WNS")) == (400, "UnknownService")


def test_content_free_push_is_forwarded_as_it_is() -> None:
    """OP-01."""
    (forward,) = forwards(push_rest().receive(RequestReceived(1, request(KEYLESS)), at(0)))
    assert msgspec.json.decode(forward.request.body)["payload"] == {"enc": "none"}


def fcm_error(status: int, code: str, field: str | None = None) -> HttpAnswer:
    details: list[dict[str, object]] = [{"@type": "FcmError", "errorCode": code}]
    if field is not None:
        details.append({"@type": "BadRequest", "fieldViolations": [{"field": field}]})
    return json_answer(status, {"error": {"code": status, "details": details}})


@pytest.mark.parametrize(
    ("binding", "partner_answer", "status", "reason"),
    [
        (IPHONE, HttpAnswer(200), 200, None),
        (IPHONE, json_answer(400, {"reason": "BadDeviceToken"}), 410, "TargetInvalid"),
        (IPHONE, json_answer(400, {"reason": "DeviceTokenNotForTopic"}), 410, "TargetInvalid"),
        (IPHONE, json_answer(410, {"reason": "Unregistered"}), 410, "TargetExpired"),
        (IPHONE, json_answer(410, {"reason": "ExpiredToken"}), 410, "TargetExpired"),
        (IPHONE, json_answer(413, {"reason": "PayloadTooLarge"}), 413, "PayloadTooLarge"),
        (IPHONE, json_answer(429, {"reason": "TooManyRequests"}), 429, "TooManyRequests"),
        (IPHONE, json_answer(403, {"reason": "ExpiredProviderToken"}), 502, "PartnerRefused"),
        (IPHONE, json_answer(500, {"reason": "InternalServerError"}), 500, "PartnerError"),
        (IPHONE, json_answer(503, {"reason": "Shutdown"}), 503, "PartnerUnavailable"),
        (IPHONE, HttpAnswer(418, (), b"not json"), 502, "PartnerRefused"),
        (ANDROID, fcm_error(404, "UNREGISTERED"), 410, "TargetExpired"),
        (ANDROID, fcm_error(400, "INVALID_ARGUMENT", "message.token"), 410, "TargetInvalid"),
        (ANDROID, fcm_error(400, "INVALID_ARGUMENT", "message.data"), 502, "PartnerRefused"),
        (ANDROID, fcm_error(403, "SENDER_ID_MISMATCH"), 410, "TargetInvalid"),
        (ANDROID, fcm_error(429, "QUOTA_EXCEEDED"), 429, "TooManyRequests"),
        (ANDROID, fcm_error(503, "UNAVAILABLE"), 503, "PartnerUnavailable"),
        (ANDROID, fcm_error(500, "INTERNAL"), 500, "PartnerError"),
    ],
)
def test_answer_of_a_partner_becomes_one_of_ours(
    binding: PushBinding, partner_answer: HttpAnswer, status: int, reason: str | None
) -> None:
    """OP-20."""
    core = push_rest()
    (forward,) = forwards(core.receive(RequestReceived(1, request(binding)), at(0)))
    made = answer(core.receive(ForwardAnswered(forward.forward, partner_answer), at(50)))
    assert (made.status, made.json().get("error")) == (status, reason)
    assert core.counts() == {"open": 0, "delayed": 0}


@pytest.mark.req("PUSH-06")
def test_tracking_id_comes_back_in_header_and_body_of_the_answer() -> None:
    """OP-11."""
    core = push_rest()
    made = request()
    tracking_id = made.header("trackingid")
    (forward,) = forwards(core.receive(RequestReceived(1, made), at(0)))
    assert msgspec.json.decode(forward.request.body)["trackingId"] == tracking_id
    done = answer(core.receive(ForwardAnswered(forward.forward, HttpAnswer(200)), at(1)))
    assert done.header("trackingid") == done.json()["trackingId"] == tracking_id
    assert [record.tracking_id for record in core.log] == [tracking_id]


def test_partner_that_fails_or_stays_silent_is_a_503_or_a_504() -> None:
    core = push_rest()
    (first,) = forwards(core.receive(RequestReceived(1, request()), at(0)))
    (second,) = forwards(core.receive(RequestReceived(2, request()), at(0)))
    failed = core.receive(ForwardFailed(first.forward, "closed"), at(1))
    assert answer(failed).status == 503
    assert core.advance(at(9_999)) == ()
    assert answer(core.advance(at(10_000))).status == 504
    late = core.receive(ForwardAnswered(second.forward, HttpAnswer(200)), at(10_001))
    assert late == (Ignored("stray partner answer", str(second.forward)),)


@pytest.mark.req("SEC-05", "CLOUD-05")
def test_no_payload_is_kept_once_the_push_has_been_passed_on() -> None:
    core = push_rest()
    made = request()
    payload = msgspec.json.decode(made.body)["payload"]
    (forward,) = forwards(core.receive(RequestReceived(1, made), at(0)))
    core.receive(ForwardAnswered(forward.forward, HttpAnswer(200)), at(1))
    (record,) = core.log
    assert record.raw is None
    assert (record.status, record.size) == (200, len(made.body))
    assert payload["ct"] not in repr(record)
    assert core.counts() == {"open": 0, "delayed": 0}


def test_faults_delay_lose_double_refuse_and_silence_as_often_as_they_are_told() -> None:
    core = push_rest()
    for fault in (
        Fault(status=429, reason="TooManyRequests", retry_after_s=30, times=1),
        Fault(silent=True, times=1),
        Fault(lose=True, times=1),
        Fault(duplicate=True, times=1),
        Fault(delay_ns=at(2_000), times=1),
    ):
        core.faults.add(fault)
    asked = iter(range(1, 10))

    def ask() -> tuple[PushRestAction, ...]:
        return core.receive(RequestReceived(next(asked), request()), at(0))

    refused = answer(ask())
    assert (refused.status, refused.header("retry-after")) == (429, "30")
    (ignored,) = ask()
    assert isinstance(ignored, Ignored)
    lost = ask()
    assert (answer(lost).status, forwards(lost)) == (200, [])
    assert len(forwards(ask())) == 2
    assert ask() == ()
    assert core.advance(at(1_999)) == ()
    (late,) = forwards(core.advance(at(2_000)))
    # The end of its life has not moved: the delay is taken from what was left.
    assert dict(late.request.headers)["apns-expiration"] == str(UNIX_MS // 1000 + 13)
    assert len(forwards(ask())) == 1


def test_push_whose_life_ends_while_it_is_delayed_is_not_forwarded() -> None:
    core = push_rest()
    core.faults.add(Fault(delay_ns=at(13_000)))
    assert core.receive(RequestReceived(1, request()), at(0)) == ()
    actions = core.advance(at(13_000))
    assert forwards(actions) == []
    assert answer(actions).json()["error"] == "Expired"


def test_fault_for_one_token_spares_the_others() -> None:
    core = push_rest()
    core.faults.add(Fault(status=500, token=MESSAGE_TOKEN))
    assert len(forwards(core.receive(RequestReceived(1, request()), at(0)))) == 1
    assert answer(core.receive(RequestReceived(2, request(CHINA)), at(0))).status == 500
    core.faults.clear()
    assert len(forwards(core.receive(RequestReceived(3, request(CHINA)), at(0)))) == 1
