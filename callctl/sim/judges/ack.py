"""I10: the ACK of a failure is never forwarded, that of a 2xx always is; any 2xx is, even late."""

from __future__ import annotations

from collections.abc import Sequence

from callctl.sim.glance import Glance
from callctl.sim.party import Party, Role
from callctl.sim.watch import Judge
from sipstack.transport.flow import Flow


class Ack(Judge):
    """Of every node. What it owes is due in the step that brought the cause."""

    invariant = "I10"
    __slots__ = ("_alive_ns", "_owed", "_step")

    def __init__(self, alive_ns: int) -> None:
        """`alive_ns`: of Timers B and M, and of the wait after a CANCEL: 64*T1."""
        self._alive_ns = alive_ns
        self._owed: dict[tuple[str, str, str, str], None] = {}  # label, "ACK"/"2xx", call, tag
        self._step = -1

    def received(self, who: Party, flow: Flow, seen: Glance) -> None:
        """Note what has to go on."""
        self._look_back()
        if who.role is not Role.NODE:
            return
        call = (seen.call_id, seen.to_tag)
        if seen.method == "ACK":
            if call in self.ledger.accepted:
                self._owe(who, "ACK", *call)
        elif seen.method == "INVITE" and 200 <= seen.status < 300 and self._awaited(who, seen):
            self._owe(who, "2xx", *call)

    def sent(self, who: Party, flow: Flow, seen: Glance) -> None:
        """Strike off what went on, and judge each ACK."""
        if who.role is not Role.NODE:
            return
        if seen.method == "INVITE" and 200 <= seen.status < 300:
            self._owed.pop((who.label, "2xx", seen.call_id, seen.to_tag), None)
        elif seen.method == "ACK":
            self._owed.pop((who.label, "ACK", seen.call_id, seen.to_tag), None)
            copy = self.ledger.copies.get((who.label, seen.branch))
            if copy is not None:
                if copy.failed_at is None and self.ledger.cause.step == self.step:
                    self._judge_own(who, seen)
            elif (seen.call_id, seen.to_tag) not in self.ledger.accepted:
                self.blame(f"{who.label} forwards the ACK of a failure ({seen.call_id})")

    def rest(self, parties: Sequence[Party]) -> None:
        """The last one."""
        self._look_back()

    def died(self, who: Party) -> None:
        """The dead owe nothing."""
        self._owed = {owed: None for owed in self._owed if owed[0] != who.label}

    def _judge_own(self, who: Party, seen: Glance) -> None:
        """An ACK with the branch of an INVITE answers a failure: there must have been one."""
        cause = self.ledger.cause.glance
        if cause is None or cause.status < 300 or cause.branch != seen.branch:
            self.blame(f"{who.label} acknowledges a failure that never came ({seen.call_id})")

    def _awaited(self, who: Party, seen: Glance) -> bool:
        """True if the INVITE this 2xx answers is certainly not forgotten yet."""
        copy = self.ledger.copies.get((who.label, seen.branch))
        if copy is None or copy.failed_at is not None or seen.call_id in self.ledger.cut_off:
            return False
        forgotten_at = copy.cancelled_at and copy.cancelled_at + self._alive_ns
        if copy.accepted_at is not None:
            late = forgotten_at is not None and copy.accepted_at >= forgotten_at
            return not late and self.now < copy.accepted_at + self._alive_ns
        if forgotten_at is not None:
            return self.now < forgotten_at
        return copy.provisional or self.now < copy.at + self._alive_ns

    def _owe(self, who: Party, what: str, call_id: str, tag: str) -> None:
        if call_id not in self.ledger.cut_off:
            self._step = self.step
            self._owed[who.label, what, call_id, tag] = None

    def _look_back(self) -> None:
        if self._owed and self._step != self.step:
            for label, what, call_id, _ in self._owed:
                self.blame(f"{label} does not forward the {what} of {call_id}")
            self._owed.clear()
