"""INVITE server transaction: RFC 3261 §17.2.1 (figure 7) with the Accepted state of RFC 6026."""

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
    State.PROCEEDING: frozenset({State.ACCEPTED, State.COMPLETED}),
    State.ACCEPTED: frozenset({State.TERMINATED}),
    State.COMPLETED: frozenset({State.CONFIRMED, State.TERMINATED}),
    State.CONFIRMED: frozenset({State.TERMINATED}),
    State.TERMINATED: frozenset(),
}
OWNS: Final[Owns] = {
    State.PROCEEDING: (None, None),
    State.ACCEPTED: (None, Timer.L),
    State.COMPLETED: (Timer.G, Timer.H),
    State.CONFIRMED: (None, Timer.I),
    State.TERMINATED: (None, None),
}


class InviteServer(ServerTransaction):
    """Answers one INVITE: repeats the last provisional when asked, a failure until it has its ACK.

    It sends no 100 by itself; the transaction user does, at once. Nothing ends it before a final
    response is given: the user owes one, and a proxy has Timer C to keep that promise.
    """

    __slots__ = ("cancelled",)

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
        super().__init__(request, flow, response_flow, timers, State.PROCEEDING, key)
        self.cancelled = False  # a CANCEL came while it could still have an effect

    def receive(self, request: Request, now: Instant) -> tuple[Output, ...]:
        """The same INVITE again, or the ACK that belongs to this transaction.

        In ACCEPTED an ACK is for the 2xx and so for the user: the layer does not bring it here.
        """
        if request.method == "ACK":
            return self._receive_ack(now)
        state, wire = self.state, self._wire
        if wire is not None and (state is State.PROCEEDING or state is State.COMPLETED):
            return (Send(self.response_flow, wire),)
        return (Ignored("repeated request", f"INVITE in {state.name}"),)

    def respond(self, response: Response, now: Instant) -> tuple[Output, ...]:
        """Send a response.

        A 2xx is sent in any state and as often as it is given: one that comes after a failure,
        from another branch of a fork, must reach the caller too (RFC 3261 §16.7 point 5).

        Raises: LocalProtocolError for any other response after a final one.
        """
        state, status = self.state, response.status
        wire = response.to_bytes()
        if state is State.PROCEEDING:
            self.last_response, self._wire = response, wire
            if 200 <= status < 300:
                # The user repeats a 2xx, or passes on repeats: ours would only double them.
                self._enter(State.ACCEPTED, end_at=Instant(now + self.timers.l_ns))
            elif status >= 300:
                self._wait_ns = wait_ns = self.timers.g_ns
                self._enter(
                    State.COMPLETED,
                    repeat_at=Instant(now + wait_ns) if wait_ns else None,
                    end_at=Instant(now + self.timers.h_ns),
                )
        elif not 200 <= status < 300:
            raise LocalProtocolError(f"{status} to an INVITE that is {state.name}")
        return (Send(self.response_flow, wire),)

    def advance(self, now: Instant) -> tuple[Output, ...]:
        """Fire what is due: G repeats the failure; H, I and L end."""
        if self._end_at is not None and now >= self._end_at:
            state = self.state
            self._enter(State.TERMINATED)
            if state is State.COMPLETED:
                return (
                    Ignored("failure without ACK", self.request.call_id),
                    TransactionEnded(self),
                )
            return (TransactionEnded(self),)
        if self._repeat_at is None or now < self._repeat_at:
            return ()
        self._wait_ns = min(self._wait_ns * 2, self.timers.t2_ns)
        self._repeat_at = Instant(now + self._wait_ns)
        assert self._wire is not None
        return (Send(self.response_flow, self._wire),)

    def _receive_ack(self, now: Instant) -> tuple[Output, ...]:
        if self.state is not State.COMPLETED:
            return (Ignored("unexpected ACK", f"in {self.state.name}"),)
        self._enter(State.CONFIRMED, end_at=Instant(now + self.timers.i_ns))
        if self.timers.i_ns:
            return ()
        self._enter(State.TERMINATED)
        return (TransactionEnded(self),)
