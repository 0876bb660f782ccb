"""Cuts a scenario that breaks an invariant down to the least that still breaks the same one.

Each cut leaves something out (see `cuts`), and stays if the run breaks that invariant without it
too, as it is and read back from its world file. All chance comes from named streams of the seed, so
what is left out reshuffles no more than it has to. Where a failure takes a certain packet that is
lost, that can be enough to hide it: then each cut is tried with a few other seeds as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from callctl.cloud.faults import PER_MILLE
from callctl.errors import ConfigError
from callctl.sim.cuts import CUTS, Cut
from callctl.sim.node_factory import NodeFactory
from callctl.sim.runner import CRASH, play
from callctl.sim.scenario import Scenario
from callctl.sim.simulation import Result, Simulation
from callctl.sim.watch import Violation
from callctl.sim.weather import CALM
from callctl.sim.world_file.read import parse_world
from callctl.sim.world_file.write import world_text

RUNS_MAX: Final = 3_000
SEEDS_TRIED: Final = 8


@dataclass(frozen=True, slots=True)
class Shrunk:
    """The least that was found."""

    scenario: Scenario
    violation: Violation  # the first of the invariant that it breaks
    digest: str  # of its trace
    runs: int  # that it took
    finished: bool  # True: nothing more can be left out; False: there was no time to try all

    @property
    def text(self) -> str:
        """Its world file."""
        return world_text(self.scenario)


def shrink(
    scenario: Scenario, factory: NodeFactory | None = None, runs_max: int = RUNS_MAX
) -> Shrunk | None:
    """The least of a scenario, after at most `runs_max` runs; None if it breaks nothing.

    Interrupted, it gives what it has by then.
    """
    return _Shrinking(scenario, factory, runs_max).least()


class _Shrinking:
    """One search: greedy, until no cut is left that could stay."""

    __slots__ = ("_factory", "_kind", "_runs", "_runs_max", "_seen", "best")

    def __init__(self, scenario: Scenario, factory: NodeFactory | None, runs_max: int) -> None:
        self.best = scenario
        self._factory = factory
        self._kind = ("", "")
        self._runs = 0
        self._runs_max = runs_max
        self._seen = {world_text(scenario)}

    def least(self) -> Shrunk | None:
        violations = self._play(self.best).violations
        if not violations:
            return None
        self._kind = _kind(violations[0])
        finished = True
        try:
            finished = self._search()
        except KeyboardInterrupt:
            finished = False
        result = self._play(self.best)
        violation = next(it for it in result.violations if _kind(it) == self._kind)
        return Shrunk(self.best, violation, result.trace.digest(), self._runs, finished)

    def _search(self) -> bool:
        if not self._search_with(1):
            return False
        return not _chance_in(self.best) or self._search_with(SEEDS_TRIED)

    def _search_with(self, seeds: int) -> bool:
        """Cut until nothing comes of it; each cut with so many seeds."""
        before: Scenario | None = None
        while before is not self.best:
            before = self.best
            for cut in CUTS:
                if not self._cut(cut, seeds):
                    return False
        return True

    def _cut(self, cut: Cut, seeds: int) -> bool:
        """Cut as long as something comes of it; False once there are no runs left."""
        again = True
        while again:
            again = False
            for candidate in _seeded(cut(self.best), seeds):
                if self._runs >= self._runs_max:
                    return False
                kept = self._kept(candidate)
                if kept is not None:
                    self.best = kept
                    again = True
                    break
        return True

    def _kept(self, candidate: Scenario) -> Scenario | None:
        """The candidate as its file has it, if it will do."""
        if not self._breaks(candidate):
            return None
        try:
            read = parse_world(world_text(candidate)).scenario(candidate.seed)
        except ConfigError:
            return None  # a part is missing that others need
        text = world_text(read)
        if text in self._seen or not self._breaks(read):
            return None  # what was left out is there again, or was what it takes
        self._seen.add(text)
        return read

    def _play(self, scenario: Scenario) -> Result:
        self._runs += 1
        return play(Simulation(scenario, self._factory))

    def _breaks(self, scenario: Scenario) -> bool:
        try:
            violations = self._play(scenario).violations
        except (KeyError, StopIteration, AssertionError):
            return False  # a part is missing without which the world cannot even be built
        return any(_kind(violation) == self._kind for violation in violations)


def _seeded(scenarios: Iterable[Scenario], seeds: int) -> Iterator[Scenario]:
    for scenario in scenarios:
        for number in range(seeds):
            yield replace(scenario, seed=scenario.seed + number)


def _chance_in(scenario: Scenario) -> bool:
    """True where another seed may bring another run of the same people, calls and troubles."""
    links = (scenario.weather, scenario.bus_weather, scenario.cloud_weather)
    faults = (*scenario.ci_faults, *scenario.push_rest_faults, *scenario.partner_faults)
    return any(it != CALM for it in links) or any(it.per_mille < PER_MILLE for it in faults)


def _kind(violation: Violation) -> tuple[str, str]:
    """What two violations have in common that are the same: of a crash, where it was and what."""
    if violation.invariant != CRASH:
        return violation.invariant, ""
    lines = violation.text.rstrip().split("\n")
    places = [line for line in lines if line.startswith("  File ")]
    return CRASH, f"{places[-1:]} {lines[-1].partition(':')[0]}"
