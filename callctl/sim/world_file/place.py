"""A cluster as the simulated world can have it: every node and every peer has a host of its own.

What the world does not have is left out: channels beside Push REST, the log, TLS material.
Passwords are those of a cluster that was made in code: the true ones do not get into traces and
files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from callctl.model.alarm_settings import NOBODY_TOLD
from callctl.model.build import password_of
from callctl.model.certificate_files import NO_FILES
from callctl.model.cloud import CloudSettings
from callctl.model.cluster import Cluster
from callctl.model.device import Device
from callctl.model.node import Listener, Node
from callctl.model.trunk import TrunkCredentials, TrunkDestination
from callctl.model.user import Secret

TRANSPORTS: Final = ("TLS", "TCP", "UDP")  # of the simulated network
NODES_MAX: Final = 60
PEERS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Placed:
    """The cluster, and the destinations by what the file calls them."""

    cluster: Cluster
    destinations: dict[str, TrunkDestination]


def placed(cluster: Cluster) -> Placed:
    """Nodes that share an address get 192.0.2.1 and on, peers that do 192.0.2.101 and on."""
    hosts = [node.dialled.host for node in cluster.nodes.values()]
    shared = len(set(hosts)) < len(hosts)
    nodes = {
        name: _node(node, f"192.0.2.{number}" if shared else node.dialled.host)
        for number, (name, node) in enumerate(cluster.nodes.items(), start=1)
    }
    destinations = dict(_destinations(cluster, {node.dialled.host for node in nodes.values()}))
    trunks = {
        name: replace(
            trunk,
            destinations=tuple(destinations[str(it)] for it in trunk.destinations),
            outbound=_made_up(trunk.outbound),
            inbound=_made_up(trunk.inbound),
        )
        for name, trunk in cluster.trunks.items()
    }
    settings = cluster.cloud
    cloud = CloudSettings(push_enabled=settings.push_enabled, emulator=settings.push_enabled)
    return Placed(
        replace(
            cluster,
            nodes=nodes,
            trunks=trunks,
            users={
                name: replace(user, password=Secret(password_of(name)))
                for name, user in cluster.users.items()
            },
            devices={name: replace(it, push_way=None) for name, it in cluster.devices.items()},
            cloud=cloud,
            certificate_files=NO_FILES,
            alarms=NOBODY_TOLD,
        ),
        destinations,
    )


def _made_up(credentials: TrunkCredentials | None) -> TrunkCredentials | None:
    if credentials is None:
        return None
    return replace(credentials, password=Secret(password_of(credentials.username)))


def transports_of(cluster: Cluster, device: Device) -> tuple[str, ...]:
    """Those that all nodes of its group speak."""
    nodes = [cluster.nodes[name] for name in cluster.group_of(device).nodes]
    return tuple(it for it in TRANSPORTS if all(node.listener(it) is not None for node in nodes))


def _node(node: Node, host: str) -> Node:
    listeners = tuple(
        Listener(it.transport, host, it.port) for it in node.listeners if it.transport in TRANSPORTS
    )
    return replace(node, listeners=listeners)


def _destinations(cluster: Cluster, taken: set[str]) -> Iterator[tuple[str, TrunkDestination]]:
    number = 100
    for trunk in cluster.trunks.values():
        for destination in trunk.destinations:
            host = destination.host
            while host in taken:
                number += 1
                host = f"192.0.2.{number}"
            taken.add(host)
            yield str(destination), replace(destination, host=host)
