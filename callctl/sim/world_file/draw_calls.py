"""Draws calls for people that are there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Final

from callctl.sim.routing import OUTSIDE
from callctl.sim.scenario import CALLS_FROM_NS, CallPlan, Scenario, peer_name
from callctl.sim.world_file.draw_schema import DrawCallsEntry
from sipstack.timing import SECOND

WAITS: Final = (10 * SECOND, 40 * SECOND)  # of callers who do not give up early
FAVOURITE: Final = 0.5  # of the calls are for one number: there they meet


def draw_calls(
    random: Random, entry: DrawCallsEntry, scenario: Scenario, name_of: Callable[[str], str]
) -> tuple[CallPlan, ...]:
    """`name_of`: what a caller of the file is called in the simulation."""
    callers = [name_of(text) for text in entry.callers] or _callers(scenario)
    targets = entry.targets or _targets(scenario)
    favourite = random.choice(targets)
    return tuple(
        _call(random, entry, at, callers, targets, favourite) for at in _times(random, entry)
    )


def _times(random: Random, entry: DrawCallsEntry) -> Iterator[int]:
    at = CALLS_FROM_NS
    if entry.per_minute is None:
        for _ in range(entry.number.draw(random)):
            at += entry.gap.draw(random)
            yield at
        return
    end = at + entry.lasting * SECOND
    while True:
        at += round(random.expovariate(entry.per_minute / 60) * SECOND)
        if at >= end:
            return
        yield at


def _call(
    random: Random,
    entry: DrawCallsEntry,
    at: int,
    callers: list[str],
    targets: list[str],
    favourite: str,
) -> CallPlan:
    early = random.randrange(1000) < entry.give_up
    give_up_ns = entry.give_up_after.draw(random) if early else random.randrange(*WAITS)
    target = favourite if random.random() < FAVOURITE else random.choice(targets)
    return CallPlan(at, random.choice(callers), target, give_up_ns, entry.talk.draw(random))


def _callers(scenario: Scenario) -> list[str]:
    """Every desk phone, and the other ends of trunks."""
    peers = [peer_name(peer.destination) for peer in scenario.peers]
    return [*(plan.device.name for plan in scenario.agents), *peers]


def _targets(scenario: Scenario) -> list[str]:
    """Lines of those who take part first: there is always one."""
    cluster = scenario.cluster
    here = scenario.devices
    lines = [
        dn
        for dn in cluster.lines
        if any(device.name in here for device in cluster.devices_of_line.get(dn, ()))
    ]
    outside = [OUTSIDE] if cluster.destination(OUTSIDE) is not None else []
    return [*lines, *cluster.hunt_pilots, *outside]
