"""Every message and all else worth telling, from the first instant of a world to its last."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from callctl.sim.glance import Glance
from sipstack.transport.flow import Flow

CLOUD: Final = "push cloud"
NETWORK: Final = "network"  # whose notes are about everybody


@dataclass(slots=True)
class Message:
    """A SIP message on its way. At least one of the two flows is known."""

    at: int  # ns since the test began
    source: str
    target: str
    octets: bytes
    sent_by: Flow | None = None
    arrived_at: int | None = None  # None: it never did
    arrived_by: Flow | None = None

    @property
    def glance(self) -> Glance:
        """What stands in it."""
        return Glance(self.octets)


@dataclass(frozen=True, slots=True)
class Note:
    """Something that is no message: at one party, or from one to another."""

    at: int
    source: str
    target: str  # the same as the source for what happens at one party
    text: str


@dataclass(slots=True)
class Recording:
    """What happened, in order."""

    nodes: tuple[str, ...]
    others: tuple[str, ...] = ()  # callers, desk phones and peers
    mobiles: tuple[str, ...] = ()
    addresses: dict[str, str] = field(default_factory=dict)  # numeric, by name, if each has its own
    epoch_unix_ns: int = 0  # time on the wall when the test began
    entries: list[Message | Note] = field(default_factory=list)

    @property
    def lanes(self) -> tuple[str, ...]:
        """Who has a lane of a ladder, from left to right."""
        return (*self.others, *self.nodes, CLOUD, *self.mobiles)

    def copy(self) -> Recording:
        """What was recorded so far."""
        entries = [replace(entry) for entry in self.entries]
        return replace(self, entries=entries)

    def begin(self, zero: int) -> None:
        """The test begins: from now on times count from `zero`, and what was before is negative."""
        for index, entry in enumerate(self.entries):
            if isinstance(entry, Note):
                self.entries[index] = replace(entry, at=entry.at - zero)
                continue
            entry.at -= zero
            if entry.arrived_at is not None:
                entry.arrived_at -= zero

    def note(self, at: int, who: str, text: str) -> None:
        """Something happened at one party."""
        self.entries.append(Note(at, who, who, text))

    def push(self, at: int, source: str, target: str, text: str) -> None:
        """Something went between a node, the cloud and a phone."""
        self.entries.append(Note(at, source, target, text))
