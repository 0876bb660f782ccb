"""Who may push: what Push REST asks of CI for each access token (CLOUD-03, CPNS-05)."""

from __future__ import annotations

from enum import Enum
from hmac import compare_digest
from typing import Protocol

from callctl.cloud.http import HttpRequest
from sipstack.timing import Instant

Standing = Enum("Standing", "GOOD UNKNOWN FORBIDDEN")
"""Of an access token. UNKNOWN: never given out, ended or revoked. FORBIDDEN: its account may not
push any more."""


class AccessTable(Protocol):
    """The access tokens that were given out."""

    def standing(self, access_token: str, now: Instant) -> Standing:
        """What `access_token` is worth now."""


class FixedTokens:
    """A few tokens that never end, for rigs without CI."""

    __slots__ = ("_tokens",)

    def __init__(self, tokens: tuple[str, ...]) -> None:
        self._tokens = tuple(token.encode() for token in tokens)

    def standing(self, access_token: str, now: Instant) -> Standing:
        """GOOD for ever, or UNKNOWN."""
        given = access_token.encode(errors="replace")
        known = [compare_digest(given, token) for token in self._tokens]
        return Standing.GOOD if any(known) else Standing.UNKNOWN


def bearer(request: HttpRequest) -> str:
    """The bearer token of a request, "" without one (RFC 6750 §2.1)."""
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    return token if scheme.lower() == "bearer" else ""
