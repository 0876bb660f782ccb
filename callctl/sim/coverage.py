"""Which faults hit calls in which states: what a number of runs has tried, and what it has not.

A fault counts where it acts: at the moment a node dies, a packet is lost, a cloud answers 503. It
counts once for each state that some leg of some call is in just then, as the engines of the nodes
have it; talks are those of the parties, since a node keeps nothing of a call once it is answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Final, TypeAlias

from callctl.call.leg import LegState
from callctl.cloud.faults import NO_FAULT, Fault, FaultInForce, FaultPlan
from callctl.phone.event import CallAnswered, CallEnded, CallForgotten
from callctl.phone.phone_event import AppSuspended, AppTerminated
from callctl.sim.judges import all_judges
from callctl.sim.node_factory import NodeFactory
from callctl.sim.party import Party
from callctl.sim.scenario import Scenario, Trouble, TroublePlan
from callctl.sim.simulation import Simulation
from callctl.sim.watch import Judge
from callctl.sim.weather import Weather
from sipstack.timing import Instant

Hits: TypeAlias = dict[tuple[str, str], int]
"""How often, by fault and state."""

NO_CALL: Final = "no call"
TALKING: Final = "talking"
LEG_STATES: Final = tuple(
    state.value for state in LegState if state not in (LegState.NEW, LegState.ENDED)
)
STATES: Final = (NO_CALL, *LEG_STATES, TALKING)
"""The columns. A leg is new, and a call without legs, only while one event is dealt with."""

PACKET_LOST: Final = "packet lost"
PACKET_TWICE: Final = "datagram twice"
CLOUD_PACKET_LOST: Final = "packet to or from a cloud lost"

MANNERS: Final[Mapping[str, Callable[[Fault], bool]]] = {
    "answers an error": lambda fault: fault.status is not None,
    "answers nothing": lambda fault: fault.silent,
    "answers nonsense": lambda fault: fault.garbage,
    "breaks off": lambda fault: fault.break_after is not None,
    "drips": lambda fault: fault.octet_every_ns > 0,
    "loses": lambda fault: fault.lose,
    "delivers twice": lambda fault: fault.duplicate,
    "delivers late": lambda fault: fault.delay_ns > 0,
    "delivers after the expiration": lambda fault: fault.ignore_expiry,
    "knows late of a removed app": lambda fault: fault.late_410_ns > 0,
}
"""What a fault of a cloud does, the first that fits."""

OTHERWISE: Final = "does something else"

CI: Final = "CI"
PUSH_REST: Final = "Push REST"
PARTNERS: Final = "APNs or FCM"

DRAWN_MANNERS: Final[Mapping[str, tuple[str, ...]]] = {
    CI: tuple(MANNERS)[:5],
    PUSH_REST: tuple(MANNERS)[:5],
    PARTNERS: (*tuple(MANNERS)[:2], *tuple(MANNERS)[5:8]),
}
"""Those that have a row of their own even if no run has had them."""

FAULTS: Final = (
    PACKET_LOST,
    PACKET_TWICE,
    CLOUD_PACKET_LOST,
    *(trouble.value for trouble in Trouble),
    *(f"{cloud} {manner}" for cloud, manners in DRAWN_MANNERS.items() for manner in manners),
)
"""The rows that are always there."""


class CoveredSimulation(Simulation):
    """A simulation that counts what hits it. Its trace is that of any other."""

    def __init__(self, scenario: Scenario, factory: NodeFactory | None = None) -> None:
        self.hits: Hits = {}
        self._talks = _Talks()
        noted = replace(
            scenario,
            weather=_noted(scenario.weather, self._packet_lost, self._packet_twice),
            cloud_weather=_noted(scenario.cloud_weather, self._cloud_packet_lost, _nothing),
        )
        super().__init__(noted, factory, lambda each: (*all_judges(each), self._talks))
        cloud = self.cloud
        cloud.ci.faults = _NotedFaults(cloud.ci.faults, self._noter(CI))
        cloud.push_rest.faults = _NotedFaults(cloud.push_rest.faults, self._noter(PUSH_REST))
        cloud.apns.faults = _NotedFaults(cloud.apns.faults, self._noter(PARTNERS))
        cloud.fcm.faults = _NotedFaults(cloud.fcm.faults, self._noter(PARTNERS))

    def states(self) -> tuple[str, ...]:
        """Those that some call is in now."""
        found = {
            leg.state.value
            for node in self.nodes.values()
            if node.up
            for call in node.processes.engine.calls.calls
            for leg in call.legs
        }
        if self._talks.under_way:
            found.add(TALKING)
        return tuple(state for state in STATES if state in found) or (NO_CALL,)

    def hit(self, fault: str) -> None:
        """A fault acts now."""
        for state in self.states():
            self.hits[fault, state] = self.hits.get((fault, state), 0) + 1

    def _trouble(self, plan: TroublePlan) -> None:
        self.hit(plan.what.value)
        super()._trouble(plan)

    def _packet_lost(self) -> None:
        self.hit(PACKET_LOST)

    def _packet_twice(self) -> None:
        self.hit(PACKET_TWICE)

    def _cloud_packet_lost(self) -> None:
        self.hit(CLOUD_PACKET_LOST)

    def _noter(self, cloud: str) -> Callable[[Fault], None]:
        return lambda fault: self.hit(f"{cloud} {manner_of(fault)}")


def manner_of(fault: Fault) -> str:
    """What a fault of a cloud does, in words."""
    return next((words for words, fits in MANNERS.items() if fits(fault)), OTHERWISE)


def add(hits: Hits, more: Hits) -> None:
    """Put the hits of one run to those of others."""
    for cell, count in more.items():
        hits[cell] = hits.get(cell, 0) + count


def rows(hits: Hits) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Each fault with its number for each state; those come first that any run can have."""
    others = sorted({fault for fault, _ in hits} - set(FAULTS))
    for fault in (*FAULTS, *others):
        yield fault, tuple(hits.get((fault, state), 0) for state in STATES)


def table(hits: Hits) -> Iterator[str]:
    """Lines of text: a dot where a fault never hit a call in that state."""
    found = list(rows(hits))
    width = max(len(fault) for fault, _ in found)
    yield _line("fault", STATES, width)
    for fault, counts in found:
        yield _line(fault, (str(count) if count else "." for count in counts), width)
    cells = [count for _, counts in found for count in counts]
    yield f"{sum(map(bool, cells))} of {len(cells)} cells were reached"


def _line(fault: str, cells: Iterable[str], width: int) -> str:
    return f"{fault:{width}}" + "".join(f"{cell:>10}" for cell in cells)


class _Talks(Judge):
    """Judges nothing: knows who talks."""

    __slots__ = ("under_way",)

    def __init__(self) -> None:
        self.under_way: dict[tuple[str, int], None] = {}  # label, and its number of the call

    def told(self, who: Party, event: object) -> None:
        """A call is answered, or over."""
        if isinstance(event, CallAnswered):
            self.under_way[who.label, event.call] = None
        elif isinstance(event, CallEnded | CallForgotten):
            self.under_way.pop((who.label, event.call), None)
        elif isinstance(event, AppSuspended | AppTerminated):
            self._forget(who)

    def died(self, who: Party) -> None:
        """Somebody forgot everything."""
        self._forget(who)

    def _forget(self, who: Party) -> None:
        for key in [key for key in self.under_way if key[0] == who.label]:
            del self.under_way[key]


@dataclass(frozen=True, slots=True)
class _NotedWeather(Weather):
    lost: Callable[[], None] = lambda: None
    doubled: Callable[[], None] = lambda: None

    def loses(self, random: Random) -> bool:
        loses = Weather.loses(self, random)
        if loses:
            self.lost()
        return loses

    def doubles(self, random: Random) -> bool:
        doubles = Weather.doubles(self, random)
        if doubles:
            self.doubled()
        return doubles


def _noted(
    weather: Weather, lost: Callable[[], None], doubled: Callable[[], None]
) -> _NotedWeather:
    return _NotedWeather(
        weather.loss,
        weather.duplicates,
        weather.delay_min_ns,
        weather.delay_max_ns,
        lost,
        doubled,
    )


def _nothing() -> None:
    pass


class _NotedFaults(FaultPlan):
    """A plan of faults that tells of each as it acts."""

    __slots__ = ("_plan", "_tell")

    def __init__(self, plan: FaultPlan, tell: Callable[[Fault], None]) -> None:
        self._plan = plan
        self._tell = tell

    def __iter__(self) -> Iterator[FaultInForce]:
        return iter(self._plan)

    def __len__(self) -> int:
        return len(self._plan)

    def add(self, fault: Fault) -> int:
        return self._plan.add(fault)

    def remove(self, number: int) -> bool:
        return self._plan.remove(number)

    def clear(self) -> None:
        self._plan.clear()

    def take(self, token: str, now: Instant | None = None, service: str = "") -> Fault:
        fault = self._plan.take(token, now, service)
        if fault is not NO_FAULT:
            self._tell(fault)
        return fault
