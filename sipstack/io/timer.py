"""Wakes a machine at its next deadline, with one timer of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from sipstack.timing import MS, Instant

NEVER: Final = Instant(2**63)


class DeadlineTimer:
    """Follows one machine's next_deadline(): tell it after each door that was used.

    An event loop may wake early: uvloop rounds to milliseconds by a clock it reads once a turn. So
    the clock is asked before `on_due` is called, and the rest is waited for. A deadline that moves
    away leaves the loop's timer as it is, which is cheaper than to set it anew for each message.
    """

    __slots__ = ("_clock", "_deadline", "_handle", "_loop", "_on_due", "_wakes_at")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], Instant],
        on_due: Callable[[Instant], None],
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._on_due = on_due
        self._deadline: Instant | None = None
        self._handle: asyncio.TimerHandle | None = None
        self._wakes_at = NEVER  # when the loop's timer is set for

    def follow(self, deadline: Instant | None) -> None:
        """Wake at `deadline`, in place of the one before; None for never."""
        self._deadline = deadline
        if deadline is not None and deadline < self._wakes_at:
            self._set(deadline, self._clock())

    def cancel(self) -> None:
        """Never wake again unless told to follow another deadline."""
        self._deadline = None
        self._wakes_at = NEVER
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _set(self, deadline: Instant, now: Instant) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._wakes_at = deadline
        # Whole milliseconds, rounded up: less than one would make uvloop spin until it is due.
        wait_ms = -((now - deadline) // MS) if deadline > now else 0
        self._handle = self._loop.call_later(wait_ms / 1000, self._wake)

    def _wake(self) -> None:
        self._handle = None
        self._wakes_at = NEVER
        deadline = self._deadline
        if deadline is None:
            return
        now = self._clock()
        if now < deadline:
            self._set(deadline, now)
            return
        self._deadline = None
        self._on_due(now)
