"""One device of a call: its leg, and the branches on which the INVITE went to it.

Source: catalogue section 6, "Call leg states of a push-enabled device".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from callctl.model.device import Device
from callctl.push.kind import PushKind
from callctl.registration.binding import Binding
from callctl.registration.push_binding import PushBinding
from sipstack.timing import Instant


class LegState(Enum):
    """Where a leg stands. Names as in the catalogue."""

    NEW = "new"
    DIRECT = "direct"  # INVITE sent on a live flow; push sent too if there is a target
    WAITING = "waiting"  # INVITE parked until the device registers
    OFFERED = "offered"  # parked INVITE sent on the flow of the new registration
    RINGING = "ringing"
    ANSWERED = "answered"
    ENDED = "ended"


_S = LegState
MOVES: Final[dict[LegState, frozenset[LegState]]] = {
    _S.NEW: frozenset({_S.DIRECT, _S.WAITING, _S.ENDED}),
    _S.DIRECT: frozenset({_S.WAITING, _S.RINGING, _S.ANSWERED, _S.ENDED}),
    _S.WAITING: frozenset({_S.OFFERED, _S.RINGING, _S.ANSWERED, _S.ENDED}),
    _S.OFFERED: frozenset({_S.WAITING, _S.RINGING, _S.ANSWERED, _S.ENDED}),
    _S.RINGING: frozenset({_S.WAITING, _S.ANSWERED, _S.ENDED}),
    _S.ANSWERED: frozenset({_S.ENDED}),
    _S.ENDED: frozenset({_S.ANSWERED}),
}
"""WAITING to RINGING: a flow held for dead answers after all (OP-29). Back to WAITING: the flow of
an unanswered INVITE was lost while the device may still come back inside its window. ENDED to
ANSWERED: a device that was given up picks up before anybody else has."""


class BranchState(Enum):
    """What is known of one copy of the INVITE."""

    CALLING = "calling"
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    ENDED = "ended"  # failed, cancelled or given up; a late 2xx can still come


class Branch:
    """One copy of the INVITE, on one flow."""

    __slots__ = ("binding", "call", "done", "fallback", "leg", "state", "to_tag", "transaction")

    def __init__(self, call: object, leg: Leg, binding: Binding) -> None:
        self.call = call  # a `Call`, which knows this module, not the other way round
        self.leg = leg
        self.binding = binding
        self.state = BranchState.CALLING
        self.to_tag: str | None = None  # of the 2xx that was forwarded
        self.transaction: Any = None  # the engine's client transaction
        self.fallback: Any = None  # what the engine sends if the flow cannot be had
        self.done = False  # its transaction is over: nothing can come any more


@dataclass(slots=True)
class ParkedCall:
    """An INVITE held for a sleeping device, as plain data (CALL-01; RFC 8599 §5.6: push bucket).

    Made so that another node could finish the call from it: who owns it, until when, for whom.
    """

    call_uuid: str
    device_name: str
    dn: str
    owner: str  # node
    fence: int  # incarnation of the owner: an older one may not act on it
    call_id: str
    caller_via: str  # top Via as stamped: where the final response goes
    parked_at: Instant
    ring_back_at: Instant
    drop_at: Instant


class Leg:
    """One device that the call is for. Holds state; `callctl.call.call.Call` holds the rules."""

    __slots__ = (
        "branches",
        "cloud_failed",
        "declined",
        "device",
        "drop_at",
        "parked",
        "probe_at",
        "push_binding",
        "pushed_node",
        "pushes",
        "repushed",
        "ring_back_at",
        "second_push",
        "state",
        "timer_c_at",
        "token_refused",
    )

    def __init__(self, device: Device, push_binding: PushBinding | None) -> None:
        self.device = device
        self.push_binding = push_binding
        self.state = LegState.NEW
        self.branches: list[Branch] = []
        self.parked: ParkedCall | None = None
        self.pushes = 0  # ring pushes asked for: at most one, or two after a node was lost
        self.pushed_node: str | None = None  # active node named in the newest ring push
        self.repushed = False
        self.second_push: PushKind | None = None
        self.token_refused = False
        self.cloud_failed = False
        self.declined = False
        self.ring_back_at: Instant | None = None
        self.drop_at: Instant | None = None
        self.probe_at: Instant | None = None
        self.timer_c_at: Instant | None = None

    def enter(self, state: LegState) -> None:
        """Move, and stop the timers that the new state does not own."""
        assert state in MOVES[self.state], (self.state, state)
        self.state = state
        if state is not LegState.DIRECT:
            self.probe_at = None
        if state in (LegState.RINGING, LegState.ANSWERED, LegState.ENDED):
            self.ring_back_at = None
        if state is not LegState.WAITING:
            self.parked = None
        if state in (LegState.ANSWERED, LegState.ENDED):
            self.drop_at = self.timer_c_at = None

    @property
    def live(self) -> bool:
        """True while the device may still answer."""
        return self.state not in (LegState.ENDED, LegState.ANSWERED)

    @property
    def hopeful(self) -> bool:
        """True if a copy of the INVITE to this device may still be answered."""
        return any(b.state in (BranchState.CALLING, BranchState.PROCEEDING) for b in self.branches)

    def offered(self, binding: Binding) -> bool:
        """True if this call's INVITE already went to the binding over its present flow (I3)."""
        return any(
            branch.binding.binding_id == binding.binding_id
            and branch.binding.flow == binding.flow
            and branch.binding.node == binding.node
            for branch in self.branches
        )

    def next_deadline(self) -> Instant | None:
        """The earliest timer of this leg."""
        earliest: Instant | None = None
        waiting = self.state is LegState.WAITING
        for at in (self.ring_back_at, self.probe_at, self.timer_c_at, waiting and self.drop_at):
            if at and (earliest is None or at < earliest):
                earliest = at
        return earliest
