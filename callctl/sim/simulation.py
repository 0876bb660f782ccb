"""One run: builds the world of a scenario, lets it happen, and has it judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from callctl.model.build import password_of
from callctl.model.cluster import Cluster
from callctl.phone.settings import AnswerPlan, Registrar, UserAgentSettings
from callctl.sim.agent_party import AgentParty
from callctl.sim.alarm_desk import AlarmDesk
from callctl.sim.cloud_faults import RETRY_AFTER_S
from callctl.sim.cloud_party import UNIX_MS_AT_ZERO, CloudParty
from callctl.sim.cloud_trouble import befall
from callctl.sim.entropy import Streams
from callctl.sim.faults import SETTLE_NS
from callctl.sim.judges import all_judges
from callctl.sim.judges.nothing_left import left
from callctl.sim.network import Network
from callctl.sim.node_factory import NodeFactory, Onboarded
from callctl.sim.node_party import Bus, NodeParty
from callctl.sim.node_processes import NodeProcesses
from callctl.sim.party import Party
from callctl.sim.phone_party import PhoneParty
from callctl.sim.scenario import (
    CALLS_FROM_NS,
    CallPlan,
    PeerPlan,
    Scenario,
    Trouble,
    TroublePlan,
    peer_name,
)
from callctl.sim.sign_in_desk import SignInDesk
from callctl.sim.trace import Trace
from callctl.sim.watch import Judge, Violation, Watch
from callctl.sim.weather import CALM
from callctl.sim.world import Livelock, World
from sipstack.timing import SECOND, Instant

LOOK_NS: Final = 10 * SECOND  # between two looks whether all is at rest
PATIENCE_NS: Final = 120 * SECOND  # for calls that lost one of their ends: they may never end
PORT: Final = 5060


@dataclass(slots=True)
class Result:
    """What came of one run."""

    seed: int
    violations: list[Violation]
    trace: Trace
    stats: dict[str, int] = field(default_factory=dict)
    ended_at: int = 0  # ns

    @property
    def ok(self) -> bool:
        """True if nothing happened that must not."""
        return not self.violations


class Simulation:
    """The world of one scenario. Stories drive it by hand, `run` does it by the plan."""

    def __init__(
        self,
        scenario: Scenario,
        factory: NodeFactory | None = None,
        judges: Callable[[Scenario], Sequence[Judge]] = all_judges,
    ) -> None:
        """`factory` makes the nodes: a faulty one has to be found out by the judges."""
        self.scenario = scenario
        cluster = scenario.cluster
        streams = self.streams = Streams(scenario.seed)
        self.world = World()
        self.watch = Watch(self.world, judges(scenario), scenario.judged)
        self.network = Network(self.world, streams.random("network"), self.watch)
        self.network.weather = scenario.good_weather
        self.bus = Bus(self.world, streams.random("bus"))
        self.cloud = CloudParty(self.world, streams, self.watch)
        self.cloud.way.weather = scenario.good_weather
        self.cloud.ci.accounts.access_lifetime_s = scenario.cloud.token_life_s
        self.alarms = AlarmDesk(self.world, self.watch, cluster.release)
        self.nodes: dict[str, NodeParty] = {}
        make = factory or NodeFactory()
        for name in cluster.nodes:
            self.nodes[name] = NodeParty(
                name,
                self.world,
                self.network,
                self.bus,
                self.cloud,
                self.alarms,
                self.watch,
                cluster,
                self._maker(make, name),
            )
        self.agents = {
            plan.device.name: AgentParty(
                plan.device.name,
                self.world,
                self.network,
                self.watch,
                agent_settings(cluster, plan.device.name, plan.host, plan.transport, plan.answer),
                streams.entropy(f"agent {plan.device.name}"),
            )
            for plan in scenario.agents
        }
        for peer in scenario.peers:
            # A party outside the cluster: it calls and is called without being registered.
            name = peer_name(peer.destination)
            self.agents[name] = AgentParty(
                name,
                self.world,
                self.network,
                self.watch,
                peer_settings(cluster, peer),
                streams.entropy(name),
            )
        self.desk = SignInDesk(cluster, self.bus.nodes, self.watch)
        self.phones = {
            plan.device.name: PhoneParty(
                plan,
                registrars_of(cluster, plan.device.name, plan.transport),
                cluster,
                self.world,
                self.network,
                self.watch,
                self.cloud,
                self.desk,
                streams.entropy(f"phone {plan.device.name}"),
            )
            for plan in scenario.phones
        }

    @property
    def parties(self) -> list[Party]:
        """Everybody who is up."""
        everybody: list[Party] = [
            *self.nodes.values(),
            *self.agents.values(),
            *self.phones.values(),
        ]
        return [party for party in everybody if party.up]

    def run(self) -> Result:
        """The whole plan, then rest, then the last look of the judges."""
        try:
            self.begin()
            self.plan()
            self.world.run_to(Instant(self.scenario.faults_until))
            self.make_well()
            self.settle()
        except Livelock as error:
            self.watch.convict("I13", f"livelock: {error}")
        return self.result()

    def result(self) -> Result:
        """What the judges have to say by now."""
        watch = self.watch
        return Result(
            self.scenario.seed, watch.violations, watch.trace, watch.stats, self.world.now
        )

    # The parts of a run.

    def begin(self) -> None:
        """Start the nodes; everybody signs in and registers."""
        for node in self.nodes.values():
            node.start()
        for plan in self.scenario.agents:
            self.agents[plan.device.name].register()
        for phone in self.phones.values():
            phone.start()

    def plan(self) -> None:
        """Everything the scenario has for this run."""
        plan, scenario = self.world.plan, self.scenario
        plan(Instant(CALLS_FROM_NS), self._spoil, None)
        for call in scenario.calls:
            plan(Instant(call.at), self._call, call)
        for trouble in scenario.troubles:
            plan(Instant(trouble.at), self._trouble, trouble)
        for phone in scenario.phones:
            party = self.phones[phone.device.name]
            for at, on_screen in phone.toggles:
                plan(Instant(at), party.look, on_screen)
            if phone.sign_out_at is not None:
                plan(Instant(phone.sign_out_at), _sign_out, party)

    def make_well(self) -> None:
        """End all faults: from now on everything has to come to rest by itself."""
        self.network.weather = self.scenario.good_weather
        self.bus.weather = CALM
        self.cloud.clear_faults()
        self.network.heal()
        for node in self.nodes.values():
            node.restart()
            if node.processes.hangs:
                node.kill_cpns()
            node.set_cpns(True)

    def settle(self) -> None:
        """Let things end, for as long as they may take, and have the end judged."""
        world = self.world
        again_ns = (self.scenario.cloud.token_again_s + RETRY_AFTER_S) * SECOND
        ringing_ns = self.scenario.cluster.service_parameters.timer_c_s * SECOND
        limit = Instant(world.now + 2 * ringing_ns + SETTLE_NS + again_ns)
        patience = Instant(world.now + PATIENCE_NS)
        while world.now < limit:
            world.run_to(Instant(world.now + LOOK_NS))
            # An alarm may last longer: until CI is asked again.
            if self.at_rest(stranded=world.now > patience) and not self.alarms.lasting:
                break
        self.watch.rest(self.parties)

    def at_rest(self, *, stranded: bool = False) -> bool:
        """True once nobody holds anything.

        `stranded`: do not wait for those whose only calls lost a node or a connection on the way.
        """
        if any(self.cloud.counts().values()):
            return False
        cut_off = self.watch.ledger.cut_off
        for party in self.parties:
            if left(party):
                talking = party.talking() if stranded else ()
                if not talking or not all(call_id in cut_off for call_id in talking):
                    return False
        return True

    # What the plan says.

    def _spoil(self, _: None) -> None:
        scenario, cloud = self.scenario, self.cloud
        self.network.weather = scenario.weather
        self.bus.weather = scenario.bus_weather
        cloud.way.weather = scenario.cloud_weather
        for fault in scenario.ci_faults:
            cloud.ci.faults.add(fault)
        for fault in scenario.push_rest_faults:
            cloud.push_rest.faults.add(fault)
        cloud.spoil(*scenario.partner_faults)

    def _call(self, plan: CallPlan) -> None:
        world = self.world
        phone = self.phones.get(plan.caller)
        if phone is not None:
            phone.call(plan.target, plan.hang_up_ns)
            if plan.give_up_ns is not None:
                world.plan(Instant(world.now + plan.give_up_ns), _hang_up, phone)
            return
        agent = self.agents[plan.caller]
        call = agent.call(plan.target, plan.hang_up_ns)
        if plan.give_up_ns is not None:
            world.plan(Instant(world.now + plan.give_up_ns), agent.hang_up, call)

    def _trouble(self, plan: TroublePlan) -> None:
        match plan.what:
            case Trouble.STOP:
                self.nodes[plan.whom[0]].stop()
            case Trouble.KILL:
                self.nodes[plan.whom[0]].kill(power=False)
            case Trouble.POWER_OFF:
                self.nodes[plan.whom[0]].kill(power=True)
            case Trouble.RESTART:
                self.nodes[plan.whom[0]].restart()
            case Trouble.CUT:
                self.network.cut(*plan.whom)
                hosts = {node.sockets.host for node in self.nodes.values()}
                self.watch.ledger.nodes_lost |= hosts.issuperset(plan.whom)
            case Trouble.HEAL:
                self.network.heal()
            case Trouble.NEW_TARGETS:
                self.phones[plan.whom[0]].take_new_targets()
            case _:
                befall(plan, self.cloud, self.nodes, self.world.now)

    def _maker(self, factory: NodeFactory, name: str) -> Callable[[int], NodeProcesses]:
        cluster, streams = self.scenario.cluster, self.streams
        onboarded = Onboarded(lambda: self.cloud.account, self.scenario.cloud, UNIX_MS_AT_ZERO)
        return lambda life: factory.processes(cluster, name, streams, life, onboarded)


def _hang_up(phone: PhoneParty) -> None:
    phone.hang_up()


def _sign_out(phone: PhoneParty) -> None:
    phone.sign_out()


def registrars_of(cluster: Cluster, device_name: str, transport: str) -> tuple[Registrar, ...]:
    """The nodes of a device's CM group, in order."""
    group = cluster.group_of(cluster.devices[device_name])
    found = []
    for name in group.nodes:
        node = cluster.nodes[name]
        listener = node.listener(transport)
        assert listener is not None
        found.append(Registrar(listener.host, listener.port, node.fqdn))
    return tuple(found)


def peer_settings(cluster: Cluster, plan: PeerPlan) -> UserAgentSettings:
    """The other end of a trunk; it calls the first node that speaks its transport."""
    transport, host, port = plan.destination.transport, plan.destination.host, plan.destination.port
    nodes = [
        Registrar(listener.host, listener.port)
        for node in cluster.nodes.values()
        if (listener := node.listener(transport)) is not None
    ]
    return UserAgentSettings(
        "4989123", cluster.domain, tuple(nodes), host, port, transport, answer=plan.answer
    )


def agent_settings(
    cluster: Cluster, device_name: str, host: str, transport: str, answer: AnswerPlan
) -> UserAgentSettings:
    """A desk phone with one line."""
    device = cluster.devices[device_name]
    owner = device.owner or ""
    return UserAgentSettings(
        device.lines[0],
        cluster.domain,
        registrars_of(cluster, device_name, transport),
        host,
        PORT,
        transport,
        auth_user=owner,
        password=password_of(owner),
        display_name=cluster.lines[device.lines[0]].display_name,
        device_name=device_name,
        answer=answer,
    )
