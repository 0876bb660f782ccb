"""From a plan to a cluster on loopback, on ports that are free, with timers for the impatient."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from typing import Final

from callctl.io.ports import SLOTS, moved_where_free, offsets_of
from callctl.model.build import make_node
from callctl.model.cluster import Cluster
from callctl.model.node import LOOPBACK, Node
from callctl.model.trunk import TrunkDestination
from callctl.testing.casting import cluster_of
from callctl.testing.plan import Plan
from sipstack.io.entropy import OsEntropy

SCALED: Final = {
    "ring_back_s": 2,
    "drop_s": 5,
    "t1_ms": 50,
    "t2_ms": 200,
    "t4_ms": 250,
    "heartbeat_ms": 100,
    "node_suspect_ms": 1_000,
}
"""Service parameters where the plan says nothing: 5 s and 13 s become 2 s and 5 s."""

FIRST_PORT: Final = 20_000
"""With the offsets it gives ports below those of outgoing connections, also to push services."""
FIRST_PEER: Final = 2  # last octet of its address


def live_cluster(plan: Plan) -> Cluster:
    """Its nodes on free ports. Raises: as `cluster_of`; NoFreePorts."""
    used = 0

    def place(name: str, number: int) -> Node:
        return make_node(name, number, host=LOOPBACK, port=FIRST_PORT + 2 * number)

    def destinations(transports: Sequence[str]) -> tuple[TrunkDestination, ...]:
        nonlocal used
        first = FIRST_PEER + used
        used += len(transports)
        # Nodes know a peer by its address, so each has one of its own.
        return tuple(
            TrunkDestination(transport, host, _free_port(host))
            for number, transport in enumerate(transports, start=first)
            for host in (f"127.0.0.{number}",)
        )

    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    offsets = offsets_of(worker, OsEntropy().below(SLOTS))
    return moved_where_free(cluster_of(plan, place, destinations, SCALED), offsets)[0]


def _free_port(host: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
