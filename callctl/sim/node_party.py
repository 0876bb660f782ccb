"""A node in the simulated world: its core, its sockets, the bus, and the ways it can die."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from callctl.cluster.event import ClusterEvent
from callctl.cluster.membership import Publish
from callctl.engine.engine import Engine
from callctl.engine.event import (
    ClusterEventReceived,
    CpnsChanged,
    DeviceSignedIn,
    DeviceSignedOut,
    FaultContained,
    LookedUp,
    LookUp,
)
from callctl.engine.node_core import NodeAction, NodeCore, NodeEvent
from callctl.model.cluster import Cluster
from callctl.push.cpns import Cpns, CpnsSettings
from callctl.push.events import AbandonPush, PostPush, RenewToken, TokenChanged
from callctl.registration.push_binding import PushBinding
from callctl.sim.cloud_party import CloudParty
from callctl.sim.entropy import Streams
from callctl.sim.network import Network, Sockets
from callctl.sim.party import Party, Role
from callctl.sim.watch import Watch
from callctl.sim.weather import STILL, Weather
from callctl.sim.world import World
from sipstack.timing import SECOND, Instant
from sipstack.transaction.events import Ignored
from sipstack.transport.flow import CloseFlow, Send

CLUSTER_KEY: Final = b"simulated cluster key, 32 octets"
PUSH_URL: Final = "https://push.sim.example/push/v1/notifications"


class NodeFactory:
    """Makes the core of a node; planted faults come in by making another one."""

    engine: type[Engine] = Engine
    cpns: type[Cpns] = Cpns

    def core(
        self, cluster: Cluster, name: str, streams: Streams, life: int, unix_ms_at_zero: int
    ) -> NodeCore:
        """A node that has not started."""
        entropy = streams.entropy(f"node {name} {life}")
        engine = self.engine(cluster, name, entropy, key=CLUSTER_KEY, incarnation=life)
        parameters = cluster.service_parameters
        settings = CpnsSettings(
            PUSH_URL,
            second_push_wait_ns=parameters.second_push_wait_s * SECOND,
            response_timeout_ns=parameters.push_response_timeout_s * SECOND,
            unix_ms_at_zero=unix_ms_at_zero,
        )
        return self.wire(engine, self.cpns(settings, entropy, engine.push_binding, engine.features))

    def wire(self, engine: Engine, cpns: Cpns) -> NodeCore:
        """Engine and push service together."""
        return NodeCore(engine, cpns)


class Bus:
    """Carries cluster events between nodes: in order, and lost where a link is cut."""

    __slots__ = ("_last_at", "_random", "_world", "nodes", "weather")

    def __init__(self, world: World, random: Random) -> None:
        self._world = world
        self._random = random
        self._last_at: dict[tuple[str, str], Instant] = {}
        self.nodes: list[NodeParty] = []
        self.weather: Weather = STILL

    def publish(self, sender: NodeParty, event: ClusterEvent) -> None:
        """Tell every other node that runs and can be reached."""
        world = self._world
        for node in self.nodes:
            if node is sender or not node.up:
                continue
            if sender.network.is_cut(sender.sockets.host, node.sockets.host):
                continue
            link = (sender.name, node.name)
            at = Instant(world.now + self.weather.delay(self._random))
            self._last_at[link] = at = max(at, self._last_at.get(link, at))
            world.plan(at, node.hear, (node.life, ClusterEventReceived(event)))


class NodeParty(Party):
    """One call-control node, through its lives."""

    __slots__ = ("_bus", "_cloud", "_make", "_watch", "core")

    def __init__(
        self,
        name: str,
        world: World,
        network: Network,
        bus: Bus,
        cloud: CloudParty,
        watch: Watch,
        cluster: Cluster,
        make: Callable[[int], NodeCore],
    ) -> None:
        """`make` gives the core of a life."""
        super().__init__(name, Role.NODE, world, network)
        listeners = cluster.nodes[name].listeners
        self.sockets = Sockets(
            self,
            listeners[0].host,
            tuple((listener.transport, listener.port) for listener in listeners),
            self.take,
        )
        self._bus = bus
        self._cloud = cloud
        self._watch = watch
        self._make = make
        self.core = make(self.life)
        bus.nodes.append(self)

    # Life and death.

    def start(self) -> None:
        """Come into service, for the first time or again."""
        if self.up:
            return
        self.up = True
        self.network.start(self.sockets)
        self._watch.note(self, "starts")
        now = self.world.now
        self._perform(self.core.receive(TokenChanged(self._cloud.access_token), now))
        self._perform(self.core.start(now))
        self.world.watch(self)

    def stop(self) -> None:
        """Leave in order, then the process ends."""
        if self.up:
            self._perform(self.core.stop(self.world.now))
            self._die("stops")
            self.network.crash(self.sockets)

    def kill(self, *, power: bool) -> None:
        """The process dies; with `power` the whole host is gone without a word."""
        if self.up:
            self._die("loses power" if power else "is killed")
            if power:
                self.network.power_off(self.sockets)
            else:
                self.network.crash(self.sockets)

    def restart(self) -> None:
        """The same node again, knowing nothing."""
        if not self.up:
            self.life += 1
            self.core = self._make(self.life)
            self.start()

    def _die(self, how: str) -> None:
        self.up = False
        self.timer_at = None
        self._watch.note(self, how)
        self._watch.died(self)

    # Events.

    def take(self, event: NodeEvent) -> None:
        """Anything for the core."""
        if self.up:
            self._perform(self.core.receive(event, self.world.now))
            self.world.watch(self)

    def hear(self, what: tuple[int, NodeEvent]) -> None:
        """Something that was on its way to one life of this node and to no other."""
        life, event = what
        if life == self.life:
            self.take(event)

    def sign_in(self, binding: PushBinding) -> None:
        """A managed client signed in here."""
        self.take(DeviceSignedIn(binding))

    def sign_out(self, device_name: str) -> None:
        """A managed client signed out here."""
        self.take(DeviceSignedOut(device_name))

    def set_cpns(self, running: bool) -> None:
        """The administrator stops or starts the push service of this node."""
        self._watch.note(self, "push service " + ("starts" if running else "stops"))
        self.take(CpnsChanged(running))

    def advance(self, now: Instant) -> None:
        """Fire what is due."""
        if self.up:
            self._perform(self.core.advance(now))

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        return self.core.next_deadline() if self.up else None

    def counts(self) -> dict[str, int]:
        """What the node holds; nothing if it is down."""
        return self.core.counts() if self.up else {}

    def _perform(self, actions: tuple[NodeAction, ...]) -> None:
        for action in actions:
            kind = type(action)
            if kind is Send:
                self.network.send(self.sockets, action)  # type: ignore[arg-type]
            elif kind is Publish:
                self._bus.publish(self, action.event)  # type: ignore[union-attr]
            elif kind is PostPush:
                self._watch.pushed(self, action)  # type: ignore[arg-type]
                self._cloud.post(self, action)  # type: ignore[arg-type]
            elif kind is AbandonPush:
                self._cloud.abandon(self, action.tracking_id)  # type: ignore[union-attr]
            elif kind is RenewToken:
                self.take(TokenChanged(self._cloud.access_token))
            elif kind is CloseFlow:
                self.network.close(self.sockets, action.flow)  # type: ignore[union-attr]
            elif isinstance(action, LookUp):
                # Everybody here goes by numeric addresses: the name service knows no name.
                answers = tuple((query, ()) for query in action.queries)
                looked_up = (self.life, LookedUp(action.lookup_id, answers))
                self.world.plan(self.world.now, self.hear, looked_up)
            elif isinstance(action, FaultContained):
                raise action.error  # a node would go on; a simulation is there to find it
            elif isinstance(action, Ignored):
                self._watch.ignored(self, action.reason, action.detail)
