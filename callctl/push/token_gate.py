"""An access token that somebody else gives out: asked for once, whoever waits for it."""

from __future__ import annotations

from typing import Final

from callctl.push.channel import Readiness
from sipstack.timing import SECOND, Instant

FETCH_TIMEOUT_NS: Final = 5 * SECOND
FETCH_AGAIN_NS: Final = 10 * SECOND  # after a fetch that failed
REPLACE_AGAIN_NS: Final = 60 * SECOND  # a new token that is refused, too, is not the token's fault


class TokenGate:
    """One bearer token: good until it ends or is refused, renewed by one fetch at a time.

    It tells when to fetch; its owner fetches, and says `began`, then `got` or `failed`.
    """

    __slots__ = (
        "_ends_at",
        "_not_before",
        "_refused_at",
        "_renew_at",
        "_token",
        "fetch_ends_at",
    )

    def __init__(self) -> None:
        self._token: str | None = None
        self._renew_at: Instant | None = None
        self._ends_at: Instant | None = None
        self._not_before = Instant(0)
        self._refused_at: Instant | None = None  # the last refusal that led to a fetch
        self.fetch_ends_at: Instant | None = None
        """Until when the fetch under way may take; None if there is none."""

    def token(self, now: Instant) -> str | None:
        """The token, None if there is none that is good."""
        return None if self._ends_at is not None and now >= self._ends_at else self._token

    def fetch_is_due(self, now: Instant) -> bool:
        """True if a new token is wanted, and asking for it is no bother."""
        if self.fetch_ends_at is not None or now < self._not_before:
            return False
        renew = self._renew_at is not None and now >= self._renew_at
        return renew or self.token(now) is None

    def readiness(self, now: Instant) -> Readiness:
        """Whether a push can leave."""
        if self.token(now) is not None:
            return Readiness.READY
        return Readiness.NONE if self.fetch_ends_at is None else Readiness.WAITING

    def began(self, now: Instant) -> None:
        """A fetch is under way."""
        self.fetch_ends_at = Instant(now + FETCH_TIMEOUT_NS)

    def got(self, token: str, now: Instant, lifetime_ns: int | None = None) -> None:
        """A new token, good for so long; from 80 % of that on it is renewed (OP-14)."""
        self._token = token
        self._renew_at = self._ends_at = self.fetch_ends_at = None
        if lifetime_ns is not None:
            self._renew_at = Instant(now + lifetime_ns * 4 // 5)
            self._ends_at = Instant(now + lifetime_ns)

    def failed(self, now: Instant, wait_ns: int = FETCH_AGAIN_NS) -> None:
        """The fetch gave nothing; a token that is still good stays."""
        self.fetch_ends_at = None
        self._not_before = Instant(now + max(wait_ns, FETCH_AGAIN_NS))

    def lost(self) -> None:
        """There is no token any more, and none comes by asking."""
        self._token = self.fetch_ends_at = None

    def refused(self, token: str, now: Instant) -> None:
        """An answer says that `token` is not good. One that was replaced meanwhile is no news."""
        if token != self._token:
            return
        self._token = None
        before = self._refused_at
        if before is not None and now - before < REPLACE_AGAIN_NS:
            self._not_before = Instant(before + REPLACE_AGAIN_NS)
        else:
            self._refused_at = now
