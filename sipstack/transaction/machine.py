"""What the four machines share: names of states and timers, and the rule that a state owns timers.

A state has at most two timers: one that repeats a message and one that ends the state. Entering a
state sets both anew, so no timer outlives the state that started it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, IntEnum
from typing import ClassVar, TypeAlias

from sipstack.message.message import Request, Response
from sipstack.timing import Instant, Timed
from sipstack.transaction.timers import TimerTable
from sipstack.transport.flow import Flow


class State(IntEnum):
    """States of the figures 5 to 8 of RFC 3261, and Accepted of RFC 6026.

    An IntEnum, because a state is a key on the path of every message and only int hashes in C.
    """

    CALLING = 1
    TRYING = 2
    PROCEEDING = 3
    COMPLETED = 4
    CONFIRMED = 5
    ACCEPTED = 6
    TERMINATED = 7


class Timer(Enum):
    """Timers of the same figures."""

    A = "A"
    B = "B"
    D = "D"
    E = "E"
    F = "F"
    G = "G"
    H = "H"
    I = "I"  # noqa: E741 - the standard's own letter
    J = "J"
    K = "K"
    L = "L"
    M = "M"
    CANCEL = "CANCEL"  # 64*T1 after a CANCEL (§9.1); the standard gives it no letter


Moves: TypeAlias = Mapping[State, frozenset[State]]
Owns: TypeAlias = Mapping[State, tuple[Timer | None, Timer | None]]
ClientKey: TypeAlias = tuple[str, str]
ServerKey: TypeAlias = tuple[str | int | None, ...]


class Transaction(Timed):
    """One transaction. The transaction layer drives it; its user keeps what it needs in `owner`."""

    __slots__ = (
        "_end_at",
        "_repeat_at",
        "_wait_ns",
        "_wire",
        "flow",
        "hidden",
        "owner",
        "request",
        "state",
        "timers",
    )

    MOVES: ClassVar[Moves]
    OWNS: ClassVar[Owns]  # (the timer that repeats, the timer that ends the state)

    def __init__(self, request: Request, flow: Flow, timers: TimerTable, state: State) -> None:
        # The two of Timed are set here: one call less for every transaction.
        self.deadline = None
        self._entry = None
        self.request = request  # as received, or as sent: not to be edited any more
        self.flow = flow  # it came from there, or goes there
        self.timers = timers
        self.state = state
        self.owner: object | None = None  # the transaction user's, never touched here
        self.hidden = False  # the layer's own (a CANCEL): the transaction user never hears of it
        self._repeat_at: Instant | None = None
        self._end_at: Instant | None = None
        self._wait_ns = 0  # from the last repeat to the next
        self._wire: bytes | None = None  # what a repeat sends

    def next_deadline(self) -> Instant | None:
        """The earlier of the two timers, None if neither runs."""
        repeat_at, end_at = self._repeat_at, self._end_at
        if repeat_at is None or (end_at is not None and end_at < repeat_at):
            return end_at
        return repeat_at

    def running(self) -> dict[Timer, Instant]:
        """The timers that run, by the name the state has for them."""
        timers = zip(self.OWNS[self.state], (self._repeat_at, self._end_at), strict=True)
        return {timer: at for timer, at in timers if timer is not None and at is not None}

    def _enter(
        self, state: State, *, repeat_at: Instant | None = None, end_at: Instant | None = None
    ) -> None:
        assert state in self.MOVES[self.state], (self.state, state)
        self.state, self._repeat_at, self._end_at = state, repeat_at, end_at


class ClientTransaction(Transaction):
    """A request of ours on its way to one next hop (RFC 3261 §17.1)."""

    __slots__ = ("branch", "cancel_wanted", "key")

    def __init__(
        self, request: Request, flow: Flow, timers: TimerTable, state: State, key: ClientKey
    ) -> None:
        super().__init__(request, flow, timers, state)
        self.key = key
        self.branch = key[0]
        self.cancel_wanted = False  # of an INVITE only: a CANCEL was asked for and not yet sent
        self._wire = request.to_bytes()


class ServerTransaction(Transaction):
    """A request of somebody else's that we answer (RFC 3261 §17.2)."""

    __slots__ = ("key", "last_response", "response_flow")

    def __init__(
        self,
        request: Request,
        flow: Flow,
        response_flow: Flow,
        timers: TimerTable,
        state: State,
        key: ServerKey,
    ) -> None:
        super().__init__(request, flow, timers, state)
        self.key = key
        self.response_flow = response_flow  # RFC 3261 §18.2.2
        self.last_response: Response | None = None
