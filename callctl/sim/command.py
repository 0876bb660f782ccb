"""`callctl sim`: plain functions, which the command line mounts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from callctl.sim.report import SHOWN_MAX, Report, counted
from callctl.sim.runner import SEEDS_AT_ONCE, ScenarioOf, judge, run_many
from callctl.sim.scenario import Scenario
from callctl.sim.shrink import shrink
from callctl.sim.workload import draw

Say: TypeAlias = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What to run."""

    seed: int
    runs: int = 1
    scenario_of: ScenarioOf = draw
    command: str = "callctl sim"  # what to type for this world, without a seed
    trace: bool = False  # say every message; one process has to do
    processes: int = 1
    coverage: bool = False  # count the faults that hit
    shrink_to: Path | None = None  # where the least of the first seed that fails goes


def simulate(
    seed: int, runs: int = 1, *, trace: bool = False, processes: int = 1, say: Say = print
) -> int:
    """Run the simulated world `runs` times, from `seed` on; returns the exit code.

    `trace` says every message of the runs. 0: nothing happened that must not; 1: something did,
    and the seeds are named with the command that repeats them.
    """
    order = Order(seed, runs, trace=trace, processes=processes)
    report = Report(seed, runs)
    carry_out(order, report, say)
    return report.code


def carry_out(order: Order, report: Report, say: Say) -> None:
    """Run what is ordered; the report has everything by then if it is interrupted.

    Raises: KeyboardInterrupt; OSError if `shrink_to` cannot be written.
    """
    first, runs = order.seed, order.runs
    say(f"seed {first}" if runs == 1 else f"seeds {first} to {first + runs - 1}")
    try:
        _run_all(order, report, say)
    except KeyboardInterrupt:
        _tell(order, report, say)
        raise
    _tell(order, report, say)
    if order.shrink_to is not None:
        _shrink(order, report, order.shrink_to, say)


def _run_all(order: Order, report: Report, say: Say) -> None:
    seeds = range(order.seed, order.seed + order.runs)
    if order.trace or order.runs == 1:
        tell = say if order.trace else None
        verdicts = (
            judge(seed, order.scenario_of, coverage=order.coverage, say=tell, digest=True)
            for seed in seeds
        )
    else:
        # The world of a file may be large, and who interrupts it does not want to wait.
        at_once = SEEDS_AT_ONCE if order.scenario_of is draw else 1
        verdicts = run_many(
            seeds, order.processes, order.scenario_of, coverage=order.coverage, at_once=at_once
        )
    with closing(verdicts):
        for verdict in verdicts:
            report.add(verdict)
            if verdict.violations and report.broken <= SHOWN_MAX:
                repeat = f"{order.command} --seed {verdict.seed} --trace"
                say(f"seed {verdict.seed} FAILED; to repeat: {repeat}")
                for violation in verdict.violations:
                    say(f"  {violation}")


def _tell(order: Order, report: Report, say: Say) -> None:
    for line in report.lines(order.command):
        say(line)


def _shrink(order: Order, report: Report, path: Path, say: Say) -> None:
    """The first seed that failed, cut down."""
    if not report.failed:
        say("nothing to shrink")
        return
    seed = next(iter(report.failed))
    say(f"shrinks seed {seed}; Ctrl-C ends it with what there is by then")
    found = report.shrunk = shrink(order.scenario_of(seed))
    assert found is not None, f"seed {seed} does not break the same thing twice"
    path.write_text(found.text, encoding="utf-8")
    end = "nothing more can be left out" if found.finished else "not finished"
    say(f"{path}: {sizes(found.scenario)}, after {found.runs} runs; {end}")
    say(f"  {found.violation}")
    say(f"  to repeat: callctl sim {path} --trace")


def sizes(scenario: Scenario) -> str:
    """How many of everything."""
    counts = {
        "node": len(scenario.cluster.nodes),
        "mobile phone": len(scenario.phones),
        "desk phone": len(scenario.agents),
        "call": len(scenario.calls),
        "trouble": len(scenario.troubles),
    }
    return ", ".join(counted(count, noun) for noun, count in counts.items())
