"""Time as the cores see it: an integer of nanoseconds that somebody hands in.

No core reads a clock. A machine keeps its own absolute deadlines; a layer that owns many machines
keeps one `DeadlineQueue` over them, so that a node has one number to wait for.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import Any, Final, Generic, NewType, TypeAlias, TypeVar

Instant = NewType("Instant", int)
"""Nanoseconds since the run began. Only a shell owns a real clock."""

US: Final = 1_000  # ns
MS: Final = 1_000_000  # ns
SECOND: Final = 1_000_000_000  # ns

COMPACT_MIN: Final = 64  # below this many entries, stale ones are cheaper to keep than to remove


# [at, order, owner]: a list, because the heap then compares in C; `order` is unique, so `owner` is
# never compared. Its owner becomes None once the entry is stale: the owner is free at once.
_Entry: TypeAlias = list[Any]


class Timed:
    """Something with at most one deadline, kept by a `DeadlineQueue`."""

    __slots__ = ("_entry", "deadline")

    def __init__(self) -> None:
        self.deadline: Instant | None = None
        self._entry: _Entry | None = None


T = TypeVar("T", bound=Timed)


class DeadlineQueue(Generic[T]):
    """Deadlines of many machines in one heap; equal deadlines fire in the order they were set."""

    __slots__ = ("_heap", "_order", "_stale")

    def __init__(self) -> None:
        self._heap: list[_Entry] = []
        self._order = 0
        self._stale = 0

    def set(self, owner: T, deadline: Instant | None) -> None:
        """Give `owner` its deadline, or None for no deadline, in place of the one it had."""
        if deadline == owner.deadline:
            return
        owner.deadline = deadline
        entry = owner._entry
        if entry is not None:
            entry[2] = None
            self._stale += 1
            owner._entry = None
        if deadline is not None:
            self._order += 1
            owner._entry = entry = [deadline, self._order, owner]
            heappush(self._heap, entry)
        if self._stale > COMPACT_MIN and self._stale * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2] is not None]
            heapify(self._heap)
            self._stale = 0

    def due(self, now: Instant) -> Iterator[T]:
        """Every owner whose deadline is at or before `now`, earliest first, its deadline cleared.

        An owner that sets a new deadline which is also due comes up again.
        """
        while True:
            heap = self._heap
            if not heap or heap[0][0] > now:
                return
            owner: T | None = heappop(heap)[2]
            if owner is None:
                self._stale -= 1
                continue
            owner.deadline = None
            owner._entry = None
            yield owner

    def next_deadline(self) -> Instant | None:
        """The earliest deadline of all, None if there is none."""
        heap = self._heap
        while heap and heap[0][2] is None:
            heappop(heap)
            self._stale -= 1
        return heap[0][0] if heap else None

    def __len__(self) -> int:
        """How many owners have a deadline."""
        return len(self._heap) - self._stale
