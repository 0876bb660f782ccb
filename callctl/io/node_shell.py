"""One node over real sockets: its core, its SIP endpoint, its push client, its place on the bus."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Final

import anyio
from anyio.abc import TaskGroup, TaskStatus

from callctl.capture.pcapng import Direction
from callctl.cluster.event import ClusterEvent
from callctl.cluster.membership import Publish
from callctl.engine.engine import Engine
from callctl.engine.event import (
    ClusterEventReceived,
    FaultContained,
    LookedUp,
    LookUp,
    PushSwitched,
)
from callctl.engine.node_core import NodeAction, NodeCore, NodeEvent
from callctl.io.cpns_shell import CpnsShell
from callctl.io.link_client import LinkClient
from callctl.io.pump import Pump
from callctl.io.surroundings import Surroundings
from callctl.push.call_manager_link import CloseLink, LinkEvent, LinkState, OpenLink, WriteLink
from callctl.push.features import PushFeatures
from callctl.push.history import KEPT_MAX, PushEntry
from callctl.push.intent import PushIntent
from callctl.push.trace_lines import call_manager_heard, call_manager_wants
from callctl.registration.push_binding import PushBinding
from callctl.serviceability.condition import ConditionEntered, ConditionLeft
from sipstack.io.endpoint import Listener, SipEndpoint
from sipstack.io.resolver import NameUnresolved, Resolver
from sipstack.timing import Instant
from sipstack.transaction.events import Ignored
from sipstack.transport.flow import (
    SECURE,
    UNCONNECTED,
    CloseFlow,
    FlowClosed,
    Send,
    TransportEvent,
)
from sipstack.transport.locate import Query, Record

CLUSTER_KEY_OCTETS: Final = 32
CLOSED_BY_US: Final = "closed by us"  # reason of the end of a connection
ENGINE_FAULT: Final = "EngineFault"
LINK_S: Final = 2.0  # longest wait for CallManager to find a push service that was started


class NodeShell:
    """One life of a node, from its start to its stop or its death. It is run once.

    A datagram or a piece of a stream goes straight into the core, and what the core wants is done
    before the next: no task, no queue. What asks for the core from elsewhere uses `feed`.
    """

    def __init__(self, name: str, around: Surroundings, *, incarnation: int = 1) -> None:
        """`incarnation` is higher than that of every earlier life of the node."""
        self.name = name
        self.incarnation = incarnation
        self.started_at = Instant(0)
        self.closed = anyio.Event()
        """Set once its addresses are free again."""
        self._around = around
        self._clock = around.clock
        self._loop = asyncio.get_running_loop()
        self._ended = anyio.Event()
        self.pushes: deque[PushEntry] = deque(maxlen=KEPT_MAX)
        """The last pushes, oldest first, through all lives of the push service."""
        tap = around.tap
        self.engine = Engine(
            around.cluster,
            name,
            around.entropy,
            key=around.key,
            incarnation=incarnation,
            observer=None if tap is None else tap.observer(name),
        )
        self.engine.calls.pushes.watcher = self
        self.core = NodeCore(self.engine)
        self._pump = Pump(self.core, self._clock, self._carry_out)
        self._endpoint = SipEndpoint(
            self._listeners(),
            self._pump.feed if tap is None else self._heard,
            client_tls=around.authority.client_context() if around.authority else None,
        )
        self.cpns = self._new_cpns()
        self._cpns_ended = anyio.Event()
        node = around.cluster.nodes[name]
        self._link = LinkClient(node.cpns_host, node.cpns_port, self._link_told)
        self._reached = anyio.Event()  # CallManager has a link to the push service
        self._resolver = Resolver(around.clock)
        self._tasks: TaskGroup | None = None

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve until stopped, killed or cancelled; cancelling kills.

        Raises: OSError if an address cannot be had.
        """
        try:
            await self._bind()
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                await self.start_cpns()
                self._begin()
                task_status.started()
                await self._ended.wait()
                tasks.cancel_scope.cancel()
        finally:
            self.kill()
            with anyio.CancelScope(shield=True):
                await self._resolver.aclose()
                await self._link.aclose()
                await self._endpoint.aclose()
            self.closed.set()

    def stop(self) -> None:
        """Leave the cluster in order: the others know at once."""
        self._pump.do(self.core.stop)
        self.kill()

    def kill(self) -> None:
        """Die: nothing more is heard or said, and the others have to find out by themselves."""
        self._pump.stop()
        self._around.bus.leave(self.name)
        self._ended.set()

    async def start_cpns(self) -> None:
        """Start the push service of this node; nothing if it runs (CPNS-03)."""
        if self._tasks is None or self.cpns.running:
            return
        self.cpns = self._new_cpns()
        self._cpns_ended = anyio.Event()
        self._reached = anyio.Event()
        await self._tasks.start(self._run_cpns, self.cpns, self._cpns_ended)
        if self._pump.running and self.cpns.running:
            self._pump.do(self.core.look_for_service)
            with anyio.move_on_after(LINK_S):
                await self._reached.wait()

    async def stop_cpns(self) -> None:
        """Stop the push service of this node, and wait until it has let go of everything."""
        if self.cpns.running:
            self.cpns.stop()
            await self._cpns_ended.wait()

    def all_pushes(self) -> tuple[PushEntry, ...]:
        """The last pushes of this node, whether its push service took them or not."""
        known = {entry.intent_id for entry in self.pushes}
        not_taken = self.engine.calls.pushes.not_taken
        # A push whose link was lost stands in both, if the service had read it by then.
        return (*self.pushes, *(it for it in not_taken if it.intent_id not in known))

    def switch_push(self, on: bool) -> None:
        """From now on pushes may leave, or none may (GEN-02, GEN-09)."""
        self._pump.feed(PushSwitched(on))
        if not on:
            self.cpns.withdraw()

    def feed(self, event: NodeEvent) -> None:
        """Something happened now. Not to be called while the core is at work."""
        self._pump.feed(event)

    @property
    def running(self) -> bool:
        """True between its start and its stop or death."""
        return self._pump.running

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """What is listened on."""
        return self._endpoint.listeners

    def counts(self) -> dict[str, int]:
        """What is alive in this node, and in its sockets."""
        return {**self.core.counts(), **self._endpoint.counts(), **self.cpns.counts()}

    async def _bind(self) -> None:
        try:
            await self._endpoint.start()
        except OSError as error:
            listeners = self._around.cluster.nodes[self.name].listeners
            wanted = ", ".join(map(str, listeners))
            why = error.strerror or str(error)
            raise OSError(error.errno, f"{self.name} cannot have {wanted}: {why}") from error

    def _begin(self) -> None:
        around = self._around
        self._pump.start()
        self.started_at = self._clock()
        around.bus.join(self.name, self._on_cluster_event)
        if around.push_on is not None:
            self._pump.feed(PushSwitched(around.push_on()))
        self._pump.do(self.core.start)

    def _on_cluster_event(self, event: ClusterEvent) -> None:
        self._pump.feed(ClusterEventReceived(event))

    def _new_cpns(self) -> CpnsShell:
        return CpnsShell(self.name, self._around, self._newest_binding, self._features, self.pushes)

    async def _run_cpns(
        self,
        cpns: CpnsShell,
        ended: anyio.Event,
        *,
        task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        try:
            await cpns.run(task_status=task_status)
        finally:
            ended.set()

    # What CallManager writes into its traces of pushes.

    def push_wanted(self, intent: PushIntent, now: Instant) -> None:
        """A push is asked of the push service."""
        self._around.trace(call_manager_wants(self.name, intent, now))

    def push_ended(self, entry: PushEntry, now: Instant) -> None:
        """A push has its outcome."""
        self._around.trace(call_manager_heard(self.name, entry, now))

    def _link_told(self, event: LinkEvent) -> None:
        self._pump.feed(event)
        if self.core.link.state is LinkState.UP:
            self._reached.set()

    def _carry_out(self, actions: Iterable[NodeAction]) -> None:
        for action in actions:
            kind = type(action)
            if kind is Send or kind is CloseFlow:
                self._endpoint.perform(action)  # type: ignore[arg-type]
            elif kind is Publish:
                self._around.bus.publish(self.name, action.event)  # type: ignore[union-attr]
            else:
                self._carry_out_rare(action)

    def _carry_out_rare(self, action: NodeAction) -> None:
        match action:
            case WriteLink(octets):
                self._link.write(octets)
            case OpenLink():
                self._link.open()
            case CloseLink():
                self._link.close()
            case ConditionEntered() | ConditionLeft():
                self._around.on_condition(action)
            case LookUp():
                if self._tasks is not None:
                    self._tasks.start_soon(self._look_up, action)
            case FaultContained(where, error):
                what = f"{self.name}: a fault ended one call or request, {where}"
                self._loop.call_exception_handler({"message": what, "exception": error})
                self._around.on_condition(ConditionEntered(ENGINE_FAULT, self.name, detail=where))
            case Ignored():
                pass  # the engine has counted it

    async def _look_up(self, wanted: LookUp) -> None:
        answers: list[tuple[Query, tuple[Record, ...]]] = []
        for query in wanted.queries:
            try:
                answers.append((query, await self._resolver.answer(query)))
            except NameUnresolved:
                answers.append((query, ()))  # no answer leads nowhere, like no record
        self._pump.feed(LookedUp(wanted.lookup_id, tuple(answers)))

    def _heard(self, event: TransportEvent) -> None:
        if type(event) is FlowClosed and event.flow.connection != UNCONNECTED:
            assert self._around.tap is not None
            ours = event.reason == CLOSED_BY_US
            direction = Direction.SENT if ours else Direction.RECEIVED
            self._around.tap.closed(self._clock(), self.name, event.flow, direction)
        self._pump.feed(event)

    def _note(self, text: str) -> None:
        if self._around.tap is not None:
            self._around.tap.note(self._clock(), self.name, text)

    def _newest_binding(self, device_name: str) -> PushBinding | None:
        return self.engine.push_binding(device_name)

    def _features(self, binding: PushBinding) -> PushFeatures:
        return self.engine.features(binding)

    def _listeners(self) -> list[Listener]:
        found = []
        for listener in self._around.cluster.nodes[self.name].listeners:
            tls = None
            if listener.transport in SECURE:
                if self._around.authority is None:
                    raise ValueError(f"{self.name} listens for {listener} and has no certificate")
                node = self._around.cluster.nodes[self.name]
                names = (node.fqdn, self._around.cluster.domain, listener.host)
                alpn = ("http/1.1",) if listener.transport == "WSS" else ()
                tls = self._around.authority.server_context(names, alpn=alpn)
            origins = self._around.cluster.websocket
            found.append(Listener(listener.transport, listener.host, listener.port, tls, origins))
        return found
