"""One device of a call, or one way out over trunks: its leg, and the branches it was tried on.

Source: catalogue section 6, "Call leg states of a push-enabled device"; section 24 for EXTENDED.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from callctl.call.branch import Branch, BranchState
from callctl.model.device import Device
from callctl.model.service_parameter import ServiceParameters
from callctl.model.trunk import SipTrunk, TrunkDestination
from callctl.push.kind import PushKind
from callctl.registration.binding import Binding
from callctl.registration.push_binding import PushBinding
from sipstack.timing import SECOND, Instant

if TYPE_CHECKING:
    from callctl.call.itinerary import Cause, Stage


class LegState(Enum):
    """Where a leg stands. Names as in the catalogue."""

    NEW = "new"
    DIRECT = "direct"  # INVITE sent on a live flow; push sent too if there is a target
    WAITING = "waiting"  # INVITE parked until the device registers
    OFFERED = "offered"  # parked INVITE sent on the flow of the new registration
    RINGING = "ringing"
    EXTENDED = "extended"  # the user's mobility identity is being called instead
    ANSWERED = "answered"
    ENDED = "ended"


_S = LegState
MOVES: Final[dict[LegState, frozenset[LegState]]] = {
    _S.NEW: frozenset({_S.DIRECT, _S.WAITING, _S.EXTENDED, _S.ENDED}),
    _S.DIRECT: frozenset({_S.WAITING, _S.RINGING, _S.ANSWERED, _S.ENDED}),
    _S.WAITING: frozenset({_S.OFFERED, _S.RINGING, _S.EXTENDED, _S.ANSWERED, _S.ENDED}),
    _S.OFFERED: frozenset({_S.WAITING, _S.RINGING, _S.ANSWERED, _S.ENDED}),
    _S.RINGING: frozenset({_S.WAITING, _S.ANSWERED, _S.ENDED}),
    _S.EXTENDED: frozenset({_S.ANSWERED, _S.ENDED}),
    _S.ANSWERED: frozenset({_S.ENDED}),
    _S.ENDED: frozenset({_S.ANSWERED}),
}
"""WAITING to RINGING: a flow held for dead answers after all (OP-29). Back to WAITING: the flow of
an unanswered INVITE was lost while the device may still come back inside its window. ENDED and
EXTENDED to ANSWERED: a device that was given up picks up before anybody else has."""


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
    """One party that the call is for. Holds state; `callctl.call.call.Call` holds the rules."""

    __slots__ = (
        "behind",
        "branches",
        "cloud_failed",
        "declined",
        "device",
        "dn",
        "drop_at",
        "mobility",
        "mobility_at",
        "name",
        "newest",
        "outcome",
        "parked",
        "probe_at",
        "push_binding",
        "pushed_node",
        "pushes",
        "rang",
        "repushed",
        "ring_back_at",
        "second_push",
        "stage",
        "state",
        "timer_c_at",
        "token_refused",
        "told_end",
        "ways",
    )

    def __init__(
        self,
        device: Device | None,
        push_binding: PushBinding | None,
        dn: str = "",
        *,
        name: str = "",
        mobility: str | None = None,
    ) -> None:
        """A leg for a device of line `dn`; one to a trunk has a `name` and no device.

        Args:
            mobility: number to call instead if the device does not come in time (MOB-02).
        """
        self.device = device
        self.name = device.name if device is not None else name
        self.dn = dn
        self.push_binding = push_binding
        self.mobility = mobility
        self.stage: Stage | None = None  # set as it joins the call
        self.behind: Leg | None = None  # whose mobility identity this leg calls
        self.state = LegState.NEW
        self.branches: list[Branch] = []
        self.ways: deque[tuple[SipTrunk, TrunkDestination]] = deque()  # out, not tried yet
        self.parked: ParkedCall | None = None
        self.pushes = 0  # ring pushes, but for lost ones: at most one, or two after a node was lost
        self.pushed_node: str | None = None  # active node named in the newest ring push
        self.repushed = False
        self.second_push: PushKind | None = None
        self.told_end = True  # False: its release sends no second push to such a device (OP-70)
        self.token_refused = False
        self.cloud_failed = False
        self.declined = False
        self.rang = False
        self.newest: Binding | None = None  # registered while it rings by another flow
        self.outcome: Cause | None = None  # why it ended without an answer
        self.ring_back_at: Instant | None = None
        self.drop_at: Instant | None = None
        self.mobility_at: Instant | None = None
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
        if state not in (LegState.WAITING, LegState.DIRECT):
            self.mobility_at = None
        if state is LegState.RINGING:
            self.rang = True
        if state in (LegState.EXTENDED, LegState.ANSWERED, LegState.ENDED):
            self.drop_at = self.timer_c_at = None

    def start_clocks(self, parameters: ServiceParameters, now: Instant) -> None:
        """All clocks start as the push is handed over, not when the INVITE came (CALL-08)."""
        self.ring_back_at = Instant(now + parameters.ring_back_s * SECOND)
        self.drop_at = Instant(now + parameters.drop_s * SECOND)
        if self.mobility is not None:
            self.mobility_at = Instant(now + parameters.mobility_wait_s * SECOND)
        if self.state is LegState.DIRECT:
            self.probe_at = Instant(now + parameters.flow_probe_s * SECOND)

    @property
    def live(self) -> bool:
        """True while the leg is not decided."""
        return self.state not in (LegState.ENDED, LegState.ANSWERED)

    @property
    def expects(self) -> bool:
        """True while an answer may come of this leg itself.

        One that was extended only waits for the end of the call: its other leg is asked.
        """
        return self.live and self.state is not LegState.EXTENDED

    @property
    def hopeful(self) -> bool:
        """True if a copy of the INVITE to this device may still be answered."""
        return any(b.state in (BranchState.CALLING, BranchState.PROCEEDING) for b in self.branches)

    @property
    def outside(self) -> bool:
        """True for a leg over trunks."""
        return self.device is None

    def offered(self, binding: Binding) -> bool:
        """True if this call's INVITE already went to the binding over its present flow (I3)."""
        return any(
            known.binding_id == binding.binding_id
            and known.flow == binding.flow
            and known.node == binding.node
            for known in (branch.binding for branch in self.branches)
            if known is not None
        )

    def next_deadline(self) -> Instant | None:
        """The earliest timer of this leg."""
        earliest: Instant | None = None
        for at in (self.ring_back_at, self.probe_at, self.timer_c_at):
            if at is not None and (earliest is None or at < earliest):
                earliest = at
        if self.state is LegState.WAITING:
            for at in (self.drop_at, self.mobility_at):
                if at is not None and (earliest is None or at < earliest):
                    earliest = at
        return earliest
