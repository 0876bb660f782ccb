"""The run-time records of a cluster while its files are being read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from callctl.model.consistency import Mistake
from callctl.model.device import Device, platforms_of_name
from callctl.model.hunt_pilot import HuntPilot
from callctl.model.line import NO_FORWARDING, ExternalPresentation, Forwarding, Line
from callctl.model.node import CmGroup, DevicePool, Node
from callctl.model.password_file import password_in_entry
from callctl.model.routing_schema import (
    ExternalPresentationEntry,
    ForwardingEntry,
    HuntPilotEntry,
    TrunkEntry,
)
from callctl.model.schema import (
    ClusterFile,
    DeviceEntry,
    DeviceTraits,
    LineEntry,
    NodeEntry,
    UserEntry,
)
from callctl.model.trunk import RoutePattern, SipProfile, SipTrunk, TrunkCredentials
from callctl.model.user import Secret, User
from callctl.model.values import parse_destination, parse_listener


@dataclass(slots=True)
class Draft:
    """Parts of a cluster, by name. Texts that repeat are kept once."""

    nodes: dict[str, Node] = field(default_factory=dict)
    cm_groups: dict[str, CmGroup] = field(default_factory=dict)
    device_pools: dict[str, DevicePool] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    lines: dict[str, Line] = field(default_factory=dict)
    devices: dict[str, Device] = field(default_factory=dict)
    hunt_pilots: dict[str, HuntPilot] = field(default_factory=dict)
    trunks: dict[str, SipTrunk] = field(default_factory=dict)
    route_patterns: list[RoutePattern] = field(default_factory=list)
    sip_profiles: dict[str, SipProfile] = field(default_factory=dict)
    _texts: dict[str, str] = field(default_factory=dict)

    def fill(self, file: ClusterFile, directory: Path) -> Iterator[Mistake]:
        """Take over everything that stands in the cluster file itself."""
        for name, node in file.nodes.items():
            self.nodes[name] = _node(name, node, file.domain)
        if self.nodes and not any(node.publisher for node in self.nodes.values()):
            first = next(iter(file.nodes))
            self.nodes[first] = _node(first, file.nodes[first], file.domain, publisher=True)
        for name, members in file.cm_groups.items():
            self.cm_groups[name] = CmGroup(name, tuple(members))
        for name, pool in file.device_pools.items():
            self.device_pools[name] = DevicePool(name, pool.cm_group, pool.description)
        for user_id, user in file.users.items():
            yield from self._add_user(user_id, user, directory)
        for dn, line in file.lines.items():
            self.lines[self.once(dn)] = _line(self.once(dn), line)
        for name, device in file.devices.items():
            for mistake in self._add_device(name, device):
                yield mistake._replace(path=("devices", name, *mistake.path))
        for dn, pilot in file.hunt_pilots.items():
            self.hunt_pilots[dn] = _hunt_pilot(dn, pilot)
        for name, trunk in file.trunks.items():
            yield from self._add_trunk(name, trunk, directory)
        for pattern, way in file.route_patterns.items():
            self.route_patterns.append(
                RoutePattern(pattern, tuple(way.trunks), way.strip, way.prefix)
            )
        for name, profile in file.sip_profiles.items():
            shown = _presentation(profile.external_presentation)
            self.sip_profiles[name] = SipProfile(name, profile.enable_external_presentation, shown)

    def device(
        self, name: str, owner: str | None, lines: tuple[str, ...], traits: DeviceTraits
    ) -> Device | Mistake:
        """The record of a device, or what is missing for it."""
        pool = traits.device_pool
        if pool is None:
            if len(self.device_pools) != 1:
                return Mistake(("device_pool",), "is missing", "one, as there is not only one pool")
            pool = next(iter(self.device_pools))
        platform = traits.platform
        if platform is None:
            promised = platforms_of_name(name)
            if not promised:
                problem = "is missing, and the name does not tell it"
                return Mistake(("platform",), problem, "ios, android, desk, desktop or browser")
            platform = promised[0]
        return Device(
            self.once(name),
            None if owner is None else self.once(owner),
            tuple(map(self.once, lines)),
            self.once(pool),
            platform,
            traits.client,
            self._once_or_none(traits.os_version),
            self._once_or_none(traits.client_version),
            traits.custom_region,
            traits.instance,
            self._once_or_none(traits.subscriber_service),
            self._once_or_none(traits.sip_profile),
        )

    def once(self, text: str) -> str:
        """The first object that was equal to `text`."""
        return self._texts.setdefault(text, text)

    def _once_or_none(self, text: str | None) -> str | None:
        return None if text is None else self._texts.setdefault(text, text)

    def _add_user(self, user_id: str, entry: UserEntry, directory: Path) -> Iterator[Mistake]:
        password = password_in_entry(entry, ("users", user_id), directory)
        if isinstance(password, Mistake):
            yield password
            password = ""  # the user is kept: what refers to it is right
        name = self.once(user_id)
        self.users[name] = User(name, Secret(password), entry.display_name, entry.mobility_identity)

    def _add_trunk(self, name: str, entry: TrunkEntry, directory: Path) -> Iterator[Mistake]:
        credentials: dict[str, TrunkCredentials | None] = {"outbound": None, "inbound": None}
        for direction, given in (("outbound", entry.outbound), ("inbound", entry.inbound)):
            if given is None:
                continue
            password = password_in_entry(given, ("trunks", name, direction), directory)
            if isinstance(password, Mistake):
                yield password
            else:
                credentials[direction] = TrunkCredentials(given.username, Secret(password))
        self.trunks[name] = SipTrunk(
            name,
            tuple(map(parse_destination, entry.destinations)),
            entry.options_ping_s,
            entry.try_s,
            credentials["outbound"],
            credentials["inbound"],
            entry.trust_identity,
            _presentation(entry.external_presentation),
            entry.sip_profile,
        )

    def _add_device(self, name: str, entry: DeviceEntry) -> Iterator[Mistake]:
        device = self.device(name, entry.owner, tuple(entry.lines), entry)
        if isinstance(device, Mistake):
            yield device
        else:
            if entry.push_channel is not None:
                device = replace(device, push_way=entry.push_channel)
            self.devices[device.name] = device


def _node(name: str, entry: NodeEntry, domain: str, *, publisher: bool = False) -> Node:
    listeners = tuple(map(parse_listener, entry.listeners))
    fqdn = entry.fqdn or f"{name.lower()}.{domain}"
    return Node(name, listeners, fqdn, publisher or entry.publisher, entry.cpns_port or 0)


def _line(dn: str, entry: LineEntry) -> Line:
    shown = entry.external_presentation
    forwarding = _forwarding(entry.forwarding)
    return Line(dn, entry.display_name, _presentation(shown), entry.description, forwarding)


def _forwarding(entry: ForwardingEntry) -> Forwarding:
    made = Forwarding(entry.all, entry.busy, entry.no_answer, entry.unregistered, entry.no_answer_s)
    return NO_FORWARDING if made == NO_FORWARDING else made  # one object for the many


def _hunt_pilot(dn: str, entry: HuntPilotEntry) -> HuntPilot:
    return HuntPilot(
        dn,
        tuple(entry.members),
        entry.distribution,
        entry.display_name,
        entry.member_ring_s,
        entry.forward_unanswered,
    )


def _presentation(entry: ExternalPresentationEntry | None) -> ExternalPresentation | None:
    if entry is None:
        return None
    return ExternalPresentation(entry.name, entry.number or "", entry.anonymous)
