"""Draws what goes wrong: the network, the nodes, the links between them, the clouds."""

from __future__ import annotations

from random import Random
from typing import TypedDict

from callctl.cloud.faults import Fault
from callctl.model.cluster import Cluster
from callctl.sim.cloud_way import Way
from callctl.sim.scenario import CALLS_FROM_NS, CallPlan, Trouble, TroublePlan
from callctl.sim.weather import CALM, Weather
from sipstack.timing import MS, SECOND


class FaultFields(TypedDict):
    """The fields of a `Scenario` that are faults."""

    troubles: tuple[TroublePlan, ...]
    weather: Weather
    bus_weather: Weather
    cloud_weather: Weather
    push_rest_faults: tuple[Fault, ...]
    partner_faults: tuple[Fault, ...]
    faults_until: int


def draw_faults(
    random: Random, cluster: Cluster, calls: tuple[CallPlan, ...], phone_hosts: tuple[str, ...]
) -> FaultFields:
    """What befalls one run. Faults end some time after the last call has begun."""
    last = max(call.at for call in calls)
    until = last + random.randrange(5_000, 25_000) * MS
    return FaultFields(
        troubles=_troubles(random, cluster, phone_hosts, calls, until),
        weather=_weather(random),
        bus_weather=Weather(delay_max_ns=random.choice((0, 1, 20, 200)) * MS),
        cloud_weather=Weather(
            loss=random.choice((0, 0, 0, 100)),
            delay_min_ns=MS,
            delay_max_ns=random.choice((1, 50, 300, 3_000)) * MS,
        ),
        push_rest_faults=_push_rest_faults(random),
        partner_faults=_partner_faults(random),
        faults_until=until,
    )


def _weather(random: Random) -> Weather:
    kind = random.random()
    if kind < 0.25:
        return CALM
    if kind < 0.4:  # slow, but sure
        return Weather(delay_min_ns=MS, delay_max_ns=random.randrange(10, 2_000) * MS)
    return Weather(
        loss=random.randrange(0, 301),
        duplicates=random.choice((0, random.randrange(0, 101))),
        delay_min_ns=MS,
        delay_max_ns=random.choice((1, 20, 200, random.randrange(1, 2_000))) * MS,
    )


def _push_rest_faults(random: Random) -> tuple[Fault, ...]:
    if random.random() < 0.7:
        return ()
    status = random.choice((400, 401, 403, 410, 413, 429, 500, 503, 504))
    choices = (
        Fault(status=status, reason="Fault", per_mille=random.choice((200, 1000))),
        Fault(status=status, reason="Fault", times=1),
        Fault(silent=True, per_mille=random.choice((300, 1000))),
        Fault(delay_ns=random.randrange(1, 20_000) * MS, per_mille=500),
    )
    return (random.choice(choices),)


def _partner_faults(random: Random) -> tuple[Fault, ...]:
    faults: list[Fault] = []
    if random.random() < 0.5:
        faults.append(Fault(lose=True, per_mille=random.randrange(1, 201)))
    if random.random() < 0.15:
        faults.append(Fault(duplicate=True, per_mille=300))
    if random.random() < 0.1:
        status, reason = random.choice(((400, "BadDeviceToken"), (410, "Unregistered"), (503, "")))
        faults.append(Fault(status=status, reason=reason, per_mille=300))
    if random.random() < 0.5:
        slowest_ms = random.choice((500, 3_000, 20_000))
        for _ in range(3):  # three delays, a third of the pushes each
            delay_ns = random.randrange(1, slowest_ms) * MS
            faults.append(Fault(delay_ns=delay_ns, per_mille=400))
    return tuple(faults)


def _troubles(
    random: Random,
    cluster: Cluster,
    phone_hosts: tuple[str, ...],
    calls: tuple[CallPlan, ...],
    until: int,
) -> tuple[TroublePlan, ...]:
    plans: list[TroublePlan] = []
    names = tuple(cluster.nodes)
    for _ in range(random.choices((0, 1, 2, 3), (45, 30, 15, 10))[0]):
        at = random.randrange(CALLS_FROM_NS, until)
        if random.random() < 0.6:  # while a call waits, where most can go wrong
            at = random.choice(calls).at + random.randrange(0, 8_000) * MS
        first = next(iter(cluster.cm_groups.values())).nodes[0]  # where phones register
        node = first if random.random() < 0.5 else random.choice(names)
        back = at + random.randrange(100, 20_000) * MS
        kind = random.random()
        if kind < 0.55:
            ways = (Trouble.STOP, Trouble.KILL, Trouble.POWER_OFF)
            plans.append(TroublePlan(at, random.choice(ways), (node,)))
            if random.random() < 0.6:
                plans.append(TroublePlan(back, Trouble.RESTART, (node,)))
        elif kind < 0.8:  # two nodes, or a phone that leaves its network without a word
            here = cluster.nodes[node].listeners[0].host
            others = [each.listeners[0].host for each in cluster.nodes.values()]
            ends = [*(host for host in others if host != here), *phone_hosts]
            if ends:
                plans.append(TroublePlan(at, Trouble.CUT, (here, random.choice(ends))))
                plans.append(TroublePlan(back, Trouble.HEAL))
        elif kind < 0.9:
            plans.append(TroublePlan(at, Trouble.CPNS_STOP, (node,)))
            plans.append(TroublePlan(back, Trouble.CPNS_START, (node,)))
        else:
            plans.append(TroublePlan(at, Trouble.CLOUD_GONE, (Way.CONNECT.value,)))
            plans.append(TroublePlan(back, Trouble.CLOUD_BACK))
    return tuple(plan for plan in sorted(plans, key=lambda plan: plan.at) if plan.at < until)


SETTLE_NS = 50 * SECOND
"""Once all is well, everything must be at rest within twice Timer C, for a call that rings and one
that follows it, and this: the CANCEL, and a reserve."""
