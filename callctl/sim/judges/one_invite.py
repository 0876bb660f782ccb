"""I3: a device gets one INVITE per call and flow, in time, and only once it is registered."""

from __future__ import annotations

from typing import TypeAlias

from callctl.sim.glance import Glance
from callctl.sim.party import Party, Role
from callctl.sim.watch import Judge
from sipstack.transport.flow import RELIABLE, UNCONNECTED, Flow

Place: TypeAlias = tuple[str, Flow]  # a node and a flow of it


class OneInvite(Judge):
    """Looks at each INVITE that leaves a node for the first time.

    `node_hosts` are the nodes' addresses: what goes there is no device. A device that cannot be
    pushed may be dialled by its contact; that flow never saw its REGISTER.
    """

    invariant = "I3"
    __slots__ = ("_got", "_hosts", "_registered")

    def __init__(self, node_hosts: frozenset[str]) -> None:
        self._hosts = node_hosts
        self._registered: dict[Place, None] = {}
        self._got: dict[tuple[Place, str, int], str] = {}

    def sent(self, who: Party, flow: Flow, seen: Glance) -> None:
        """Note the 200 to a REGISTER; judge an INVITE."""
        if who.role is not Role.NODE:
            return
        if seen.method == "REGISTER" and 200 <= seen.status < 300:
            self._registered[_place(who, flow)] = None
        first_copy = (who.label, seen.branch) not in self.ledger.copies
        if seen.method == "INVITE" and not seen.status and first_copy:
            self._judge(who, flow, seen)

    def _judge(self, who: Party, flow: Flow, seen: Glance) -> None:
        taken = self.ledger.parent_of(who, seen)
        if taken is None:
            self.blame(f"{who.label} made up an INVITE ({seen.call_id})")
        elif taken.over:
            self.blame(f"{who.label} sends an INVITE after the call ended ({seen.call_id})")
        if flow.remote_host in self._hosts:
            return
        place = _place(who, flow)
        first = self._got.setdefault((place, seen.call_id, seen.number), seen.branch)
        if first != seen.branch:
            self.blame(f"{who.label} sends {seen.call_id} twice over one flow to one device")
        if place in self._registered or (
            flow.transport in RELIABLE and flow.connection == UNCONNECTED and not seen.uuid
        ):
            return
        self.blame(f"{who.label} sends {seen.call_id} to a flow that has no 200 to a REGISTER")


def _place(who: Party, flow: Flow) -> Place:
    """A datagram flow outlives its node's process; a connection does not."""
    return (who.label if flow.transport in RELIABLE else who.name), flow
