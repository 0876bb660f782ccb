"""Nodes of the cluster, the CM groups they serve in, and the device pools that point at a group."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Literal, TypeAlias

CM_GROUP_MAX: Final = 3  # CMG-01: a primary and at most two backups

Role: TypeAlias = Literal["primary", "backup", "tertiary"]
ROLES: Final[tuple[Role, ...]] = ("primary", "backup", "tertiary")  # CMG-02, in list order

TRANSPORTS: Final = ("UDP", "TCP", "TLS", "WS", "WSS")
WEBSOCKET: Final = frozenset({"WS", "WSS"})

SIP_PORT: Final = 5060
SIPS_PORT: Final = 5061
CPNS_PORT: Final = 9966  # CPNS-04
LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Listener:
    """Where a node takes SIP: one transport at one address."""

    transport: str  # one of TRANSPORTS, spelled as in a Via
    host: str  # numeric address, IPv6 without brackets
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport.lower()}:{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Node:
    """One call-control server of the cluster."""

    name: str
    listeners: tuple[Listener, ...]  # at least one; the first of a transport is the one advertised
    fqdn: str
    publisher: bool = False  # the first node of the cluster; the others are subscribers
    cpns_port: int = 0  # where CallManager reaches the push service of this node; 0: the usual one

    def __post_init__(self) -> None:
        if not self.cpns_port:
            object.__setattr__(self, "cpns_port", usual_cpns_port(self.listeners))

    @property
    def cpns_host(self) -> str:
        """Where the push service listens for CallManager: never beyond this machine (OP-34)."""
        host = self.dialled.host
        return host if ip_address(host).is_loopback else LOOPBACK

    @property
    def dialled(self) -> Listener:
        """The first listener that other nodes and phones can connect to: not one for browsers."""
        for listener in self.listeners:
            if listener.transport not in WEBSOCKET:
                return listener
        return self.listeners[0]

    def listener(self, transport: str) -> Listener | None:
        """The listener to advertise for `transport`, None if the node does not speak it."""
        for listener in self.listeners:
            if listener.transport == transport:
                return listener
        return None


def usual_cpns_port(listeners: tuple[Listener, ...]) -> int:
    """9966, moved by as much as the first SIP port is from its usual one.

    So nodes that share an address, as those of a lab, do not share this port.
    """
    for listener in listeners:
        if listener.transport not in WEBSOCKET:
            usual = SIPS_PORT if listener.transport == "TLS" else SIP_PORT
            moved = CPNS_PORT + listener.port - usual
            return moved if 0 < moved < 65_536 else CPNS_PORT
    return CPNS_PORT


@dataclass(frozen=True, slots=True)
class CmGroup:
    """One to three nodes, the order being their priority (CMG-01, CMG-02).

    Raises: ValueError for no node, a fourth node, or a node named twice.
    """

    name: str
    nodes: tuple[str, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.nodes) <= CM_GROUP_MAX:
            raise ValueError(f"CM group {self.name} has {len(self.nodes)} nodes, not 1 to 3")
        if len(set(self.nodes)) != len(self.nodes):
            raise ValueError(f"CM group {self.name} names a node twice")

    def role_of(self, node: str) -> Role | None:
        """The part `node` plays in this group, None if it has none."""
        return ROLES[self.nodes.index(node)] if node in self.nodes else None


@dataclass(frozen=True, slots=True)
class DevicePool:
    """Settings that a set of devices shares, for example those of one location (CMG-03)."""

    name: str
    cm_group: str
    description: str = ""
