"""Draws a scenario from a seed: who is there, who calls whom, and how patient they are."""

from __future__ import annotations

from random import Random
from typing import Final, TypedDict

from callctl.cloud.faults import Fault
from callctl.model.build import android, desk_phone, iphone, make_cluster
from callctl.model.cluster import Cluster
from callctl.model.device import ClientType, Device
from callctl.model.line import Line
from callctl.model.service_parameter import ServiceParameters
from callctl.phone.settings import AnswerPlan
from callctl.sim.cloud_faults import CloudDraw, draw_cloud
from callctl.sim.entropy import Streams
from callctl.sim.faults import FaultFields, draw_faults
from callctl.sim.routing import Routing, draw_routing
from callctl.sim.scenario import (
    CALLS_FROM_NS,
    AgentPlan,
    CallPlan,
    PeerPlan,
    PhonePlan,
    Scenario,
    destinations_of,
    peer_name,
)
from sipstack.timing import MS, SECOND


class IphoneTraits(TypedDict, total=False):
    """What makes an iPhone another than the usual one."""

    custom_region: bool
    os_version: str
    client_version: str


NODES: Final = ("ucm1", "ucm2", "ucm3")
NAMES: Final = ("Night Porter", "Reception-East", "Loading Dock", "Warehouse North")
CALLS_MAX: Final = 6
RELEASES: Final = (
    ("15", "14SU3", "14SU2", "12.5(1)SU3", "12.5(1)SU2", "11.5(1)SU8", "11.5(1)SU5"),
    (50, 10, 10, 12, 6, 6, 6),
)
IPHONES: Final[tuple[IphoneTraits, ...]] = (
    {},
    {"custom_region": True},
    {"os_version": "12.4"},
    {"client_version": "12.8.1"},
)
PHONES: Final = "phones"  # CM group and device pool
DESKS: Final = "desks"
FAR_DESKS: Final = "far-desks"  # at another node than those


def between(random: Random, low_ms: int, high_ms: int) -> int:
    """A time between two, in ns."""
    return random.randrange(low_ms, high_ms + 1) * MS


def chance(random: Random, percent: int) -> bool:
    """True in so many cases of a hundred."""
    return random.random() * 100 < percent


def draw(seed: int) -> Scenario:
    """The scenario of a seed, always the same."""
    streams = Streams(seed)
    random = streams.random("people")
    nodes = NODES[: random.choices((1, 2, 3), (2, 3, 5))[0]]
    lines: list[Line] = []
    phones: list[PhonePlan] = []
    agents: list[AgentPlan] = []
    release = random.choices(*RELEASES)[0]
    for number in range(random.choices((1, 2, 3), (5, 3, 2))[0]):
        line = _line(len(lines))
        lines.append(line)
        for _ in range(random.choices((1, 2, 3, 4, 5), (60, 20, 10, 5, 5))[0]):
            phones.append(_phone(random, line.dn, len(phones)))
        if chance(random, 35):
            agents.append(_agent(random, line.dn, f"d{number}", len(agents)))
    called = [line.dn for line in lines]
    callers: list[str] = []
    for number in range(random.choices((1, 2, 3), (3, 4, 3))[0]):
        line = _line(len(lines))
        lines.append(line)
        agents.append(_agent(random, line.dn, f"c{number}", len(agents)))
        callers.append(agents[-1].device.name)
    far = streams.random("far desk")
    is_far = len(nodes) > 1 and chance(far, 40)
    if is_far:
        line = _line(len(lines))
        lines.append(line)
        agents.append(_agent(far, line.dn, "far", len(agents), FAR_DESKS))
        callers.append(agents[-1].device.name)
    routing = draw_routing(streams.random("routing"), lines, called)
    devices = [*(plan.device for plan in phones), *(plan.device for plan in agents)]
    cluster = _cluster(random, nodes, routing, devices, release)
    if chance(random, 20):
        callers.append(random.choice(phones).device.name)
    near_and_far = (agents[-2].device.name, agents[-1].device.name) if is_far else ()
    peers = tuple(PeerPlan(each, _answer(random)) for each in destinations_of(cluster))
    callers += [peer_name(peer.destination) for peer in peers if chance(random, 50)]
    calls = _calls(random, callers, [*(line.dn for line in lines), *routing.numbers])
    calls += _from_everywhere(far, near_and_far, called[0], calls[-1].at)
    faults, cloud = draw_all_faults(streams, cluster, tuple(phones), calls)
    if is_far and chance(far, 40):
        gone = Fault(status=410, reason="TargetExpired", times=1)
        faults["push_rest_faults"] = (gone, *faults["push_rest_faults"])
    return Scenario(
        seed,
        cluster,
        tuple(agents),
        tuple(phones),
        peers,
        calls,
        cloud=cloud.plan,
        ci_faults=cloud.ci_faults,
        personal=tuple(
            word for line in lines for word in (line.dn, line.display_name, f"user-{line.dn}")
        ),
        **faults,
    )


def draw_all_faults(
    streams: Streams,
    cluster: Cluster,
    phones: tuple[PhonePlan, ...],
    calls: tuple[CallPlan, ...],
) -> tuple[FaultFields, CloudDraw]:
    """What goes wrong in the network, at the nodes and in the clouds; `calls`: one at least."""
    hosts = tuple(plan.host for plan in phones)
    faults = draw_faults(streams.random("faults"), cluster, calls, hosts)
    managed = tuple(
        plan.device.name for plan in phones if plan.device.client is not ClientType.STANDARD
    )
    nodes, until = tuple(cluster.nodes), faults["faults_until"]
    cloud = draw_cloud(streams.random("cloud faults"), nodes, managed, calls, until)
    faults["troubles"] = tuple(
        sorted((*faults["troubles"], *cloud.troubles), key=lambda plan: plan.at)
    )
    faults["push_rest_faults"] = (*faults["push_rest_faults"], *cloud.push_rest_faults)
    return faults, cloud


def _line(index: int) -> Line:
    # Long enough not to turn up by chance in what a judge scans for numbers.
    return Line(f"4930555{7310 + 37 * index}", f"{NAMES[index % len(NAMES)]} {index}")


def _cluster(
    random: Random,
    nodes: tuple[str, ...],
    routing: Routing,
    devices: list[Device],
    release: str,
) -> Cluster:
    groups: dict[str, list[str]] = {}
    for name in (PHONES, DESKS):  # each with its own order, so that calls cross the cluster
        order = random.sample(nodes, len(nodes))
        groups[name] = order[: random.randint(1, len(order))] if chance(random, 30) else order
    near = groups[DESKS][0]
    groups[FAR_DESKS] = [*(name for name in nodes if name != near), near]
    heartbeat_ms, suspect_ms = random.choice(((500, 2000), (1500, 3200), (2000, 5000)))
    return make_cluster(
        nodes=nodes,
        cm_groups=groups,
        device_pools={name: name for name in groups},
        lines=routing.lines,
        users=routing.users,
        devices=devices,
        hunt_pilots=routing.hunt_pilots,
        trunks=routing.trunks,
        route_patterns=routing.route_patterns,
        release=release,
        parameters=ServiceParameters(
            heartbeat_ms=heartbeat_ms,
            node_suspect_ms=suspect_ms,
            parked_calls_per_callee_max=random.choice((1, 2, 10, 10)),
            record_route=random.choice(("always", "flows")),
            nonce_lifetime_s=random.choice((30, 300)),
            mobility_wait_s=random.choice((1, 5, 10, 13)),
            android_caller_id=chance(random, 20),
        ),
    )


def _phone(random: Random, dn: str, index: int) -> PhonePlan:
    # Some speak RFC 8599 in place of signing in; their pushes say nothing.
    client = ClientType.STANDARD if chance(random, 12) else ClientType.JABBER
    if chance(random, 33):
        device = android(f"user-{dn}", dn, name=f"BOTP{index}", device_pool=PHONES, client=client)
    else:
        kind = random.choices(IPHONES, (70, 12, 10, 8))[0]
        device = iphone(
            f"user-{dn}", dn, name=f"TCTP{index}", device_pool=PHONES, client=client, **kind
        )
    wake_ns = None if chance(random, 10) else between(random, 50, 1500)
    if chance(random, 20):
        wake_ns = between(random, 2_000, 20_000)
    toggles: list[tuple[int, bool]] = []
    if chance(random, 85):
        toggles.append((between(random, 8_000, 12_000), False))
        on_screen = False
        at = CALLS_FROM_NS
        for _ in range(random.choices((0, 1, 2, 6), (60, 15, 15, 10))[0]):
            at += between(random, 200, 6_000)
            on_screen = not on_screen
            toggles.append((at, on_screen))
    return PhonePlan(
        device,
        f"198.51.100.{index + 1}",
        random.choice(("TLS", "TLS", "TCP")),
        _answer(random),
        wake_ns,
        tuple(toggles),
        CALLS_FROM_NS + between(random, 0, 20_000) if chance(random, 4) else None,
        between(random, 200, 15_000) if device.custom_region and chance(random, 80) else None,
        between(random, 5_000, 20_000) if chance(random, 10) else None,
    )


def _agent(random: Random, dn: str, name: str, index: int, pool: str = DESKS) -> AgentPlan:
    device = desk_phone(f"user-{dn}", dn, name=f"SEP{name.upper()}", device_pool=pool)
    transport = random.choice(("UDP", "UDP", "TCP"))
    return AgentPlan(device, f"203.0.113.{index + 1}", transport, _answer(random))


def _answer(random: Random) -> AnswerPlan:
    status = random.choices((200, 486, 603, 600, 480), (75, 8, 8, 4, 5))[0]
    after_ns = None if chance(random, 12) else between(random, 0, 8_000)
    hang_up_after_ns = between(random, 500, 10_000) if chance(random, 50) else None
    return AnswerPlan(not chance(random, 10), after_ns, status, hang_up_after_ns)


def _from_everywhere(
    random: Random, callers: tuple[str, ...], target: str, after: int
) -> tuple[CallPlan, ...]:
    """Calls for one number by way of several nodes: each has to know what the others know."""
    calls: list[CallPlan] = []
    for caller in callers * 2:
        after += between(random, 1_500, 6_000)
        calls.append(CallPlan(after, caller, target, between(random, 1_000, 4_000)))
    return tuple(calls)


def _calls(random: Random, callers: list[str], numbers: list[str]) -> tuple[CallPlan, ...]:
    calls: list[CallPlan] = []
    at = CALLS_FROM_NS
    favourite = numbers[0]
    for _ in range(random.randint(1, CALLS_MAX)):
        at += between(random, 0, 400) if chance(random, 40) else between(random, 400, 8_000)
        target = favourite if chance(random, 60) else random.choice(numbers)
        give_up_ns = between(random, 0, 4_000) if chance(random, 25) else None
        if give_up_ns is None and not chance(random, 3):
            give_up_ns = between(random, 10_000, 40_000)
        hang_up_ns = between(random, 500, 12_000) if chance(random, 60) else None
        if give_up_ns is None and hang_up_ns is None:
            hang_up_ns = 5 * SECOND
        calls.append(CallPlan(at, random.choice(callers), target, give_up_ns, hang_up_ns))
    return tuple(calls)
