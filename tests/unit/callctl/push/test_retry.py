"""Wait strategies of tenacity in virtual time."""

from __future__ import annotations

import time

import pytest
from tenacity.wait import wait_base, wait_chain, wait_exponential, wait_fixed, wait_incrementing

from callctl.push.retry import wait_ns
from sipstack.timing import SECOND


@pytest.mark.parametrize(
    ("strategy", "waits_s"),
    [
        (wait_fixed(600), [600, 600, 600]),
        (wait_chain(wait_fixed(2), wait_fixed(30)), [2, 30, 30]),
        (wait_exponential(multiplier=1, max=5), [1, 2, 4, 5]),
        (wait_incrementing(1, 10), [1, 11, 21]),
        (wait_fixed(1) + wait_fixed(2), [3, 3]),
        (wait_fixed(0.0015), [0.0015]),
    ],
)
def test_strategy_says_how_long_after_each_attempt(
    strategy: wait_base, waits_s: list[float]
) -> None:
    waits = [wait_ns(strategy, failed) for failed in range(1, len(waits_s) + 1)]
    assert waits == [round(wait * SECOND) for wait in waits_s]


def test_no_clock_is_read_and_nobody_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> float:
        raise AssertionError("a core has no clock")

    with monkeypatch.context() as patched:
        for name in ("monotonic", "time", "sleep", "perf_counter"):
            patched.setattr(time, name, never)
        waited = wait_ns(wait_fixed(600), 3)
    assert waited == 600 * SECOND
