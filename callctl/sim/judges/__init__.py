"""Judges, one invariant each. They read messages, pushes and counts, and nothing of the engine."""

from __future__ import annotations

from callctl.sim.judges.ack import Ack
from callctl.sim.judges.app_alive import AppAlive
from callctl.sim.judges.both_legs import BothLegs
from callctl.sim.judges.cancel import Cancel
from callctl.sim.judges.in_time import InTime
from callctl.sim.judges.no_plaintext import NoPlaintext
from callctl.sim.judges.nothing_left import NothingLeft
from callctl.sim.judges.one_final import OneFinal
from callctl.sim.judges.one_invite import OneInvite
from callctl.sim.judges.one_owner import OneOwner
from callctl.sim.judges.push_in_time import PushInTime
from callctl.sim.judges.reached import Reached
from callctl.sim.judges.second_push import SecondPush
from callctl.sim.scenario import Scenario
from callctl.sim.watch import Judge


def all_judges(scenario: Scenario) -> tuple[Judge, ...]:
    """One of each."""
    hosts = frozenset(node.listeners[0].host for node in scenario.cluster.nodes.values())
    # PushInTime before the others that look at pushes: it finds the call a push belongs to.
    return (
        PushInTime(),
        OneFinal(),
        InTime(),
        OneInvite(hosts),
        BothLegs(),
        SecondPush(),
        Reached({plan.device.name: plan.host for plan in scenario.phones}),
        OneOwner(),
        Cancel(),
        Ack(),
        AppAlive(),
        NothingLeft(),
        NoPlaintext(scenario.personal),
    )
