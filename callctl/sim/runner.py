"""Many runs: one seed after the other, in one process or in several."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from functools import partial
from traceback import format_exception
from typing import Final, TypeAlias

from callctl.sim.coverage import CoveredSimulation, Hits
from callctl.sim.node_factory import NodeFactory
from callctl.sim.processes import in_order
from callctl.sim.scenario import Scenario
from callctl.sim.simulation import Result, Simulation
from callctl.sim.watch import Violation
from callctl.sim.workload import draw
from sipstack.timing import SECOND

SEEDS_AT_ONCE: Final = 25  # handed to a process in one go
CRASH: Final = "crash"  # in place of an invariant

ScenarioOf: TypeAlias = Callable[[int], Scenario]
"""Of a seed: `workload.draw`, or that of a world file."""

Verdicts: TypeAlias = "Generator[Verdict, None, None]"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is worth keeping of a run once it is over: no trace, so that it travels cheaply."""

    seed: int
    violations: tuple[Violation, ...]
    stats: dict[str, int]
    seconds: float  # of virtual time
    hits: Hits = field(default_factory=dict)  # faults by the states of calls, if they are counted
    digest: str = ""  # of the trace, if it was asked for


def run(seed: int, factory: NodeFactory | None = None) -> Result:
    """One run from its seed. What breaks down in it is a violation like any other."""
    return play(Simulation(draw(seed), factory))


def play(simulation: Simulation) -> Result:
    """The whole plan of a simulation, as `run` has it."""
    try:
        return simulation.run()
    except Exception as error:
        # The world is the test bench: a core that raises has failed, and the bench goes on.
        text = "".join(format_exception(error, limit=-4))
        simulation.watch.violations.append(Violation(CRASH, simulation.world.now, text))
        return simulation.result()


def judge(
    seed: int,
    scenario_of: ScenarioOf = draw,
    *,
    coverage: bool = False,
    say: Callable[[str], None] | None = None,
    digest: bool = False,
) -> Verdict:
    """One run, without its trace.

    `coverage`: count the faults that hit it. `say` is told every line of the trace.
    """
    hits: Hits = {}
    if coverage:
        covered = CoveredSimulation(scenario_of(seed))
        result, hits = play(covered), covered.hits
    else:
        result = play(Simulation(scenario_of(seed)))
    if say is not None:
        for line in result.trace.lines():
            say(line)
    return Verdict(
        seed,
        tuple(result.violations),
        result.stats,
        result.ended_at / SECOND,
        hits,
        result.trace.digest() if digest else "",
    )


def run_many(
    seeds: Iterable[int],
    processes: int = 1,
    scenario_of: ScenarioOf = draw,
    *,
    coverage: bool = False,
    at_once: int = SEEDS_AT_ONCE,
) -> Verdicts:
    """Verdicts in the order of the seeds, as they come."""
    one = partial(judge, scenario_of=scenario_of, coverage=coverage)
    return in_order(one, seeds, processes, at_once)
