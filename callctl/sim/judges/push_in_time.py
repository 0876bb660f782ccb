"""I5: no ring push leaves after its call has ended, or after its deadline."""

from __future__ import annotations

from typing import Final

from callctl.sim.party import Party
from callctl.sim.push_eye import SeenPush
from callctl.sim.watch import Judge
from sipstack.timing import SECOND

DEADLINE_NS: Final = 13 * SECOND


class PushInTime(Judge):
    """Finds the call of a push by what caused it: the first one leaves as the INVITE comes."""

    invariant = "I5"
    __slots__ = ()

    def pushed(self, who: Party, push: SeenPush) -> None:
        """Judge a ring push by the state of its call."""
        if not push.rings or not push.call_uuid:
            return
        ledger = self.ledger
        known = ledger.call_of_uuid.get(push.call_uuid)
        if known is None:
            cause = ledger.cause
            seen = cause.glance
            if cause.step != self.step or seen is None or seen.method != "INVITE" or seen.status:
                self.blame(f"{who.label} pushes {push.device_name} for no call")
                return
            known = ((who.label, seen.branch), seen.call_id)
            ledger.call_of_uuid[push.call_uuid] = known
        taken = ledger.taken.get(known[0])
        if taken is None:
            return
        if taken.over:
            self.blame(f"{who.label} pushes {push.device_name} after {known[1]} ended")
        if self.now >= taken.at + DEADLINE_NS:
            self.blame(f"{who.label} pushes {push.device_name} after the deadline of {known[1]}")
