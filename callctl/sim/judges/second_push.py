"""I6: one second push at most per call and device, after the ring push, and none to who said no."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from callctl.sim.glance import Glance
from callctl.sim.ledger import Hop
from callctl.sim.party import Party, Role
from callctl.sim.push_eye import SeenPush
from callctl.sim.watch import Judge
from sipstack.transport.flow import Flow

DECLINED: Final = frozenset({486, 600, 603, 604, 606})
RINGS_MAX: Final = 2  # CALL-16 as the design has it: one more if the node named goes down


class SecondPush(Judge):
    """Follows the pushes of each call to each device.

    What a device says when the call is over already came too late: its owner missed the call.
    """

    invariant = "I6"
    __slots__ = (
        "_device_of_tag",
        "_owner",
        "_posted",
        "_ringing",
        "_said",
        "_second",
        "_stays",
    )

    def __init__(self, stays: Callable[[str], bool] = lambda _: True) -> None:
        """`stays`: true for a number whose calls go nowhere else."""
        self._stays = stays
        self._ringing: dict[tuple[str, str], int] = {}  # call UUID and device: ring pushes
        self._second: dict[tuple[str, str], str] = {}
        self._posted: dict[str, None] = {}  # by tracking id
        self._owner: dict[str, Hop] = {}  # of the pushed calls, by Call-ID
        self._device_of_tag: dict[tuple[str, str], str] = {}  # Call-ID, To tag
        self._said: dict[tuple[str, str, str], int] = {}  # label, Call-ID, device: its own answer

    def sent(self, who: Party, flow: Flow, seen: Glance) -> None:
        """Learn which device speaks with which tag."""
        if who.role is Role.PHONE and seen.status >= 200 and seen.method == "INVITE":
            self._device_of_tag[seen.call_id, seen.to_tag] = who.name

    def received(self, who: Party, flow: Flow, seen: Glance) -> None:
        """A node hears what a device said."""
        if who.role is not Role.NODE or seen.method != "INVITE" or seen.status < 200:
            return
        copy = self.ledger.copies.get((who.label, seen.branch))
        if copy is None or copy.failed_at is not None:
            return  # sent by an earlier life of this node, or ended already: it is not heard
        parent = copy.parent
        if copy.cancelled_at is not None and parent and not self._stays(parent.dialled):
            return  # the call had gone on to another number, and a push may have said so
        owner = self._owner.get(seen.call_id)
        in_time = owner is None or not self.ledger.taken[owner].over
        if in_time and (seen.status < 300 or seen.status in DECLINED):
            device = self._device_of_tag.get((seen.call_id, seen.to_tag))
            if device is not None:
                self._said.setdefault((who.label, seen.call_id, device), seen.status)

    def pushed(self, who: Party, push: SeenPush) -> None:
        """Judge the order and the number of pushes."""
        if not push.call_uuid or push.tracking_id in self._posted:
            return  # the same push once more is no second one: see `PostedOnce`
        self._posted[push.tracking_id] = None
        key = (push.call_uuid, push.device_name)
        known = self.ledger.call_of_uuid.get(push.call_uuid)
        if known is not None:
            self._owner.setdefault(known[1], known[0])
        if push.rings:
            self._ringing[key] = count = self._ringing.get(key, 0) + 1
            if count > RINGS_MAX:
                self.blame(f"{who.label}: ring push number {count} to {push.device_name}")
            if key in self._second:
                self.blame(f"{who.label}: ring push to {push.device_name} behind the second")
            return
        if key not in self._ringing:
            self.blame(f"{who.label}: {push.kind.value} push to {push.device_name} without a ring")
        if key in self._second:
            self.blame(f"{who.label}: two second pushes to {push.device_name}")
        self._second[key] = push.kind.value
        said = known and self._said.get((who.label, known[1], push.device_name))
        if said:
            self.blame(
                f"{who.label}: {push.kind.value} push to {push.device_name}, who said {said}"
            )
