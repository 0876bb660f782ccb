"""I2: the final response of a node comes in time, whatever fails; nothing waits for ever."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from callctl.sim.glance import Glance
from callctl.sim.ledger import Hop, Taken
from callctl.sim.party import Party, Role
from callctl.sim.watch import Judge
from sipstack.timing import Instant
from sipstack.transport.flow import Flow


@dataclass(slots=True)
class _Clock:
    """Of one INVITE that a node has taken: when its last chance ends."""

    due: Instant
    cancelled_step: int | None = None


class InTime(Judge):
    """A parked call ends with its drop timer at the latest, one that was offered when its devices'
    time is up, one that was given up in the same instant."""

    invariant = "I2"
    __slots__ = ("_clocks", "_patience_ns", "_ringing_ns", "_silent_ns")

    def __init__(self, patience_ns: Callable[[str], int], silent_ns: int, ringing_ns: int) -> None:
        """`patience_ns`: how long a call for a number may wait, over all it may lead to.

        `silent_ns`: how long for an answer, or one to a CANCEL: Timer B. `ringing_ns`: Timer C.
        """
        self._patience_ns = patience_ns
        self._silent_ns = silent_ns
        self._ringing_ns = ringing_ns
        self._clocks: dict[Hop, _Clock] = {}

    def received(self, who: Party, flow: Flow, seen: Glance) -> None:
        """Start a clock with an INVITE, move it with what a device says."""
        if who.role is not Role.NODE or seen.method not in ("INVITE", "CANCEL"):
            return
        if seen.status:
            copy = self.ledger.copies.get((who.label, seen.branch))
            if seen.method == "INVITE" and seen.status < 200 and copy is not None:
                # Timer C runs from the INVITE, and again from each response but 100.
                since = copy.at if seen.status == 100 else self.now
                self._move(copy.parent, self._ringing_ns, since)
            return
        hop = (who.label, seen.branch)
        clock = self._clocks.get(hop)
        if seen.method == "CANCEL":
            if clock is not None and not self.ledger.taken[hop].over:
                clock.cancelled_step = self.step
        elif clock is None:
            clock = _Clock(Instant(self.now + self._patience_ns(seen.dialled)))
            self._clocks[hop] = clock

    def sent(self, who: Party, flow: Flow, seen: Glance) -> None:
        """Move the clock with each copy of the INVITE; look at it with the final response."""
        if who.role is not Role.NODE or seen.method != "INVITE":
            return
        hop = (who.label, seen.branch)
        if not seen.status:
            if hop not in self.ledger.copies:
                self._move(self.ledger.parent_of(who, seen), self._silent_ns, self.now)
        elif seen.status >= 200:
            clock = self._clocks.get(hop)
            taken = self.ledger.taken.get(hop)
            if clock is None or taken is None or taken.finals:
                return
            if self.now > clock.due:
                late = (self.now - clock.due) / 1e9
                self.blame(f"{who.label} answers {seen.status} {late:.3f} s late ({seen.call_id})")
            if clock.cancelled_step is not None and clock.cancelled_step != self.step:
                self.blame(f"{who.label} answers a CANCEL of {seen.call_id} late")

    def _move(self, taken: Taken | None, by_ns: int, since: Instant) -> None:
        clock = self._clocks.get((taken.label, taken.branch)) if taken is not None else None
        if clock is not None:
            clock.due = max(clock.due, Instant(since + by_ns))
