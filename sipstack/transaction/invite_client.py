"""INVITE client transaction: RFC 3261 §17.1.1 (figure 5) with the Accepted state of RFC 6026."""

from __future__ import annotations

from typing import Final

from sipstack.message.message import Request, Response
from sipstack.timing import Instant
from sipstack.transaction.derived import ack_for_failure, cancel_of
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
    State.CALLING: frozenset({State.PROCEEDING, State.ACCEPTED, State.COMPLETED, State.TERMINATED}),
    State.PROCEEDING: frozenset({State.ACCEPTED, State.COMPLETED, State.TERMINATED}),
    State.ACCEPTED: frozenset({State.TERMINATED}),
    State.COMPLETED: frozenset({State.TERMINATED}),
    State.TERMINATED: frozenset(),
}
OWNS: Final[Owns] = {
    State.CALLING: (Timer.A, Timer.B),
    State.PROCEEDING: (None, Timer.CANCEL),
    State.ACCEPTED: (None, Timer.M),
    State.COMPLETED: (None, Timer.D),
    State.TERMINATED: (None, None),
}


class InviteClient(ClientTransaction):
    """Sends one INVITE until it is answered; makes and repeats the ACK of a failure itself.

    The ACK of a 2xx belongs to the transaction user, who sees each 2xx, repeated or forked.
    """

    __slots__ = ("_ack", "_cancel_reason", "_cancelled")

    MOVES = MOVES
    OWNS = OWNS

    def __init__(self, request: Request, flow: Flow, timers: TimerTable, key: ClientKey) -> None:
        super().__init__(request, flow, timers, State.CALLING, key)
        self._ack: bytes | None = None
        self._cancelled = False
        self._cancel_reason: str | None = None

    def start(self, now: Instant) -> tuple[Output, ...]:
        """Send the INVITE; called once."""
        self._wait_ns = self.timers.a_ns
        if self._wait_ns:
            self._repeat_at = Instant(now + self._wait_ns)
        self._end_at = Instant(now + self.timers.b_ns)
        assert self._wire is not None
        return (Send(self.flow, self._wire),)

    def receive(self, response: Response, now: Instant) -> tuple[Output, ...]:
        """A response that matched this transaction."""
        state, status = self.state, response.status
        if state is State.CALLING or state is State.PROCEEDING:
            if status < 200:
                if state is State.CALLING:
                    self._enter(State.PROCEEDING)
                return (ResponseReceived(self, response),)
            if status < 300:
                self._enter(State.ACCEPTED, end_at=Instant(now + self.timers.m_ns))
                return (ResponseReceived(self, response),)
            return self._fail(response, now)
        if state is State.ACCEPTED and 200 <= status < 300:
            return (ResponseReceived(self, response),)
        if state is State.COMPLETED and status >= 300 and self._ack is not None:
            # The other side did not get our ACK.
            return (Send(self.flow, self._ack),)
        return (Ignored("repeated response", f"{status} to INVITE in {state.name}"),)

    def advance(self, now: Instant) -> tuple[Output, ...]:
        """Fire what is due: A repeats, B and the wait after a CANCEL fail, D and M end."""
        if self._end_at is not None and now >= self._end_at:
            if self.state is State.CALLING or self.state is State.PROCEEDING:
                return self._abandon("timeout")
            self._enter(State.TERMINATED)
            return (TransactionEnded(self),)
        if self._repeat_at is None or now < self._repeat_at:
            return ()
        # Counted from now, not from when it was due: a late shell sends one copy, not a burst.
        self._wait_ns *= 2
        self._repeat_at = Instant(now + self._wait_ns)
        assert self._wire is not None
        return (Send(self.flow, self._wire),)

    def cancel(self, reason: str | None) -> bool:
        """Want this INVITE cancelled; False if it is too late or has been asked for before."""
        if self._cancelled or self.state not in (State.CALLING, State.PROCEEDING):
            return False
        self._cancelled = self.cancel_wanted = True
        self._cancel_reason = reason
        return True

    def take_cancel(self, now: Instant) -> Request | None:
        """The CANCEL, once and only after a provisional response: before, it could overtake.

        From then on the final response has 64*T1 to come. Source: RFC 3261 §9.1.
        """
        if not self.cancel_wanted or self.state is not State.PROCEEDING:
            return None
        self.cancel_wanted = False
        self._end_at = Instant(now + self.timers.b_ns)
        return cancel_of(self.request, self._cancel_reason)

    def transport_failed(self) -> tuple[Output, ...]:
        """The stream is gone: nothing can be heard any more, unless all has been heard."""
        if self.state is State.CALLING or self.state is State.PROCEEDING:
            return self._abandon("transport")
        return ()

    def _fail(self, response: Response, now: Instant) -> tuple[Output, ...]:
        self._ack = ack_for_failure(self.request, response).to_bytes()
        self._enter(State.COMPLETED, end_at=Instant(now + self.timers.d_ns))
        sent, received = Send(self.flow, self._ack), ResponseReceived(self, response)
        if self.timers.d_ns:
            return (sent, received)
        self._enter(State.TERMINATED)
        return (sent, received, TransactionEnded(self))

    def _abandon(self, cause: Cause) -> tuple[Output, ...]:
        self._enter(State.TERMINATED)
        return (TransactionFailed(self, cause), TransactionEnded(self))
