"""Which way a call would take: played in the simulated world with the engine that takes real calls.

Every device of the numbers it may come to is there: mobile phones asleep, the others registered.
Who is reached rings and does not answer, so that forwarding and hunts show themselves; nobody is
really called. Source: CMG-04 to CMG-11, CALL-09, CALL-20.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from callctl.call.story import CallRecord, Step
from callctl.model.build import make_user
from callctl.model.cluster import Cluster
from callctl.model.device import Device, Platform
from callctl.model.line import Line
from callctl.model.node import CmGroup, DevicePool, Node
from callctl.phone.settings import AnswerPlan
from callctl.sim.itineraries import numbers_behind
from callctl.sim.scenario import (
    CALLS_FROM_NS,
    AgentPlan,
    PeerPlan,
    PhonePlan,
    Scenario,
    destinations_of,
)
from callctl.sim.simulation import Simulation
from callctl.sim.weather import Weather
from sipstack.timing import MS, SECOND, Instant

CALLER: Final = "callctl-route"  # device, user and line of the made-up caller
RINGS: Final = AnswerPlan(after_ns=None)
WAKE_NS: Final = SECOND
LOST_AT_NS: Final = CALLS_FROM_NS - 8 * SECOND  # so long before the call that all have noticed
LONGEST_NS: Final = 150 * SECOND
CALM_LINK: Final = Weather(delay_min_ns=5 * MS, delay_max_ns=5 * MS)
TRANSPORTS: Final = ("TLS", "TCP", "UDP")  # those of the simulated network, as phones like them
DEVICES_MAX: Final = 50


class NoRoute(ValueError):
    """The question cannot be asked so: a node, device or destination that there is not."""


@dataclass(frozen=True, slots=True)
class RingPush:
    """A ring push and the node it names, "" for none."""

    device: str
    node: str


@dataclass(frozen=True, slots=True)
class Route:
    """The way of one call."""

    number: str
    taken_by: str
    down: tuple[str, ...]
    steps: tuple[Step, ...]
    began_at: Instant
    status: int | None  # the answer to the caller; None: it still rings at the end
    call_uuid: str


def route(
    cluster: Cluster,
    number: str,
    *,
    down: Collection[str] = (),
    taken_by: str | None = None,
    awake: Collection[str] = (),
) -> Route:
    """Play a call to `number`.

    Args:
        down: nodes out of service, and destinations of trunks (`udp:192.0.2.9:5060`).
        taken_by: the node that the caller's INVITE reaches; else the first that is up.
        awake: mobile devices whose app is on screen.
    Raises: NoRoute.
    """
    up = [name for name in cluster.nodes if name not in down]
    destinations = {str(it): it for trunk in cluster.trunks.values() for it in trunk.destinations}
    for name in down:
        if name not in cluster.nodes and name not in destinations:
            known = ", ".join([*cluster.nodes, *destinations])
            raise NoRoute(f"there is no node or trunk destination {name}; there are {known}")
    if not up:
        raise NoRoute("no node is left to take the call")
    if taken_by is None:
        taken_by = up[0]
    if taken_by not in up:
        raise NoRoute(f"{taken_by} cannot take the call: it is no node that is up")
    devices = _devices(cluster, number)
    for name in awake:
        if name not in {device.name for device in devices}:
            raise NoRoute(f"{name} is no device that a call to {number} can come to")
    world = _cluster(cluster, devices, taken_by)
    scenario = _scenario(world, devices, awake, down)
    simulation = Simulation(scenario, judges=lambda _: ())
    record = _played(simulation, number, [name for name in down if name in cluster.nodes])
    return Route(
        number,
        taken_by,
        tuple(down),
        tuple(record.steps),
        record.started_at,
        record.status,
        record.call_uuid,
    )


def _played(simulation: Simulation, number: str, lost: list[str]) -> CallRecord:
    simulation.begin()
    simulation.plan()
    simulation.world.run_to(Instant(LOST_AT_NS))
    for name in lost:
        simulation.nodes[name].kill(power=False)
    simulation.world.run_to(Instant(CALLS_FROM_NS))
    caller = simulation.agents[CALLER]
    caller.call(number)
    simulation.world.run_to(Instant(CALLS_FROM_NS + LONGEST_NS))
    for node in simulation.nodes.values():
        for record in node.processes.engine.calls.records:
            return record
    raise NoRoute(f"{number} is no number of this cluster, and no route pattern is for it")


def _devices(cluster: Cluster, number: str) -> list[Device]:
    devices: dict[str, Device] = {}
    for dn in numbers_behind(cluster, number):
        for device in cluster.devices_of_line.get(dn, ()):
            # A simulated phone registers one line: the one that the call comes to.
            others = tuple(line for line in device.lines if line != dn)
            owner = device.owner or device.name
            devices.setdefault(device.name, replace(device, owner=owner, lines=(dn, *others)))
    if len(devices) > DEVICES_MAX:
        raise NoRoute(f"{len(devices)} devices can be reached; at most {DEVICES_MAX} are played")
    return list(devices.values())


def _cluster(cluster: Cluster, devices: list[Device], taken_by: str) -> Cluster:
    """The cluster with the devices that matter, passwords the simulated phones know, a caller."""
    caller = Device(CALLER, CALLER, (CALLER,), CALLER, Platform.DESK)
    everybody = [*devices, caller]
    users = {
        owner: replace(
            make_user(owner),
            mobility_identity=known.mobility_identity if known is not None else None,
        )
        for owner in dict.fromkeys(device.owner or "" for device in everybody)
        for known in (cluster.users.get(owner),)
    }
    return replace(
        cluster,
        nodes={name: _node(node) for name, node in cluster.nodes.items()},
        cm_groups={**cluster.cm_groups, CALLER: CmGroup(CALLER, (taken_by,))},
        device_pools={**cluster.device_pools, CALLER: DevicePool(CALLER, CALLER)},
        users=users,
        lines={**cluster.lines, CALLER: Line(CALLER)},
        devices={device.name: device for device in everybody},
    )


def _node(node: Node) -> Node:
    return replace(node, listeners=tuple(it for it in node.listeners if it.transport in TRANSPORTS))


def _transport(cluster: Cluster, device: Device) -> str:
    """One that all nodes of its group speak."""
    nodes = [cluster.nodes[name] for name in cluster.group_of(device).nodes]
    for transport in TRANSPORTS:
        if all(node.listener(transport) is not None for node in nodes):
            return transport
    raise NoRoute(f"the nodes of {device.name}'s CM group have no transport in common")


def _scenario(
    cluster: Cluster, devices: list[Device], awake: Collection[str], down: Collection[str]
) -> Scenario:
    caller = cluster.devices[CALLER]
    agents = [AgentPlan(caller, "203.0.113.1", _transport(cluster, caller), RINGS)]
    phones: list[PhonePlan] = []
    for index, device in enumerate(devices, start=1):
        transport = _transport(cluster, device)
        if device.mobile:
            toggles = () if device.name in awake else ((5 * SECOND, False),)
            phones.append(
                PhonePlan(
                    device, f"198.51.100.{index}", transport, RINGS, WAKE_NS, toggles, None, SECOND
                )
            )
        else:
            agents.append(AgentPlan(device, f"203.0.113.{index + 1}", transport, RINGS))
    peers = tuple(
        PeerPlan(destination, RINGS)
        for destination in destinations_of(cluster)
        if str(destination) not in down
    )
    weather = CALM_LINK
    return Scenario(
        1,
        cluster,
        tuple(agents),
        tuple(phones),
        peers=peers,
        weather=weather,
        bus_weather=weather,
        cloud_weather=weather,
        good_weather=weather,
    )
