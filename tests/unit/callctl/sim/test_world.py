"""Virtual time: timers before messages, order kept, nothing for ever."""

from __future__ import annotations

import pytest

from callctl.sim.world import Livelock, World
from sipstack.timing import SECOND, Instant


class Clock:
    """Rings at the times it is given."""

    def __init__(self, world: World, said: list[str], *times: int) -> None:
        self.timer_at: Instant | None = None
        self.times = [Instant(time) for time in times]
        self.said = said
        world.watch(self)

    def next_deadline(self) -> Instant | None:
        return min(self.times, default=None)

    def advance(self, now: Instant) -> None:
        self.times = [time for time in self.times if time > now]
        self.said.append(f"timer {now}")


def test_timers_of_an_instant_come_before_its_messages() -> None:
    world, said = World(), list[str]()
    world.plan(Instant(5), said.append, "message")
    Clock(world, said, 5)
    world.run_to(Instant(5))
    assert said == ["timer 5", "message"]


def test_messages_of_an_instant_keep_the_order_in_which_they_were_planned() -> None:
    world, said = World(), list[str]()
    for word in "abc":
        world.plan(Instant(5), said.append, word)
    world.plan(Instant(4), said.append, "first")
    world.run_to(Instant(10))
    assert said == ["first", "a", "b", "c"]
    assert world.now == 10


def test_timer_that_was_moved_back_does_not_fire_at_its_old_time() -> None:
    world, said = World(), list[str]()
    clock = Clock(world, said, 5)
    clock.times = [Instant(8)]
    world.watch(clock)
    world.run_to(Instant(20))
    assert said == ["timer 8"]


def test_timer_that_was_moved_forward_fires_once_at_its_new_time() -> None:
    world, said = World(), list[str]()
    clock = Clock(world, said, 8)
    clock.times = [Instant(5)]
    world.watch(clock)
    world.run_to(Instant(20))
    assert said == ["timer 5"]


def test_machine_whose_timer_is_always_due_is_found_out() -> None:
    class Stuck(Clock):
        def advance(self, now: Instant) -> None:
            """Forgets to clear its timer."""

    world = World()
    Stuck(world, [], 5)
    with pytest.raises(Livelock):
        world.run_to(Instant(SECOND))
