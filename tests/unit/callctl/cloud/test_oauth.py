"""The emulated token endpoint: who gets an access token, and for how long it is good."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from callctl.cloud.faults import Fault
from callctl.cloud.fcm import Fcm
from callctl.cloud.http import HttpAnswer, HttpRequest, Ignored, RequestReceived, SendAnswer
from callctl.cloud.oauth import TOKEN_PATH, AccessTokens, TokenEndpoint
from callctl.push.direct.grant import GRANT_TYPE, SCOPE, grant_request, granted
from callctl.push.envelope import b64url
from helpers.direct import PROJECT_ID, TOKEN_URL, UNIX_S, account, rsa_key
from helpers.pushes import UNIX_MS, CountedEntropy, at

FORM = (("content-type", "application/x-www-form-urlencoded"),)
CLAIMS: dict[str, Any] = {
    "iss": "push@example.com",
    "scope": SCOPE,
    "aud": TOKEN_URL,
    "iat": UNIX_S,
    "exp": UNIX_S + 3_600,
}


def endpoint() -> tuple[TokenEndpoint, AccessTokens]:
    tokens = AccessTokens(CountedEntropy())
    core = TokenEndpoint(tokens, CountedEntropy(), UNIX_MS)
    core.url = TOKEN_URL
    core.add("push@example.com", PROJECT_ID, rsa_key().public_key())
    return core, tokens


def assertion(alg: str = "RS256", **changes: object) -> str:
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}
    header, body = (b64url(msgspec.json.encode(part)) for part in ({"alg": alg}, claims))
    signature = rsa_key().sign(f"{header}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{header}.{body}.{b64url(signature)}"


def ask(core: TokenEndpoint, body: bytes, **changes: Any) -> HttpAnswer:  # noqa: ANN401
    fields = {"method": "POST", "path": TOKEN_PATH, "headers": FORM, "body": body, **changes}
    (action,) = core.receive(RequestReceived(1, HttpRequest(**fields)), at(0))
    assert isinstance(action, SendAnswer)
    return action.answer


def form(**fields: str) -> bytes:
    return urlencode({"grant_type": GRANT_TYPE, **fields}).encode()


def test_signed_assertion_of_a_known_account_gets_a_token_that_fcm_takes_until_its_end() -> None:
    core, tokens = endpoint()
    answer = ask(core, grant_request(account(), UNIX_S))
    assert answer.header("cache-control") == "no-store"
    made = granted(answer.json())
    assert made is not None
    token, lifetime_s = made
    assert lifetime_s == 3_599
    fcm = Fcm({}, CountedEntropy(), tokens)
    for now_ms, status in ((0, 400), (3_598_999, 400), (3_599_000, 401)):
        request = HttpRequest(
            "POST",
            f"/v1/projects/{PROJECT_ID}/messages:send",
            (("authorization", f"Bearer {token}"),),
            b"{}",
        )
        (action,) = fcm.receive(RequestReceived(1, request), at(now_ms))
        assert isinstance(action, SendAnswer)
        assert action.answer.status == status


def test_revoked_token_is_good_no_more() -> None:
    core, tokens = endpoint()
    made = granted(ask(core, grant_request(account(), UNIX_S)).json())
    assert made is not None
    assert tokens.project_of(made[0], at(0)) == PROJECT_ID
    tokens.revoke_all()
    assert tokens.project_of(made[0], at(0)) is None


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (form(), "invalid_grant"),
        (form(assertion="a.b"), "invalid_grant"),
        (form(assertion="..."), "invalid_grant"),
        (form(assertion=assertion()[:-4] + "AAAA"), "invalid_grant"),
        (form(assertion=assertion(alg="none")), "invalid_grant"),
        (form(assertion=assertion(alg="HS256")), "invalid_grant"),
        (form(assertion=assertion(iss="stranger@example.com")), "invalid_grant"),
        (form(assertion=assertion(aud="https://elsewhere/token")), "invalid_grant"),
        (form(assertion=assertion(iat=None)), "invalid_grant"),
        (form(assertion=assertion(iat=UNIX_S + 301)), "invalid_grant"),
        (form(assertion=assertion(exp=UNIX_S)), "invalid_grant"),
        (form(assertion=assertion(exp=UNIX_S + 3_601)), "invalid_grant"),
        (form(assertion=assertion(scope="other")), "invalid_scope"),
        (urlencode({"grant_type": "password"}).encode(), "unsupported_grant_type"),
        (form(assertion=assertion()) + b"&assertion=x", "invalid_request"),
        (b"\xff", "invalid_request"),
        (b"x" * 20_000, "invalid_request"),
        (b"", "unsupported_grant_type"),
    ],
)
def test_each_request_that_gets_no_token(body: bytes, error: str) -> None:
    """RFC 6749 §5.2, RFC 7523 §3, RFC 8725 §3.1."""
    core, _ = endpoint()
    answer = ask(core, body)
    assert (answer.status, answer.json()["error"]) == (400, error)


@pytest.mark.parametrize(
    "changes", [{"method": "GET"}, {"path": "/tokens"}, {"headers": ()}, {"headers": (("a", "b"),)}]
)
def test_request_that_is_no_form_to_the_endpoint_gets_no_token(changes: dict[str, Any]) -> None:
    core, _ = endpoint()
    answer = ask(core, grant_request(account(), UNIX_S), **changes)
    assert (answer.status, answer.json()["error"]) == (400, "invalid_request")


def test_faults_refuse_and_keep_silent() -> None:
    core, _ = endpoint()
    core.faults.add(Fault(status=503, reason="unavailable", retry_after_s=7, times=1))
    core.faults.add(Fault(silent=True, times=1))
    refused = ask(core, grant_request(account(), UNIX_S))
    assert (refused.status, refused.header("retry-after")) == (503, "7")
    request = HttpRequest("POST", TOKEN_PATH, FORM, b"")
    (silent,) = core.receive(RequestReceived(2, request), at(0))
    assert isinstance(silent, Ignored)
    assert len(core.log) == 2
