"""Percentiles and histograms of times."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

PERCENTILES: Final = (50, 90, 95, 99)

STEPS: Final = (1.0, 1.25, 1.6, 2.0, 2.5, 3.15, 4.0, 5.0, 6.3, 8.0)
"""Ten bins a decade, each a quarter wider than the one before (Renard's R10)."""

EDGES: Final = tuple(step * 10.0**decade for decade in range(-1, 6) for step in STEPS)
"""Of the bins, in ms: from 0.1 ms to beyond a minute."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Times in ms."""

    count: int
    p50: float
    p90: float
    p95: float
    p99: float
    max: float
    mean: float


@dataclass(frozen=True, slots=True)
class Bin:
    """How many times were at least `low_ms` and below `high_ms`."""

    low_ms: float
    high_ms: float
    count: int


class Samples:
    """Times of one kind, kept as they came: eight octets each."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values = array("d")

    def __len__(self) -> int:
        return len(self._values)

    def add(self, ms: float) -> None:
        """One more."""
        self._values.append(ms)

    def summary(self, last: int | None = None) -> Summary | None:
        """Of all, or of the last so many; None without any."""
        if not self._values:
            return None
        ordered = sorted(self._values if last is None else self._values[-last:])
        p50, p90, p95, p99 = (percentile(ordered, share) for share in PERCENTILES)
        mean = sum(ordered) / len(ordered)
        return Summary(len(ordered), p50, p90, p95, p99, ordered[-1], mean)

    def histogram(self) -> tuple[Bin, ...]:
        """From the first bin that holds something to the last, empty ones between included."""
        return histogram(self._values)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest of the values that at least `share` percent do not exceed (nearest rank)."""
    return ordered[max(ceil(share / 100 * len(ordered)), 1) - 1]


def histogram(values: Sequence[float]) -> tuple[Bin, ...]:
    """Values in ms by bins that grow with them; what is out of range is in the outer ones."""
    counts = [0] * (len(EDGES) - 1)
    for value in values:
        at = bisect_right(EDGES, value) - 1
        counts[min(max(at, 0), len(counts) - 1)] += 1
    filled = [at for at, count in enumerate(counts) if count]
    if not filled:
        return ()
    return tuple(
        Bin(EDGES[at], EDGES[at + 1], counts[at]) for at in range(filled[0], filled[-1] + 1)
    )
