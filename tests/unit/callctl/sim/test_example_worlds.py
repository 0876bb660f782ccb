"""The worlds of examples/worlds do what their comments say, and break nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from callctl.sim.runner import run_many
from callctl.sim.simulation import Simulation
from callctl.sim.world_file.read import read_world
from sipstack.timing import SECOND

WORLDS = Path(__file__).parents[4] / "examples" / "worlds"
FILES = sorted(path.name for path in WORLDS.glob("*.yaml") if ".cluster." not in path.name)


def test_there_are_three() -> None:
    assert FILES == ["abroad.yaml", "busy-morning.yaml", "sleeping-phone.yaml"]


@pytest.mark.parametrize("name", FILES)
def test_no_seed_of_it_breaks_an_invariant(name: str) -> None:
    world = read_world(WORLDS / name)
    for verdict in run_many(range(world.seed, world.seed + 8), 1, world.scenario):
        assert verdict.violations == ()


def test_the_sleeping_phone_is_pushed_again_and_answers_at_the_other_site() -> None:
    scenario = read_world(WORLDS / "sleeping-phone.yaml").scenario(1)
    simulation = Simulation(scenario)
    result = simulation.run()
    assert result.stats["push incoming"] == 2
    phone = simulation.phones["TCT4711"]
    [(at, _)] = [it for it in phone.told if type(it[1]).__name__ == "CallAnswered"]
    assert 23 * SECOND < at < 33 * SECOND


def test_where_all_is_listed_the_seed_changes_nothing_that_happens() -> None:
    world = read_world(WORLDS / "sleeping-phone.yaml")
    assert world.scenario(1).phones == world.scenario(2).phones
    assert world.scenario(1).troubles == world.scenario(2).troubles


def test_the_busy_morning_has_calls_that_meet_troubles() -> None:
    world = read_world(WORLDS / "busy-morning.yaml")
    for seed in (1, 2, 3):
        scenario = world.scenario(seed)
        assert len(scenario.calls) > 5
        assert scenario.troubles
        assert scenario.weather.loss == 100
