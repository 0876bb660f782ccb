"""What is due at which time; of the same time, what was planned first."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from typing import TypeAlias

from callctl.replay.play_event import PlayAction
from callctl.replay.script import Leaving, Step
from sipstack.timing import SECOND, Instant

Planned: TypeAlias = PlayAction | Step | Leaving


class Agenda:
    """Keeps what was planned until it is due."""

    __slots__ = ("_heap", "_order")

    def __init__(self) -> None:
        self._heap: list[tuple[Instant, int, Planned]] = []
        self._order = 0

    def plan(self, at: Instant, what: Planned) -> None:
        """Have it come at `at`."""
        self._order += 1
        heappush(self._heap, (at, self._order, what))

    def due(self, now: Instant) -> Iterator[Planned]:
        """What is due, also what is planned for now while this is iterated over."""
        while self._heap and self._heap[0][0] <= now:
            yield heappop(self._heap)[2]

    def next_deadline(self) -> Instant | None:
        """When something is due."""
        return self._heap[0][0] if self._heap else None


def after(at: Instant, seconds: float) -> Instant:
    """So many seconds later."""
    return Instant(at + round(seconds * SECOND))
