"""I5: no ring push leaves after its call has ended, or after its deadline."""

from __future__ import annotations

from collections.abc import Callable

from callctl.sim.ledger import Hop
from callctl.sim.party import Party
from callctl.sim.push_eye import SeenPush
from callctl.sim.watch import Judge


class PushInTime(Judge):
    """Finds the call of a push by what caused it: most leave as the INVITE comes."""

    invariant = "I5"
    __slots__ = ("_patience_ns",)

    def __init__(self, patience_ns: Callable[[str], int]) -> None:
        """`patience_ns`: how long a call for a number may wait, over all it may lead to."""
        self._patience_ns = patience_ns

    def pushed(self, who: Party, push: SeenPush) -> None:
        """Judge a ring push by the state of its call."""
        if not push.rings or not push.call_uuid:
            return
        ledger = self.ledger
        known = ledger.call_of_uuid.get(push.call_uuid)
        if known is None:
            cause = ledger.cause
            seen = cause.glance
            if cause.step == self.step and seen is not None and seen.method == "INVITE":
                known = None if seen.status else ((who.label, seen.branch), seen.call_id)
            if known is None:
                known = self._moved_on(who)
                if known is None:
                    return
            ledger.call_of_uuid[push.call_uuid] = known
        taken = ledger.taken.get(known[0])
        if taken is None:
            return
        if taken.over:
            self.blame(f"{who.label} pushes {push.device_name} after {known[1]} ended")
        if self.now >= taken.at + self._patience_ns(taken.dialled):
            self.blame(f"{who.label} pushes {push.device_name} after the deadline of {known[1]}")

    def _moved_on(self, who: Party) -> tuple[Hop, str] | None:
        """The call whose hunt or forwarding has come to this device: it has had no push before.

        Or one whose push had to wait, for a token or for a service that hung. None if there are
        several that it may be; then it goes unjudged.
        """
        waiting = [
            taken
            for taken in self.ledger.taken.values()
            if taken.label == who.label and not taken.over
        ]
        if not waiting:
            self.blame(f"{who.label} pushes for no call")
        if len(waiting) != 1:
            return None
        return (waiting[0].label, waiting[0].branch), waiting[0].call_id
