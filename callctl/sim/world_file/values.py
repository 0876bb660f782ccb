"""Values of a world file: times, ranges and shares, each with its mistakes in plain words."""

from __future__ import annotations

import re
from decimal import Decimal
from random import Random
from typing import Annotated, Final, NamedTuple, TypeAlias

from pydantic import AfterValidator, BeforeValidator

from callctl.model.values import Kind, quoted, wrong
from sipstack.timing import MS, SECOND

NEVER: Final = -1
"""Stands for the word `never` where a time is due."""

SECONDS_MAX: Final = 1_000_000
COUNT_MAX: Final = 1_000

_NUMBER: Final = r"\d{1,7}(?:\.\d{1,9})?"
_SECONDS: Final = re.compile(_NUMBER, re.ASCII)
_SPAN: Final = re.compile(rf"({_NUMBER})(?:-({_NUMBER}))?", re.ASCII)
_COUNT: Final = re.compile(r"(\d{1,4})(?:-(\d{1,4}))?", re.ASCII)
_PERCENT: Final = re.compile(r"\d{1,3}(?:\.\d)?", re.ASCII)


class Span(NamedTuple):
    """A time between two, both in ns; one time if they are the same."""

    low: int
    high: int

    def draw(self, random: Random) -> int:
        """One of them: the least, or so many whole milliseconds more."""
        return self.low + random.randrange((self.high - self.low) // MS + 1) * MS


class Count(NamedTuple):
    """A whole number between two."""

    low: int
    high: int

    def draw(self, random: Random) -> int:
        """One of them."""
        return random.randint(self.low, self.high)


def one_of(*words: str) -> AfterValidator:
    """Takes these words only."""

    def check(text: str) -> str:
        if text not in words:
            raise wrong(f"is {quoted(text)}", " or ".join(words))
        return text

    return AfterValidator(check)


def seconds_text(ns: int) -> str:
    """A time as a world file has it: no more digits than it needs."""
    return f"{Decimal(ns) / SECOND:f}".rstrip("0").rstrip(".") if ns % SECOND else str(ns // SECOND)


def _ns(text: str) -> int:
    return int(Decimal(text) * SECOND)


def _seconds(value: object) -> object:
    if not isinstance(value, str):
        return value
    if _SECONDS.fullmatch(value) is None:
        raise wrong(f"{quoted(value)} is not a time", "seconds, such as 20 or 20.25")
    return _ns(value)


def _seconds_or_never(value: object) -> object:
    return NEVER if value == "never" else _seconds(value)


def _span(value: object) -> object:
    match = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return value if isinstance(value, Span) else _not(value, "a time", "seconds: 2 or 0.5-2")
    low, high = _ns(match[1]), _ns(match[2] or match[1])
    if low > high:
        raise wrong(f"{quoted(match[0])} begins after its end", "the least first: 0.5-2")
    return Span(low, high)


def _count(value: object) -> object:
    match = _COUNT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return value if isinstance(value, Count) else _not(value, "a number", "3, or 1-3")
    low, high = int(match[1]), int(match[2] or match[1])
    if low > high or high > COUNT_MAX:
        raise wrong(f"{quoted(match[0])} is not a range", f"the least first, {COUNT_MAX} at most")
    return Count(low, high)


def _percent(value: object) -> object:
    if not isinstance(value, str):
        return value
    per_mille = int(Decimal(value) * 10) if _PERCENT.fullmatch(value) else 1001
    if per_mille > 1000:
        raise wrong(f"{quoted(value)} is not a share", "per cent, from 0 to 100, such as 12.5")
    return per_mille


def _not(value: object, noun: str, expected: str) -> object:
    shown = quoted(value) if isinstance(value, str) else "it"
    raise wrong(f"{shown} is not {noun}", expected)


def _below_limit(ns: int) -> int:
    if ns > SECONDS_MAX * SECOND:
        raise wrong("is too long", f"at most {SECONDS_MAX} seconds")
    return ns


def percent_text(per_mille: int) -> str:
    """A share as a world file has it."""
    whole, tenth = divmod(per_mille, 10)
    return f"{whole}.{tenth}" if tenth else str(whole)


def span_text(low: int, high: int) -> str:
    """A range of times as a world file has it."""
    return seconds_text(low) if low == high else f"{seconds_text(low)}-{seconds_text(high)}"


Seconds: TypeAlias = Annotated[
    int, Kind("seconds"), BeforeValidator(_seconds), AfterValidator(_below_limit)
]
SecondsOrNever: TypeAlias = Annotated[
    int, Kind("seconds, or `never`"), BeforeValidator(_seconds_or_never)
]
SpanText: TypeAlias = Annotated[Span, Kind("seconds, or from-to: `0.5-2`"), BeforeValidator(_span)]
CountText: TypeAlias = Annotated[Count, Kind("number, or from-to: `1-3`"), BeforeValidator(_count)]
Percent: TypeAlias = Annotated[int, Kind("per cent"), BeforeValidator(_percent)]


def or_none(ns: int) -> int | None:
    """None for a time that never comes."""
    return None if ns == NEVER else ns
