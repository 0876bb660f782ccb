"""What can be left out of a scenario, piece by piece; each cut is tried by `shrink`.

A cut gives smaller scenarios, the boldest first. Not each can be played: who leaves out a line that
is called is told so when the world is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final, TypeAlias, TypeVar

from callctl.model.cluster import Cluster
from callctl.model.line import NO_FORWARDING
from callctl.model.node import CmGroup
from callctl.model.service_parameter import PARAMETERS, ServiceParameters
from callctl.sim.scenario import CloudPlan, PeerPlan, PhonePlan, Scenario, TroublePlan, peer_name
from callctl.sim.weather import CALM, Weather
from callctl.sim.world_file.world import usual_end

T = TypeVar("T")
K = TypeVar("K")

Cut: TypeAlias = Callable[[Scenario], Iterator[Scenario]]


def fewer(items: tuple[T, ...]) -> Iterator[tuple[T, ...]]:
    """All but a part of them: first without each half, then each quarter, at last each one."""
    size = len(items)
    while size:
        for start in range(0, len(items), size):
            yield items[:start] + items[start + size :]
        size //= 2


def _calls(scenario: Scenario) -> Iterator[Scenario]:
    for calls in fewer(scenario.calls):
        yield replace(scenario, calls=calls)


def _troubles(scenario: Scenario) -> Iterator[Scenario]:
    for troubles in fewer(scenario.troubles):
        yield replace(scenario, troubles=troubles)


def _cloud_faults(scenario: Scenario) -> Iterator[Scenario]:
    for faults in fewer(scenario.ci_faults):
        yield replace(scenario, ci_faults=faults)
    for faults in fewer(scenario.push_rest_faults):
        yield replace(scenario, push_rest_faults=faults)
    for faults in fewer(scenario.partner_faults):
        yield replace(scenario, partner_faults=faults)


def _weather(scenario: Scenario) -> Iterator[Scenario]:
    for milder in _milder(scenario.weather):
        yield replace(scenario, weather=milder)
    for milder in _milder(scenario.bus_weather):
        yield replace(scenario, bus_weather=milder)
    for milder in _milder(scenario.cloud_weather):
        yield replace(scenario, cloud_weather=milder)


def _milder(weather: Weather) -> Iterator[Weather]:
    if weather == CALM:
        return
    yield CALM
    if weather.duplicates:
        yield replace(weather, duplicates=0)
    if weather.loss:
        yield replace(weather, loss=0)
    low, high = CALM.delay_min_ns, CALM.delay_max_ns
    if (weather.delay_min_ns, weather.delay_max_ns) != (low, high):
        yield replace(weather, delay_min_ns=low, delay_max_ns=high)


def _people(scenario: Scenario) -> Iterator[Scenario]:
    """Devices and other ends of trunks, with their calls and troubles."""
    names = tuple(scenario.cluster.devices)
    for kept in fewer(names):
        yield _without_devices(scenario, set(names) - set(kept))
    for peers in fewer(scenario.peers):
        yield _with_peers(scenario, peers)


def _without_devices(scenario: Scenario, gone: set[str]) -> Scenario:
    hosts = {plan.host for plan in scenario.phones if plan.device.name in gone}
    hosts |= {plan.host for plan in scenario.agents if plan.device.name in gone}
    return replace(
        scenario,
        cluster=replace(scenario.cluster, devices=_but(scenario.cluster.devices, gone)),
        phones=tuple(plan for plan in scenario.phones if plan.device.name not in gone),
        agents=tuple(plan for plan in scenario.agents if plan.device.name not in gone),
        calls=tuple(call for call in scenario.calls if call.caller not in gone),
        troubles=_without(scenario.troubles, gone | hosts),
    )


def _with_peers(scenario: Scenario, peers: tuple[PeerPlan, ...]) -> Scenario:
    """Those peers only: the destinations of the others are gone, and trunks that have no other."""
    cluster = scenario.cluster
    gone = {it.destination for it in scenario.peers if it not in peers}
    trunks = {}
    for name, trunk in cluster.trunks.items():
        left = tuple(it for it in trunk.destinations if it not in gone)
        if left:
            trunks[name] = replace(trunk, destinations=left)
    patterns = (
        replace(it, trunks=tuple(name for name in it.trunks if name in trunks))
        for it in cluster.route_patterns
    )
    ways = tuple(it for it in patterns if it.trunks)
    names = {peer_name(destination) for destination in gone}
    return replace(
        scenario,
        cluster=replace(cluster, trunks=trunks, route_patterns=ways),
        peers=peers,
        calls=tuple(call for call in scenario.calls if call.caller not in names),
        troubles=_without(scenario.troubles, {destination.host for destination in gone}),
    )


def _nodes(scenario: Scenario) -> Iterator[Scenario]:
    cluster = scenario.cluster
    for name, node in cluster.nodes.items():
        if any(group.nodes == (name,) for group in cluster.cm_groups.values()):
            continue
        nodes = _but(cluster.nodes, {name})
        groups = {
            each: CmGroup(each, tuple(it for it in group.nodes if it != name))
            for each, group in cluster.cm_groups.items()
        }
        if node.publisher:
            first = next(iter(nodes))
            nodes[first] = replace(nodes[first], publisher=True)
        lost = {name, node.dialled.host}
        yield replace(
            scenario,
            cluster=replace(cluster, nodes=nodes, cm_groups=groups),
            troubles=_without(scenario.troubles, lost),
        )


def _routing(scenario: Scenario) -> Iterator[Scenario]:
    """Parts of the cluster that may not matter."""
    for cluster in _smaller(scenario.cluster):
        yield replace(scenario, cluster=cluster)


def _smaller(cluster: Cluster) -> Iterator[Cluster]:
    for pilots in _parts(cluster.hunt_pilots):
        yield replace(cluster, hunt_pilots=pilots)
    for patterns in fewer(cluster.route_patterns):
        yield replace(cluster, route_patterns=patterns)
    for profiles in _parts(cluster.sip_profiles):
        yield replace(cluster, sip_profiles=profiles)
    for dn, line in cluster.lines.items():
        if line.forwarding != NO_FORWARDING:
            plain = replace(line, forwarding=NO_FORWARDING)
            yield replace(cluster, lines={**cluster.lines, dn: plain})
    for lines in _parts(cluster.lines):
        yield replace(cluster, lines=lines)
    for users in _parts(cluster.users):
        yield replace(cluster, users=users)
    for pools in _parts(cluster.device_pools):
        yield replace(cluster, device_pools=pools)
    for groups in _parts(cluster.cm_groups):
        yield replace(cluster, cm_groups=groups)


def _settings(scenario: Scenario) -> Iterator[Scenario]:
    """Numbers that are not as usual, and words nobody listens for."""
    if scenario.cloud != CloudPlan():
        yield replace(scenario, cloud=CloudPlan())
    cluster = scenario.cluster
    for parameters in _usual(cluster.service_parameters):
        yield replace(scenario, cluster=replace(cluster, service_parameters=parameters))
    for personal in fewer(scenario.personal):
        yield replace(scenario, personal=personal)
    until = usual_end(scenario)
    if scenario.faults_until > until:
        yield replace(scenario, faults_until=until)


def _usual(parameters: ServiceParameters) -> Iterator[ServiceParameters]:
    usual = ServiceParameters()
    changed = [name for name in PARAMETERS if getattr(parameters, name) != getattr(usual, name)]
    for kept in fewer(tuple(changed)):
        try:
            yield replace(usual, **{name: getattr(parameters, name) for name in kept})
        except ValueError:
            continue  # some go together


def _habits(scenario: Scenario) -> Iterator[Scenario]:
    for number, plan in enumerate(scenario.phones):
        for simpler in _simpler(plan):
            phones = (*scenario.phones[:number], simpler, *scenario.phones[number + 1 :])
            yield replace(scenario, phones=phones)
    for number, call in enumerate(scenario.calls):
        if call.give_up_ns is not None and call.hang_up_ns is not None:
            patient = replace(call, give_up_ns=None)
            calls = (*scenario.calls[:number], patient, *scenario.calls[number + 1 :])
            yield replace(scenario, calls=calls)


def _simpler(plan: PhonePlan) -> Iterator[PhonePlan]:
    for toggles in fewer(plan.toggles):
        yield replace(plan, toggles=toggles)
    if plan.sign_out_at is not None:
        yield replace(plan, sign_out_at=None)
    if plan.key_life_ns is not None:
        yield replace(plan, key_life_ns=None)
    if plan.tap_ns is not None:
        yield replace(plan, tap_ns=None)


CUTS: Final[tuple[Cut, ...]] = (
    _calls,
    _troubles,
    _people,
    _cloud_faults,
    _weather,
    _nodes,
    _routing,
    _settings,
    _habits,
)
"""In the order in which they are tried: what saves most comes first."""


def _parts(mapping: Mapping[K, T]) -> Iterator[dict[K, T]]:
    for items in fewer(tuple(mapping.items())):
        yield dict(items)


def _but(mapping: Mapping[str, T], gone: set[str]) -> dict[str, T]:
    return {name: it for name, it in mapping.items() if name not in gone}


def _without(troubles: tuple[TroublePlan, ...], lost: set[str]) -> tuple[TroublePlan, ...]:
    """Those that do not befall somebody who is gone."""
    return tuple(it for it in troubles if not lost.intersection(it.whom))
