"""Judges, one invariant each. They read messages, pushes and counts, and nothing of the engine."""

from __future__ import annotations

from functools import cache

from callctl.sim.itineraries import numbers_behind
from callctl.sim.judges.ack import Ack
from callctl.sim.judges.alarms_once import AlarmsOnce
from callctl.sim.judges.app_alive import AppAlive
from callctl.sim.judges.both_legs import BothLegs
from callctl.sim.judges.cancel import Cancel
from callctl.sim.judges.cloud_blamed import CloudBlamed
from callctl.sim.judges.in_time import DROP_NS, InTime
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
from sipstack.timing import SECOND


def all_judges(scenario: Scenario) -> tuple[Judge, ...]:
    """One of each."""
    cluster = scenario.cluster
    hosts = {node.listeners[0].host for node in cluster.nodes.values()}
    hosts |= {peer.destination.host for peer in scenario.peers}  # no devices either

    @cache
    def numbers(dialled: str) -> int:
        return len(tuple(numbers_behind(cluster, dialled)))

    def patience_ns(dialled: str) -> int:
        return numbers(dialled) * DROP_NS

    def stays(dialled: str) -> bool:
        return numbers(dialled) == 1

    def alone(dialled: str) -> bool:
        return stays(dialled) and len(cluster.devices_of_line.get(dialled, ())) == 1

    # PushInTime before the others that look at pushes: it finds the call a push belongs to.
    return (
        PushInTime(patience_ns),
        OneFinal(),
        InTime(patience_ns),
        OneInvite(frozenset(hosts)),
        BothLegs(),
        SecondPush(stays),
        Reached(
            {plan.device.name: plan.host for plan in scenario.phones},
            stays,
        ),
        OneOwner(),
        Cancel(),
        Ack(),
        AppAlive(),
        PostedOnce(),
        PostDeadline(),
        TokenFetches(scenario.cloud.token_again_s * SECOND),
        AlarmsOnce(),
        Refusals(),
        CloudBlamed(alone),
        NothingLeft(),
        NoPlaintext(scenario.personal),
    )
