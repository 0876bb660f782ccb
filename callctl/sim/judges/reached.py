"""I7: a device that registers in time gets the call: "not reachable" is said of nobody who came."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from callctl.push.kind import PushKind
from callctl.sim.glance import Glance
from callctl.sim.party import Party, Role
from callctl.sim.push_eye import SeenPush
from callctl.sim.watch import Judge
from sipstack.timing import Instant
from sipstack.transport.flow import Flow


class Reached(Judge):
    """Looks back at rest at each device that was pushed and then registered while its call waited.

    Says nothing of runs in which a node or a link was lost, and of a device whose push the cloud
    refused: its waiting ends with that (CALL-18).
    """

    invariant = "I7"
    __slots__ = (
        "_bus_ns",
        "_came",
        "_drop_ns",
        "_hosts",
        "_pushed",
        "_refused",
        "_stays",
        "_waiting",
    )

    def __init__(
        self, hosts: Mapping[str, str], stays: Callable[[str], bool], drop_ns: int, bus_ns: int
    ) -> None:
        """`hosts`: address of each phone, by device name. `stays`: true for a number whose calls
        go nowhere else; of one that hunts or forwards, a device may be left before it comes.
        `drop_ns`: how long it may take to come. `bus_ns`: more than the slowest bus takes."""
        self._bus_ns = bus_ns
        self._drop_ns = drop_ns
        self._hosts = hosts
        self._stays = stays
        self._waiting: dict[str, list[SeenPush]] = {}  # by address of the device
        self._pushed: dict[str, SeenPush] = {}  # by tracking id
        self._refused: dict[tuple[str, str], None] = {}  # call UUID and device
        self._came: list[tuple[SeenPush, str, str, Instant]] = []  # address of node, of device, at

    def pushed(self, who: Party, push: SeenPush) -> None:
        """From now on the device may come."""
        host = self._hosts.get(push.device_name)
        if host is not None and push.rings and push.call_uuid:
            self._pushed[push.tracking_id] = push
            self._waiting.setdefault(host, []).append(push)
        elif host is not None and push.kind is PushKind.CANCELLED:  # a hunt went on without it
            waiting = self._waiting.get(host, [])
            self._waiting[host] = [ring for ring in waiting if ring.call_uuid != push.call_uuid]

    def answered(self, tracking_id: str, status: int) -> None:
        """Note who was refused."""
        push = self._pushed.get(tracking_id)
        if push is not None and 400 <= status < 500:
            self._refused[push.call_uuid, push.device_name] = None

    def sent(self, who: Party, flow: Flow, seen: Glance) -> None:
        """A device is registered."""
        if who.role is Role.NODE and seen.method == "REGISTER" and seen.status == 200:
            for push in self._waiting.get(flow.remote_host, ()):
                self._came.append((push, flow.local_host, flow.remote_host, self.now))

    def rest(self, parties: Sequence[Party]) -> None:
        """Look whether each who came in time was sent the call."""
        ledger = self.ledger
        if ledger.nodes_lost:
            return
        offered: dict[tuple[str, str], None] = {}
        for copy in ledger.copies.values():
            offered[copy.call_id, copy.flow.remote_host] = None
        for push, node, device, at in self._came:
            known = ledger.call_of_uuid.get(push.call_uuid)
            if known is None or (push.call_uuid, push.device_name) in self._refused:
                continue
            taken = ledger.taken[known[0]]
            if not self._stays(taken.dialled):
                continue
            ends = [end for end, _, _ in taken.finals[:1]]
            over_at = min([*ends, taken.cancelled_at or self.now, taken.at + self._drop_ns])
            in_time = taken.at < at < over_at - self._bus_ns
            if in_time and not any((known[1], host) in offered for host in (node, device)):
                self.blame(f"{push.device_name} came in time and was not sent {known[1]}")
