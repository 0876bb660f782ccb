"""Axes and words of the plots."""

from __future__ import annotations

from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callctl.fleet.svg import axis_text, ms_text, ticks


@pytest.mark.parametrize(
    ("highest", "steps"),
    [
        (40, [0, 10, 20, 30, 40]),
        (33, [0, 10, 20, 30, 40]),
        (1, [0, 0.25, 0.5, 0.75, 1]),
        (0.3, [0, 0.1, 0.2, 0.3]),
        (7_200, [0, 2_000, 4_000, 6_000, 8_000]),
    ],
)
def test_axes_have_round_steps_up_to_the_highest_value(highest: float, steps: list[float]) -> None:
    assert ticks(highest, 4) == steps


@given(st.floats(min_value=1e-3, max_value=1e7), st.integers(min_value=1, max_value=10))
def test_axes_reach_the_highest_value_in_about_so_many_steps(highest: float, count: int) -> None:
    steps = ticks(highest, count)
    assert steps[0] == 0
    assert steps[-1] >= highest or isclose(steps[-1], highest)
    assert 2 <= len(steps) <= count + 2


def test_times_are_said_with_three_digits() -> None:
    said = [ms_text(ms) for ms in (0.421, 5.04, 25.92, 480.2, 1_250, 14_200)]
    assert said == ["0.42 ms", "5.0 ms", "25.9 ms", "480 ms", "1.25 s", "14.2 s"]
    assert [axis_text(ms) for ms in (0.1, 10, 1_000)] == ["0.1 ms", "10 ms", "1 s"]
