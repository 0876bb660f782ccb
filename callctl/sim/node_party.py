"""A node in the simulated world: its core, its sockets, the bus, and the ways it can die."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from callctl.cluster.event import ClusterEvent
from callctl.cluster.membership import Publish
from callctl.engine.event import (
    ClusterEventReceived,
    DeviceSignedIn,
    DeviceSignedOut,
    FaultContained,
    LookedUp,
    LookUp,
)
from callctl.engine.node_core import NodeEvent
from callctl.model.cluster import Cluster
from callctl.push.call_manager_link import LinkState
from callctl.push.events import AbandonFetch, AbandonPush, FetchToken, PostPush
from callctl.push.events import Ignored as PushIgnored
from callctl.push.token_events import (
    MachineAccountRenewed,
    RepairStateChanged,
    TokenFetchFailed,
    TokenObtained,
)
from callctl.registration.push_binding import PushBinding
from callctl.serviceability.alarm_catalogue import CATALOGUE, CPNS
from callctl.serviceability.alarms import NodeStarted
from callctl.serviceability.condition import ConditionEntered, ConditionLeft
from callctl.sim.alarm_desk import AlarmDesk
from callctl.sim.cloud_party import CloudParty
from callctl.sim.cloud_way import CloudNews
from callctl.sim.network import Network, Sockets
from callctl.sim.node_processes import NodeProcesses, ProcessAction
from callctl.sim.party import Party, Role
from callctl.sim.watch import Watch
from callctl.sim.weather import STILL, Weather
from callctl.sim.world import World
from sipstack.timing import Instant
from sipstack.transaction.events import Ignored
from sipstack.transport.flow import CloseFlow, Send


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

    __slots__ = (
        "_alarms",
        "_bus",
        "_cloud",
        "_make",
        "_service_alarms",
        "_unheard",
        "_watch",
        "processes",
    )

    def __init__(
        self,
        name: str,
        world: World,
        network: Network,
        bus: Bus,
        cloud: CloudParty,
        alarms: AlarmDesk,
        watch: Watch,
        cluster: Cluster,
        make: Callable[[int], NodeProcesses],
    ) -> None:
        """`make` gives the processes of a life."""
        super().__init__(name, Role.NODE, world, network)
        listeners = cluster.nodes[name].listeners
        self.sockets = Sockets(
            self,
            listeners[0].host,
            tuple((listener.transport, listener.port) for listener in listeners),
            self.take,
        )
        self._alarms = alarms
        self._bus = bus
        self._cloud = cloud
        self._service_alarms: dict[str, None] = {}  # that its push service has entered
        self._unheard: list[CloudNews] = []  # by a push service that hangs
        self._watch = watch
        self._make = make
        self.processes = make(self.life)
        bus.nodes.append(self)

    # Life and death.

    def start(self) -> None:
        """Come into service, for the first time or again."""
        if self.up:
            return
        self.up = True
        self.network.start(self.sockets)
        self._watch.note(self, "starts")
        self._alarms.feed(NodeStarted(self.name))
        self._watch.service(self, True)
        self._perform(self.processes.start(self.world.now))
        self.world.watch(self)

    def stop(self) -> None:
        """Leave in order, then the process ends."""
        if self.up:
            self._perform(self.processes.stop(self.world.now))
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
            self.processes = self._make(self.life)
            self.start()

    def _die(self, how: str) -> None:
        self.up = False
        self.timer_at = None
        self._unheard.clear()
        self._service_alarms.clear()
        self._watch.service(self, False)
        self._watch.note(self, how)
        self._watch.died(self)

    # Events.

    def take(self, event: NodeEvent) -> None:
        """Anything for the core."""
        if self.up:
            self._perform(self.processes.receive(event, self.world.now))
            self.world.watch(self)

    def hear(self, what: tuple[int, NodeEvent]) -> None:
        """Something that was on its way to one life of this node and to no other."""
        life, event = what
        if life == self.life:
            self.take(event)

    @property
    def service_life(self) -> tuple[int, int]:
        """Which life of the node this is, and of its push service: connections end with either."""
        return self.life, self.processes.starts

    @property
    def linked(self) -> bool:
        """True if its CallManager hears its push service."""
        return self.processes.core.link.state is LinkState.UP

    def hear_from_cloud(self, news: CloudNews) -> None:
        """A connection of the push service brought this."""
        if not self.up or self.processes.service is None:
            return
        if self.processes.hangs:
            self._unheard.append(news)
            return
        self._watch.heard(self, news)
        self._perform(self.processes.tell_service(news, self.world.now))
        self.world.watch(self)

    def sign_in(self, binding: PushBinding) -> None:
        """A managed client signed in here."""
        self.take(DeviceSignedIn(binding))

    def sign_out(self, device_name: str) -> None:
        """A managed client signed out here."""
        self.take(DeviceSignedOut(device_name))

    def set_cpns(self, running: bool) -> None:
        """The administrator stops or starts the push service of this node."""
        if not self.up or running is (self.processes.service is not None):
            return
        if self.processes.hangs:
            self.kill_cpns()
            return
        now = self.world.now
        self._watch.service(self, running)
        if running:
            self._perform(self.processes.start_service(now))
        else:
            self._perform(self.processes.stop_service(now))
            self._service_is_gone()
        self.world.watch(self)

    def hang_cpns(self, hangs: bool) -> None:
        """The push service does nothing any more, or goes on where it was."""
        if not self.up or self.processes.service is None or hangs is self.processes.hangs:
            return
        self._watch.note(self, "push service " + ("hangs" if hangs else "goes on"))
        if hangs:
            self.processes.hangs = True
            return
        self._perform(self.processes.wake_service(self.world.now))
        unheard, self._unheard = self._unheard, []
        for news in unheard:
            self.hear_from_cloud(news)
        self.world.watch(self)

    def kill_cpns(self) -> None:
        """The process of the push service is gone without a word."""
        if not self.up or self.processes.service is None:
            return
        self._watch.service(self, False)
        self._perform(self.processes.kill_service(self.world.now))
        self._service_is_gone()
        self.world.watch(self)

    def _service_is_gone(self) -> None:
        """Its conditions end with it, as its shell sees to."""
        self._unheard.clear()
        for alarm in tuple(self._service_alarms):
            self._notice(ConditionLeft(alarm, self.name))

    def _notice(self, condition: ConditionEntered | ConditionLeft) -> None:
        definition = CATALOGUE.get(condition.alarm)
        if definition is not None and definition.component == CPNS:
            if isinstance(condition, ConditionEntered):
                self._service_alarms[condition.alarm] = None
            else:
                self._service_alarms.pop(condition.alarm, None)
        self._alarms.feed(condition)

    def advance(self, now: Instant) -> None:
        """Fire what is due."""
        if self.up:
            self._perform(self.processes.advance(now))

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        return self.processes.next_deadline() if self.up else None

    def counts(self) -> dict[str, int]:
        """What the node holds; nothing if it is down."""
        return self.processes.counts() if self.up else {}

    def _perform(self, actions: tuple[ProcessAction, ...]) -> None:
        for action in actions:
            kind = type(action)
            if kind is Send:
                self.network.send(self.sockets, action)  # type: ignore[arg-type]
            elif kind is Publish:
                self._bus.publish(self, action.event)  # type: ignore[union-attr]
            elif kind is PostPush:
                self._watch.pushed(self, action)  # type: ignore[arg-type]
                self._cloud.post(self, action)  # type: ignore[arg-type]
            elif kind is CloseFlow:
                self.network.close(self.sockets, action.flow)  # type: ignore[union-attr]
            else:
                self._perform_rare(action)

    def _perform_rare(self, action: ProcessAction) -> None:
        match action:
            case ConditionEntered() | ConditionLeft():
                self._notice(action)
            case AbandonPush(what) | AbandonFetch(what):
                self._watch.abandoned(self, what)
                self._cloud.way.abandon(self, what)
            case FetchToken():
                self._watch.fetched(self, action)
                self._cloud.fetch(self, action)
            case MachineAccountRenewed(account):
                self._cloud.account = account
            case TokenObtained() | TokenFetchFailed() | RepairStateChanged():
                self._watch.note(self, str(action))
            case LookUp():
                # Everybody here goes by numeric addresses: the name service knows no name.
                answers = tuple((query, ()) for query in action.queries)
                looked_up = (self.life, LookedUp(action.lookup_id, answers))
                self.world.plan(self.world.now, self.hear, looked_up)
            case FaultContained():
                raise action.error  # a node would go on; a simulation is there to find it
            case Ignored() | PushIgnored():
                self._watch.ignored(self, action.reason, action.detail)
