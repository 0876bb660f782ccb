"""I9: a CANCEL gets 200 or 481, what it cancels ends 487, and every copy is cancelled in turn."""

from __future__ import annotations

from collections.abc import Sequence

from callctl.sim.glance import Glance
from callctl.sim.ledger import Hop
from callctl.sim.party import Party, Role
from callctl.sim.watch import Judge
from sipstack.transport.flow import Flow


class Cancel(Judge):
    """Of everybody who is sent one: nodes and phones alike."""

    invariant = "I9"
    __slots__ = ("_open", "_step")

    def __init__(self) -> None:
        self._open: dict[Hop, bool] = {}  # CANCELs of this step; True once answered
        self._step = -1

    def received(self, who: Party, flow: Flow, seen: Glance) -> None:
        """From here on an answer is due, in the same step."""
        self._look_back()
        if seen.method == "CANCEL" and not seen.status:
            self._step = self.step
            self._open[who.label, seen.branch] = False
        elif seen.method == "INVITE" and seen.status > 100 and who.role is Role.NODE:
            self._left_ringing(who, seen)

    def sent(self, who: Party, flow: Flow, seen: Glance) -> None:
        """Look at the answers to CANCELs and to what they cancel."""
        if not seen.status:
            return
        hop = (who.label, seen.branch)
        taken = self.ledger.taken.get(hop)
        if seen.method == "CANCEL":
            if hop in self._open:
                self._open[hop] = True
            if seen.status not in (200, 481):
                self.blame(f"{who.label} answers a CANCEL {seen.status}")
            elif seen.status == 481 and taken is not None and not taken.finals:
                self.blame(f"{who.label} does not find what {seen.call_id} cancels")
            return
        failed = seen.method == "INVITE" and seen.status >= 300 and seen.status != 487
        if failed and taken is not None and taken.cancelled_at is not None:
            self.blame(f"{who.label} answers {seen.status} to {seen.call_id}, cancelled before")

    def died(self, who: Party) -> None:
        """The dead owe nothing."""
        self._open = {hop: done for hop, done in self._open.items() if hop[0] != who.label}

    def rest(self, parties: Sequence[Party]) -> None:
        """The last one."""
        self._look_back()

    def _left_ringing(self, who: Party, seen: Glance) -> None:
        """A copy that speaks again, long after its call was over, was never cancelled."""
        ledger = self.ledger
        copy = ledger.copies.get((who.label, seen.branch))
        if copy is None or not copy.provisional or copy.cancelled_at is not None:
            return
        if copy.accepted_at is not None or copy.failed_at is not None:
            return
        taken = copy.parent
        lost = ledger.nodes_lost or copy.call_id in ledger.cut_off  # no CANCEL would have got there
        if taken is not None and taken.over and not lost:
            self.blame(f"{who.label} let a copy of {copy.call_id} ring on")

    def _look_back(self) -> None:
        if self._open and self._step != self.step:
            for (label, _), answered in self._open.items():
                if not answered:
                    self.blame(f"{label} does not answer a CANCEL")
            self._open.clear()
