"""Who is in a test: names and numbers that are free, and the people of a cluster file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypeVar

from callctl.errors import ConfigError
from callctl.model.device import ClientType, Device, Platform
from callctl.model.line import Line
from callctl.testing.party import Party
from callctl.testing.phone import MobilePhone
from callctl.testing.plan import PHONES, MobilePart
from callctl.testing.play import SetUpError

if TYPE_CHECKING:
    from callctl.testing.plan import Plan
    from callctl.testing.play import Play

Somebody = TypeVar("Somebody", bound=Party)

Client: TypeAlias = Literal["jabber", "webex", "standard"]
"""Whose app it is: the first two sign in for push, a standard one speaks RFC 8599."""

FIRST_PHONE: Final = 2001
PREFIXES: Final = {Platform.IOS: "TCT", Platform.ANDROID: "BOT"}
VERSIONS: Final[dict[str, str]] = {"jabber": "14.3", "webex": "44.1"}


class Cast:
    """Everybody that a test has asked for, by name."""

    def __init__(self, play: Play) -> None:
        """Raises: SetUpError for a cluster file with mistakes, all of them in its text."""
        __tracebackhide__ = True
        self._play = play
        self._file = play.plan.file
        try:
            self._of_file = None if self._file is None else play.theatre.read(self._file)
        except ConfigError as error:
            raise SetUpError(str(error)) from None
        self._known: dict[str, Party] = {}

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the nodes."""
        return self._play.plan.nodes if self._of_file is None else self._of_file.nodes

    @property
    def names(self) -> tuple[str, ...]:
        """Of everybody that was asked for."""
        return tuple(self._known)

    @property
    def from_file(self) -> bool:
        """True if a cluster file says who is there."""
        return self._of_file is not None

    def add(self, party: Somebody) -> Somebody:
        """Somebody is there."""
        self._known[party.name] = party
        return party

    def known(self, name: str, line: str, kind: type[Somebody]) -> Somebody | None:
        """Who is there already under a name. Raises: SetUpError if it has another line."""
        found = self._known.get(name)
        if not isinstance(found, kind):
            return None
        if line not in ("", found.number):
            raise SetUpError(f"{name} is there already, with line {found.number}")
        return found

    # In a cluster that is made for the test.

    def plan(self, what: str) -> Plan:
        """The plan, to add something. Raises: SetUpError if it is too late, or up to the file."""
        if self._of_file is not None:
            raise SetUpError(
                f"{what}: the cluster file says who is there; ask for cluster.mobile(name) and "
                "cluster.desk(name)"
            )
        return self._play.change_plan(what)

    def new_mobile(
        self,
        platform: Platform,
        number: str,
        name: str,
        os_version: str,
        client: Client,
        client_version: str,
        cm_group: Sequence[str],
        *,
        custom_region: bool = False,
        asleep: bool,
        wakes_after: float | None,
    ) -> MobilePhone:
        """A mobile phone more. A standard client tells no versions."""
        plan = self.plan("a mobile phone")
        number = number or self.free_number(FIRST_PHONE)
        name = name or self.free_name(PREFIXES[platform], number)
        managed = client != "standard"
        device = Device(
            name,
            number,
            (number,),
            self.pool(PHONES, cm_group),
            platform,
            ClientType(client),
            os_version if managed else None,
            (client_version or VERSIONS[client]) if managed else None,
            custom_region,
        )
        plan.mobiles[name] = MobilePart(device, asleep, wakes_after)
        plan.lines.setdefault(number, Line(number))
        return self.add(MobilePhone(self._play, name, (number,)))

    def free_number(self, first: int) -> str:
        """The first number from this one on that no line has."""
        number = first
        while str(number) in self._play.plan.lines:
            number += 1
        return str(number)

    def free_name(self, prefix: str, number: str) -> str:
        """A device name: TCT2001, and TCT2001-2 for the second of its kind."""
        taken = sum(name.startswith(f"{prefix}{number}") for name in self._known)
        return f"{prefix}{number}-{taken + 1}" if taken else f"{prefix}{number}"

    def pool(self, usual: str, cm_group: Sequence[str]) -> str:
        """The device pool for a CM group, the usual one for none. Raises: SetUpError."""
        if not cm_group:
            return usual
        name = "-".join(cm_group)
        self._play.plan.cm_groups[name] = tuple(cm_group)
        return name

    # In that of a cluster file.

    def first_of_file(self, what: str, fits: Callable[[Device], bool]) -> str:
        """The name of the first device that fits. Raises: SetUpError."""
        assert self._of_file is not None
        for device in self._of_file.devices:
            if device.owner is not None and fits(device):
                return device.name
        raise SetUpError(f"{self._file} has no {what}")

    def of_file(self, name: str, line: str, *, mobile: bool) -> Device:
        """A device, to be added to the plan, with `line` first if one is named.

        Raises: SetUpError.
        """
        if self._of_file is None:
            raise SetUpError(f"{name}: there is no cluster file; ask for cluster.iphone() and such")
        self._play.change_plan(name)
        device = next((it for it in self._of_file.devices if it.name == name), None)
        if device is None:
            raise SetUpError(f"{self._file} has no device {name}")
        if device.mobile is not mobile:
            raise SetUpError(f"{name} is {'no' if mobile else 'a'} mobile phone")
        if line and line not in device.lines:
            raise SetUpError(f"{name} has no line {line}, but {', '.join(device.lines)}")
        if device.owner is None:
            raise SetUpError(f"{name} has no owner, so nobody knows its password")
        # A simulated phone registers one line: its first.
        others = tuple(it for it in device.lines if it != line)
        return replace(device, lines=(line, *others)) if line else device

    def lines_of_mobiles(self) -> frozenset[str]:
        """The lines of the file on which a mobile phone is."""
        assert self._of_file is not None
        return frozenset(line for it in self._of_file.devices if it.mobile for line in it.lines)

    def peers_of_trunk(self, name: str) -> int:
        """How many destinations a trunk of the file has. Raises: SetUpError."""
        assert self._of_file is not None
        if name not in self._of_file.trunks:
            raise SetUpError(f"{self._file} has no trunk {name}")
        return self._of_file.trunks[name]
