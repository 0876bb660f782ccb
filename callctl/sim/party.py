"""Somebody who takes part, as judges and network know them: name, role, and which life."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from callctl.sim.world import World
from sipstack.timing import Instant

if TYPE_CHECKING:
    from callctl.sim.network import Network, Sockets


class Role(Enum):
    """Who somebody is."""

    NODE = "node"
    PHONE = "phone"  # has an operating system around it, and is pushed to
    AGENT = "agent"  # a desk phone or caller: always on


class Party:
    """Somebody with sockets in the world."""

    __slots__ = ("life", "name", "network", "role", "sockets", "timer_at", "up", "world")

    sockets: Sockets

    def __init__(self, name: str, role: Role, world: World, network: Network) -> None:
        self.name = name
        self.role = role
        self.life = 1  # grows with each restart: what an earlier life knew is gone
        self.up = False
        self.world = world
        self.network = network
        self.timer_at: Instant | None = None

    def talking(self) -> tuple[str, ...]:
        """Call-IDs of the calls it has a leg of."""
        return ()

    def counts(self) -> dict[str, int]:
        """What it holds; all zero at rest, but for idle streams."""
        raise NotImplementedError

    @property
    def label(self) -> str:
        """Name for the trace; a second life is another one."""
        return self.name if self.life == 1 else f"{self.name}.{self.life}"
