"""A simulation that loses what it is told to: the n-th thing of the run that could be lost.

A datagram is gone; a piece of a stream comes later, as its system sends it again; an answer of Push
REST is gone with its connection; a push that APNs or FCM has taken never gets to its phone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from callctl.cloud.faults import NO_FAULT, Fault, FaultInForce, FaultPlan
from callctl.sim.node_factory import NodeFactory
from callctl.sim.scenario import Scenario
from callctl.sim.simulation import Simulation
from callctl.sim.trace import Trace, line_of
from callctl.sim.weather import Weather
from sipstack.timing import Instant

NEVER_DELIVERED: Final = Fault(lose=True)
SIP: Final = "SIP packet"
CLOUD: Final = "packet to or from a cloud"
PUSH: Final = "push to the phone"


class Losses:
    """What could be lost, as it comes, and which of it is."""

    __slots__ = ("_chosen", "_trace", "places")

    def __init__(self, chosen: Collection[int]) -> None:
        self._chosen = frozenset(chosen)
        self._trace = Trace()
        self.places: list[tuple[str, int]] = []  # what kind of thing; the entry of the trace

    def follow(self, trace: Trace) -> None:
        """Tell of losses by what was said last in this trace."""
        self._trace = trace

    def lost(self, kind: str) -> bool:
        """The next thing that could be lost: True if it is."""
        number = len(self.places)
        self.places.append((kind, len(self._trace.entries) - 1))
        return number in self._chosen

    def told(self) -> Iterator[str]:
        """Each loss that happened, in words."""
        for number in sorted(self._chosen):
            if number < len(self.places):
                kind, at = self.places[number]
                entries = self._trace.entries
                while kind == PUSH and entries[at][2] != "push":
                    at -= 1  # it is with the cloud by then, and others have spoken since it left
                yield f"{number}: {kind}: {line_of(entries[at]).lstrip()}"


class LossySimulation(Simulation):
    """The scenario with the chosen losses, from the first call until its faults end."""

    def __init__(
        self, scenario: Scenario, chosen: Collection[int], factory: NodeFactory | None = None
    ) -> None:
        losses = self.losses = Losses(chosen)
        lossy = replace(
            scenario,
            weather=_lossy(scenario.weather, losses, SIP),
            cloud_weather=_lossy(scenario.cloud_weather, losses, CLOUD),
        )
        super().__init__(lossy, factory)
        losses.follow(self.watch.trace)
        self.cloud.apns.faults = LossyPlan(losses)
        self.cloud.fcm.faults = LossyPlan(losses)


@dataclass(frozen=True, slots=True)
class _LossyWeather(Weather):
    losses: Losses = field(default_factory=lambda: Losses(()))
    kind: str = SIP

    def loses(self, random: Random) -> bool:
        return self.losses.lost(self.kind)


def _lossy(weather: Weather, losses: Losses, kind: str) -> _LossyWeather:
    low, high = weather.delay_min_ns, weather.delay_max_ns
    return _LossyWeather(0, 0, low, high, losses, kind)


class LossyPlan(FaultPlan):
    """Faults of a partner cloud: the chosen pushes are taken and never delivered."""

    __slots__ = ("_losses",)

    def __init__(self, losses: Losses) -> None:
        self._losses = losses

    def __iter__(self) -> Iterator[FaultInForce]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def clear(self) -> None:
        """Nothing is lost from now on."""
        self._losses = Losses(())

    def take(self, token: str, now: Instant | None = None, service: str = "") -> Fault:
        """The next push."""
        return NEVER_DELIVERED if self._losses.lost(PUSH) else NO_FAULT
