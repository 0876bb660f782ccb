"""Many runs: one seed after the other, in one process or in several."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from traceback import format_exception
from typing import Final

from callctl.sim.node_factory import NodeFactory
from callctl.sim.simulation import Result, Simulation
from callctl.sim.watch import Violation
from callctl.sim.workload import draw
from sipstack.timing import SECOND

SEEDS_AT_ONCE: Final = 25  # handed to a process in one go
COLLECT_EVERY: Final = 50  # runs; a run leaves cycles behind, and a collection costs more than it


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is worth keeping of a run once it is over: no trace, so that it travels cheaply."""

    seed: int
    violations: tuple[str, ...]
    stats: dict[str, int]
    seconds: float  # of virtual time


def run(seed: int, factory: NodeFactory | None = None) -> Result:
    """One run from its seed. What breaks down in it is a violation like any other."""
    simulation = Simulation(draw(seed), factory)
    try:
        return simulation.run()
    except Exception as error:
        # The world is the test bench: a core that raises has failed, and the bench goes on.
        text = "".join(format_exception(error, limit=-4))
        simulation.watch.violations.append(Violation("crash", simulation.world.now, text))
        return simulation.result()


def judge(seed: int) -> Verdict:
    """One run, without its trace."""
    result = run(seed)
    violations = tuple(str(violation) for violation in result.violations)
    return Verdict(seed, violations, result.stats, result.ended_at / SECOND)


def run_many(seeds: Iterable[int], processes: int = 1) -> Iterator[Verdict]:
    """Verdicts in the order of the seeds, as they come."""
    if processes == 1:
        yield from _without_collector(seeds)
        return
    with ProcessPoolExecutor(processes, initializer=_freeze) as pool:
        yield from pool.map(judge, seeds, chunksize=SEEDS_AT_ONCE)


def _without_collector(seeds: Iterable[int]) -> Iterator[Verdict]:
    _freeze()
    gc.disable()
    try:
        for number, seed in enumerate(seeds, start=1):
            yield judge(seed)
            if number % COLLECT_EVERY == 0:
                gc.collect()
    finally:
        gc.enable()
        gc.unfreeze()


def _freeze() -> None:
    """What is there by now stays for good: the collector need not look at it again."""
    gc.collect()
    gc.freeze()
