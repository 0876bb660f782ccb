"""An emulated token endpoint: gives service accounts the access tokens that FCM wants.

Source: RFC 7523 §2.1 and §3, RFC 6749 §5; RFC 8725 §3.1; Google, "Using OAuth 2.0 for server to
server applications".
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from callctl.cloud.faults import FaultPlan, spoiled
from callctl.cloud.http import (
    HeaderList,
    HttpAnswer,
    HttpRequest,
    Ignored,
    RequestReceived,
    SendAnswer,
    json_answer,
)
from callctl.cloud.record import SILENT, PushLog
from callctl.push.direct.grant import ASSERTION_LIFETIME_S, GRANT_TYPE, SCOPE
from callctl.push.direct.jwt import part_of
from callctl.push.envelope import b64url_octets
from sipstack.entropy import Entropy, token
from sipstack.timing import MS, SECOND, Instant

TOKEN_PATH: Final = "/token"
LIFETIME_S: Final = 3_599  # of an access token, as Google gives it
CLOCK_SKEW_S: Final = 300
TOKENS_MAX: Final = 10_000  # remembered; the oldest goes first
_OCTETS_MAX: Final = 16_384

TokenAction: TypeAlias = SendAnswer | Ignored


class _Refusal(Exception):
    """A request that gets no token."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.error = error
        self.description = description


class AccessTokens:
    """Access tokens that were given out: for which project each is good, and until when."""

    __slots__ = ("_entropy", "_given")

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._given: dict[str, tuple[str, Instant | None]] = {}

    def add(self, access_token: str, project_id: str, until: Instant | None = None) -> None:
        """Know a token; without an end it is good for ever."""
        if len(self._given) >= TOKENS_MAX:
            del self._given[next(iter(self._given))]
        self._given[access_token] = project_id, until

    def make(self, project_id: str, until: Instant) -> str:
        """Give out a new one."""
        made = f"ya29.{token(self._entropy, 32)}"
        self.add(made, project_id, until)
        return made

    def project_of(self, access_token: str, now: Instant) -> str | None:
        """What it is good for; None if it is unknown, revoked or too old."""
        project_id, until = self._given.get(access_token, (None, None))
        return None if until is not None and now >= until else project_id

    def revoke_all(self) -> None:
        """None that was given out so far is good any more."""
        self._given.clear()


class TokenEndpoint:
    """Answers `POST /token`: a signed assertion goes in, an access token comes out."""

    def __init__(self, tokens: AccessTokens, entropy: Entropy, unix_ms_at_zero: int) -> None:
        self.faults = FaultPlan(entropy)
        self.log = PushLog()
        self.lifetime_s = LIFETIME_S
        self.url = ""
        """What assertions have to be made out for (`aud`); any where it is empty."""
        self._accounts: dict[str, tuple[str, rsa.RSAPublicKey]] = {}
        self._tokens = tokens
        self._unix_ms_at_zero = unix_ms_at_zero

    def add(self, client_email: str, project_id: str, public: rsa.RSAPublicKey) -> None:
        """Know one more service account."""
        self._accounts[client_email] = project_id, public

    def receive(self, event: RequestReceived, now: Instant) -> tuple[TokenAction, ...]:
        """Take what happened."""
        request = event.request
        fault = self.faults.take("", now)
        if fault.silent:
            self.log.add(request, now, status=SILENT)
            return (Ignored("silent by fault", "token endpoint"),)
        headers: HeaderList = (("cache-control", "no-store"),)
        if fault.retry_after_s is not None:
            headers = (*headers, ("retry-after", str(fault.retry_after_s)))
        if fault.status is not None:
            answer = json_answer(fault.status, {"error": fault.reason}, headers)
        else:
            try:
                answer = json_answer(200, self._granted(request, now), headers)
            except _Refusal as refusal:
                fields = {"error": refusal.error, "error_description": refusal.description}
                answer = json_answer(400, fields, headers)
        self.log.add(request, now, status=answer.status, reason=_error_of(answer))
        return (SendAnswer(event.exchange, spoiled(answer, fault)),)

    def advance(self, now: Instant) -> tuple[TokenAction, ...]:
        """Nothing is ever due."""
        return ()

    def next_deadline(self) -> Instant | None:
        """There is none."""
        return None

    def _granted(self, request: HttpRequest, now: Instant) -> dict[str, Any]:
        if request.path != TOKEN_PATH or request.method != "POST":
            raise _Refusal("invalid_request", "POST to the token endpoint only.")
        form = _form(request)
        if form.get("grant_type") != GRANT_TYPE:
            raise _Refusal("unsupported_grant_type", "Invalid grant_type.")
        project_id = self._project_of(form.get("assertion", ""), now)
        lifetime_s = self.lifetime_s
        until = Instant(now + lifetime_s * SECOND)
        return {
            "access_token": self._tokens.make(project_id, until),
            "expires_in": lifetime_s,
            "token_type": "Bearer",
        }

    def _project_of(self, assertion: str, now: Instant) -> str:
        """The project of whoever signed `assertion`. Raises: _Refusal."""
        now_unix_s = (self._unix_ms_at_zero + now // MS) // 1000
        try:
            header_text, claims_text, signature_text = assertion.split(".")
            header, claims = part_of(header_text), part_of(claims_text)
            if header.get("alg") != "RS256":  # ours to say, not the token's
                raise ValueError("not RS256")
            project_id, public = self._accounts[str(claims.get("iss"))]
            public.verify(
                b64url_octets(signature_text),
                f"{header_text}.{claims_text}".encode(),
                padding.PKCS1v15(),
                hashes.SHA256(),
            )
        except (ValueError, KeyError, InvalidSignature, RecursionError) as error:
            raise _Refusal("invalid_grant", "Invalid JWT Signature.") from error
        issued_at, ends_at = claims.get("iat"), claims.get("exp")
        if type(issued_at) is not int or type(ends_at) is not int:
            raise _Refusal("invalid_grant", "Invalid JWT: iat and exp are needed.")
        in_time = issued_at - CLOCK_SKEW_S <= now_unix_s < ends_at
        if not in_time or ends_at - issued_at > ASSERTION_LIFETIME_S:
            description = "Invalid JWT: token must be short-lived and in a reasonable timeframe."
            raise _Refusal("invalid_grant", description)
        if self.url and claims.get("aud") != self.url:
            raise _Refusal("invalid_grant", "Invalid JWT: Failed audience check.")
        if SCOPE not in str(claims.get("scope")).split(" "):
            raise _Refusal("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        return project_id


def _form(request: HttpRequest) -> dict[str, str]:
    """The fields of the form, each given once. Raises: _Refusal."""
    if request.header("content-type") != "application/x-www-form-urlencoded":
        raise _Refusal("invalid_request", "The request is no form.")
    if len(request.body) > _OCTETS_MAX:
        raise _Refusal("invalid_request", "The request is too long.")
    try:
        fields = parse_qs(request.body.decode(), strict_parsing=True, max_num_fields=10)
    except ValueError as error:  # UnicodeDecodeError is one
        raise _Refusal("invalid_request", "The form cannot be read.") from error
    if any(len(values) != 1 for values in fields.values()):
        raise _Refusal("invalid_request", "A field is given twice.")
    return {name: values[0] for name, values in fields.items()}


def _error_of(answer: HttpAnswer) -> str:
    return str(answer.json().get("error", ""))
