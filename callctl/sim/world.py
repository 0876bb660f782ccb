"""Virtual time: one heap of events. It knows nothing of SIP, phones or clouds.

Timers come before messages of the same instant, and events of one instant happen in the order they
were planned. Source: design section 2; house style 7.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, Final, Protocol, TypeVar

from sipstack.timing import Instant

T = TypeVar("T")

TIMER: Final = 0
MESSAGE: Final = 1

STEPS_AT_ONCE_MAX: Final = 20_000
"""Events of one instant; beyond it something sets timers that are always due."""


class Livelock(Exception):
    """Time stands still: the same instant never ends."""


class Machine(Protocol):
    """What the world keeps time for."""

    timer_at: Instant | None
    """When the world will look at it next; kept by the world."""

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""

    def advance(self, now: Instant) -> None:
        """Fire what is due, and perform what comes of it."""


class World:
    """The clock and everything that is still to happen."""

    __slots__ = ("_at_once", "_heap", "_order", "now", "steps")

    def __init__(self) -> None:
        self.now = Instant(0)
        self.steps = 0  # events so far: two things with the same number have one cause
        self._heap: list[tuple[Instant, int, int, Any, Any]] = []
        self._order = 0
        self._at_once = 0

    def __len__(self) -> int:
        return len(self._heap)

    def plan(self, at: Instant, do: Callable[[T], None], what: T) -> None:
        """Let `do(what)` happen at `at`, as a message that arrives then."""
        self._order += 1
        heappush(self._heap, (at, MESSAGE, self._order, do, what))

    def watch(self, machine: Machine) -> None:
        """Look at the machine's next deadline; to be called after everything it did."""
        deadline = machine.next_deadline()
        if deadline is None:
            return
        if machine.timer_at is None or deadline < machine.timer_at:
            machine.timer_at = deadline
            self._order += 1
            heappush(self._heap, (deadline, TIMER, self._order, machine, None))

    def next_event(self) -> Instant | None:
        """When something happens next, None if nothing ever will."""
        return self._heap[0][0] if self._heap else None

    def run_to(self, limit: Instant) -> None:
        """Let everything happen up to and including `limit`.

        Raises: Livelock.
        """
        heap = self._heap
        while heap and heap[0][0] <= limit:
            at, rank, _, whom, what = heappop(heap)
            if rank == TIMER:
                if whom.timer_at != at:
                    continue  # an earlier look has replaced this one
                whom.timer_at = None
                deadline = whom.next_deadline()
                if deadline is not None and deadline <= at:
                    self._step(at)
                    whom.advance(self.now)
                self.watch(whom)
            else:
                self._step(at)
                whom(what)
        self.now = max(self.now, limit)

    def _step(self, at: Instant) -> None:
        self.steps += 1
        if at > self.now:
            self.now = at
            self._at_once = 0
        else:
            self._at_once += 1
            if self._at_once > STEPS_AT_ONCE_MAX:
                raise Livelock(f"{STEPS_AT_ONCE_MAX} events at {at} ns")
