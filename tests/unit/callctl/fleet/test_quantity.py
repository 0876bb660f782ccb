"""Times, shares and distributions as people write them."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callctl.fleet.quantity import (
    DURATION_MAX,
    TAIL_MAX,
    Always,
    Between,
    Exponential,
    Lognormal,
    duration_text,
    parse_distribution,
    parse_duration,
    parse_rate,
    parse_share,
)
from sipstack.timing import MS, SECOND


def refused(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return True
    return False


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("250ms", 250 * MS),
        ("2s", 2 * SECOND),
        ("1.5s", 1_500 * MS),
        ("1m30s", 90 * SECOND),
        ("1h", 3_600 * SECOND),
        ("0", 0),
        ("0s", 0),
    ],
)
def test_times_are_read(text: str, ns: int) -> None:
    assert parse_duration(text) == ns


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "1 s", "1s30", "25h", "1e3s", "٣s"])
def test_what_is_no_time_is_refused(text: str) -> None:
    assert refused(parse_duration, text)


@given(st.integers(min_value=0, max_value=DURATION_MAX // MS).map(lambda ms: ms * MS))
def test_a_time_that_was_written_is_read_again(ns: int) -> None:
    assert parse_duration(duration_text(ns)) == ns


def test_shares_are_percent_and_rates_are_numbers() -> None:
    assert parse_share("5%") == 0.05
    assert parse_share("0.5%") == 0.005
    assert parse_share("100%") == 1.0
    assert parse_rate("12.5") == 12.5
    for text in ("5", "101%", "-1%", "%", "five%"):
        assert refused(parse_share, text)
    for text in ("-1", "1e3", "", "many"):
        assert refused(parse_rate, text)


def test_distributions_are_read() -> None:
    assert parse_distribution("2s") == Always(2 * SECOND)
    assert parse_distribution("1s..4s") == Between(SECOND, 4 * SECOND)
    assert parse_distribution("exponential 10s") == Exponential(10 * SECOND)
    assert parse_distribution("lognormal 2s 8s") == Lognormal(2 * SECOND, 8 * SECOND)


@pytest.mark.parametrize(
    "text", ["", "4s..1s", "1s..", "exponential", "lognormal 8s 2s", "lognormal 0s 2s", "normal 2s"]
)
def test_what_is_no_distribution_is_refused(text: str) -> None:
    assert refused(parse_distribution, text)


def test_draws_are_spread_as_the_distribution_says() -> None:
    random, count = Random(1), 20_000
    drawn = sorted(Exponential(SECOND).draw(random) for _ in range(count))
    assert sum(drawn) / count == pytest.approx(SECOND, rel=0.03)
    drawn = sorted(Lognormal(SECOND, 4 * SECOND).draw(random) for _ in range(count))
    assert drawn[count // 2] == pytest.approx(SECOND, rel=0.05)
    assert drawn[count * 95 // 100] == pytest.approx(4 * SECOND, rel=0.06)
    drawn = sorted(Between(SECOND, 3 * SECOND).draw(random) for _ in range(count))
    assert SECOND <= drawn[0] < drawn[count // 2] < drawn[-1] <= 3 * SECOND
    assert drawn[count // 2] == pytest.approx(2 * SECOND, rel=0.02)


def test_no_draw_is_longer_than_the_distribution_admits() -> None:
    random = Random(2)
    for wanted in (Exponential(MS), Lognormal(MS, 50 * MS), Between(0, MS), Always(MS)):
        assert all(0 <= wanted.draw(random) <= wanted.longest_ns for _ in range(5_000))
    assert Exponential(MS).longest_ns == TAIL_MAX * MS
