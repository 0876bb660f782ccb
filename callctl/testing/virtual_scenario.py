"""From a plan to the scenario that is simulated: addresses, passwords, and the habits of people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from callctl.model.build import make_node, password_of
from callctl.model.cluster import Cluster
from callctl.model.node import SIP_PORT, Node
from callctl.model.trunk import TrunkDestination
from callctl.model.user import Secret
from callctl.phone.settings import AnswerPlan
from callctl.sim.scenario import AgentPlan, PeerPlan, PhonePlan, Scenario, peer_name
from callctl.sim.story_stage import CLOUD, LINK
from callctl.testing.casting import cluster_of, peers_of, transport_of
from callctl.testing.plan import Plan
from sipstack.timing import SECOND

WAKE_S: Final = 1.0  # from the push to the app at work, unless the test says otherwise
FIRST_PEER: Final = 101  # last octet of its address; those of nodes begin with 1
RINGS: Final = AnswerPlan(after_ns=None)  # the test decides
SHORT_NUMBER: Final = 9  # digits; shorter ones turn up by chance in what a judge scans for numbers


def virtual_cluster(plan: Plan) -> Cluster:
    """Each node and peer at an address of its own (RFC 5737). Raises: as `cluster_of`."""
    used = 0

    def destinations(transports: Sequence[str]) -> tuple[TrunkDestination, ...]:
        nonlocal used
        first = FIRST_PEER + used
        used += len(transports)
        return tuple(
            TrunkDestination(transport, f"192.0.2.{host}", SIP_PORT)
            for host, transport in enumerate(transports, start=first)
        )

    cluster = cluster_of(plan, _place, destinations)
    # The simulated phones know the passwords of users that are made in code.
    users = {
        name: replace(user, password=Secret(password_of(name)))
        for name, user in cluster.users.items()
    }
    return replace(cluster, users=users)


def _place(name: str, number: int) -> Node:
    return make_node(name, number)


def scenario_of(plan: Plan, cluster: Cluster) -> Scenario:
    """Everybody of the plan, who rings until the test says otherwise, in good weather.

    Raises: SetUpError for a phone that speaks no transport of its nodes.
    """
    agents = tuple(
        AgentPlan(
            part.device,
            f"203.0.113.{number}",
            transport_of(cluster, part.device, part.transport),
            RINGS,
        )
        for number, part in enumerate(plan.desks.values(), start=1)
    )
    phones = tuple(
        PhonePlan(
            part.device,
            f"198.51.100.{number}",
            transport_of(cluster, part.device),
            RINGS,
            round((WAKE_S if part.wakes_after_s is None else part.wakes_after_s) * SECOND),
        )
        for number, part in enumerate(plan.mobiles.values(), start=1)
    )
    words = [line.display_name for line in cluster.lines.values()] + list(cluster.lines)
    return Scenario(
        plan.seed,
        cluster,
        agents,
        phones,
        tuple(PeerPlan(at, RINGS) for at in peers_of(cluster).values()),
        weather=LINK,
        bus_weather=LINK,
        cloud_weather=CLOUD,
        good_weather=LINK,
        personal=tuple(word for word in words if len(word) > SHORT_NUMBER),
    )


def addresses_of(cluster: Cluster, scenario: Scenario, peers: dict[str, str]) -> dict[str, str]:
    """By name, of everybody."""
    return {
        **{plan.device.name: plan.host for plan in scenario.agents},
        **{name: node.dialled.host for name, node in cluster.nodes.items()},
        **{plan.device.name: plan.host for plan in scenario.phones},
        **{peers[peer_name(at.destination)]: at.destination.host for at in scenario.peers},
    }
