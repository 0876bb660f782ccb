"""What becomes of one call to a sleeping phone when a node is lost, at every moment of its wake.

Any node of three takes the call, any node is stopped, killed or cut off, at each phase: each cell
is one run of the simulated world, watched by all judges. The phone's CM group is ucm1, ucm2, ucm3,
and it registered at ucm1 last.
Source: CMG-04 to CMG-11, CALL-16, CALL-22, REG-11; RFC 3261 §16.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from callctl.model.build import desk_phone, iphone, make_cluster
from callctl.phone.event import CallEnded, EndCause
from callctl.phone.settings import AnswerPlan
from callctl.sim.glance import Glance
from callctl.sim.judges import all_judges
from callctl.sim.party import Party, Role
from callctl.sim.push_eye import SeenPush
from callctl.sim.scenario import CALLS_FROM_NS, AgentPlan, PhonePlan, Scenario
from callctl.sim.simulation import Simulation
from callctl.sim.watch import Judge, Violation
from callctl.sim.weather import Weather
from sipstack.timing import MS, SECOND, Instant
from sipstack.transport.flow import Flow

NODES: Final = ("ucm1", "ucm2", "ucm3")
CALLER, PHONE, NUMBER = "SEPCALLER", "TCTPHONE", "2001"

LINK: Final = Weather(delay_min_ns=20 * MS, delay_max_ns=20 * MS)
CLOUD: Final = Weather(delay_min_ns=100 * MS, delay_max_ns=100 * MS)
WAKE_NS: Final = SECOND  # from the push to the app at work
PICKS_UP_NS: Final = 3 * SECOND
TALKS_NS: Final = 6 * SECOND
PATIENCE_NS: Final = 40 * SECOND  # a caller who hears nothing more hangs up

Manner = Enum("Manner", {"STOPPED": "stopped", "KILLED": "killed", "CUT_OFF": "cut off"})


class Phase(Enum):
    """When the node is lost: ms from the INVITE, by the timing of an undisturbed call."""

    KNOWN = "before the call, and noticed"
    BEFORE_PUSH = "just before the INVITE"
    PUSH = "push under way"
    STARTING = "phone starts"
    REGISTER = "phone registers"
    INVITE = "INVITE under way to the phone"
    RINGING = "it rings"
    ANSWERED = "they talk"


AT_MS: Final = {
    Phase.KNOWN: -8_000,
    Phase.BEFORE_PUSH: -10,
    Phase.PUSH: 100,
    Phase.STARTING: 700,
    Phase.REGISTER: 1_370,
    Phase.INVITE: 1_450,
    Phase.RINGING: 3_000,
    Phase.ANSWERED: 6_000,
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of the table."""

    taken_by: str
    lost: str
    manner: Manner
    phase: Phase


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of it."""

    status: int | None  # the caller's one final response; None if it never got any
    after_s: float  # from the INVITE to the end of the wait: answer, failure, or lost patience
    finals: int  # distinct final responses that the caller got from a node
    ends: int  # how often the caller was told that its call is over, answered or not
    ring_pushes: tuple[str, ...]  # the node that each named
    call_uuids: int
    second_push: str  # kind, "" for none
    invites: tuple[str, ...]  # the node that each INVITE to the phone came from
    flows: int  # over so many flows
    hung_up: bool  # the BYE of the caller reached the phone
    phone_talks: bool  # at the end the phone still believes in a call
    violations: tuple[Violation, ...]

    @property
    def words(self) -> str:
        """A cell of the published table."""
        ways = "→".join(self.ring_pushes) or "no push"
        if self.status is None:
            return f"call lost ({ways})" if self.ring_pushes else "not taken"
        if self.status != 200:
            return f"{self.status} after {self.after_s:.1f} s ({ways})"
        end = "" if self.hung_up else ", BYE lost"
        return f"answered by way of {self.invites[-1]} ({ways}){end}"


def cells() -> Iterator[Cell]:
    """All of the table: every node of the group takes the call, every node is lost, and so on."""
    for taken_by in NODES:
        for phase in Phase:
            for lost in NODES:
                for manner in Manner:
                    yield Cell(taken_by, lost, manner, phase)


def play(cell: Cell) -> Verdict:
    """One run."""
    eye = _Eye()
    scenario = _scenario(cell)
    simulation = Simulation(scenario, judges=lambda it: (*all_judges(it), eye))
    world, network = simulation.world, simulation.network
    simulation.cloud.way.weather = CLOUD
    call_at = Instant(CALLS_FROM_NS + 20 * SECOND)
    simulation.begin()
    simulation.plan()
    caller = simulation.agents[CALLER]
    lost_at = Instant(call_at + AT_MS[cell.phase] * MS)
    if lost_at < call_at:
        world.run_to(lost_at)
        _lose(simulation, cell)
    world.run_to(call_at)
    call = caller.call(NUMBER, TALKS_NS)
    if lost_at >= call_at:
        world.run_to(lost_at)
        _lose(simulation, cell)
    world.run_to(Instant(call_at + PATIENCE_NS))
    waits = not caller.events(CallEnded)
    if waits:
        caller.hang_up(call)
    world.run_to(Instant(call_at + 2 * PATIENCE_NS))
    talks = bool(simulation.phones[PHONE].talking())
    network.heal()
    simulation.make_well()
    simulation.settle()
    ended = caller.events(CallEnded)
    refused = [event.status for _, event in ended if event.cause is EndCause.REFUSED]
    answers = [status for status, _ in eye.finals if status < 300]
    status = 200 if answers else (refused[0] if refused and eye.finals else None)
    return Verdict(
        status=status,
        after_s=((eye.final_at or ended[0][0]) - call_at) / SECOND,
        finals=len(eye.finals),
        ends=len(ended),
        ring_pushes=tuple(eye.rings),
        call_uuids=len(eye.call_uuids),
        second_push=eye.second,
        invites=tuple(eye.invites),
        flows=len(eye.flows),
        hung_up=eye.hung_up,
        phone_talks=talks,
        violations=tuple(simulation.watch.violations),
    )


def _scenario(cell: Cell) -> Scenario:
    caller = AgentPlan(
        desk_phone("caller", "1001", name=CALLER, device_pool="desks"),
        "203.0.113.1",
        "TCP",
        AnswerPlan(after_ns=SECOND),
    )
    phone = PhonePlan(
        iphone("owner", NUMBER, name=PHONE, device_pool="phones"),
        "198.51.100.1",
        "TLS",
        AnswerPlan(after_ns=PICKS_UP_NS),
        WAKE_NS,
        ((5 * SECOND, False),),  # put away in time
    )
    cluster = make_cluster(
        nodes=NODES,
        cm_groups={"phones": NODES, "desks": (cell.taken_by,)},
        device_pools={"phones": "phones", "desks": "desks"},
        devices=[caller.device, phone.device],
    )
    return Scenario(
        1,
        cluster,
        (caller,),
        (phone,),
        weather=LINK,
        bus_weather=LINK,
        cloud_weather=CLOUD,
        good_weather=LINK,
    )


def _lose(simulation: Simulation, cell: Cell) -> None:
    node = simulation.nodes[cell.lost]
    if cell.manner is Manner.STOPPED:
        node.stop()
    elif cell.manner is Manner.KILLED:
        node.kill(power=False)
    else:
        here = node.sockets.host
        hosts = [other.sockets.host for other in simulation.nodes.values() if other is not node]
        hosts += [agent.sockets.host for agent in simulation.agents.values()]
        hosts += [phone.sockets.host for phone in simulation.phones.values()]
        for host in hosts:
            simulation.network.cut(here, host)
        simulation.watch.ledger.nodes_lost = True


class _Eye(Judge):
    """Sees what the table tells of, and blames nobody."""

    invariant = "none"
    __slots__ = (
        "call_uuids",
        "final_at",
        "finals",
        "flows",
        "hung_up",
        "invites",
        "rings",
        "second",
    )

    def __init__(self) -> None:
        self.finals: dict[tuple[int, str], None] = {}  # status and To tag
        self.final_at: Instant | None = None
        self.rings: list[str] = []
        self.call_uuids: dict[str, None] = {}
        self.second = ""
        self.invites: list[str] = []
        self.flows: dict[tuple[str, Flow], None] = {}
        self.hung_up = False

    def pushed(self, who: Party, push: SeenPush) -> None:
        self.call_uuids[push.call_uuid] = None
        if push.rings:
            self.rings.append(push.active_node.partition(".")[0] or "no node")
        else:
            self.second = push.kind.value

    def sent(self, who: Party, flow: Flow, seen: Glance) -> None:
        if who.role is not Role.NODE or seen.method != "INVITE" or seen.status:
            return
        first = (who.label, seen.branch) not in self.ledger.copies
        if first and flow.remote_host == "198.51.100.1":
            self.invites.append(who.name)
            self.flows[who.label, flow] = None

    def received(self, who: Party, flow: Flow, seen: Glance) -> None:
        if who.name == CALLER and seen.method == "INVITE" and seen.final and seen.status != 407:
            self.finals.setdefault((seen.status, seen.to_tag))
            self.final_at = self.final_at or self.now
        if who.name == PHONE and seen.method == "BYE" and not seen.status:
            self.hung_up = True


def page() -> str:
    """The published page: one table for each node that takes the call."""
    lines = [
        "# Failover, cell by cell",
        "",
        "Generated by `make docs` from the simulated world; a test plays every cell and compares.",
        "",
        "A desk phone calls a sleeping iPhone. The CM group of the iPhone is ucm1, ucm2, ucm3, and",
        "it registered at ucm1 last. One node is *stopped* (in order), *killed* (its process dies)",
        "or *cut off* (it runs on, and no packet reaches it), at one moment of the wake. The cells",
        "tell what the caller got; in brackets the node that each ring push named.",
        "",
        "- *answered by way of ucm2*: the INVITE reached the phone through ucm2, and both talked.",
        "  *BYE lost*: a node in the path of the dialog is gone, so each side hangs up alone.",
        "- *480 after 13.0 s*: the answer to the caller, and when it came.",
        "- *call lost*: the node that held the call is gone, and no answer can come from it",
        "  (CALL-22); over TCP or TLS the caller sees its connection end. *not taken*: it was gone",
        "  before the INVITE came.",
        "",
    ]
    verdicts = {cell: play(cell) for cell in cells()}
    for taken_by in NODES:
        lines += [f"## {taken_by} takes the call", ""]
        heads = [f"{lost} {manner.value}" for lost in NODES for manner in Manner]
        lines.append("| | " + " | ".join(heads) + " |")
        lines.append("|---" * (len(heads) + 1) + "|")
        for phase in Phase:
            row = [
                verdicts[Cell(taken_by, lost, manner, phase)].words
                for lost in NODES
                for manner in Manner
            ]
            lines.append(f"| {phase.value} | " + " | ".join(row) + " |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    print(page(), end="")
