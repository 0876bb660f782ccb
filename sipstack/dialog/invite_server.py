"""The called end of one accepted INVITE: its 2xx is repeated until the ACK comes.

RFC 3261 §13.3.1.4. The transaction layer does not do it, for a 2xx is acknowledged end to end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from sipstack.errors import LocalProtocolError
from sipstack.message.message import Request, Response
from sipstack.timing import Instant, Timed
from sipstack.transaction.timers import TimerValues


class AcceptState(Enum):
    """From the moment the 2xx is given to the transaction."""

    WAITING = "WAITING"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    UNACKNOWLEDGED = "UNACKNOWLEDGED"


MOVES: Final[Mapping[AcceptState, frozenset[AcceptState]]] = {
    AcceptState.WAITING: frozenset({AcceptState.ACKNOWLEDGED, AcceptState.UNACKNOWLEDGED}),
    AcceptState.ACKNOWLEDGED: frozenset(),
    AcceptState.UNACKNOWLEDGED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class RepeatAccept:
    """Give the 2xx to the INVITE's server transaction again."""

    response: Response


@dataclass(frozen=True, slots=True)
class AckReceived:
    """The first ACK: the session is up. Its body may hold the answer to an offer in the 2xx."""

    ack: Request


@dataclass(frozen=True, slots=True)
class AckMissing:
    """No ACK within 64*T1: the session is to be ended by BYE."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """An ACK that changes nothing."""

    reason: str


AcceptOutput: TypeAlias = RepeatAccept | AckReceived | AckMissing | Ignored


class AcceptedInvite(Timed):
    """Repeats one 2xx after T1, doubling up to T2.

    It does so over streams too: further on the way there may be a hop that loses messages.
    """

    __slots__ = ("_end_at", "_number", "_repeat_at", "_t2_ns", "_wait_ns", "response", "state")

    def __init__(self, response: Response, now: Instant, timers: TimerValues | None = None) -> None:
        """The 2xx has just been given to the transaction for the first time."""
        super().__init__()
        if not 200 <= response.status < 300:
            raise LocalProtocolError(f"{response.status} accepts nothing")
        timers = timers or TimerValues()
        self.response = response
        self.state = AcceptState.WAITING
        self._number = response.cseq.number
        self._t2_ns = timers.t2_ns
        self._wait_ns = timers.t1_ns
        self._repeat_at: Instant | None = Instant(now + timers.t1_ns)
        self._end_at: Instant | None = Instant(now + timers.unreliable.l_ns)

    def receive(self, ack: Request, now: Instant) -> tuple[AcceptOutput, ...]:
        """An ACK in the dialog of this INVITE."""
        if ack.cseq.number != self._number:
            return (Ignored("ACK of another INVITE"),)
        if self.state is not AcceptState.WAITING:
            return (Ignored("repeated ACK"),)
        self._enter(AcceptState.ACKNOWLEDGED)
        return (AckReceived(ack),)

    def advance(self, now: Instant) -> tuple[AcceptOutput, ...]:
        """Fire what is due."""
        if self._end_at is None or self._repeat_at is None:
            return ()
        if now >= self._end_at:
            self._enter(AcceptState.UNACKNOWLEDGED)
            return (AckMissing(),)
        if now < self._repeat_at:
            return ()
        self._wait_ns = min(self._wait_ns * 2, self._t2_ns)
        self._repeat_at = Instant(now + self._wait_ns)
        return (RepeatAccept(self.response),)

    def next_deadline(self) -> Instant | None:
        """When to call `advance`, None once the ACK has come or is given up."""
        if self._repeat_at is None or self._end_at is None:
            return None
        return min(self._repeat_at, self._end_at)

    def _enter(self, state: AcceptState) -> None:
        assert state in MOVES[self.state], (self.state, state)
        self.state = state
        self._repeat_at = self._end_at = None  # Both are over: no timer outlives its state.
