"""The hands of the simulated world: what owners, administrators and fate do there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import combinations
from typing import TYPE_CHECKING

from callctl.call.story import CallRecord
from callctl.cloud.delivery import Delivery
from callctl.cloud.partner import Partner
from callctl.phone.operating_system import RUNNING
from callctl.phone.phone_event import PushArrived
from callctl.sim.agent_party import AgentParty
from callctl.sim.node_party import NodeParty
from callctl.sim.node_processes import NodeProcesses
from callctl.sim.phone_party import PhoneParty
from callctl.sim.weather import Weather
from callctl.testing.play import SetUpError
from sipstack.timing import Instant

if TYPE_CHECKING:
    from callctl.sim.simulation import Simulation


class VirtualLinks:
    """Which links are cut, so that one can be mended while another stays cut."""

    def __init__(self, simulation: Simulation, hosts: dict[str, str], usual: Weather) -> None:
        """`hosts`: addresses by name. `usual`: the weather of a network that is well."""
        self._simulation = simulation
        self._hosts = hosts
        self._usual = usual
        self._cut: set[frozenset[str]] = set()  # by the test
        self._offline: set[str] = set()  # hosts

    def cut(self, one: str, other: str) -> None:
        """Nothing gets through between two places."""
        self._cut.add(frozenset((self._host(one), self._host(other))))
        self._apply()

    def isolate(self, name: str) -> None:
        """Nothing gets through between a place and every other."""
        here = self._host(name)
        self._cut |= {frozenset((here, host)) for host in self._hosts.values() if host != here}
        self._apply()

    def heal(self) -> None:
        """Every link of the test is there again; who has no network still has none."""
        self._cut.clear()
        self._simulation.network.weather = self._usual
        self._apply()

    def set_online(self, name: str, online: bool) -> None:
        """A phone finds or loses its network."""
        host = self._host(name)
        if online:
            self._offline.discard(host)
        else:
            self._offline.add(host)
        self._apply()

    def lose(self, share: float) -> None:
        """A share of packets is lost."""
        self._change(loss=round(share * 1000))

    def delay(self, least_ns: int, most_ns: int) -> None:
        """Packets take so long."""
        self._change(delay_min_ns=least_ns, delay_max_ns=most_ns)

    def _change(
        self, loss: int | None = None, delay_min_ns: int | None = None, delay_max_ns: int = 0
    ) -> None:
        network = self._simulation.network
        now = network.weather
        if delay_min_ns is None:
            delay_min_ns, delay_max_ns = now.delay_min_ns, now.delay_max_ns
        loss = now.loss if loss is None else loss
        network.weather = Weather(loss, now.duplicates, delay_min_ns, delay_max_ns)

    def _apply(self) -> None:
        simulation = self._simulation
        simulation.network.heal()
        everybody = set(self._hosts.values())
        pairs = {frozenset(pair) for pair in combinations(sorted(everybody), 2)}
        cut = self._cut | {pair for pair in pairs if pair & self._offline}
        nodes = {node.sockets.host for node in simulation.nodes.values()}
        for pair in sorted(tuple(sorted(pair)) for pair in cut):
            simulation.network.cut(*pair)
            if nodes.issuperset(pair):
                simulation.watch.ledger.nodes_lost = True  # as for any cut between nodes

    def _host(self, name: str) -> str:
        try:
            return self._hosts[name]
        except KeyError:
            known = ", ".join(self._hosts)
            raise SetUpError(f"nobody is called {name}; there are {known}") from None


class VirtualPhone:
    """A mobile phone."""

    def __init__(self, party: PhoneParty, simulation: Simulation, links: VirtualLinks) -> None:
        self._party = party
        self._simulation = simulation
        self._links = links
        self.call = party.call
        self.answer = party.answer
        self.hang_up = party.hang_up
        self.close_app = party.close_app
        self.tap = party.tap
        self.sign_in = party.start
        self.sign_out = party.sign_out

    @property
    def asleep(self) -> bool:
        """True while the app is suspended or does not run."""
        return self._party.phone.system.state not in RUNNING

    def decline(self, status: int) -> None:
        """Refuse the newest call."""
        self._party.decline(status)

    def put_away(self) -> None:
        """Lock it."""
        self._party.lock()

    def open_app(self) -> None:
        """Unlock it, and open the app."""
        self._party.lock(False)
        self._party.look(True)

    def remove_app(self) -> None:
        """The tokens are dead from now on."""
        for attached in self._party.phone.identity.attachments():
            self._simulation.cloud.unregister(_partner(attached.service), attached.token)

    def set_online(self, online: bool) -> None:
        """The cloud keeps what it may keep for a phone that is away."""
        cloud = self._simulation.cloud
        for attached in self._party.phone.identity.attachments():
            if online:
                partner = _partner(attached.service)
                cloud.attach(partner, attached.token, attached.app, self._pushed)
            else:
                cloud.detach(attached.token)
        self._links.set_online(self._party.name, online)

    def _pushed(self, delivery: Delivery) -> None:
        push_type = delivery.push_type
        self._simulation.watch.note(self._party, f"gets a push: {push_type}")
        self._party.take(
            PushArrived(delivery.token, push_type, delivery.payload, delivery.collapse_id)
        )


class VirtualDesk:
    """A desk phone or trunk peer."""

    def __init__(self, name: str, party: AgentParty, links: VirtualLinks) -> None:
        self._name = name
        self._party = party
        self._links = links
        self.hang_up = party.hang_up
        self.register = party.register

    def call(self, number: str) -> tuple[int, str]:
        """Place a call."""
        call = self._party.call(number)
        return call, self._party.agent.calls()[call]

    def answer(self, call: int) -> None:
        """Pick up."""
        party = self._party
        party.perform(party.agent.answer(call, party.world.now))

    def decline(self, call: int, status: int) -> None:
        """Refuse."""
        party = self._party
        party.perform(party.agent.decline(call, party.world.now, status))

    def unregister(self) -> None:
        """Have the contact removed."""
        party = self._party
        party.perform(party.agent.unregister(party.world.now))

    def set_online(self, online: bool) -> None:
        """Cut or mend its link."""
        self._links.set_online(self._name, online)

    def set_power(self, on: bool) -> None:
        """Its process dies, or is there again."""
        network, sockets = self._party.network, self._party.sockets
        if on:
            network.start(sockets)
        else:
            network.crash(sockets)


class VirtualNode:
    """A node, through its lives."""

    def __init__(self, party: NodeParty, others: Callable[[], Iterable[NodeParty]]) -> None:
        self._party = party
        self._others = others
        self._past: list[NodeProcesses] = []  # of earlier lives

    @property
    def running(self) -> bool:
        """True between its start and its end."""
        return self._party.up

    @property
    def in_service(self) -> bool | None:
        """What the others that run believe."""
        believed = {
            node.processes.engine.membership.in_service(self._party.name)
            for node in self._others()
            if node.up and node is not self._party
        }
        return believed.pop() if len(believed) == 1 else None

    @property
    def lives(self) -> tuple[NodeProcesses, ...]:
        """Of every life, the present one last."""
        return (*self._past, self._party.processes)

    @property
    def records(self) -> list[CallRecord]:
        """Every call that it remembers, over all lives."""
        return [record for life in self.lives for record in life.engine.calls.records]

    async def stop(self) -> None:
        self._party.stop()

    async def kill(self) -> None:
        self._lose(power=False)

    async def power_off(self) -> None:
        self._lose(power=True)

    async def start(self) -> None:
        if not self._party.up:
            self._past.append(self._party.processes)
            self._party.restart()

    async def stop_service(self) -> None:
        self._party.set_cpns(False)

    async def start_service(self) -> None:
        self._party.set_cpns(True)

    async def kill_service(self) -> None:
        self._party.kill_cpns()

    async def hang_service(self, hangs: bool) -> None:
        self._party.hang_cpns(hangs)

    def _lose(self, *, power: bool) -> None:
        if self._party.up:
            self._party.kill(power=power)
            now: Instant = self._party.world.now
            for record in self._party.processes.engine.calls.records:
                record.note_death(now)  # as a cluster does over sockets


def _partner(service: str) -> Partner:
    return Partner.FCM if service.startswith("FCM") else Partner.APNS
