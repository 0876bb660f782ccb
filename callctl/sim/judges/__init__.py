"""Judges, one invariant each. They read messages, pushes and counts, and nothing of the engine."""

from __future__ import annotations

from functools import cache
from typing import Final

from callctl.sim.itineraries import numbers_behind
from callctl.sim.judges.ack import Ack
from callctl.sim.judges.alarms_once import AlarmsOnce
from callctl.sim.judges.app_alive import AppAlive
from callctl.sim.judges.both_legs import BothLegs
from callctl.sim.judges.cancel import Cancel
from callctl.sim.judges.cloud_blamed import CloudBlamed
from callctl.sim.judges.in_time import InTime
from callctl.sim.judges.no_plaintext import NoPlaintext
from callctl.sim.judges.nothing_left import NothingLeft
from callctl.sim.judges.one_final import OneFinal
from callctl.sim.judges.one_invite import OneInvite
from callctl.sim.judges.one_owner import OneOwner
from callctl.sim.judges.post_deadline import PostDeadline
from callctl.sim.judges.posted_once import PostedOnce
from callctl.sim.judges.push_in_time import PushInTime
from callctl.sim.judges.reached import Reached
from callctl.sim.judges.refusals import Refusals
from callctl.sim.judges.second_push import SecondPush
from callctl.sim.judges.token_fetches import TokenFetches
from callctl.sim.scenario import Scenario
from callctl.sim.watch import Judge
from sipstack.timing import MS, SECOND

BUS_NS: Final = 500 * MS  # more than the slowest bus takes that is drawn

INVARIANTS: Final = (
    *("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10", "I13", "I14"),
    *("ALARM-10", "CLOUD-06", "CPNS-05", "CPNS-08", "OP-08"),
)
"""What is judged: of design section 3, and requirements of the catalogue."""


def all_judges(scenario: Scenario) -> tuple[Judge, ...]:
    """One of each."""
    cluster = scenario.cluster
    hosts = {node.listeners[0].host for node in cluster.nodes.values()}
    hosts |= {peer.destination.host for peer in scenario.peers}  # no devices either
    parameters = cluster.service_parameters
    drop_ns = parameters.drop_s * SECOND  # CALL-05
    silent_ns = 64 * parameters.t1_ms * MS  # Timers B, F and M
    bus_ns = max(BUS_NS, 2 * scenario.bus_weather.delay_max_ns)

    @cache
    def numbers(dialled: str) -> int:
        return len(tuple(numbers_behind(cluster, dialled)))

    def patience_ns(dialled: str) -> int:
        return numbers(dialled) * drop_ns

    def stays(dialled: str) -> bool:
        return numbers(dialled) == 1

    def alone(dialled: str) -> bool:
        return stays(dialled) and len(cluster.devices_of_line.get(dialled, ())) == 1

    # PushInTime before the others that look at pushes: it finds the call a push belongs to.
    return (
        PushInTime(patience_ns),
        OneFinal(),
        InTime(patience_ns, silent_ns, parameters.timer_c_s * SECOND),
        OneInvite(frozenset(hosts)),
        BothLegs(),
        SecondPush(stays),
        Reached(
            {plan.device.name: plan.host for plan in scenario.phones},
            stays,
            drop_ns,
            bus_ns,
        ),
        OneOwner(),
        Cancel(),
        Ack(silent_ns),
        AppAlive(),
        PostedOnce(),
        PostDeadline(),
        TokenFetches(scenario.cloud.token_again_s * SECOND),
        AlarmsOnce(),
        Refusals(bus_ns),
        CloudBlamed(alone),
        NothingLeft(),
        NoPlaintext(scenario.personal),
    )
