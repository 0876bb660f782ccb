"""I7: a cloud that fails says nothing of the subscriber: the caller gets 503, and not 480."""

from __future__ import annotations

from collections.abc import Callable

from callctl.push.events import PushAnswered, PushLost, PushWritten, TokenFetched, TokenFetchLost
from callctl.sim.cloud_way import CloudNews
from callctl.sim.glance import Glance
from callctl.sim.ledger import Hop
from callctl.sim.party import Party, Role
from callctl.sim.push_eye import SeenPush
from callctl.sim.watch import Judge
from sipstack.transport.flow import Flow


class CloudBlamed(Judge):
    """Looks at calls to one device alone whose ring pushes have all failed in the cloud.

    A 410 speaks of the device (480), and so does every answer of the device itself.
    """

    invariant = "I7"
    __slots__ = ("_alone", "_calls", "_failed", "_rings", "_well")

    def __init__(self, alone: Callable[[str], bool]) -> None:
        """`alone`: true for a number that leads to one device, and to nothing else."""
        self._alone = alone
        self._rings: dict[str, Hop] = {}  # the call of each ring push, by tracking id
        self._calls: dict[Hop, dict[str, None]] = {}  # tracking ids of the ring pushes of a call
        self._failed: dict[str, None] = {}  # tracking ids
        self._well: dict[str, None] = {}

    def pushed(self, who: Party, push: SeenPush) -> None:
        """A ring push of a known call."""
        known = self.ledger.call_of_uuid.get(push.call_uuid)
        if push.rings and known is not None:
            self._rings[push.tracking_id] = known[0]
            self._calls.setdefault(known[0], {})[push.tracking_id] = None
            self._failed.pop(push.tracking_id, None)

    def heard(self, who: Party, news: CloudNews) -> None:
        """How it went."""
        match news:
            case PushAnswered(tracking_id, status):
                self._note(tracking_id, failed=status not in (200, 410))
            case PushLost(tracking_id):
                self._note(tracking_id, failed=True)
            case PushWritten() | TokenFetched() | TokenFetchLost():
                pass

    def abandoned(self, who: Party, what: str) -> None:
        """No answer in time."""
        self._note(what, failed=True)

    def sent(self, who: Party, flow: Flow, seen: Glance) -> None:
        """A final response to the caller."""
        if who.role is not Role.NODE or seen.method != "INVITE" or seen.status != 480:
            return
        hop = (who.label, seen.branch)
        rings = self._calls.get(hop)
        taken = self.ledger.taken.get(hop)
        if not rings or taken is None or taken.over or not self._alone(taken.dialled):
            return
        offered = any(copy.parent is taken for copy in self.ledger.copies.values())
        if not offered and all(ring in self._failed for ring in rings):
            self.blame(f"{who.label} answers 480 to {seen.call_id}, though only the cloud failed")

    def _note(self, tracking_id: str, *, failed: bool) -> None:
        if tracking_id in self._rings and tracking_id not in self._well:
            (self._failed if failed else self._well)[tracking_id] = None
