"""I8: each call has one owner at any time."""

from __future__ import annotations

from callctl.sim.glance import Glance
from callctl.sim.party import Party, Role
from callctl.sim.push_eye import SeenPush
from callctl.sim.watch import Judge
from sipstack.transport.flow import Flow


class OneOwner(Judge):
    """Who pushes and answers for a call is the node that took it from its caller, and no other."""

    invariant = "I8"
    __slots__ = ("_call_of", "_owner", "_uuid_of")

    def __init__(self) -> None:
        self._owner: dict[str, str] = {}  # call UUID to label of the node that pushes for it
        self._uuid_of: dict[tuple[str, int], str] = {}  # Call-ID and number
        self._call_of: dict[str, tuple[str, int]] = {}

    def sent(self, who: Party, flow: Flow, seen: Glance) -> None:
        """The copies of one INVITE carry one call UUID, and a UUID is of one INVITE."""
        if who.role is not Role.NODE or seen.status or not seen.uuid:
            return
        call = (seen.call_id, seen.number)
        if self._uuid_of.setdefault(call, seen.uuid) != seen.uuid:
            self.blame(f"{who.label}: a second owner speaks for {seen.call_id}")
        if self._call_of.setdefault(seen.uuid, call) != call:
            self.blame(f"{who.label}: one UUID for two calls ({seen.call_id})")

    def pushed(self, who: Party, push: SeenPush) -> None:
        """All pushes of a call come from one node in one life."""
        owner = self._owner.setdefault(push.call_uuid, who.label) if push.call_uuid else who.label
        if owner != who.label:
            self.blame(f"{who.label} pushes for a call of {owner}")
