"""Non-INVITE client transaction: RFC 3261 §17.1.2 (figure 6)."""

from __future__ import annotations

from typing import Final

from sipstack.message.message import Request, Response
from sipstack.timing import Instant
from sipstack.transaction.events import (
    Cause,
    Ignored,
    Output,
    ResponseReceived,
    TransactionEnded,
    TransactionFailed,
)
from sipstack.transaction.machine import (
    ClientKey,
    ClientTransaction,
    Moves,
    Owns,
    State,
    Timer,
)
from sipstack.transaction.timers import TimerTable
from sipstack.transport.flow import Flow, Send

MOVES: Final[Moves] = {
    State.TRYING: frozenset({State.PROCEEDING, State.COMPLETED, State.TERMINATED}),
    State.PROCEEDING: frozenset({State.COMPLETED, State.TERMINATED}),
    State.COMPLETED: frozenset({State.TERMINATED}),
    State.TERMINATED: frozenset(),
}
OWNS: Final[Owns] = {
    State.TRYING: (Timer.E, Timer.F),
    State.PROCEEDING: (Timer.E, Timer.F),
    State.COMPLETED: (None, Timer.K),
    State.TERMINATED: (None, None),
}


class NonInviteClient(ClientTransaction):
    """Sends one request until it has its final response or 64*T1 have passed."""

    __slots__ = ()

    MOVES = MOVES
    OWNS = OWNS

    def __init__(self, request: Request, flow: Flow, timers: TimerTable, key: ClientKey) -> None:
        super().__init__(request, flow, timers, State.TRYING, key)

    def start(self, now: Instant) -> tuple[Output, ...]:
        """Send the request; called once."""
        self._wait_ns = self.timers.e_ns
        if self._wait_ns:
            self._repeat_at = Instant(now + self._wait_ns)
        self._end_at = Instant(now + self.timers.f_ns)
        assert self._wire is not None
        return (Send(self.flow, self._wire),)

    def receive(self, response: Response, now: Instant) -> tuple[Output, ...]:
        """A response that matched this transaction."""
        state, status = self.state, response.status
        if state is State.COMPLETED or state is State.TERMINATED:
            detail = f"{status} to {self.request.method} in {state.name}"
            return (Ignored("repeated response", detail),)
        if status < 200:
            if state is State.TRYING:
                # E goes on, now in steps of T2, because a provisional promises nothing (§17.1.2.2).
                self._wait_ns = self.timers.t2_ns
                self._enter(State.PROCEEDING, repeat_at=self._repeat_at, end_at=self._end_at)
            return (ResponseReceived(self, response),)
        self._enter(State.COMPLETED, end_at=Instant(now + self.timers.k_ns))
        if self.timers.k_ns:
            return (ResponseReceived(self, response),)
        self._enter(State.TERMINATED)
        return (ResponseReceived(self, response), TransactionEnded(self))

    def advance(self, now: Instant) -> tuple[Output, ...]:
        """Fire what is due: E repeats, F fails, K ends.

        No 408 is made of a failure: the user hears of it and may not send one (RFC 4320 §4.2).
        """
        if self._end_at is not None and now >= self._end_at:
            if self.state is not State.COMPLETED:
                return self._abandon("timeout")
            self._enter(State.TERMINATED)
            return (TransactionEnded(self),)
        if self._repeat_at is None or now < self._repeat_at:
            return ()
        self._wait_ns = min(self._wait_ns * 2, self.timers.t2_ns)
        self._repeat_at = Instant(now + self._wait_ns)
        assert self._wire is not None
        return (Send(self.flow, self._wire),)

    def transport_failed(self) -> tuple[Output, ...]:
        """The stream is gone: nothing can be heard any more, unless all has been heard."""
        if self.state is State.COMPLETED or self.state is State.TERMINATED:
            return ()
        return self._abandon("transport")

    def _abandon(self, cause: Cause) -> tuple[Output, ...]:
        self._enter(State.TERMINATED)
        return (TransactionFailed(self, cause), TransactionEnded(self))
