"""One clock, one heap of deadlines and one timer of the event loop for a whole fleet.

A phone has no task and no timer of its own: what comes for it is handed to its machine, what the
machine wants is done, and its next deadline goes into the heap.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from callctl.io.pump import Machine
from sipstack.io.clock import MonotonicClock
from sipstack.io.timer import DeadlineTimer
from sipstack.timing import DeadlineQueue, Instant, Timed
from sipstack.transaction.events import Ignored
from sipstack.transport.flow import CloseFlow, Send


class Sockets(Protocol):
    """What carries messages."""

    def perform(self, action: Send | CloseFlow) -> None:
        """Send a message, or close a flow; what fails comes back as an event."""


class Owner(Protocol):
    """Whose machine it is."""

    @property
    def machine(self) -> Machine: ...

    @property
    def wires(self) -> Sockets: ...

    def hear(self, action: Any, now: Instant) -> None:  # noqa: ANN401  (each machine has its own)
        """What the machine says that is not for the wires; `Ignored` is counted before."""


class Party(Timed):
    """A machine in the heap."""

    __slots__ = ("_clockwork", "owner", "running")

    def __init__(self, clockwork: Clockwork, owner: Owner) -> None:
        super().__init__()
        self.owner = owner
        self.running = True
        self._clockwork = clockwork

    def feed(self, event: object) -> None:
        """Something happened now."""
        self._clockwork.turn(self, lambda now: self.owner.machine.receive(event, now))

    def do(self, command: Callable[[Instant], Iterable[Any]]) -> None:
        """Give the machine a command, as `lambda now: phone.start(now)`."""
        self._clockwork.turn(self, command)

    def stop(self) -> None:
        """Neither heard nor woken any more."""
        self.running = False
        self._clockwork.forget(self)


class Alarm(Timed):
    """Something to do once, at a time."""

    __slots__ = ("_act", "_clockwork")

    def __init__(self, clockwork: Clockwork, act: Callable[[Instant], None]) -> None:
        super().__init__()
        self._act = act
        self._clockwork = clockwork

    def cancel(self) -> None:
        """It is not to be done."""
        self._clockwork.forget(self)

    def ring(self, now: Instant) -> None:
        """Do it."""
        self._act(now)


class Clockwork:
    """Drives every machine of the fleet in the event loop that runs."""

    def __init__(self, clock: MonotonicClock) -> None:
        self.clock = clock
        self.ignored: dict[str, int] = {}
        """What machines could make nothing of, by reason."""
        self._stopped = False
        self._due: DeadlineQueue[Party | Alarm] = DeadlineQueue()
        self._timer = DeadlineTimer(asyncio.get_running_loop(), clock, self._ring)

    def after(self, wait_ns: int, act: Callable[[Instant], None]) -> Alarm:
        """Do something later."""
        return self.at(Instant(self.clock() + wait_ns), act)

    def at(self, instant: Instant, act: Callable[[Instant], None]) -> Alarm:
        """Do something at a time; if that has passed, in the next turn."""
        alarm = Alarm(self, act)
        self._due.set(alarm, instant)
        self._timer.follow(self._due.next_deadline())
        return alarm

    def turn(self, party: Party, door: Callable[[Instant], Iterable[Any]]) -> None:
        """Open one door of a party's machine. Timers come before events of the same instant."""
        if self._stopped or not party.running:
            return
        now = self.clock()
        machine = party.owner.machine
        deadline = party.deadline
        try:
            if deadline is not None and deadline <= now:
                self._carry_out(party, machine.advance(now), now)
            self._carry_out(party, door(now), now)
        finally:
            if party.running:
                self._due.set(party, machine.next_deadline())
            self._timer.follow(self._due.next_deadline())

    def forget(self, timed: Party | Alarm) -> None:
        """It has no deadline any more."""
        self._due.set(timed, None)

    def stop(self) -> None:
        """Nobody is woken or hears anything any more: their sockets are about to be closed."""
        self._stopped = True
        self._timer.cancel()

    def _ring(self, now: Instant) -> None:
        try:
            for timed in self._due.due(now):
                if isinstance(timed, Alarm):
                    timed.ring(now)
                elif timed.running:
                    machine = timed.owner.machine
                    self._carry_out(timed, machine.advance(now), now)
                    self._due.set(timed, machine.next_deadline())
        finally:
            # A fault of one machine goes to the loop's handler; the others go on.
            if not self._stopped:
                self._timer.follow(self._due.next_deadline())

    def _carry_out(self, party: Party, actions: Iterable[Any], now: Instant) -> None:
        owner = party.owner
        for action in actions:
            if isinstance(action, Ignored):
                self.ignored[action.reason] = self.ignored.get(action.reason, 0) + 1
                continue
            if isinstance(action, Send | CloseFlow):
                owner.wires.perform(action)
            owner.hear(action, now)
