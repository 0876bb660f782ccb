"""What one test wants: the cluster, who is there, and how they are. It grows until the curtain."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from callctl.model.device import Device
from callctl.model.hunt_pilot import HuntPilot
from callctl.model.line import Line

PHONES: Final = "phones"  # CM group and device pool of mobile phones
DESKS: Final = "desks"  # and of desk phones
GROUP_MAX: Final = 3  # nodes of a CM group

Parameters: TypeAlias = dict[str, int | str | bool]


@dataclass(frozen=True, slots=True)
class MobilePart:
    """A mobile phone and the habits of its owner."""

    device: Device
    asleep: bool = True
    wakes_after_s: float | None = None  # from the push to the app at work; None: the usual time


@dataclass(frozen=True, slots=True)
class DeskPart:
    """A desk phone, or another that is always on."""

    device: Device
    transport: str
    registered: bool = True


@dataclass(frozen=True, slots=True)
class TrunkPart:
    """A trunk, the numbers that go there, and how many peers are at its far end."""

    name: str
    pattern: str
    strip: int
    prefix: str
    peers: int
    options_ping_s: int

    @property
    def peer_names(self) -> tuple[str, ...]:
        """One for each destination, in order."""
        return peer_names(self.name, self.peers)


@dataclass(slots=True)
class Plan:
    """Everything a world is made of."""

    nodes: tuple[str, ...] = ("ucm1", "ucm2", "ucm3")
    release: str = "15"
    parameters: Parameters = field(default_factory=dict)
    cm_groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    file: Path | None = None  # a cluster file, in place of all that
    seed: int = 1
    judged: bool = True
    mobiles: dict[str, MobilePart] = field(default_factory=dict)  # by device name
    desks: dict[str, DeskPart] = field(default_factory=dict)
    lines: dict[str, Line] = field(default_factory=dict)  # by number
    pilots: dict[str, HuntPilot] = field(default_factory=dict)
    trunks: dict[str, TrunkPart] = field(default_factory=dict)

    def groups(self) -> dict[str, tuple[str, ...]]:
        """The CM groups: of mobiles the first three nodes, of desk phones the last two, the last
        one first, so that a call is seldom taken where its phone registers."""
        last = self.nodes[-2:]
        usual = {PHONES: self.nodes[:GROUP_MAX], DESKS: tuple(reversed(last))}
        return {**usual, **self.cm_groups}


def peer_names(trunk: str, count: int) -> tuple[str, ...]:
    """What the far ends of a trunk are called."""
    return tuple(f"{trunk}-{number}" for number in range(1, count + 1))
