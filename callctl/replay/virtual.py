"""Plays a script against nodes in virtual time: at the clock of the capture, as fast as it goes.

Every place of the capture is a party with sockets of its own in the simulated network, which loses
and delays nothing here; the clouds answer pushes as the notes say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from callctl.model.cluster import Cluster
from callctl.model.device import Device
from callctl.phone.push_identity import PushIdentity
from callctl.phone.settings import AnswerPlan
from callctl.push.events import LostReason, PushAnswered, PushLost
from callctl.replay.learned import Learned
from callctl.replay.live import Played
from callctl.replay.notes import Notes
from callctl.replay.passwords import passwords_of
from callctl.replay.play_event import (
    AnswerPush,
    Befall,
    HangUp,
    Heard,
    LosePush,
    PlayAction,
    PlayEvent,
    PushLeft,
    Say,
    SignInDevice,
    SignOutDevice,
)
from callctl.replay.player import Player
from callctl.replay.recording import Place
from callctl.replay.rewrite import Manner, Rewriter
from callctl.replay.script import Script
from callctl.replay.virtual_cloud import PlayedCloud, PushEye
from callctl.replay.virtual_network import PlayedNetwork
from callctl.replay.virtual_node import befall
from callctl.sim.alarm_desk import AlarmDesk
from callctl.sim.cloud_party import UNIX_MS_AT_ZERO
from callctl.sim.entropy import Streams
from callctl.sim.glance import is_message
from callctl.sim.network import Sockets
from callctl.sim.node_factory import NodeFactory, Onboarded
from callctl.sim.node_party import Bus, NodeParty
from callctl.sim.node_processes import NodeProcesses
from callctl.sim.party import Party, Role
from callctl.sim.phone_party import phone_settings
from callctl.sim.push_eye import SeenPush
from callctl.sim.scenario import CloudPlan, PhonePlan
from callctl.sim.sign_in_desk import SignInDesk
from callctl.sim.simulation import registrars_of
from callctl.sim.watch import Watch
from callctl.sim.weather import Weather
from callctl.sim.world import World
from sipstack.timing import SECOND, Instant
from sipstack.transport.flow import UNCONNECTED, BytesReceived, Flow, Send, TransportEvent

NOBODY: Final = "?"
SIGNS_IN_FROM: Final = "192.0.2.200"  # RFC 5737: managed clients sign in over HTTPS


class VirtualStage:
    """One play. `run` gives what came of it."""

    def __init__(
        self, notes: Notes, script: Script, *, seed: int = 1, factory: NodeFactory | None = None
    ) -> None:
        cluster = self._cluster = notes.cluster
        streams = Streams(seed)
        self.world = World()
        self.watch = Watch(self.world, (PushEye(self._seen),))
        between_ns = round(notes.file.between_nodes_s * SECOND)
        hosts = frozenset(it.listeners[0].host for it in cluster.nodes.values())
        between = Weather(delay_min_ns=between_ns, delay_max_ns=between_ns)
        self.network = PlayedNetwork(
            self.world, streams.random("network"), self.watch, hosts, between_ns
        )
        bus = Bus(self.world, streams.random("bus"))
        bus.weather = between
        self._cloud = PlayedCloud(self.world, streams, self.watch)
        self._streams = streams
        self.nodes = {
            name: NodeParty(
                name,
                self.world,
                self.network,
                bus,
                self._cloud,
                AlarmDesk(self.world, self.watch, cluster.release),
                self.watch,
                cluster,
                self._maker(factory or NodeFactory(), name),
            )
            for name in cluster.nodes
        }
        self._desk = SignInDesk(cluster, bus.nodes, self.watch)
        self._identities: dict[str, PushIdentity] = {}
        self._players = {it.number: _Outsider(it, self) for it in script.recording.places}
        began_at = Instant(round(notes.file.starts_s * SECOND))
        targets = _own_targets(script, cluster) if notes.inserted else {}
        rewriter = Rewriter(Manner(passwords_of(cluster), targets=targets), Learned())
        self.player = Player(script, notes.file, rewriter, began_at, cluster.domain)
        self.timer_at: Instant | None = None

    def run(self) -> Played:
        """Everything, to the end."""
        for node in self.nodes.values():
            node.start()
        self.world.watch(self)
        self.world.run_to(self.player.played.ended_at)
        return self.player.finish(self.world.now)

    # As a machine of the world.

    def advance(self, now: Instant) -> None:
        """Let parties say what is due."""
        self._perform(self.player.advance(now))

    def next_deadline(self) -> Instant | None:
        """When somebody says something."""
        return self.player.next_deadline()

    def heard(self, event: PlayEvent) -> None:
        """A place got something, or a push left."""
        self._perform(self.player.receive(event, self.world.now))
        self.world.watch(self)

    # Actions.

    def _perform(self, actions: tuple[PlayAction, ...]) -> None:
        for action in actions:
            match action:
                case Say():
                    self._players[action.place.number].say(action)
                case HangUp(place):
                    self._players[place.number].hang_up()
                case AnswerPush(tracking_id, status, body):
                    self._cloud.hear(tracking_id, PushAnswered(tracking_id, status, body.encode()))
                case LosePush(tracking_id, reason):
                    lost: LostReason = reason  # type: ignore[assignment]
                    self._cloud.hear(tracking_id, PushLost(tracking_id, lost))
                case SignInDevice(device):
                    self._sign_in(self._cluster.devices[device])
                case SignOutDevice(device):
                    out = self._identity(self._cluster.devices[device]).sign_out()
                    self._desk.sign_out(out, SIGNS_IN_FROM, self.world.now)
                case Befall():
                    # Behind the timers of this instant, as whatever comes from outside.
                    self.world.plan(self.world.now, self._befall, action)

    def _befall(self, what: Befall) -> None:
        befall(self.nodes[what.node], what.event)

    def _sign_in(self, device: Device) -> None:
        self._desk.sign_in(self._identity(device).sign_in(), SIGNS_IN_FROM, self.world.now)

    def _identity(self, device: Device) -> PushIdentity:
        known = self._identities.get(device.name)
        if known is None:
            plan = PhonePlan(device, SIGNS_IN_FROM, "TLS", AnswerPlan(), 0)
            registrars = registrars_of(self._cluster, device.name, "TLS")
            settings = phone_settings(plan, registrars, self._cluster)
            entropy = self._streams.entropy(f"identity {device.name}")
            known = self._identities[device.name] = PushIdentity(settings, entropy)
        return known

    def _seen(self, node: Party, push: SeenPush) -> None:
        name = push.device_name
        if name == NOBODY:  # of a standard client: its REGISTER has brought the token
            name = self._device_of(push)
        self.heard(PushLeft(push.tracking_id, node.name, name, push.kind.value, push.active_node))

    def _device_of(self, push: SeenPush) -> str:
        for node in self.nodes.values():
            for binding in node.processes.engine.push_bindings:
                for token in (binding.voip_token, binding.message_token):
                    if token is not None and f'"{token}"'.encode() in push.body:
                        return binding.device_name
        return NOBODY

    def _maker(self, factory: NodeFactory, name: str) -> Callable[[int], NodeProcesses]:
        onboarded = Onboarded(lambda: self._cloud.account, CloudPlan(), UNIX_MS_AT_ZERO)

        def make(life: int) -> NodeProcesses:
            return factory.processes(self._cluster, name, self._streams, life, onboarded)

        return make

    def listener(self, node: str, transport: str) -> tuple[str, int]:
        """Where a node takes a transport."""
        listener = self._cluster.nodes[node].listener(transport)
        assert listener is not None
        return listener.host, listener.port


class _Outsider(Party):
    """One place of the capture."""

    __slots__ = ("_flows", "_place", "_stage")

    def __init__(self, place: Place, stage: VirtualStage) -> None:
        super().__init__(place.party, Role.AGENT, stage.world, stage.network)
        listeners = () if place.dials else ((place.transport, place.port),)
        self.sockets = Sockets(self, place.host, listeners, self.take)
        self._place = place
        self._stage = stage
        self._flows: dict[str, Flow] = {}  # connections that nodes opened, by their host
        stage.network.start(self.sockets)
        self.up = True

    def take(self, event: TransportEvent) -> None:
        """From the network."""
        if isinstance(event, BytesReceived):
            if event.flow.connection != UNCONNECTED:
                self._flows[event.flow.remote_host] = event.flow
            if is_message(event.data):
                self._stage.heard(Heard(self._place, event.flow, event.data))

    def say(self, action: Say) -> None:
        """Send one message."""
        place = self._place
        flow = action.flow
        if flow is None:
            host, port = self._stage.listener(action.node, place.transport)
            flow = None if place.dials else self._flows.get(host)
            if flow is None:
                flow = Flow(place.transport, place.host, place.port, host, port)
        if flow.connection != UNCONNECTED and flow.connection not in self.sockets.by_number:
            flow = flow._replace(connection=UNCONNECTED)
        self.network.send(self.sockets, Send(flow, action.octets))

    def hang_up(self) -> None:
        """Close every connection."""
        for end in tuple(self.sockets.by_number.values()):
            self.network.close(self.sockets, end.flow)

    def counts(self) -> dict[str, int]:
        """Nothing that anybody waits for."""
        return {}


def _own_targets(script: Script, cluster: Cluster) -> dict[str, str]:
    """Where the engine was put between parties, they ask it instead of one another."""
    listener = next(iter(cluster.nodes.values())).listeners[0]
    here = f"[{listener.host}]" if ":" in listener.host else listener.host
    targets: dict[str, str] = {}
    for place in script.recording.places:
        there = f"[{place.host}]" if ":" in place.host else place.host
        targets[f"{there}:{place.port}"] = f"{here}:{listener.port}"
        targets[there] = f"{here}:{listener.port}"
    return targets
