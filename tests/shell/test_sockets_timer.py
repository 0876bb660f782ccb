"""The timer shell, clock and entropy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from helpers.loops import on_each_loop
from sipstack.io.clock import MonotonicClock
from sipstack.io.entropy import BLOCK, OsEntropy
from sipstack.io.timer import DeadlineTimer
from sipstack.timing import MS, SECOND, Instant


class Woken:
    """A timer and the instants at which it woke."""

    def __init__(self) -> None:
        self.clock = MonotonicClock()
        self.at: list[Instant] = []
        self.timer = DeadlineTimer(asyncio.get_running_loop(), self.clock, self.at.append)

    def after(self, ms: float) -> Instant:
        return Instant(self.clock() + int(ms * MS))


@pytest.mark.anyio
@on_each_loop
async def test_wakes_once_and_never_early() -> None:
    woken = Woken()
    for ms in (0, 0.3, 1, 7.6):
        deadline = woken.after(ms)
        woken.timer.follow(deadline)
        await asyncio.sleep(0.03)
        (at,) = woken.at
        assert at >= deadline
        woken.at.clear()


@pytest.mark.anyio
@on_each_loop
async def test_follows_a_deadline_that_moves_both_ways() -> None:
    woken = Woken()
    woken.timer.follow(woken.after(20))
    later = woken.after(60_000)  # so far that no stall of the machine reaches it
    woken.timer.follow(later)
    await asyncio.sleep(0.04)
    assert woken.at == []
    sooner = woken.after(5)
    woken.timer.follow(sooner)
    async with asyncio.timeout(10):
        while not woken.at:  # noqa: ASYNC110 (the timer's callback sets no event)
            await asyncio.sleep(0.001)
    (at,) = woken.at
    assert sooner <= at < later


@pytest.mark.anyio
@on_each_loop
async def test_deadline_taken_back_does_not_wake() -> None:
    woken = Woken()
    woken.timer.follow(woken.after(5))
    woken.timer.follow(None)
    await asyncio.sleep(0.02)
    woken.timer.follow(woken.after(5))
    woken.timer.cancel()
    await asyncio.sleep(0.02)
    assert woken.at == []


class EarlyLoop:
    """An event loop that fires at once, whatever it was asked for."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.wake: Callable[[], object] = lambda: None

    def call_later(self, delay: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        self.waits.append(delay)
        self.wake = callback
        return None  # type: ignore[return-value]


def test_loop_that_fires_early_is_told_to_wait_for_the_rest() -> None:
    now = Instant(0)
    woken: list[Instant] = []
    loop = EarlyLoop()
    timer = DeadlineTimer(loop, lambda: now, woken.append)  # type: ignore[arg-type]
    timer.follow(Instant(10 * MS))
    now = Instant(10 * MS - 1)
    loop.wake()
    assert woken == []
    assert loop.waits == [0.010, 0.001]
    now = Instant(10 * MS)
    loop.wake()
    assert woken == [10 * MS]


def test_clock_tells_the_wall_time_of_an_instant() -> None:
    clock = MonotonicClock()
    first, second = clock(), clock()
    assert 0 <= first <= second
    assert clock.unix_ns(Instant(SECOND)) - clock.unix_ns(Instant(0)) == SECOND
    assert (clock.wall(Instant(1_500 * MS)) - clock.wall(Instant(0))).total_seconds() == 1.5


def test_os_entropy_gives_no_octet_twice_and_as_many_as_asked() -> None:
    entropy = OsEntropy()
    words = {entropy.octets(8) for _ in range(2_000)}
    assert len(words) == 2_000
    assert len(entropy.octets(BLOCK + 1)) == BLOCK + 1


def test_below_reaches_every_number_and_no_other() -> None:
    entropy = OsEntropy()
    assert {entropy.below(5) for _ in range(500)} == {0, 1, 2, 3, 4}
    assert entropy.below(1) == 0
    with pytest.raises(ValueError, match="positive"):
        entropy.below(0)
