"""Times, shares and rates as people write them: `1m30s`, `5%`, `300ms..1200ms`, `exponential 10s`.

They stay text in the schema and become numbers here, so that a page can show defaults as written.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import exp, log
from random import Random
from typing import Annotated, Final, TypeAlias, TypeVar

from pydantic import AfterValidator

from callctl.model.values import Kind, quoted, wrong
from sipstack.timing import MS, SECOND

N = TypeVar("N")

UNITS: Final = {"ms": MS, "s": SECOND, "m": 60 * SECOND, "h": 3_600 * SECOND}
DURATION_MAX: Final = 24 * 3_600 * SECOND

DURATION_FORM: Final = "a time such as 250ms, 2s, 1m30s or 1h, at most 24h"
SHARE_FORM: Final = "a share from 0% to 100%, as 5% or 0.5%"
RATE_FORM: Final = "a number of 0 or more, as 5 or 0.5"
DISTRIBUTION_FORM: Final = (
    "2s (always), 1s..4s (evenly between), exponential 10s (its mean), "
    "or lognormal 2s 8s (median, and what 95% stay below)"
)

_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)", re.ASCII)
_DURATION: Final = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)
_NUMBER: Final = re.compile(r"\d{1,9}(?:\.\d{1,9})?", re.ASCII)

P95: Final = 1.6448536269514722  # of the standard normal distribution
TAIL_MAX: Final = 20  # times its mean or median: nothing takes longer than that


def parse_duration(text: str) -> int:
    """Nanoseconds. Raises: ValueError."""
    if text == "0":
        return 0
    if _DURATION.fullmatch(text) is None:
        raise ValueError(text)
    ns = sum(round(float(number) * UNITS[unit]) for number, unit in _PART.findall(text))
    if ns > DURATION_MAX:
        raise ValueError(text)
    return ns


def parse_share(text: str) -> float:
    """From 0 to 1. Raises: ValueError."""
    number = text.removesuffix("%").strip()
    if not text.endswith("%") or _NUMBER.fullmatch(number) is None or float(number) > 100:
        raise ValueError(text)
    return float(number) / 100


def parse_rate(text: str) -> float:
    """A number of 0 or more. Raises: ValueError."""
    if _NUMBER.fullmatch(text) is None:
        raise ValueError(text)
    return float(text)


@dataclass(frozen=True, slots=True)
class Always:
    """The same each time."""

    ns: int

    def draw(self, random: Random) -> int:
        """One time, in ns."""
        return self.ns

    @property
    def longest_ns(self) -> int:
        """No time is longer."""
        return self.ns


@dataclass(frozen=True, slots=True)
class Between:
    """Any time between two is as likely."""

    low_ns: int
    high_ns: int

    def draw(self, random: Random) -> int:
        """One time, in ns."""
        return random.randint(self.low_ns, self.high_ns)

    @property
    def longest_ns(self) -> int:
        """No time is longer."""
        return self.high_ns


@dataclass(frozen=True, slots=True)
class Exponential:
    """Ends as likely in the next second, however long it has lasted: conversations."""

    mean_ns: int

    def draw(self, random: Random) -> int:
        """One time, in ns."""
        return min(round(random.expovariate(1.0) * self.mean_ns), self.longest_ns)

    @property
    def longest_ns(self) -> int:
        """No time is longer."""
        return TAIL_MAX * self.mean_ns


@dataclass(frozen=True, slots=True)
class Lognormal:
    """Mostly short with a long tail: what people and networks need."""

    median_ns: int
    p95_ns: int

    def draw(self, random: Random) -> int:
        """One time, in ns."""
        sigma = log(self.p95_ns / self.median_ns) / P95
        return min(round(self.median_ns * exp(sigma * random.gauss(0, 1))), self.longest_ns)

    @property
    def longest_ns(self) -> int:
        """No time is longer."""
        return TAIL_MAX * self.p95_ns


Distribution: TypeAlias = Always | Between | Exponential | Lognormal


def parse_distribution(text: str) -> Distribution:
    """One of the four forms. Raises: ValueError."""
    words = text.split()
    if len(words) == 2 and words[0] == "exponential":
        return Exponential(parse_duration(words[1]))
    if len(words) == 3 and words[0] == "lognormal":
        median_ns, p95_ns = parse_duration(words[1]), parse_duration(words[2])
        if not 0 < median_ns <= p95_ns:
            raise ValueError(text)
        return Lognormal(median_ns, p95_ns)
    if len(words) != 1:
        raise ValueError(text)
    low, dots, high = text.partition("..")
    if not dots:
        return Always(parse_duration(text))
    low_ns, high_ns = parse_duration(low), parse_duration(high)
    if low_ns > high_ns:
        raise ValueError(text)
    return Between(low_ns, high_ns)


def duration_text(ns: int) -> str:
    """As `parse_duration` reads it: 1m30s, 2.5s, 40ms."""
    if 0 < ns < SECOND:
        return f"{ns / MS:g}ms"
    hours, rest = divmod(ns, UNITS["h"])
    minutes, rest = divmod(rest, UNITS["m"])
    parts = [f"{hours}h"] if hours else []
    parts += [f"{minutes}m"] if minutes else []
    if rest or not parts:
        parts.append(f"{rest / SECOND:g}s")
    return "".join(parts)


def _read_by(parse: Callable[[str], N], noun: str, expected: str) -> AfterValidator:
    def check(text: str) -> str:
        try:
            parse(text)
        except ValueError:
            raise wrong(f"{quoted(text)} is not {noun}", expected) from None
        return text

    return AfterValidator(check)


DurationText: TypeAlias = Annotated[
    str, Kind("time"), _read_by(parse_duration, "a time", DURATION_FORM)
]
ShareText: TypeAlias = Annotated[str, Kind("share"), _read_by(parse_share, "a share", SHARE_FORM)]
RateText: TypeAlias = Annotated[str, Kind("number"), _read_by(parse_rate, "a number", RATE_FORM)]
DistributionText: TypeAlias = Annotated[
    str,
    Kind("distribution of times"),
    _read_by(parse_distribution, "a distribution of times", DISTRIBUTION_FORM),
]
