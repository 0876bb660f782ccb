"""A world that is written is read as the same world: scenario for scenario, octet for octet."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from callctl.cloud.faults import Fault
from callctl.sim.scenario import Scenario
from callctl.sim.simulation import Simulation
from callctl.sim.workload import draw
from callctl.sim.world_file.read import parse_world, read_world
from callctl.sim.world_file.write import world_text

SEEDS = range(1, 49)
PLAYED = range(1, 49, 6)


def read(text: str) -> Scenario:
    world = parse_world(text)
    return world.scenario(world.seed)


def digest(scenario: Scenario) -> str:
    return Simulation(scenario).run().trace.digest()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_drawn_world_comes_back_from_its_file_as_it_was(seed: int) -> None:
    scenario = draw(seed)
    text = world_text(scenario)
    back = read(text)
    for field in fields(Scenario):
        if field.name != "cluster":  # compared by its text
            assert getattr(back, field.name) == getattr(scenario, field.name), field.name
    assert list(back.cluster.devices) == list(scenario.cluster.devices)
    assert world_text(back) == text


@pytest.mark.parametrize("seed", PLAYED)
def test_the_trace_of_a_written_world_is_that_of_the_drawn_one(seed: int) -> None:
    scenario = draw(seed)
    assert digest(read(world_text(scenario))) == digest(scenario)


def test_every_key_of_a_cloud_fault_is_written_and_read() -> None:
    fault = Fault(
        status=503,
        reason="Busy: try again",
        retry_after_s=0,
        silent=True,
        delay_ns=1,
        lose=True,
        duplicate=True,
        ignore_expiry=True,
        late_410_ns=2_500_000_000,
        garbage=True,
        octet_every_ns=20_000_000,
        break_after=0,
        service="APNS",
        times=3,
        per_mille=125,
    )
    scenario = replace(draw(1), partner_faults=(fault, Fault(lose=True)))
    assert read(world_text(scenario)).partner_faults == scenario.partner_faults


def test_words_that_yaml_takes_for_something_else_stay_words() -> None:
    words = ("null", "yes: no", "# 1", "", "-1", "1e3", " x ", 'a"b', "{", "ü", "~")
    scenario = replace(draw(1), personal=words)
    assert read(world_text(scenario)).personal == words


def test_a_world_with_nothing_in_it_is_the_drawn_one(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("")
    world = read_world(tmp_path / "empty.yaml")
    assert digest(world.scenario(5)) == digest(draw(5))


def test_no_password_of_a_cluster_gets_into_a_world_that_is_written(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        "id: c\ndomain: lab.example\n"
        "nodes: {ucm1: {listeners: [udp:192.0.2.1:5060]}}\n"
        "cm_groups: {all: [ucm1]}\n"
        "device_pools: {all: {cm_group: all}}\n"
        "users: {ada: {password: correct-horse}}\n"
        "lines: {1001: {}}\n"
        "devices: {SEP1001: {owner: ada, lines: [1001], device_pool: all}}\n"
        "trunks:\n  out:\n    destinations: [udp:192.0.2.9:5060]\n"
        "    outbound: {username: us, password: battery-staple}\n"
    )
    (tmp_path / "w.yaml").write_text("cluster: c.yaml\ncalls: []\nfaults: {}\n")
    scenario = read_world(tmp_path / "w.yaml").scenario(1)
    text = world_text(scenario)
    assert "correct-horse" not in text
    assert "battery-staple" not in text
    assert digest(read(text)) == digest(scenario)
