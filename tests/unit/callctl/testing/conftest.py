"""A world for each test, without the plugin: what the fixtures of the kit are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from callctl.testing import Clock, Cloud, Cluster, DeskPhone, MobilePhone, Network
from callctl.testing.play import Play
from callctl.testing.virtual import VirtualTheatre
from callctl.testing.wishes import make_cluster_for


@dataclass
class World:
    """A cluster, and the usual people."""

    cluster: Cluster
    play: Play
    phone: MobilePhone
    caller: DeskPhone

    @property
    def network(self) -> Network:
        return Network(self.play)

    @property
    def cloud(self) -> Cloud:
        return Cloud(self.play)

    @property
    def clock(self) -> Clock:
        return Clock(self.play)


MakeWorld = Callable[..., World]


@pytest.fixture
def make_world() -> MakeWorld:
    """Makes a world with what the mark `callctl` can say."""

    def make(**wishes: Any) -> World:  # noqa: ANN401
        made: list[Play] = []
        make_cluster = make_cluster_for(VirtualTheatre(), {"seed": 1, **wishes}, made.append)
        cluster = make_cluster()
        return World(cluster, made[0], cluster.usual_phone(), cluster.usual_caller())

    return make


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """Three nodes, an iPhone that sleeps, a desk phone that calls."""
    return make_world()
