"""Each planted fault is found, by the judge whose invariant it breaks, within a few seeds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import simulation.planted_cloud_faults  # noqa: F401  (adds its own)
from callctl.sim.runner import run
from simulation.planted_faults import FAULTS, PlantedFault

SEEDS_MAX = 400
FIRST_SEEDS = {
    "late-answer-acknowledged-but-not-hung-up": 181,
    "late-REGISTER-releases-a-call-that-is-over": 81,
    "late-410-stops-the-new-target": 101,
}
"""Where the search for a rare one begins, so that it is short; for others, at 1."""


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_planted_fault_is_found(
    fault: PlantedFault, record_property: Callable[[str, object], None]
) -> None:
    with fault.planted():
        first = FIRST_SEEDS.get(str(fault), 1)
        for seed in range(first, first + SEEDS_MAX):
            found = {violation.invariant for violation in run(seed).violations}
            if found & fault.found_by:
                record_property("planted fault", f"{fault.name}: {found} at seed {seed}")
                return
    pytest.fail(f"not found in {SEEDS_MAX} seeds: {fault.name}")


def test_there_are_faults_enough_and_no_two_are_the_same() -> None:
    assert FIRST_SEEDS.keys() <= set(map(str, FAULTS))
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 10
