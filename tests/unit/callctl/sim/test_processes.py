"""Work in several processes: in order, taken as it is needed, nothing left behind."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from itertools import count, islice

import pytest

from callctl.sim.processes import AHEAD, in_order


def doubled(number: int) -> int:
    if number == 13:
        raise ValueError("thirteen")
    return 2 * number


@pytest.mark.parametrize("processes", [1, 2])
def test_results_come_in_the_order_of_the_things(processes: int) -> None:
    assert list(in_order(doubled, range(10), processes, at_once=3)) == list(range(0, 20, 2))


def test_things_are_taken_as_they_are_needed() -> None:
    taken: list[int] = []

    def things() -> Iterator[int]:
        for number in count(100):
            taken.append(number)
            yield number

    results = in_order(doubled, things(), 2, at_once=2)
    assert list(islice(results, 5)) == [200, 202, 204, 206, 208]
    results.close()
    assert len(taken) <= 2 * (2 * AHEAD + 4)
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_comes_to_who_asked(processes: int) -> None:
    with pytest.raises(ValueError, match="thirteen"):
        list(in_order(doubled, range(20), processes))
