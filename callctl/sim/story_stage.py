"""A stage for one story: three nodes, a desk phone that calls, and whoever is called.

Links take 20 ms, the way to the cloud 100 ms, and a phone a second to wake. Mobile phones are in
the CM group ucm1, ucm2, ucm3 and registered at ucm1 last; the caller is at ucm3.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from callctl.call.explanation import explanation
from callctl.call.story import CallRecord
from callctl.call.telling import story_fields
from callctl.engine.engine import Engine
from callctl.model.build import android, desk_phone, iphone, make_cluster
from callctl.model.device import Device, Platform
from callctl.model.line import Line
from callctl.phone.screen_record import Seen
from callctl.phone.settings import AnswerPlan
from callctl.push.channel import Channels
from callctl.push.cpns import CpnsSettings
from callctl.push.history import KEPT_MAX, PushEntry, RememberingCpns
from callctl.sim.agent_party import AgentParty
from callctl.sim.cloud_party import UNIX_MS_AT_ZERO
from callctl.sim.judges import all_judges
from callctl.sim.node_factory import NodeFactory
from callctl.sim.node_processes import MakeCpns, NodeProcesses
from callctl.sim.phone_party import PhoneParty
from callctl.sim.scenario import AgentPlan, PeerPlan, PhonePlan, Scenario
from callctl.sim.simulation import Simulation
from callctl.sim.watch import Judge, Violation
from callctl.sim.weather import Weather
from sipstack.entropy import Entropy
from sipstack.timing import MS, SECOND, Instant

CALL_NS: Final = 30 * SECOND
CALLER: Final = Line("1001", "Front Desk")
DN: Final = "2001"
LINK: Final = Weather(delay_min_ns=20 * MS, delay_max_ns=20 * MS)
CLOUD: Final = Weather(delay_min_ns=100 * MS, delay_max_ns=100 * MS)
PICKS_UP: Final = AnswerPlan(after_ns=3 * SECOND)
RINGS_ON: Final = AnswerPlan(after_ns=None)

IPHONE: Final = iphone(DN, name="TCT2001", device_pool="phones")
ANDROID: Final = android(DN, name="BOT2001", device_pool="phones")
DESK: Final = desk_phone(DN, name="SEP2001", device_pool="desks")

CALL_UUID: Final = "6f4c52d0-93b5-4f6c-8a57-3c0d9a1be201"
CALL_ID: Final = "b1d8c7f05a@203.0.113.1"


_onlookers: list[Judge] = []


@contextmanager
def watched_by(onlooker: Judge) -> Iterator[None]:
    """Let `onlooker` see every stage that is set while the context lasts."""
    _onlookers.append(onlooker)
    try:
        yield
    finally:
        _onlookers.remove(onlooker)


class RememberingFactory(NodeFactory):
    """Nodes whose push service remembers its pushes, as those of a running cluster do."""

    def cpns_maker(
        self,
        settings: CpnsSettings,
        entropy: Entropy,
        engine: Engine,
        channels: Callable[[], Channels],
    ) -> MakeCpns:
        entries: deque[PushEntry] = deque(maxlen=KEPT_MAX)
        return lambda: RememberingCpns(
            settings, entropy, engine.push_binding, engine.features, channels(), entries
        )


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a story."""

    record: CallRecord
    pushes: tuple[tuple[str, PushEntry], ...]  # with the node that sent each
    screens: dict[str, tuple[Seen, ...]]  # by mobile phone: what its owner saw from the call on
    violations: tuple[Violation, ...]
    scenario: Scenario = field(repr=False)

    @property
    def text(self) -> str:
        """What `callctl explain` prints of it, with ids that do not change from run to run."""
        story = story_fields(self.record, self.pushes, wall)
        story |= {"call_uuid": CALL_UUID, "call_id": CALL_ID}
        for number, push in enumerate(story["pushes"], start=1):
            if push["tracking_id"] is not None:
                push["tracking_id"] = f"CPNS_{number}"
        return explanation(story, wall(self.record.started_at))


def wall(at: Instant) -> datetime:
    """The time on the wall of the simulated world."""
    return datetime.fromtimestamp(UNIX_MS_AT_ZERO / 1000, UTC) + timedelta(microseconds=at // 1000)


def mobile(
    device: Device = IPHONE,
    answer: AnswerPlan = PICKS_UP,
    *,
    wake_s: float | None = 1.0,
    tap_s: float | None = None,
    awake: bool = False,
    host: str = "198.51.100.1",
) -> PhonePlan:
    """A mobile phone that is put away well before the call, unless it is `awake`.

    `wake_s`: None for one that no push reaches.
    """
    return PhonePlan(
        device,
        host,
        "TLS",
        answer,
        None if wake_s is None else round(wake_s * SECOND),
        () if awake else ((5 * SECOND, False),),
        tap_ns=None if tap_s is None else round(tap_s * SECOND),
    )


def desk(
    device: Device = DESK, answer: AnswerPlan = PICKS_UP, host: str = "203.0.113.2"
) -> AgentPlan:
    """A desk phone, or anything else that is always on."""
    return AgentPlan(device, host, "TLS" if device.platform is Platform.BROWSER else "TCP", answer)


class Stage:
    """The world of one story. Times are seconds from the call."""

    def __init__(
        self,
        *phones: PhonePlan,
        desks: tuple[AgentPlan, ...] = (),
        peers: tuple[PeerPlan, ...] = (),
        absent: tuple[str, ...] = (),
        caller: Line = CALLER,
        lines: tuple[Line, ...] = (),
        **more: Any,  # noqa: ANN401
    ) -> None:
        """`absent`: desk phones that do not register. `more`: what else `make_cluster` takes."""
        calling = AgentPlan(
            desk_phone("1001", name="SEP1001", device_pool="desks"),
            "203.0.113.1",
            "TCP",
            PICKS_UP,
        )
        agents = (calling, *desks)
        cluster = make_cluster(
            cm_groups={"phones": ("ucm1", "ucm2", "ucm3"), "desks": ("ucm3", "ucm2")},
            device_pools={"phones": "phones", "desks": "desks"},
            lines=[caller, *lines],
            devices=[*(plan.device for plan in agents), *(plan.device for plan in phones)],
            **more,
        )
        scenario = Scenario(
            1,
            cluster,
            agents,
            phones,
            peers,
            weather=LINK,
            bus_weather=LINK,
            cloud_weather=CLOUD,
            good_weather=LINK,
        )
        self.simulation = Simulation(
            scenario, RememberingFactory(), lambda it: (*all_judges(it), *_onlookers)
        )
        self.cloud = self.simulation.cloud
        self.nodes = self.simulation.nodes
        for node in self.nodes.values():
            node.start()
        for agent in agents:
            if agent.device.name not in absent:
                self.agent(agent.device.name).register()
        for phone in self.simulation.phones.values():
            phone.start()
        self.simulation.plan()
        self.run_to(-12)
        for plan in phones:
            if plan.toggles:
                self.phone(plan.device.name).lock()
        self.run_to(-10)

    def agent(self, name: str) -> AgentParty:
        """A desk phone or peer by its name."""
        return self.simulation.agents[name]

    def phone(self, name: str = IPHONE.name) -> PhoneParty:
        """A mobile phone by its name."""
        return self.simulation.phones[name]

    def run_to(self, seconds: float) -> None:
        """Let time pass."""
        self.simulation.world.run_to(at(seconds))

    def when(self, seconds: float, do: Callable[[], object]) -> None:
        """Let something happen then."""
        self.simulation.world.plan(at(seconds), _do, do)

    def lose(self, *nodes: str) -> None:
        """Nodes die."""
        for name in nodes:
            self.nodes[name].kill(power=False)
            for record in self.nodes[name].processes.engine.calls.records:
                record.note_death(self.simulation.world.now)  # as a cluster does over sockets

    def play(
        self,
        number: str = DN,
        *,
        give_up_s: float | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Played:
        """The desk phone calls; who answers is talked to for five seconds."""
        self.run_to(0)
        caller = self.agent("SEP1001")
        now = self.simulation.world.now
        call, actions = caller.agent.invite(
            number, now, headers=headers, hang_up_after_ns=5 * SECOND
        )
        caller.perform(actions)
        if give_up_s is not None:
            self.when(give_up_s, lambda: caller.hang_up(call))
        self.run_to(80)
        lives = {
            name: node.processes for name, node in self.nodes.items()
        }  # also of those that died
        self.simulation.make_well()
        self.simulation.settle()
        return self._played(lives)

    def _played(self, lives: dict[str, NodeProcesses]) -> Played:
        records = [it for life in lives.values() for it in life.engine.calls.records]
        pushes: list[tuple[str, PushEntry]] = []
        for name, life in lives.items():
            assert isinstance(life.cpns, RememberingCpns)
            not_taken = life.engine.calls.pushes.not_taken
            pushes += [(name, entry) for entry in (*life.cpns.entries, *not_taken)]
        [record] = records
        return Played(
            record,
            tuple(pushes),
            {
                name: tuple(seen for seen in phone.phone.screen.seen if seen.at >= at(0))
                for name, phone in self.simulation.phones.items()
            },
            tuple(self.simulation.watch.violations),
            self.simulation.scenario,
        )


def _do(what: Callable[[], object]) -> None:
    what()


def at(seconds: float) -> Instant:
    """So long after the call."""
    return Instant(CALL_NS + round(seconds * SECOND))
