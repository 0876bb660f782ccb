"""Troubles of a world file as the simulation has them, and back: names are hosts there."""

from __future__ import annotations

from collections.abc import Iterable

from callctl.sim.scenario import Scenario, Trouble, TroublePlan
from callctl.sim.world_file.place import Placed
from callctl.sim.world_file.schema import TroubleEntry


def troubles_of(
    entries: Iterable[TroubleEntry], scenario: Scenario, placed: Placed | None
) -> tuple[TroublePlan, ...]:
    """The plans of what is listed."""
    hosts = hosts_of(scenario)
    if placed is not None:
        hosts |= {text: it.host for text, it in placed.destinations.items()}
    plans = []
    for entry in entries:
        whom = tuple(entry.whom)
        if entry.what is Trouble.CUT:
            whom = tuple(hosts.get(name, name) for name in whom)
        elif entry.how is not None:
            whom = (entry.how.value,)
        plans.append(TroublePlan(entry.at, entry.what, whom))
    return tuple(plans)


def hosts_of(scenario: Scenario) -> dict[str, str]:
    """Where everybody is, by the name that a file has for them."""
    hosts = {name: node.dialled.host for name, node in scenario.cluster.nodes.items()}
    hosts |= {plan.device.name: plan.host for plan in scenario.agents}
    hosts |= {plan.device.name: plan.host for plan in scenario.phones}
    hosts |= {str(peer.destination): peer.destination.host for peer in scenario.peers}
    return hosts
