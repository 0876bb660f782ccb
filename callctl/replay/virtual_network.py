"""The network of a play in virtual time."""

from __future__ import annotations

from random import Random

from callctl.sim.glance import Glance
from callctl.sim.network import End, Network, Peer, Sockets, Waiting
from callctl.sim.watch import Watch
from callctl.sim.weather import STILL, Weather
from callctl.sim.world import World
from sipstack.transport.flow import Flow


class PlayedNetwork(Network):
    """What a capture shows has its delays in it; only the way from node to node takes time."""

    __slots__ = ("_between", "_nodes")

    def __init__(
        self, world: World, random: Random, watch: Watch, nodes: frozenset[str], between_ns: int
    ) -> None:
        super().__init__(world, random, watch)
        self._nodes = nodes
        self._between = Weather(delay_min_ns=between_ns, delay_max_ns=between_ns)
        self.weather = STILL

    def _send_datagram(self, flow: Flow, data: bytes, glance: Glance | None) -> None:
        self._choose(flow.local_host, flow.remote_host)
        super()._send_datagram(flow, data, glance)

    def _send_unconnected(
        self, sockets: Sockets, flow: Flow, data: bytes, glance: Glance | None
    ) -> None:
        self._choose(sockets.host, flow.remote_host)
        super()._send_unconnected(sockets, flow, data, glance)

    def _dial_arrives(self, what: tuple[Sockets, Peer, list[Waiting]]) -> None:
        self._choose(what[0].host, what[1][1])
        super()._dial_arrives(what)

    def _write(self, end: End, data: bytes, glance: Glance | None) -> None:
        self._choose(end.sockets.host, end.peer.sockets.host)
        super()._write(end, data, glance)

    def _tell_peer(self, end: End, reason: str) -> None:
        self._choose(end.sockets.host, end.peer.sockets.host)
        super()._tell_peer(end, reason)

    def _choose(self, one: str, other: str) -> None:
        both = one in self._nodes and other in self._nodes
        self.weather = self._between if both else STILL
