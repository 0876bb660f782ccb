"""The simulated world, seed after seed: no invariant is ever broken."""

from __future__ import annotations

import subprocess
import sys

import pytest

from callctl.sim.command import simulate
from callctl.sim.runner import judge, run, run_many

SEEDS = 1_000  # `make sim` takes 10,000
CHUNK = 100


@pytest.mark.parametrize("first", range(1, SEEDS + 1, CHUNK))
def test_seeds_break_no_invariant(first: int) -> None:
    failed = [v for v in run_many(range(first, first + CHUNK)) if v.violations]
    for verdict in failed:
        print(f"callctl sim --seed {verdict.seed}", *verdict.violations, sep="\n  ")
    assert not failed, f"to repeat: callctl sim --seed {failed[0].seed}"


def test_one_seed_gives_the_same_trace_twice_and_another_seed_gives_another() -> None:
    first, again, other = (run(seed).trace.digest() for seed in (11, 11, 12))
    assert first == again != other


def test_trace_does_not_depend_on_the_hash_seed_of_the_interpreter() -> None:
    script = (
        "from callctl.sim.runner import run\n"
        "print([run(seed).trace.digest() for seed in (3, 14, 15)])"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(digests) == 1


def test_several_processes_give_the_verdicts_of_one_in_the_order_of_the_seeds() -> None:
    seeds = range(30, 60)
    assert list(run_many(seeds, processes=2)) == [judge(seed) for seed in seeds]


def test_command_prints_the_seed_first_and_exits_0() -> None:
    lines: list[str] = []
    assert simulate(21, 3, say=lines.append) == 0
    assert lines[0] == "seeds 21 to 23"
    assert lines[-1] == "no violation"


def test_command_with_trace_prints_every_message() -> None:
    lines: list[str] = []
    assert simulate(21, trace=True, say=lines.append) == 0
    assert lines[0] == "seed 21"
    assert any(" REGISTER " in line for line in lines)
