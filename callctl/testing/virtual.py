"""The simulated world as a stage: virtual time, one seed, and judges that watch every event."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from callctl.push.history import PushEntry, RememberingCpns
from callctl.sim.cloud_party import UNIX_MS_AT_ZERO
from callctl.sim.judges import all_judges
from callctl.sim.judges.nothing_left import NothingLeft
from callctl.sim.scenario import Scenario, peer_name
from callctl.sim.simulation import Simulation
from callctl.sim.story_stage import CLOUD, LINK, RememberingFactory, wall
from callctl.sim.watch import Judge
from callctl.sim.world import Livelock
from callctl.testing.casting import leads_to, peers_of, read_cast
from callctl.testing.fact import Fact, What
from callctl.testing.plan import Plan
from callctl.testing.play import SetUpError
from callctl.testing.recording import Recording
from callctl.testing.stage import FileCast, Push, Story
from callctl.testing.story import newest_story, pushes_to
from callctl.testing.translation import Translator
from callctl.testing.virtual_cloud import VirtualCloud
from callctl.testing.virtual_eye import Eye
from callctl.testing.virtual_hands import VirtualDesk, VirtualLinks, VirtualNode, VirtualPhone
from callctl.testing.virtual_scenario import addresses_of, scenario_of, virtual_cluster
from sipstack.timing import MS, SECOND, Instant

PUT_AWAY_NS: Final = 8 * SECOND
CURTAIN_NS: Final = 20 * SECOND  # everybody has registered and fallen asleep by then
RESERVE_NS: Final = 7 * SECOND  # that a word waits longer than a call for a device


class VirtualTheatre:
    """Makes simulated worlds."""

    live = False

    def read(self, file: Path) -> FileCast:
        """Who is in a cluster file."""
        return read_cast(file)

    async def raise_curtain(self, plan: Plan) -> VirtualStage:
        """The world of a plan."""
        return VirtualStage(plan)


class VirtualStage:
    """One world, from its curtain on."""

    def __init__(self, plan: Plan) -> None:
        """Raises: SetUpError, ConfigError or ValueError if the plan cannot be played."""
        self._plan = plan
        cluster = self._cluster = virtual_cluster(plan)
        scenario = scenario_of(plan, cluster)
        peers = {peer_name(at): name for name, at in peers_of(cluster).items()}
        addresses = addresses_of(cluster, scenario, peers)
        self._recording = Recording(
            tuple(cluster.nodes), (*plan.desks, *peers.values()), tuple(plan.mobiles), addresses
        )
        fqdns = {node.fqdn: name for name, node in cluster.nodes.items()}
        translators = {
            **{name: Translator(name, fqdns, mobile=True) for name in plan.mobiles},
            **{name: Translator(name, fqdns, mobile=False) for name in plan.desks},
            **{it: Translator(name, fqdns, mobile=False) for it, name in peers.items()},
        }
        hosts = {address: name for name, address in addresses.items()}
        self._eye = Eye(self._recording, translators, hosts, peers)
        self._simulation = simulation = Simulation(scenario, RememberingFactory(), self._judges)
        links = VirtualLinks(simulation, addresses, LINK)
        self.network = links
        self.cloud = VirtualCloud(simulation.cloud)
        nodes = simulation.nodes
        self._nodes = {name: VirtualNode(it, nodes.values) for name, it in nodes.items()}
        self._phones = {
            name: VirtualPhone(party, simulation, links)
            for name, party in simulation.phones.items()
        }
        self._desks = {
            peers.get(name, name): VirtualDesk(peers.get(name, name), party, links)
            for name, party in simulation.agents.items()
        }
        self._set()

    # What a stage is.

    @property
    def facts(self) -> list[Fact]:
        """What came to pass, in order."""
        return self._eye.facts

    @property
    def recording(self) -> Recording:
        """Every message."""
        return self._recording

    @property
    def now(self) -> int:
        """ns since the curtain."""
        return self._simulation.world.now - self._eye.zero

    @property
    def patience_ns(self) -> int:
        """As long as a call waits for its device, and a while."""
        return self._cluster.service_parameters.drop_s * SECOND + RESERVE_NS

    async def until(self, happened: Callable[[], bool], limit_ns: int) -> bool:
        """Let the world go on, event by event."""
        world = self._simulation.world
        limit = Instant(world.now + limit_ns)
        while not happened():
            next_at = world.next_event()
            if next_at is None or next_at > limit:
                world.run_to(limit)
                self._eye.catch_up(self._simulation.watch.trace)
                return happened()
            world.run_to(next_at)
            self._eye.catch_up(self._simulation.watch.trace)
        return True

    def note(self, who: str, text: str) -> None:
        """For ladder and capture."""
        self._recording.note(self.now, who, text)

    def phone(self, name: str) -> VirtualPhone:
        """A mobile phone."""
        return self._phones[name]

    def desk(self, name: str) -> VirtualDesk:
        """A desk phone or peer."""
        return self._desks[name]

    def node(self, name: str) -> VirtualNode:
        """A node."""
        return self._nodes[name]

    def leads_to(self, number: str) -> frozenset[str]:
        """All numbers and peers behind one."""
        return leads_to(self._cluster, number)

    def story(self, call_id: str, caller: str, since: int) -> Story | None:
        """The newest that fits."""
        records = [record for node in self._nodes.values() for record in node.records]
        began = Instant(since + self._eye.zero)
        return newest_story(records, self._entries(), wall, call_id, caller, began)

    def pushes(self, device: str) -> tuple[Push, ...]:
        """Of all lives of all nodes."""
        records = [record for node in self._nodes.values() for record in node.records]
        return pushes_to(device, records, self._entries(), self._eye.zero)

    # The end.

    def judge(self) -> list[str]:
        """End all calls and faults, let everything come to rest, and hear the judges."""
        simulation = self._simulation
        if not self._plan.judged:
            return []
        try:
            self._come_to_rest()
        except Livelock as error:
            simulation.watch.blame("I13", f"livelock: {error}")
        found = simulation.watch.violations
        return [f"{it.invariant} at {self._after(it.at)}: {it.text}" for it in found]

    def _come_to_rest(self) -> None:
        simulation = self._simulation
        for phone in simulation.phones.values():
            if phone.talking():
                phone.hang_up()
        for agent in simulation.agents.values():
            for call in agent.agent.calls():
                agent.hang_up(call)
        simulation.make_well()
        simulation.settle()

    def _after(self, at: Instant) -> str:
        return f"{(at - self._eye.zero) / SECOND:.3f} s"

    # Inside.

    def _judges(self, scenario: Scenario) -> tuple[Judge, ...]:
        if not self._plan.judged:
            return (self._eye,)
        judges = all_judges(scenario)
        if any(trunk.options_ping_s for trunk in scenario.cluster.trunks.values()):
            # Nodes that ask their peers time and again never come to rest.
            judges = tuple(judge for judge in judges if not isinstance(judge, NothingLeft))
        return (*judges, self._eye)

    def _set(self) -> None:
        """Everybody comes, registers, and those who shall sleep do."""
        simulation, plan = self._simulation, self._plan
        for node in simulation.nodes.values():
            node.start()
        for name, part in plan.desks.items():
            if part.registered:
                simulation.agents[name].register()
        for phone in simulation.phones.values():
            phone.start()
        simulation.bus.weather = LINK
        simulation.cloud.way.weather = CLOUD
        simulation.world.run_to(Instant(PUT_AWAY_NS))
        for name, mobile in plan.mobiles.items():
            if mobile.asleep:
                simulation.phones[name].lock()
        simulation.world.run_to(Instant(CURTAIN_NS))
        self._check_set()
        self._eye.catch_up(simulation.watch.trace)
        self._recording.epoch_unix_ns = UNIX_MS_AT_ZERO * MS + CURTAIN_NS
        self._eye.begin()

    def _check_set(self) -> None:
        plan, came = self._plan, {it.who for it in self.facts if it.what is What.REGISTERED}
        wanted = [name for name, part in plan.desks.items() if part.registered]
        for name in (*wanted, *plan.mobiles):
            if name not in came:
                raise SetUpError(f"{name} could register at no node of its CM group")
        for name, mobile in plan.mobiles.items():
            if mobile.asleep is not self._phones[name].asleep:
                raise SetUpError(f"{name} does not {'sleep' if mobile.asleep else 'stay awake'}")

    def _entries(self) -> list[tuple[str, PushEntry]]:
        found: list[tuple[str, PushEntry]] = []
        for name, node in self._nodes.items():
            for life in node.lives:
                assert isinstance(life.cpns, RememberingCpns)
                not_taken = life.engine.calls.pushes.not_taken
                found += [(name, entry) for entry in (*life.cpns.entries, *not_taken)]
        return sorted(found, key=lambda pair: pair[1].wanted_at)
