"""Non-INVITE server transaction: RFC 3261 §17.2.2 (figure 8), and RFC 4320."""

from __future__ import annotations

from typing import Final

from sipstack.errors import LocalProtocolError
from sipstack.message.message import Request, Response
from sipstack.timing import Instant
from sipstack.transaction.events import Ignored, Output, TransactionEnded
from sipstack.transaction.machine import (
    Moves,
    Owns,
    ServerKey,
    ServerTransaction,
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
# F is the client's timer: once it has fired over there, an answer from here would be a stray.
OWNS: Final[Owns] = {
    State.TRYING: (None, Timer.F),
    State.PROCEEDING: (None, Timer.F),
    State.COMPLETED: (None, Timer.J),
    State.TERMINATED: (None, None),
}


class NonInviteServer(ServerTransaction):
    """Answers one request other than INVITE, ACK and CANCEL, and repeats the answer when asked.

    It lives 64*T1 at most without an answer. Then it ends, and the client's side reports its own
    timeout: an answer now, and a 408 at any time, would do harm (RFC 4320 §4.1, §4.2).
    """

    __slots__ = ()

    MOVES = MOVES
    OWNS = OWNS

    def __init__(
        self,
        request: Request,
        flow: Flow,
        response_flow: Flow,
        timers: TimerTable,
        key: ServerKey,
    ) -> None:
        super().__init__(request, flow, response_flow, timers, State.TRYING, key)

    def start(self, now: Instant) -> None:
        """The request has come; called once."""
        self._end_at = Instant(now + self.timers.f_ns)

    def receive(self, request: Request, now: Instant) -> tuple[Output, ...]:
        """The same request again."""
        if self._wire is not None and self.state is not State.TERMINATED:
            return (Send(self.response_flow, self._wire),)
        return (Ignored("repeated request", f"{request.method} in {self.state.name}"),)

    def respond(self, response: Response, now: Instant) -> tuple[Output, ...]:
        """Send a response; a 408 and what comes too late are not sent.

        Raises: LocalProtocolError after a final response.
        """
        state, status = self.state, response.status
        if state is State.TERMINATED:
            return (Ignored("late response", f"{status} to {self.request.method}"),)
        if state is State.COMPLETED:
            raise LocalProtocolError(f"{status} to a {self.request.method} that is COMPLETED")
        if status == 408:
            return (Ignored("408 not sent", self.request.method),)
        self.last_response = response
        self._wire = wire = response.to_bytes()
        sent = Send(self.response_flow, wire)
        if status < 200:
            if state is State.TRYING:
                self._enter(State.PROCEEDING, end_at=self._end_at)
            return (sent,)
        self._enter(State.COMPLETED, end_at=Instant(now + self.timers.j_ns))
        if self.timers.j_ns:
            # 32 s of registrations are held at once: only what a repeat sends has to stay.
            self.last_response = None
            self.request.headers.cache.clear()
            return (sent,)
        self._enter(State.TERMINATED)
        return (sent, TransactionEnded(self))

    def advance(self, now: Instant) -> tuple[Output, ...]:
        """End when F or J is due."""
        if self._end_at is None or now < self._end_at:
            return ()
        self._enter(State.TERMINATED)
        return (TransactionEnded(self),)
