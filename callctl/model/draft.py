"""The run-time records of a cluster while its files are being read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from callctl.model.consistency import Mistake
from callctl.model.device import Device, platforms_of_name
from callctl.model.line import ExternalPresentation, Line
from callctl.model.node import CmGroup, DevicePool, Node
from callctl.model.schema import (
    ClusterFile,
    DeviceEntry,
    DeviceTraits,
    ExternalPresentationEntry,
    LineEntry,
    NodeEntry,
    UserEntry,
)
from callctl.model.user import Secret, User
from callctl.model.values import parse_listener

PASSWORD_FILE_MAX = 4096  # octets read; a password has at most 256 characters


@dataclass(slots=True)
class Draft:
    """Parts of a cluster, by name. Texts that repeat are kept once."""

    nodes: dict[str, Node] = field(default_factory=dict)
    cm_groups: dict[str, CmGroup] = field(default_factory=dict)
    device_pools: dict[str, DevicePool] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    lines: dict[str, Line] = field(default_factory=dict)
    devices: dict[str, Device] = field(default_factory=dict)
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
        )

    def once(self, text: str) -> str:
        """The first object that was equal to `text`."""
        return self._texts.setdefault(text, text)

    def _once_or_none(self, text: str | None) -> str | None:
        return None if text is None else self._texts.setdefault(text, text)

    def _add_user(self, user_id: str, entry: UserEntry, directory: Path) -> Iterator[Mistake]:
        path = ("users", user_id)
        password = entry.password
        if (password is None) == (entry.password_file is None):
            problem = "has no password" if password is None else "has a password and a file of it"
            yield Mistake(path, problem, "password or password_file")
        elif password is None and entry.password_file is not None:
            try:
                password = _password_in(directory / entry.password_file)
            except (OSError, ValueError) as error:
                problem = f"{entry.password_file} gives no password: {_reason(error)}"
                yield Mistake((*path, "password_file"), problem, "its first line a password")
        # A user whose password is wrong is kept: what refers to it is right.
        name = self.once(user_id)
        self.users[name] = User(name, Secret(password or ""), entry.display_name)

    def _add_device(self, name: str, entry: DeviceEntry) -> Iterator[Mistake]:
        device = self.device(name, entry.owner, tuple(entry.lines), entry)
        if isinstance(device, Mistake):
            yield device
        else:
            self.devices[device.name] = device


def _node(name: str, entry: NodeEntry, domain: str, *, publisher: bool = False) -> Node:
    listeners = tuple(map(parse_listener, entry.listeners))
    fqdn = entry.fqdn or f"{name.lower()}.{domain}"
    return Node(name, listeners, fqdn, publisher or entry.publisher)


def _line(dn: str, entry: LineEntry) -> Line:
    shown = entry.external_presentation
    return Line(dn, entry.display_name, _presentation(shown), entry.description)


def _presentation(entry: ExternalPresentationEntry | None) -> ExternalPresentation | None:
    return None if entry is None else ExternalPresentation(entry.name, entry.number)


def _password_in(path: Path) -> str:
    if not path.is_file():
        raise ValueError("there is no such file")
    with path.open("rb") as file:
        lines = file.read(PASSWORD_FILE_MAX).decode().splitlines()
    if not lines or not 1 <= len(lines[0]) <= 256 or not lines[0].isprintable():
        raise ValueError("its first line is empty, too long or not printable")
    return lines[0]


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    return (error.strerror or "it cannot be read") if isinstance(error, OSError) else str(error)
