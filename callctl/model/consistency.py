"""What the parts of a cluster say about one another: references, duplicates, contradictions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from itertools import islice
from typing import Final, NamedTuple, TypeAlias

from callctl.model.device import (
    MOBILE,
    SUBSCRIBER_SERVICES,
    Device,
    Platform,
    platforms_of_name,
)
from callctl.model.line import Line
from callctl.model.node import WEBSOCKET, CmGroup, DevicePool, Node
from callctl.model.user import User

Path: TypeAlias = tuple[str | int, ...]


class Mistake(NamedTuple):
    """One mistake, placed by key path: ("devices", "TCTALICE", "owner")."""

    path: Path
    problem: str
    expected: str


class Spoiled:
    """Entries that were left out because they are wrong.

    A reference to one of them is right: the entry itself has been reported.
    """

    __slots__ = ("_entries", "_sections")

    def __init__(self) -> None:
        self._entries: set[tuple[str, str]] = set()
        self._sections: set[str] = set()

    def add(self, section: str, name: str | None = None) -> None:
        """One entry, or without a name the whole section."""
        if name is None:
            self._sections.add(section)
        else:
            self._entries.add((section, name))

    def covers(self, section: str, name: str) -> bool:
        """True if the file means to define this entry."""
        return section in self._sections or (section, name) in self._entries

    def touches(self, section: str) -> bool:
        """True if anything of the section was left out."""
        return section in self._sections or any(where == section for where, _ in self._entries)


NOTHING_SPOILED: Final = Spoiled()


def node_mistakes(
    nodes: Mapping[str, Node],
    cm_groups: Mapping[str, CmGroup],
    device_pools: Mapping[str, DevicePool],
    spoiled: Spoiled = NOTHING_SPOILED,
) -> Iterator[Mistake]:
    """Everything from nodes to device pools."""
    for section, entries in (("nodes", nodes), ("cm_groups", cm_groups)):
        if not entries and not spoiled.touches(section):
            yield Mistake((section,), "is empty or missing", "at least one entry")
    publishers = [node.name for node in nodes.values() if node.publisher]
    if len(publishers) > 1:
        path = ("nodes", publishers[1], "publisher")
        yield Mistake(path, f"{publishers[0]} is it already", "one publisher")
    yield from _listener_mistakes(nodes)
    for group in cm_groups.values():
        for index, node in enumerate(group.nodes):
            if node not in nodes and not spoiled.covers("nodes", node):
                yield unknown(("cm_groups", group.name, index), "node", node, nodes)
    for pool in device_pools.values():
        name = pool.cm_group
        if name not in cm_groups and not spoiled.covers("cm_groups", name):
            yield unknown(("device_pools", pool.name, "cm_group"), "CM group", name, cm_groups)


class DeviceCheck:
    """Judges one device after the other by what it refers to and by those judged before."""

    __slots__ = ("_device_pools", "_instances", "_lines", "_sip_profiles", "_spoiled", "_users")

    def __init__(
        self,
        device_pools: Mapping[str, DevicePool],
        users: Mapping[str, User],
        lines: Mapping[str, Line],
        spoiled: Spoiled = NOTHING_SPOILED,
        sip_profiles: Collection[str] = (),
    ) -> None:
        self._device_pools = device_pools
        self._users = users
        self._lines = lines
        self._spoiled = spoiled
        self._sip_profiles = sip_profiles
        self._instances: dict[str, str] = {}  # +sip.instance to the device that has it

    def mistakes(self, device: Device) -> Iterator[Mistake]:
        """What is wrong with `device`; paths begin at the field."""
        pool, owner = device.device_pool, device.owner
        if pool not in self._device_pools and not self._spoiled.covers("device_pools", pool):
            yield unknown(("device_pool",), "device pool", pool, self._device_pools)
        if owner is not None and not self._knows_user(owner):
            yield unknown(("owner",), "user", owner, self._users)
        for index, dn in enumerate(device.lines):
            if dn not in self._lines and not self._spoiled.covers("lines", dn):
                yield unknown(("lines", index), "line", dn, self._lines)
        if len(device.lines) > 1 and len(set(device.lines)) != len(device.lines):
            yield Mistake(("lines",), "names a line twice", "each line once")
        profile = device.sip_profile
        if profile is not None and not self._knows_sip_profile(profile):
            yield unknown(("sip_profile",), "SIP profile", profile, self._sip_profiles)
        yield from _platform_mistakes(device)
        if device.instance is not None:
            other = self._instances.setdefault(device.instance, device.name)
            if other != device.name:
                yield Mistake(
                    ("instance",), f"{device.instance} belongs to {other}", "an instance of its own"
                )

    def _knows_user(self, user_id: str) -> bool:
        return user_id in self._users or self._spoiled.covers("users", user_id)

    def _knows_sip_profile(self, name: str) -> bool:
        return name in self._sip_profiles or self._spoiled.covers("sip_profiles", name)


def _platform_mistakes(device: Device) -> Iterator[Mistake]:
    promised = platforms_of_name(device.name)
    if promised and device.platform not in promised:
        names = " or ".join(platform.value for platform in promised)
        yield Mistake(
            ("platform",),
            f"is {device.platform.value}, but {device.name[:3]} names stand for {names}",
            f"{names}, or another device name",
        )
    if device.custom_region and device.platform is not Platform.IOS:
        yield Mistake(
            ("custom_region",), f"is set for {device.platform.value}", "ios only (CHN-02)"
        )
    service = device.subscriber_service
    if service is not None and SUBSCRIBER_SERVICES[service] is not device.platform:
        fit = [name for name, served in SUBSCRIBER_SERVICES.items() if served is device.platform]
        yield Mistake(
            ("subscriber_service",),
            f"{service} does not serve {device.platform.value}",
            " or ".join(fit) if device.platform in MOBILE else "no subscriber service",
        )


def _listener_mistakes(nodes: Mapping[str, Node]) -> Iterator[Mistake]:
    taken: dict[tuple[bool, str, int], str] = {}
    for node in nodes.values():
        if all(listener.transport in WEBSOCKET for listener in node.listeners):
            yield Mistake(
                ("nodes", node.name, "listeners"),
                "are for browsers only",
                "one for udp, tcp or tls, by which other nodes and phones reach it",
            )
        sound = True
        for index, listener in enumerate(node.listeners):
            # TLS runs over TCP, so the two cannot share a port; UDP has ports of its own.
            place = (listener.transport == "UDP", listener.host, listener.port)
            other = taken.setdefault(place, f"{node.name} ({listener})")
            if other != f"{node.name} ({listener})" or listener in node.listeners[:index]:
                sound = False
                yield Mistake(
                    ("nodes", node.name, "listeners", index),
                    f"{listener} is taken by {other}",
                    "an address and port of its own",
                )
        push_service = f"the push service of {node.name}"
        other = taken.setdefault((False, node.cpns_host, node.cpns_port), push_service)
        if sound and other != push_service and node.cpns_host == node.dialled.host:
            yield Mistake(
                ("nodes", node.name, "cpns_port"),
                f"{node.cpns_port} is taken by {other}",
                "a port of its own",
            )


def unknown(path: Path, noun: str, name: str, known: Collection[str]) -> Mistake:
    """A reference at `path` to a `noun` that is not among those `known`."""
    return Mistake(path, f"there is no {noun} {name!r}", one_of(name, known))


def one_of(name: str, known: Collection[str]) -> str:
    """What may have been meant by `name`, in words."""
    if not known:
        return "one that the file defines"
    if len(known) <= 8:
        return " or ".join(known)
    # Similarity is measured on a sample: the files may define a hundred thousand names.
    close = get_close_matches(name, islice(known, 1000), n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"one that the file defines{hint}"
