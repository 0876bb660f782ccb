"""When calls are placed and what is to become of them: drawn from the seed, before anything runs.

Calls start on schedule whatever became of earlier ones. A generator that waits for slow calls
before it places the next would measure its own patience (coordinated omission).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from random import Random

from callctl.fleet.plan import Calls, Wish
from sipstack.timing import SECOND


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One call of the schedule. Times in ns."""

    number: int  # from 0
    at_ns: int  # from the first instant of the schedule
    wish: Wish
    answer_after_ns: int
    talk_ns: int
    give_up_after_ns: int
    callee_hangs_up: bool


def schedule(calls: Calls, random: Random) -> Iterator[PlannedCall]:
    """Every call, in order of time."""
    wishes = [wish for wish, _ in calls.answers]
    shares = [share for _, share in calls.answers]
    for number, at_ns in enumerate(arrivals(calls, random)):
        yield PlannedCall(
            number,
            at_ns,
            random.choices(wishes, shares)[0],
            calls.answer_after.draw(random),
            calls.talk.draw(random),
            calls.give_up_after.draw(random),
            random.random() < calls.callee_hangs_up,
        )


def arrivals(calls: Calls, random: Random) -> Iterator[int]:
    """The times of the calls in ns.

    Calls come at a rate of one in a time that runs as fast as the rate asked for, which makes
    even calls even and Poisson ones Poisson while the rate grows, too.
    """
    if calls.per_second <= 0:
        return
    passed = 0.0 if calls.poisson else -0.5
    while True:
        passed += random.expovariate(1.0) if calls.poisson else 1.0
        at_ns = _instant(calls, passed)
        if at_ns >= calls.duration_ns:
            return
        yield at_ns


def expected_until(calls: Calls, at_ns: int) -> float:
    """How many calls the rate has asked for by a time of the schedule."""
    at_ns = min(max(at_ns, 0), calls.duration_ns)
    ramp_ns = calls.ramp_up_ns
    if at_ns < ramp_ns:
        return calls.per_second * at_ns * at_ns / (2 * ramp_ns) / SECOND
    return calls.per_second * (at_ns - ramp_ns / 2) / SECOND


def _instant(calls: Calls, expected: float) -> int:
    """The time by which so many calls are asked for: the inverse of `expected_until`."""
    ramp_ns = calls.ramp_up_ns
    if expected * SECOND < calls.per_second * ramp_ns / 2:
        return round(sqrt(2 * ramp_ns * expected * SECOND / calls.per_second))
    return round(expected * SECOND / calls.per_second + ramp_ns / 2)
