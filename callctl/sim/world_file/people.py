"""Who is in a world whose cluster is given: each device with its place, its owner's habits drawn
where the file says nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from callctl.model.cluster import Cluster
from callctl.model.device import Device
from callctl.phone.settings import AnswerPlan
from callctl.sim.entropy import Streams
from callctl.sim.scenario import CALLS_FROM_NS, AgentPlan, PeerPlan, PhonePlan, Scenario
from callctl.sim.world_file.check import taking_part
from callctl.sim.world_file.draw_schema import HabitsEntry
from callctl.sim.world_file.place import Placed, transports_of
from callctl.sim.world_file.schema import (
    AnswerEntry,
    DeskPhoneEntry,
    PhoneEntry,
    WorldFile,
)
from callctl.sim.world_file.values import or_none
from sipstack.timing import MS

PUT_AWAY: Final = (8_000 * MS, 12_000 * MS)
LOOKS_EVERY: Final = (200 * MS, 6_000 * MS)
TAP: Final = (200 * MS, 15_000 * MS)
TAPS: Final = 800  # of a thousand owners of phones without CallKit
TALK: Final = (500 * MS, 10_000 * MS)
DECLINES: Final = (486, 603, 600, 480)


@dataclass(frozen=True, slots=True)
class People:
    """Everybody, and the cluster they belong to."""

    cluster: Cluster
    agents: tuple[AgentPlan, ...]
    phones: tuple[PhonePlan, ...]
    peers: tuple[PeerPlan, ...]


def people_of(placed: Placed, file: WorldFile, streams: Streams) -> People:
    """Those that a file lists first, in its order; then the others, in the order of the cluster.

    Each device draws from a stream of its own: who comes or goes changes nobody else.
    """
    cluster = placed.cluster
    habits = file.draw.habits or HabitsEntry()
    hosts = _hosts(placed, file)
    names = taking_part(file, cluster)
    listed = [*file.phones, *file.desk_phones]
    order = [*(it for it in listed if it in names), *(it for it in names if it not in listed)]
    phones: list[PhonePlan] = []
    agents: list[AgentPlan] = []
    for name in order:
        device = cluster.devices[name]
        random = streams.random(f"habits of {name}")
        if device.mobile:
            entry = file.phones.get(name, PhoneEntry())
            phones.append(_phone(random, device, cluster, habits, entry, hosts))
        else:
            desk = file.desk_phones.get(name, DeskPhoneEntry())
            agents.append(_agent(random, device, cluster, habits, desk, hosts))
    peers = []
    for text, destination in placed.destinations.items():
        random = streams.random(f"habits of {text}")
        given = file.peers[text].answer if text in file.peers else None
        drawn = draw_answer(random, habits)
        peers.append(PeerPlan(destination, drawn if given is None else answer_plan(given)))
    return People(cluster, tuple(agents), tuple(phones), tuple(peers))


def changed_by(habits: HabitsEntry, scenario: Scenario, streams: Streams) -> Scenario:
    """The people of a drawn scenario with other habits."""

    def random_of(name: str) -> Random:
        return streams.random(f"habits of {name}")

    phones = tuple(
        _with_habits(random_of(plan.device.name), plan, habits) for plan in scenario.phones
    )
    agents = tuple(
        replace(plan, answer=draw_answer(random_of(plan.device.name), habits))
        for plan in scenario.agents
    )
    return replace(scenario, phones=phones, agents=agents)


def answer_plan(entry: AnswerEntry) -> AnswerPlan:
    """What the file says of it."""
    return AnswerPlan(entry.ring, or_none(entry.after), entry.status, or_none(entry.hang_up))


def draw_answer(random: Random, habits: HabitsEntry) -> AnswerPlan:
    """What somebody does with a call."""
    share, after_ns = random.randrange(1000), habits.after.draw(random)
    decline, talk_ns = random.choice(DECLINES), random.randrange(*TALK)
    if share < habits.answers:
        return AnswerPlan(True, after_ns, 200, talk_ns if random.random() < 0.5 else None)
    if share < habits.answers + habits.declines:
        return AnswerPlan(True, after_ns, decline)
    return AnswerPlan(True, None)


def _phone(
    random: Random,
    device: Device,
    cluster: Cluster,
    habits: HabitsEntry,
    entry: PhoneEntry,
    hosts: Iterator[str],
) -> PhonePlan:
    host = entry.host or next(hosts)
    usable = [it for it in transports_of(cluster, device) if it != "UDP"]
    transport = entry.transport.upper() if entry.transport else random.choice(usable)
    tap_ns = random.randrange(*TAP) if random.randrange(1000) < TAPS else None
    if not device.custom_region:
        tap_ns = None
    bare = PhonePlan(device, host, transport, AnswerPlan(), None, tap_ns=tap_ns)
    plan = _with_habits(random, bare, habits)
    if entry.answer is not None:
        plan = replace(plan, answer=answer_plan(entry.answer))
    if entry.wake is not None:
        plan = replace(plan, wake_ns=or_none(entry.wake))
    if "looks" in entry.model_fields_set:
        plan = replace(plan, toggles=tuple((it.at, it.screen == "on") for it in entry.looks))
    if entry.sign_out is not None:
        plan = replace(plan, sign_out_at=or_none(entry.sign_out))
    if entry.tap is not None:
        plan = replace(plan, tap_ns=or_none(entry.tap))
    if entry.key_life is not None:
        plan = replace(plan, key_life_ns=or_none(entry.key_life))
    return plan


def _with_habits(random: Random, plan: PhonePlan, habits: HabitsEntry) -> PhonePlan:
    wake_ns: int | None = habits.wake.draw(random)
    if random.randrange(1000) < habits.offline:
        wake_ns = None
    toggles: list[tuple[int, bool]] = []
    put_away_at = random.randrange(*PUT_AWAY)
    if random.randrange(1000) < habits.asleep:
        toggles.append((put_away_at, False))
        at, on_screen = CALLS_FROM_NS, False
        for _ in range(habits.looks.draw(random)):
            at += random.randrange(*LOOKS_EVERY)
            on_screen = not on_screen
            toggles.append((at, on_screen))
    answer = draw_answer(random, habits)
    return replace(plan, answer=answer, wake_ns=wake_ns, toggles=tuple(toggles))


def _agent(
    random: Random,
    device: Device,
    cluster: Cluster,
    habits: HabitsEntry,
    entry: DeskPhoneEntry,
    hosts: Iterator[str],
) -> AgentPlan:
    host = entry.host or next(hosts)
    usable = transports_of(cluster, device)
    transport = entry.transport.upper() if entry.transport else random.choice(usable)
    drawn = draw_answer(random, habits)
    answer = drawn if entry.answer is None else answer_plan(entry.answer)
    return AgentPlan(device, host, transport, answer)


def _hosts(placed: Placed, file: WorldFile) -> Iterator[str]:
    """Addresses that nobody has, of documentation and benchmarks (RFC 5737, RFC 2544)."""
    taken = {node.dialled.host for node in placed.cluster.nodes.values()}
    taken |= {it.host for it in placed.destinations.values()}
    taken |= {it.host for it in file.phones.values() if it.host}
    taken |= {it.host for it in file.desk_phones.values() if it.host}
    blocks = ["198.51.100", "203.0.113", "198.18.0", "198.18.1"]
    for block in blocks:
        for last in range(1, 255):
            host = f"{block}.{last}"
            if host not in taken:
                yield host
