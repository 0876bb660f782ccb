"""From a plan to the cluster that is played: a cluster made in code, or that of a cluster file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeAlias

from callctl.model.alarm_settings import NOBODY_TOLD
from callctl.model.build import PUSH_ON, make_cluster
from callctl.model.certificate_files import NO_FILES
from callctl.model.cluster import Cluster
from callctl.model.device import Device
from callctl.model.load import load_cluster
from callctl.model.node import Node
from callctl.model.service_parameter import PARAMETERS, ServiceParameters
from callctl.model.trunk import RoutePattern, SipTrunk, TrunkDestination
from callctl.sim.itineraries import numbers_behind
from callctl.testing.plan import Parameters, Plan, peer_names
from callctl.testing.play import SetUpError
from callctl.testing.stage import FileCast

Place: TypeAlias = Callable[[str, int], Node]
"""Makes a node of a name and a number from 1 on."""

Destinations: TypeAlias = Callable[[Sequence[str]], tuple[TrunkDestination, ...]]
"""Gives addresses for the peers of a trunk, of which these are the transports."""

TRUNK_TRANSPORT: Final = "UDP"
TRANSPORTS: Final = ("TLS", "TCP", "UDP")  # as phones like them


def read_cast(file: Path) -> FileCast:
    """Who is in a cluster file. Raises: ConfigError."""
    cluster = load_cluster(file)
    return FileCast(
        tuple(cluster.nodes),
        tuple(cluster.devices.values()),
        {trunk.name: len(trunk.destinations) for trunk in cluster.trunks.values()},
    )


def cluster_of(
    plan: Plan, place: Place, destinations: Destinations, usual: Mapping[str, int] | None = None
) -> Cluster:
    """The cluster of a plan, its nodes where `place` puts them.

    `usual`: service parameters of this kind of world, where the plan says nothing.
    Raises: SetUpError, ConfigError, or ValueError if parts contradict one another.
    """
    if plan.file is not None:
        return _from_file(plan, place, destinations, usual or {})
    groups = plan.groups()
    for group, names in groups.items():
        unknown = [name for name in names if name not in plan.nodes]
        if unknown:
            raise SetUpError(f"CM group {group}: there is no node {', '.join(unknown)}")
    devices = [part.device for part in plan.mobiles.values()]
    devices += [part.device for part in plan.desks.values()]
    pools = dict.fromkeys(device.device_pool for device in devices)
    return make_cluster(
        nodes=[place(name, number) for number, name in enumerate(plan.nodes, start=1)],
        cm_groups=groups,
        device_pools={pool: pool for pool in pools} or {pool: pool for pool in groups},
        lines=plan.lines.values(),
        devices=devices,
        release=plan.release,
        parameters=_parameters(plan.parameters, usual or {}),
        cloud=PUSH_ON,
        hunt_pilots=plan.pilots.values(),
        trunks=[
            SipTrunk(
                trunk.name,
                destinations([TRUNK_TRANSPORT] * trunk.peers),
                options_ping_s=trunk.options_ping_s,
            )
            for trunk in plan.trunks.values()
        ],
        route_patterns=[
            RoutePattern(trunk.pattern, (trunk.name,), trunk.strip, trunk.prefix)
            for trunk in plan.trunks.values()
        ],
    )


def _from_file(
    plan: Plan, place: Place, destinations: Destinations, usual: Mapping[str, int]
) -> Cluster:
    """Addresses, clouds, files and alarm collectors of a file are those of its lab: here nodes and
    peers have addresses of their own, the clouds are emulated, and nobody is told of alarms."""
    assert plan.file is not None
    cluster = load_cluster(plan.file)
    nodes = {}
    for number, (name, node) in enumerate(cluster.nodes.items(), start=1):
        placed = place(name, number)
        listeners = tuple(it for it in placed.listeners if node.listener(it.transport) is not None)
        if not listeners:
            raise SetUpError(f"{name} listens for none of {', '.join(TRANSPORTS)}")
        nodes[name] = replace(placed, listeners=listeners, fqdn=node.fqdn, publisher=node.publisher)
    trunks = {
        name: replace(trunk, destinations=destinations([it.transport for it in trunk.destinations]))
        for name, trunk in cluster.trunks.items()
    }
    parts = {name: part.device for name, part in plan.mobiles.items()}
    parts |= {name: part.device for name, part in plan.desks.items()}
    given = cluster.service_parameters
    changed = {
        name: value
        for name, value in usual.items()
        if getattr(given, name) == PARAMETERS[name].default
    }
    return replace(
        cluster,
        nodes=nodes,
        trunks=trunks,
        devices={**cluster.devices, **parts},  # each with the line first that it registers
        cloud=PUSH_ON,
        certificate_files=NO_FILES,
        alarms=NOBODY_TOLD,
        service_parameters=replace(given, **_known({**changed, **plan.parameters})),
    )


def _parameters(given: Parameters, usual: Mapping[str, int]) -> ServiceParameters:
    return replace(ServiceParameters(), **_known({**usual, **given}))


def _known(parameters: Mapping[str, object]) -> dict[str, Any]:
    """The same. Raises: SetUpError for a name that no service parameter has."""
    for name in parameters:
        if name not in PARAMETERS:
            raise SetUpError(f"there is no service parameter {name}: {', '.join(PARAMETERS)}")
    return dict(parameters)


def transport_of(cluster: Cluster, device: Device, wanted: str = "TLS") -> str:
    """The transport that a phone uses: the one wanted if all nodes of its group speak it.

    Raises: SetUpError if they have none in common.
    """
    nodes = [cluster.nodes[name] for name in cluster.group_of(device).nodes]
    for transport in (wanted, *TRANSPORTS):
        if all(node.listener(transport) is not None for node in nodes):
            return transport
    raise SetUpError(f"the nodes of {device.name}'s CM group have no transport in common")


def peers_of(cluster: Cluster) -> dict[str, TrunkDestination]:
    """The far end of each trunk destination, by its name in the kit."""
    found: dict[str, TrunkDestination] = {}
    for trunk in cluster.trunks.values():
        names = peer_names(trunk.name, len(trunk.destinations))
        found.update(zip(names, trunk.destinations, strict=True))
    return found


def leads_to(cluster: Cluster, number: str) -> frozenset[str]:
    """All numbers behind one, and the peers of trunks that it may leave by."""
    behind = frozenset(numbers_behind(cluster, number))
    names = peers_of(cluster)
    found = set(behind)
    for pattern in cluster.route_patterns:
        if any(pattern.matches(each) for each in behind):
            for trunk in pattern.trunks:
                destinations = cluster.trunks[trunk].destinations
                found |= {name for name, at in names.items() if at in destinations}
    return frozenset(found)
