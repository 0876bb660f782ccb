"""Moves a cluster to other ports, where those of its file are taken."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from callctl.model.cluster import Cluster
from callctl.model.node import Listener

OFFSETS: Final = (0, 10_000, 20_000, 30_000, 40_000)
PORT_MAX: Final = 65_535

WORKERS: Final = 8
SLOTS: Final = 9
SLOT: Final = 100


class NoFreePorts(OSError):
    """None of the offsets that are tried leaves every listener a free port."""


def moved(cluster: Cluster, offset: int) -> Cluster:
    """The same cluster with every port `offset` higher.

    Raises: ValueError if a port would be out of range.
    """
    if not offset:
        return cluster
    nodes = {}
    for name, node in cluster.nodes.items():
        listeners = tuple(replace(each, port=each.port + offset) for each in node.listeners)
        wrong = next((each for each in listeners if not 0 < each.port <= PORT_MAX), None)
        if wrong is not None:
            raise ValueError(f"offset {offset} moves a listener of {name} to port {wrong.port}")
        cpns_port = node.cpns_port + offset
        if not 0 < cpns_port <= PORT_MAX:
            raise ValueError(f"offset {offset} moves the push service of {name} to {cpns_port}")
        nodes[name] = replace(node, listeners=listeners, cpns_port=cpns_port)
    return replace(cluster, nodes=nodes)


def moved_where_free(cluster: Cluster, offsets: Iterable[int] = OFFSETS) -> tuple[Cluster, int]:
    """The cluster at the first offset at which all its ports are free, and that offset.

    Somebody may take one before it is bound: then binding it fails as it would have anyway.

    Raises: NoFreePorts
    """
    for offset in offsets:
        try:
            candidate = moved(cluster, offset)
        except ValueError:
            continue
        if _is_free(candidate):
            return candidate, offset
    raise NoFreePorts("the ports of the cluster are taken, and so are those tried in their place")


def offsets_of(worker: int, first: int) -> tuple[int, ...]:
    """Offsets that only this one of `WORKERS` processes tries, from slot `first` on and around.

    Processes that start clusters all the time would take ports from each other between the trial
    and the binding.
    """
    own = worker % WORKERS * SLOTS
    return tuple((own + (first + number) % SLOTS) * SLOT for number in range(SLOTS))


def _is_free(cluster: Cluster) -> bool:
    for node in cluster.nodes.values():
        push_service = Listener("TCP", node.cpns_host, node.cpns_port)
        for listener in (*node.listeners, push_service):
            datagram = listener.transport == "UDP"
            kind = socket.SOCK_DGRAM if datagram else socket.SOCK_STREAM
            family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
            with socket.socket(family, kind) as probe:
                if not datagram:
                    # As the listener does: a connection that just ended does not hold the port.
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((listener.host, listener.port))
                except OSError:
                    return False
    return True
