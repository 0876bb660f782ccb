"""When calls are placed."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest

from callctl.fleet.load import load_plan
from callctl.fleet.plan import Calls, Wish
from callctl.fleet.schedule import arrivals, expected_until, schedule
from sipstack.timing import SECOND


def calls(**changes: object) -> Calls:
    options = {
        f"--{name}": (("calls", name), value)
        for name, value in {"duration": "10s", "ramp_up": "0s", **changes}.items()
    }
    return load_plan(None, options, seed=1).calls


def test_even_calls_are_equally_spaced_and_begin_half_a_gap_late() -> None:
    even = calls(arrivals="even", per_second="2", duration="2s")
    assert [at / SECOND for at in arrivals(even, Random(1))] == [0.25, 0.75, 1.25, 1.75]


def test_rate_grows_evenly_while_it_ramps_up() -> None:
    ramped = calls(arrivals="even", per_second="100", duration="10s", ramp_up="4s")
    times = [at / SECOND for at in arrivals(ramped, Random(1))]
    in_ramp = [sum(low <= at < low + 1 for at in times) for low in range(4)]
    assert in_ramp == pytest.approx([12.5, 37.5, 62.5, 87.5], abs=1)
    assert sum(5 <= at < 6 for at in times) == pytest.approx(100, abs=1)
    assert len(times) == pytest.approx(ramped.expected, abs=1)


def test_poisson_calls_have_the_mean_and_the_spread_of_poisson() -> None:
    poisson = calls(per_second="200", duration="50s")
    times = list(arrivals(poisson, Random(3)))
    gaps = [later - earlier for earlier, later in pairwise(times)]
    mean = sum(gaps) / len(gaps)
    assert mean == pytest.approx(SECOND / 200, rel=0.05)
    spread = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert spread == pytest.approx(mean, rel=0.05)
    assert times == sorted(times)
    assert times[-1] < 50 * SECOND


def test_what_is_expected_by_a_time_is_the_area_under_the_rate() -> None:
    ramped = calls(per_second="10", duration="10s", ramp_up="4s")
    assert expected_until(ramped, 0) == 0
    assert expected_until(ramped, 2 * SECOND) == 5
    assert expected_until(ramped, 4 * SECOND) == 20
    assert expected_until(ramped, 10 * SECOND) == expected_until(ramped, 99 * SECOND) == 80
    assert ramped.expected == 80


def test_a_seed_gives_the_same_calls_each_time_and_another_seed_others() -> None:
    wanted = calls(per_second="20")
    assert list(schedule(wanted, Random("5"))) == list(schedule(wanted, Random("5")))
    assert list(schedule(wanted, Random("5"))) != list(schedule(wanted, Random("6")))


def test_wishes_come_in_their_shares() -> None:
    wanted = calls(per_second="400", duration="20s")
    planned = list(schedule(wanted, Random(4)))
    shares = {wish: sum(it.wish is wish for it in planned) / len(planned) for wish in Wish}
    assert shares[Wish.ANSWER] == pytest.approx(0.85, abs=0.02)
    assert shares[Wish.NO_ANSWER] == pytest.approx(0.07, abs=0.02)
    hung_up = sum(it.callee_hangs_up for it in planned) / len(planned)
    assert hung_up == pytest.approx(0.5, abs=0.03)


def test_without_a_rate_there_are_no_calls() -> None:
    assert list(arrivals(replace(calls(), per_second=0.0), Random(1))) == []
