"""Drives one machine in the event loop: hands it events and due timers, and does what it wants."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from sipstack.io.timer import DeadlineTimer
from sipstack.timing import Instant


class Machine(Protocol):
    """The three doors. Each machine takes its own events; the pump only passes them on."""

    @property
    def receive(self) -> Callable[[Any, Instant], Iterable[Any]]: ...

    @property
    def advance(self) -> Callable[[Instant], Iterable[Any]]: ...

    @property
    def next_deadline(self) -> Callable[[], Instant | None]: ...


class Pump:
    """Synchronous from event to action: no task, no queue, no await.

    Timers come before events of the same instant, so that a live run, a replay and a simulation
    agree. `carry_out` is given the actions of one door call, in order, and must not come back here.
    """

    __slots__ = ("_carry_out", "_clock", "_deadline", "_machine", "_timer", "running")

    def __init__(
        self,
        machine: Machine,
        clock: Callable[[], Instant],
        carry_out: Callable[[Iterable[Any]], None],
    ) -> None:
        self._machine = machine
        self._clock = clock
        self._carry_out = carry_out
        self._timer = DeadlineTimer(asyncio.get_running_loop(), clock, self._due)
        self._deadline: Instant | None = None
        self.running = False

    def start(self) -> None:
        """Hear from now on; what came before is lost."""
        self.running = True

    def feed(self, event: object) -> None:
        """Something happened now."""
        if not self.running:
            return
        now = self._clock()
        try:
            if self._deadline is not None and self._deadline <= now:
                self._carry_out(self._machine.advance(now))
            self._carry_out(self._machine.receive(event, now))
        finally:
            self._follow()

    def do(self, command: Callable[[Instant], Iterable[Any]]) -> None:
        """Give the machine a command, as `lambda now: agent.register(now)`."""
        if not self.running:
            return
        now = self._clock()
        try:
            if self._deadline is not None and self._deadline <= now:
                self._carry_out(self._machine.advance(now))
            self._carry_out(command(now))
        finally:
            self._follow()

    def stop(self) -> None:
        """Hear nothing more, and wake the machine no more."""
        self.running = False
        self._timer.cancel()

    def _due(self, now: Instant) -> None:
        try:
            self._carry_out(self._machine.advance(now))
        finally:
            self._follow()

    def _follow(self) -> None:
        if self.running:
            self._deadline = self._machine.next_deadline()
            self._timer.follow(self._deadline)
