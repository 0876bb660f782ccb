"""Draws troubles for a cluster that is there, and when each is over."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final

from callctl.model.device import ClientType
from callctl.sim.cloud_way import Way
from callctl.sim.scenario import CALLS_FROM_NS, Scenario, Trouble, TroublePlan
from callctl.sim.world_file.check import AT_NODE, UNREACHABLE
from callctl.sim.world_file.draw_schema import DrawTroublesEntry
from sipstack.timing import SECOND

MENDED_BY: Final[dict[Trouble, Trouble]] = {
    Trouble.STOP: Trouble.RESTART,
    Trouble.KILL: Trouble.RESTART,
    Trouble.POWER_OFF: Trouble.RESTART,
    Trouble.CUT: Trouble.HEAL,
    Trouble.CPNS_STOP: Trouble.CPNS_START,
    Trouble.CPNS_KILL: Trouble.CPNS_START,
    Trouble.CPNS_HANG: Trouble.CPNS_GO_ON,
    Trouble.CLOUD_GONE: Trouble.CLOUD_BACK,
    Trouble.CI_GONE: Trouble.CI_BACK,
    Trouble.FIRST_ADDRESS_GONE: Trouble.FIRST_ADDRESS_BACK,
    Trouble.ACCOUNT_SUSPENDED: Trouble.ACCOUNT_RESUMED,
}
"""What ends what; the others are over by themselves, or nothing has to end."""

WAYS: Final = tuple(way.value for way in Way if way is not Way.OPEN)
NEAR_NS: Final = 8 * SECOND
AFTER_CALLS_NS: Final = 15 * SECOND


def draw_troubles(
    random: Random, entry: DrawTroublesEntry, scenario: Scenario
) -> tuple[TroublePlan, ...]:
    """In the order of their times."""
    kinds = {kind: weight for kind, weight in entry.kinds.items() if _can_be(kind, scenario)}
    if not kinds:
        return ()
    plans: list[TroublePlan] = []
    for _ in range(entry.number.draw(random)):
        [kind] = random.choices(tuple(kinds), tuple(kinds.values()))
        plans += _one(random, entry, scenario, kind)
    return tuple(sorted(plans, key=lambda plan: plan.at))


def _one(
    random: Random, entry: DrawTroublesEntry, scenario: Scenario, kind: Trouble
) -> Iterator[TroublePlan]:
    calls = scenario.calls
    last = max((call.at for call in calls), default=CALLS_FROM_NS)
    at = random.randrange(CALLS_FROM_NS, last + AFTER_CALLS_NS)
    if calls and random.randrange(1000) < entry.near_calls:
        at = random.choice(calls).at + random.randrange(NEAR_NS)
    whom = _whom(random, scenario, kind)
    back = at + entry.mended_after.draw(random)
    yield TroublePlan(at, kind, whom)
    mended_by = MENDED_BY.get(kind)
    if mended_by is not None and random.randrange(1000) < entry.mended:
        yield TroublePlan(back, mended_by, whom if mended_by in AT_NODE else ())


def _whom(random: Random, scenario: Scenario, kind: Trouble) -> tuple[str, ...]:
    nodes = scenario.cluster.nodes
    if kind in AT_NODE:
        return (random.choice(tuple(nodes)),)
    if kind in UNREACHABLE:
        return (random.choice(WAYS),)
    if kind is Trouble.NEW_TARGETS:
        return (random.choice(_managed(scenario)),)
    if kind is Trouble.CUT:
        hosts = [node.dialled.host for node in nodes.values()]
        here = random.choice(hosts)
        ends = [*(it for it in hosts if it != here), *(plan.host for plan in scenario.phones)]
        return (here, random.choice(ends))
    return ()


def _can_be(kind: Trouble, scenario: Scenario) -> bool:
    """False where there is nobody that it could befall."""
    if kind is Trouble.NEW_TARGETS:
        return bool(_managed(scenario))
    if kind is Trouble.CUT:
        return len(scenario.cluster.nodes) > 1 or bool(scenario.phones)
    if kind is Trouble.FIRST_ADDRESS_GONE:
        return scenario.cloud.proxy
    return True


def _managed(scenario: Scenario) -> tuple[str, ...]:
    return tuple(
        plan.device.name
        for plan in scenario.phones
        if plan.device.client is not ClientType.STANDARD
    )
