"""SIP trunks to peers outside the cluster, and the route patterns that send numbers there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from callctl.model.line import ExternalPresentation
from callctl.model.user import Secret

WILDCARD: Final = "X"  # one digit
REST: Final = "!"  # one or more digits, at the end of a pattern
NUMBER_MAX: Final = 64  # characters of a number that may leave the cluster, as of a DN


@dataclass(frozen=True, slots=True)
class TrunkDestination:
    """One address of a peer."""

    transport: str  # "UDP", "TCP" or "TLS"
    host: str  # numeric address, IPv6 without brackets
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport.lower()}:{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class TrunkCredentials:
    """User name and password of one direction of a trunk (RFC 3261 §22)."""

    username: str
    password: Secret = field(repr=False)


@dataclass(frozen=True, slots=True)
class SipProfile:
    """Settings that devices and trunks share; here those of the caller's presentation (OP-16)."""

    name: str
    enable_external_presentation: bool = False  # show From of a trunk call where it differs
    external_presentation: ExternalPresentation | None = None


@dataclass(frozen=True, slots=True)
class SipTrunk:
    """A peer, reached at one of several destinations in order."""

    name: str
    destinations: tuple[TrunkDestination, ...]
    options_ping_s: int = 60  # 0: no health check
    try_s: int = 4  # a destination that says nothing for so long is given up for the next
    outbound: TrunkCredentials | None = None  # answers the peer's challenge
    inbound: TrunkCredentials | None = None  # asked of the peer; None: known by its address alone
    trust_identity: bool = True  # P-Asserted-Identity of the peer is believed (RFC 3325)
    external_presentation: ExternalPresentation | None = None
    sip_profile: str | None = None


@dataclass(frozen=True, slots=True)
class RoutePattern:
    """Numbers that leave the cluster: digits, X for any digit, ! for all that follow."""

    pattern: str
    trunks: tuple[str, ...]  # in the order in which they are tried
    strip: int = 0  # leading characters to take away
    prefix: str = ""  # and what to put in their place

    def matches(self, number: str) -> bool:
        """True if the pattern is for `number`."""
        fixed = self.pattern.removesuffix(REST)
        if not (number.isascii() and len(fixed) <= len(number) <= NUMBER_MAX):
            return False  # isdecimal() below would take "٣" for a digit
        rest = number[len(fixed) :]
        if rest.isdecimal() == (fixed == self.pattern) or (rest and not rest.isdecimal()):
            return False
        return all(
            digit.isdecimal() if sign == WILDCARD else digit == sign
            for sign, digit in zip(fixed, number, strict=False)
        )

    def rivals(self, other: RoutePattern) -> bool:
        """True if some number matches both, and neither is the better match for it."""
        if self.specificity != other.specificity or self.open_ended != other.open_ended:
            return False
        return all(
            a == b or (a == WILDCARD and b.isdecimal()) or (b == WILDCARD and a.isdecimal())
            for a, b in zip(self.pattern, other.pattern, strict=True)
        )

    @property
    def open_ended(self) -> bool:
        """True if it ends in "all that follow"."""
        return self.pattern.endswith(REST)

    def sent(self, number: str) -> str:
        """The number as the peer is told it."""
        return self.prefix + number[self.strip :]

    @property
    def specificity(self) -> tuple[int, int]:
        """More fixed digits first, then the longer pattern: the best match has the greatest."""
        fixed = sum(sign not in (WILDCARD, REST) for sign in self.pattern)
        return fixed, len(self.pattern) - self.open_ended


def best_first(patterns: Iterable[RoutePattern]) -> tuple[RoutePattern, ...]:
    """The patterns in the order in which the first that matches is the best match."""
    return tuple(sorted(patterns, key=lambda pattern: pattern.specificity, reverse=True))
