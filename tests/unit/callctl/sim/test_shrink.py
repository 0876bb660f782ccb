"""A run that fails is cut down to the least that fails the same way, and its file repeats it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from callctl.errors import ConfigError
from callctl.sim.cuts import CUTS, fewer
from callctl.sim.runner import run
from callctl.sim.scenario import Scenario
from callctl.sim.shrink import Shrunk, shrink
from callctl.sim.simulation import Simulation
from callctl.sim.workload import draw
from callctl.sim.world_file.read import parse_world
from callctl.sim.world_file.write import world_text
from simulation.planted_faults import FAULTS

DROPPED_LATE = "drop clock started a second late"


@contextmanager
def planted(name: str) -> Iterator[None]:
    [fault] = [fault for fault in FAULTS if fault.name == name]
    with fault.planted():
        yield


def first_that_breaks(invariant: str) -> Scenario:
    for seed in range(1, 60):
        violations = run(seed).violations
        if violations and violations[0].invariant == invariant:
            return draw(seed)
    raise AssertionError(f"no seed breaks {invariant}")


def test_all_but_each_half_come_first_and_all_but_each_one_last() -> None:
    assert list(fewer((1, 2, 3, 4))) == [
        (),
        (3, 4),
        (1, 2),
        (2, 3, 4),
        (1, 3, 4),
        (1, 2, 4),
        (1, 2, 3),
    ]
    assert list(fewer(())) == []


def test_what_a_cut_leaves_out_does_not_come_back_when_its_file_is_read() -> None:
    scenario = next(it for it in map(draw, range(1, 60)) if it.peers and it.troubles)
    whole = world_text(scenario)
    read = 0
    for cut in CUTS:
        for smaller in cut(scenario):
            try:
                back = parse_world(world_text(smaller)).scenario(scenario.seed)
            except ConfigError:
                continue  # others need what is missing
            read += 1
            assert world_text(back) != whole, cut.__name__
    assert read > 30


def test_a_run_that_breaks_nothing_is_not_shrunk() -> None:
    assert shrink(draw(1)) is None


def test_a_planted_bug_is_shrunk_to_one_call_and_its_file_repeats_it() -> None:
    with planted(DROPPED_LATE):
        scenario = first_that_breaks("I2")
        found = shrink(scenario)
        assert found is not None
        assert found.finished
        assert found.violation.invariant == "I2"
        least = found.scenario
        assert len(least.calls) == 1
        assert len(least.phones) + len(least.agents) <= 2
        assert len(least.cluster.nodes) == 1
        assert least.troubles == ()
        assert least.personal == ()
        again = Simulation(parse_world(found.text).scenario(least.seed)).run()
        assert again.violations[0] == found.violation
        assert again.trace.digest() == found.digest
    assert Simulation(least).run().ok  # it is the planted bug that it shows


def test_it_ends_with_what_it_has_when_there_are_no_runs_left() -> None:
    with planted(DROPPED_LATE):
        scenario = replace(first_that_breaks("I2"), personal=("a" * 9, "b" * 9))
        found = shrink(scenario, runs_max=6)
        assert found is not None
        assert not found.finished
        assert isinstance(found, Shrunk)
        assert found.runs <= 9  # and those that look at the start and the end
        assert not Simulation(found.scenario).run().ok
