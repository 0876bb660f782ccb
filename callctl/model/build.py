"""Clusters made in code, for tests and simulations: no file, the same checks.

    cluster = make_cluster(devices=[iphone("alice", "1001"), desk_phone("bob", "1002")])

gives three nodes in one CM group, one device pool, and the users and lines that the devices name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from callctl.model.alarm_settings import NOBODY_TOLD, AlarmSettings
from callctl.model.cloud import CloudSettings
from callctl.model.cluster import Cluster
from callctl.model.consistency import DeviceCheck, node_mistakes
from callctl.model.deployment import ALONE, Deployment
from callctl.model.device import ClientType, Device, Platform
from callctl.model.hunt_pilot import HuntPilot
from callctl.model.line import Line
from callctl.model.node import CmGroup, DevicePool, Listener, Node
from callctl.model.release import Release
from callctl.model.routing_check import routing_mistakes
from callctl.model.service_parameter import ServiceParameters
from callctl.model.trunk import RoutePattern, SipProfile, SipTrunk, best_first
from callctl.model.user import Secret, User
from sipstack.transport.websocket import OriginPolicy

POOL: Final = "default"
"""The device pool, and the CM group, that a cluster has unless others are given."""

PUSH_ON: Final = CloudSettings(push_enabled=True, emulator=True)


def make_cluster(
    *,
    nodes: Sequence[str | Node] = ("ucm1", "ucm2", "ucm3"),
    cm_groups: Mapping[str, Sequence[str]] | None = None,
    device_pools: Mapping[str, str] | None = None,
    users: Iterable[User] = (),
    lines: Iterable[str | Line] = (),
    devices: Iterable[Device] = (),
    cluster_id: str = "test",
    domain: str = "lab.example",
    release: str = "15",
    parameters: ServiceParameters | None = None,
    cloud: CloudSettings = PUSH_ON,
    alarms: AlarmSettings = NOBODY_TOLD,
    hunt_pilots: Iterable[HuntPilot] = (),
    trunks: Iterable[SipTrunk] = (),
    route_patterns: Iterable[RoutePattern] = (),
    sip_profiles: Iterable[SipProfile] = (),
    websocket: OriginPolicy = OriginPolicy(),  # noqa: B008  (frozen)
    deployment: Deployment = ALONE,
    jabber_client_configuration: Mapping[str, str] | None = None,
) -> Cluster:
    """A cluster of the parts given and of what they name.

    The first three nodes are the CM group "default" unless `cm_groups` says otherwise (name to
    node names), and it is behind the device pool "default" unless `device_pools` does (name to
    CM group). A device's owner becomes a user with `password_of` that user id, its lines come to
    be. Node number n has the address 192.0.2.n unless it is given as a `Node`.

    Raises: ValueError if the parts contradict one another.
    """
    made = [
        make_node(node, number) if isinstance(node, str) else node
        for number, node in enumerate(nodes, start=1)
    ]
    if cm_groups is None:
        cm_groups = {POOL: [node.name for node in made[:3]]}
    if device_pools is None:
        device_pools = {POOL: next(iter(cm_groups))}
    all_devices = list(devices)
    all_users = {user.user_id: user for user in users}
    all_lines = {
        line.dn: line for line in (Line(it) if isinstance(it, str) else it for it in lines)
    }
    for device in all_devices:
        if device.owner is not None and device.owner not in all_users:
            all_users[device.owner] = make_user(device.owner)
        for dn in device.lines:
            if dn not in all_lines:
                all_lines[dn] = Line(dn)
    cluster = Cluster(
        id=cluster_id,
        domain=domain,
        release=Release.parse(release),
        nodes={node.name: node for node in made},
        cm_groups={name: CmGroup(name, tuple(names)) for name, names in cm_groups.items()},
        device_pools={name: DevicePool(name, group) for name, group in device_pools.items()},
        users=all_users,
        lines=all_lines,
        devices={device.name: device for device in all_devices},
        service_parameters=parameters or ServiceParameters(),
        cloud=cloud,
        alarms=alarms,
        hunt_pilots={pilot.dn: pilot for pilot in hunt_pilots},
        trunks={trunk.name: trunk for trunk in trunks},
        route_patterns=best_first(route_patterns),
        sip_profiles={profile.name: profile for profile in sip_profiles},
        websocket=websocket,
        deployment=deployment,
        jabber_client_configuration=dict(jabber_client_configuration or {}),
    )
    _refuse_contradictions(cluster, all_devices)
    return cluster


def make_node(
    name: str, number: int, *, host: str = "", port: int = 5060, websocket_port: int | None = None
) -> Node:
    """A node with UDP and TCP at `port` and TLS at the next; number 1 is the publisher.

    With `websocket_port` it takes WS there and WSS at the next.
    """
    host = host or f"192.0.2.{number}"  # RFC 5737 addresses: never those of a real machine
    listeners = [
        Listener("UDP", host, port),
        Listener("TCP", host, port),
        Listener("TLS", host, port + 1),
    ]
    if websocket_port is not None:
        listeners.append(Listener("WS", host, websocket_port))
        listeners.append(Listener("WSS", host, websocket_port + 1))
    return Node(
        name,
        tuple(listeners),
        fqdn=f"{name}.lab.example",
        publisher=number == 1,
    )


def password_of(user_id: str) -> str:
    """The password of a user made in code, and of those of the lab: 1001 has pw1001."""
    return f"pw{user_id}"


def make_user(user_id: str, display_name: str = "") -> User:
    """A user with the password that `password_of` tells."""
    return User(user_id, Secret(password_of(user_id)), display_name or user_id)


def iphone(
    owner: str,
    *lines: str,
    name: str = "",
    device_pool: str = POOL,
    os_version: str = "17.0",
    client: ClientType = ClientType.JABBER,
    client_version: str = "14.3",
    custom_region: bool = False,
) -> Device:
    """An iPhone, by default TCT and its owner; lines default to the owner's id."""
    return Device(
        name or f"TCT{owner.upper()}",
        owner,
        lines or (owner,),
        device_pool,
        Platform.IOS,
        client,
        os_version,
        client_version,
        custom_region,
    )


def android(
    owner: str,
    *lines: str,
    name: str = "",
    device_pool: str = POOL,
    os_version: str = "14",
    client: ClientType = ClientType.JABBER,
    client_version: str = "14.3",
) -> Device:
    """An Android phone, by default BOT and its owner; lines default to the owner's id."""
    return Device(
        name or f"BOT{owner.upper()}",
        owner,
        lines or (owner,),
        device_pool,
        Platform.ANDROID,
        client,
        os_version,
        client_version,
    )


def desk_phone(owner: str, *lines: str, name: str = "", device_pool: str = POOL) -> Device:
    """A desk phone, by default SEP and its owner; lines default to the owner's id."""
    return Device(
        name or f"SEP{owner.upper()}", owner, lines or (owner,), device_pool, Platform.DESK
    )


def softphone(owner: str, *lines: str, name: str = "", device_pool: str = POOL) -> Device:
    """A standard SIP client on a computer, by default CSF and its owner; never pushed to."""
    return Device(
        name or f"CSF{owner.upper()}", owner, lines or (owner,), device_pool, Platform.DESKTOP
    )


def _refuse_contradictions(cluster: Cluster, devices: Sequence[Device]) -> None:
    if len(cluster.devices) != len(devices):
        raise ValueError("two devices have the same name")
    found = [*node_mistakes(cluster.nodes, cluster.cm_groups, cluster.device_pools)]
    check = DeviceCheck(
        cluster.device_pools, cluster.users, cluster.lines, sip_profiles=cluster.sip_profiles
    )
    for device in devices:
        found += check.mistakes(device)
    found += routing_mistakes(cluster)
    if found:
        raise ValueError("; ".join(f"{mistake.path}: {mistake.problem}" for mistake in found))
