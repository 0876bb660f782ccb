"""The direct channel to FCM: its access token, what it sends, what it makes of each answer."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest

from callctl.cloud.delivery import Deliver, DeviceAttached
from callctl.cloud.fcm import Fcm
from callctl.cloud.http import HttpRequest, RequestReceived, SendAnswer
from callctl.push.direct.fcm import fcm_reason
from callctl.push.direct.grant import granted
from callctl.push.envelope import b64url_octets
from callctl.push.events import (
    AbandonFetch,
    CpnsAction,
    Ignored,
    Outcome,
    PostPush,
    PushAnswered,
    PushOutcome,
    ServiceStopped,
    TokenFetched,
    TokenFetchLost,
)
from callctl.push.kind import PushKind
from callctl.push.reader import read_push
from helpers.direct import (
    FCM_URL,
    PROJECT_ID,
    ROBOT,
    TOKEN_URL,
    UNIX_S,
    DirectService,
    fetches,
)
from helpers.pushes import (
    ANDROID,
    FCM_TOKEN,
    KEY,
    KEY_ID,
    CountedEntropy,
    at,
    intent,
    outcomes,
    posts,
)

GRANTED = b'{"access_token":"ya29.one","expires_in":3599,"token_type":"Bearer"}'


def ring(call_uuid: str = "c1", *, now_ms: int = 0) -> Any:  # noqa: ANN401
    return intent(binding=ANDROID, call_uuid=call_uuid, deadline_ms=now_ms + 13_000)


def with_token(service: DirectService) -> PostPush:
    """The first push, after the token it waited for came."""
    service.cpns.receive(ring(), at(0))
    (post,) = posts(service.cpns.receive(TokenFetched("fcm", 200, GRANTED), at(50)))
    return post


def error(status: int, code: str | None, field: str | None = None) -> bytes:
    details: list[dict[str, Any]] = []
    if code is not None:
        details.append({"@type": "type.googleapis.com/...FcmError", "errorCode": code})
    if field is not None:
        violations = [{"field": field, "description": "wrong"}]
        details.append({"@type": "...BadRequest", "fieldViolations": violations})
    return msgspec.json.encode({"error": {"code": status, "details": details}})


def test_first_push_waits_for_the_token_that_its_service_account_asks_for() -> None:
    service = DirectService()
    (fetch,) = service.cpns.receive(ring(), at(0))
    assert [fetch] == fetches((fetch,))
    assert fetch.url == TOKEN_URL  # type: ignore[union-attr]
    form = parse_qs(fetch.body.decode())  # type: ignore[union-attr]
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    header, claims, _ = form["assertion"][0].split(".")
    assert msgspec.json.decode(b64url_octets(header)) == {
        "alg": "RS256",
        "typ": "JWT",
        "kid": "kid-1",
    }
    assert msgspec.json.decode(b64url_octets(claims)) == {
        "iss": "push@example.com",
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
        "aud": TOKEN_URL,
        "iat": UNIX_S,
        "exp": UNIX_S + 3_600,
    }
    (post,) = posts(service.cpns.receive(TokenFetched("fcm", 200, GRANTED), at(50)))
    assert dict(post.headers)["authorization"] == "Bearer ya29.one"
    assert post.path == f"/v1/projects/{PROJECT_ID}/messages:send"
    assert post.url == FCM_URL


@pytest.mark.req("PUSH-04", "SEC-06")
def test_push_is_a_data_message_of_high_priority_with_the_sealed_content() -> None:
    """OP-12."""
    post = with_token(DirectService())
    message = msgspec.json.decode(post.body)["message"]
    assert set(message) == {"token", "data", "android"}  # nothing for the system to show
    assert message["token"] == FCM_TOKEN
    assert message["android"] == {"priority": "HIGH", "ttl": "12s"}  # one is nearly over
    assert all(isinstance(value, str) for value in message["data"].values())
    content = read_push(message["data"], FCM_TOKEN, {KEY_ID: KEY}).content
    assert content is not None
    for personal in ("Büro", "Süd", "498912345678", "555800099"):
        assert personal.encode() not in post.body


@pytest.mark.req("SEC-06")
def test_standard_phone_is_woken_and_told_nothing() -> None:
    service = DirectService()
    service.cpns.receive(intent(binding=ROBOT), at(0))
    (post,) = posts(service.cpns.receive(TokenFetched("fcm", 200, GRANTED), at(0)))
    data = msgspec.json.decode(post.body)["message"]["data"]
    assert data == {"trackingId": post.tracking_id, "channel": "voip", "enc": "none"}


def test_burst_without_a_token_fetches_one_and_all_go_on() -> None:
    """No stampede: whoever comes while one is on its way waits for that."""
    service = DirectService()
    made: list[CpnsAction] = []
    for number in range(50):
        made += service.cpns.receive(ring(f"c{number}"), at(number))
    assert len(made) == len(fetches(tuple(made))) == 1
    assert len(posts(service.cpns.receive(TokenFetched("fcm", 200, GRANTED), at(100)))) == 50


def test_token_is_renewed_before_its_end_and_no_push_waits_for_that() -> None:
    service = DirectService()
    with_token(service)
    renew_at = 50 + 3_599_000 * 4 // 5
    early = service.cpns.receive(ring("c2", now_ms=renew_at - 1), at(renew_at - 1))
    assert fetches(early) == []
    due = service.cpns.receive(ring("c3", now_ms=renew_at), at(renew_at))
    assert len(fetches(due)) == len(posts(due)) == 1
    meanwhile = service.cpns.receive(ring("c4", now_ms=renew_at), at(renew_at + 1))
    assert (fetches(meanwhile), len(posts(meanwhile))) == ([], 1)
    new = GRANTED.replace(b"one", b"two")
    service.cpns.receive(TokenFetched("fcm", 200, new), at(renew_at + 2))
    (post,) = posts(service.cpns.receive(ring("c5", now_ms=renew_at), at(renew_at + 3)))
    assert dict(post.headers)["authorization"] == "Bearer ya29.two"


def test_token_that_ended_while_nobody_called_is_not_used() -> None:
    service = DirectService()
    with_token(service)
    after = 4_000_000
    asked = service.cpns.receive(ring("c2", now_ms=after), at(after))
    assert (len(fetches(asked)), posts(asked)) == (1, [])


def test_burst_that_meets_a_revoked_token_fetches_one_new_and_every_push_goes_again() -> None:
    service = DirectService()
    sent = [with_token(service)]
    for number in range(2, 30):
        sent += posts(service.cpns.receive(ring(f"c{number}"), at(60)))
    made: list[CpnsAction] = []
    for post in sent:
        refused = PushAnswered(post.tracking_id, 401, error(401, None))
        made += service.cpns.receive(refused, at(70))
    assert (len(fetches(tuple(made))), len(made)) == (1, 1)
    again = posts(service.cpns.receive(TokenFetched("fcm", 200, GRANTED), at(80)))
    assert sorted(post.tracking_id for post in again) == sorted(post.tracking_id for post in sent)


@pytest.mark.parametrize(
    "event",
    [
        TokenFetched("fcm", 400, b'{"error":"invalid_grant"}'),
        TokenFetched("fcm", 503, b"", "20"),
        TokenFetched("fcm", 200, b"{}"),
        TokenFetched("fcm", 302, b""),
        TokenFetchLost("fcm", "connect"),
        None,
    ],
)
def test_fetch_that_fails_ends_the_wait_at_once_and_is_tried_again_later(
    event: TokenFetched | TokenFetchLost | None,
) -> None:
    """CALL-18: a call does not wait for a push that cannot leave."""
    service = DirectService()
    service.cpns.receive(ring(), at(0))
    assert service.cpns.next_deadline() == at(5_000)
    ended = service.cpns.advance(at(5_000)) if event is None else service.cpns.receive(event, at(9))
    assert [(o.outcome, o.reason) for o in outcomes(ended)] == [
        (Outcome.REFUSED, "no access token")
    ]
    assert (AbandonFetch("fcm") in ended) == (event is None)
    soon = service.cpns.receive(ring("c2", now_ms=6_000), at(6_000))
    assert (fetches(soon), len(outcomes(soon))) == ([], 1)
    later = service.cpns.receive(ring("c3", now_ms=21_000), at(21_000))
    assert len(fetches(later)) == 1
    assert not any(service.cpns.counts()[name] for name in ("posted_pushes", "held_second_pushes"))


def test_answer_to_a_fetch_that_was_given_up_is_not_taken() -> None:
    service = DirectService()
    service.cpns.receive(ring(), at(0))
    service.cpns.advance(at(5_000))
    service.cpns.receive(TokenFetched("fcm", 200, GRANTED), at(5_001))
    assert posts(service.cpns.receive(ring("c2", now_ms=5_002), at(5_002))) == []


def test_token_for_a_channel_that_does_not_exist_is_noticed() -> None:
    assert DirectService().cpns.receive(TokenFetched("fax", 200, GRANTED), at(0)) == (
        Ignored("stray token", "fax"),
    )


def test_service_that_stops_gives_up_its_fetch() -> None:
    service = DirectService()
    service.cpns.receive(ring(), at(0))
    stopped = service.cpns.receive(ServiceStopped(), at(1))
    assert AbandonFetch("fcm") in stopped
    assert service.cpns.next_deadline() is None


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, b"{}", Outcome.ACCEPTED),
        (307, b"", Outcome.REFUSED),
        (400, error(400, "INVALID_ARGUMENT", "message.token"), Outcome.REFUSED_TOKEN),
        (400, error(400, "INVALID_ARGUMENT", "message.data"), Outcome.REFUSED),
        (401, error(401, "THIRD_PARTY_AUTH_ERROR"), Outcome.REFUSED),
        (403, error(403, "SENDER_ID_MISMATCH"), Outcome.REFUSED_TOKEN),
        (403, error(403, None), Outcome.REFUSED),
        (404, error(404, "UNREGISTERED"), Outcome.REFUSED_TOKEN),
        (404, error(404, None), Outcome.REFUSED),
        (410, b"", Outcome.REFUSED),
        (429, error(429, "QUOTA_EXCEEDED"), Outcome.FAILED),
        (500, error(500, "INTERNAL"), Outcome.FAILED),
        (503, error(503, "UNAVAILABLE"), Outcome.FAILED),
    ],
)
def test_each_answer_of_fcm_has_its_outcome(status: int, body: bytes, outcome: Outcome) -> None:
    """OP-13, OP-20."""
    service = DirectService()
    post = with_token(service)
    ended = service.cpns.receive(PushAnswered(post.tracking_id, status, body), at(60))
    assert [(o.outcome, o.status) for o in outcomes(ended)] == [(outcome, status)]


def test_quota_silences_the_one_device_for_as_long_as_it_says_or_a_minute() -> None:
    for retry_after, wait_ms in (("5", 5_000), (None, 60_000)):
        service = DirectService()
        post = with_token(service)
        answer = PushAnswered(post.tracking_id, 429, error(429, "QUOTA_EXCEEDED"), retry_after)
        service.cpns.receive(answer, at(60))
        assert posts(service.cpns.receive(ring("c2", now_ms=61), at(61))) == []
        assert posts(service.cpns.receive(intent(binding=ROBOT), at(61)))
        again = 60 + wait_ms
        assert posts(service.cpns.receive(ring("c3", now_ms=again - 1), at(again - 1))) == []
        assert posts(service.cpns.receive(ring("c4", now_ms=again), at(again)))


def test_unavailable_fcm_that_says_how_long_is_left_alone_by_all() -> None:
    service = DirectService()
    post = with_token(service)
    service.cpns.receive(PushAnswered(post.tracking_id, 503, b"", "5"), at(60))
    refused = service.cpns.receive(intent(binding=ROBOT), at(61))
    assert [(o.outcome, o.reason) for o in outcomes(refused)] == [
        (Outcome.REFUSED, "asked to retry later")
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"access_token": "", "expires_in": 1, "token_type": "Bearer"},
        {"access_token": "a\r\nX: y", "expires_in": 1, "token_type": "Bearer"},
        {"access_token": "ä", "expires_in": 1, "token_type": "Bearer"},
        {"access_token": "x" * 20_000, "expires_in": 1, "token_type": "Bearer"},
        {"access_token": "x", "expires_in": 0, "token_type": "Bearer"},
        {"access_token": "x", "expires_in": True, "token_type": "Bearer"},
        {"access_token": "x", "expires_in": 10**9, "token_type": "Bearer"},
        {"access_token": "x", "expires_in": 1, "token_type": "mac"},
        {"access_token": 7, "expires_in": 1, "token_type": "Bearer"},
    ],
)
def test_answer_without_a_token_that_fits_a_header_grants_nothing(fields: dict[str, Any]) -> None:
    assert granted(fields) is None


@pytest.mark.parametrize(
    "body",
    [
        {"error": None},
        {"error": {"details": "text"}},
        {"error": {"details": [None, 7, {"errorCode": None, "fieldViolations": [1, None]}]}},
        {"error": {"details": [{"fieldViolations": {"field": "message.token"}}]}},
    ],
)
def test_broken_error_of_fcm_is_read_without_harm(body: dict[str, Any]) -> None:
    assert "message.token" not in fcm_reason(body)


def test_nothing_shows_the_token_of_device_or_account() -> None:
    """I14."""
    service = DirectService()
    asked = service.cpns.receive(ring(), at(0))
    fetched = TokenFetched("fcm", 200, GRANTED)
    shown = repr((asked, fetched, service.cpns.receive(fetched, at(1))))
    for secret in ("ya29", FCM_TOKEN, "assertion"):
        assert secret not in shown


@pytest.mark.req("SEC-08")
def test_every_push_is_taken_by_the_emulated_fcm() -> None:
    fcm = Fcm({PROJECT_ID: "ya29.one"}, CountedEntropy())
    for binding in (ANDROID, ROBOT):
        assert binding.voip_token is not None
        fcm.receive(DeviceAttached(binding.voip_token, PROJECT_ID), at(0))
        for kind in (PushKind.INCOMING, PushKind.MISSED):
            service = DirectService()
            service.cpns.receive(intent(kind, binding), at(0))
            (post,) = posts(service.cpns.receive(TokenFetched("fcm", 200, GRANTED), at(1)))
            request = HttpRequest("POST", post.path, post.headers, post.body)
            answer, delivered = fcm.receive(RequestReceived(1, request), at(1))
            assert isinstance(answer, SendAnswer)
            assert answer.answer.status == 200, answer.answer.body
            assert isinstance(delivered, Deliver)


def test_outcome_is_one_for_each_intent_whatever_the_channel_does() -> None:
    service = DirectService(room=1)
    out: list[CpnsAction] = []
    for number in range(5):
        out += service.cpns.receive(ring(f"c{number}"), at(0))
    out += service.cpns.receive(TokenFetched("fcm", 200, GRANTED), at(1))
    while waiting := posts(tuple(out)):
        out = [action for action in out if isinstance(action, PushOutcome)]
        for post in waiting:
            out += service.cpns.receive(PushAnswered(post.tracking_id, 200), at(2))
    assert sorted(o.intent_id for o in outcomes(tuple(out))) == [
        f"c{number}/BOTBOB/incoming" for number in range(5)
    ]
