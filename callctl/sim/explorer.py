"""Plays the small model with every placing of at most so many losses, all judges looking on.

A run is determined by what is lost in it, and two runs with the same losses up to some moment are
the same up to there. So each run shows where the next loss could be placed behind its last one, and
the tree of all placings is walked without one left out and without one played twice.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeAlias

from callctl.sim.losses import LossySimulation
from callctl.sim.processes import in_order
from callctl.sim.report import plain_violation
from callctl.sim.runner import play
from callctl.sim.small_model import LOSSES_MAX, PLOTS, Plot
from callctl.sim.trace import Trace
from callctl.sim.watch import Violation

BROKEN_MAX: Final = 20  # placings that break something and are kept

Chosen: TypeAlias = tuple[int, ...]
"""Numbers of what is lost, in the order in which it could be."""

Say: TypeAlias = Callable[[str], None]


@dataclass(slots=True)
class Placed:
    """One run."""

    plot: str
    chosen: Chosen
    places: int  # things that could be lost in it
    losses: tuple[str, ...]  # those that were, in words
    violations: tuple[Violation, ...]
    trace: Trace

    @property
    def command(self) -> str:
        """What repeats it."""
        return f"callctl sim --explore --lose {self.plot}:{','.join(map(str, self.chosen))}"

    def lines(self, *, trace: bool) -> Iterator[str]:
        """For people."""
        if trace:
            yield from self.trace.lines()
        yield f"{self.plot}: {PLOTS[self.plot].what}; {self.places} things could be lost"
        for loss in self.losses:
            yield f"  lost {loss}"
        yield f"trace {self.trace.digest()}"
        for violation in self.violations:
            yield f"  {violation}"
        yield "no violation" if not self.violations else "an invariant is broken"

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "plot": self.plot,
            "lost": list(self.chosen),
            "losses": list(self.losses),
            "places": self.places,
            "digest": self.trace.digest(),
            "violations": [plain_violation(it) for it in self.violations],
        }


@dataclass(frozen=True, slots=True)
class Broken:
    """A placing that breaks something; no trace, so that it travels cheaply."""

    command: str
    losses: tuple[str, ...]
    violations: tuple[Violation, ...]


@dataclass(slots=True)
class Explored:
    """How much was tried, and what came of it."""

    runs: int = 0
    branches: int = 0  # places for one more loss, of all runs that may have one more
    broken: int = 0  # runs that broke something
    first: list[Broken] = field(default_factory=list)
    plots: dict[str, int] = field(default_factory=dict)  # runs of each
    finished: bool = False

    def add(self, other: Explored) -> None:
        """Put a part to the whole."""
        self.runs += other.runs
        self.branches += other.branches
        self.broken += other.broken
        self.first += other.first[: BROKEN_MAX - len(self.first)]
        for plot, runs in other.plots.items():
            self.plots[plot] = self.plots.get(plot, 0) + runs

    @property
    def code(self) -> int:
        """The exit code."""
        return 1 if self.broken else 0

    def lines(self) -> Iterator[str]:
        """The end of what people are told."""
        for plot, runs in self.plots.items():
            yield f"{plot}: {PLOTS[plot].what}: {runs} runs"
        if not self.finished:
            yield "interrupted: not every placing was tried"
        end = f"{self.broken} runs broke an invariant" if self.broken else "no violation"
        yield f"{self.runs} runs, {self.branches} branches, {end}"
        for broken in self.first:
            yield f"  {broken.command}"

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "ok": not self.broken,
            "finished": self.finished,
            "runs": self.runs,
            "branches": self.branches,
            "broken": self.broken,
            "plots": self.plots,
            "first": [
                {
                    "command": broken.command,
                    "losses": list(broken.losses),
                    "violations": [plain_violation(it) for it in broken.violations],
                }
                for broken in self.first
            ],
        }


def play_once(plot: Plot, chosen: Chosen) -> Placed:
    """One run of a plot."""
    simulation = LossySimulation(plot.scenario(), chosen)
    result = play(simulation)
    losses = simulation.losses
    return Placed(
        plot.name,
        chosen,
        len(losses.places),
        tuple(losses.told()),
        tuple(result.violations),
        result.trace,
    )


def explore(
    report: Explored,
    plots: Iterable[Plot] = tuple(PLOTS.values()),
    *,
    losses_max: int = LOSSES_MAX,
    processes: int = 1,
    say: Say = print,
) -> None:
    """Every placing of at most `losses_max` losses in each plot; told of each that breaks."""
    for plot in plots:
        whole = _whole(plot, (), losses_max)
        _book(report, whole.report, say)
        parts = ((number,) for number in range(whole.places)) if losses_max else ()
        subtree = partial(_subtree, plot, losses_max)
        with closing(in_order(subtree, parts, processes)) as explored:
            for part in explored:
                _book(report, part, say)
    report.finished = True


def _book(report: Explored, part: Explored, say: Say) -> None:
    told = len(report.first)
    report.add(part)
    for broken in report.first[told:]:
        say(f"BROKEN; to repeat: {broken.command} --trace")
        for text in (*(f"lost {loss}" for loss in broken.losses), *map(str, broken.violations)):
            say(f"  {text}")


@dataclass(frozen=True, slots=True)
class _Whole:
    report: Explored
    places: int


def _whole(plot: Plot, chosen: Chosen, losses_max: int) -> _Whole:
    """The run with exactly these losses, booked."""
    placed = play_once(plot, chosen)
    report = Explored(1, plots={plot.name: 1})
    if len(chosen) < losses_max:
        behind = chosen[-1] + 1 if chosen else 0
        report.branches = placed.places - behind
    if placed.violations:
        report.broken = 1
        report.first.append(Broken(placed.command, placed.losses, placed.violations))
    return _Whole(report, placed.places)


def _subtree(plot: Plot, losses_max: int, chosen: Chosen) -> Explored:
    """All placings that begin with these losses."""
    whole = _whole(plot, chosen, losses_max)
    report = whole.report
    if len(chosen) < losses_max:
        for number in range(chosen[-1] + 1, whole.places):
            report.add(_subtree(plot, losses_max, (*chosen, number)))
    if len(chosen) == 1:
        gc.collect()  # each run leaves cycles behind
    return report
