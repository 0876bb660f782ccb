"""One node over real sockets: its core, its SIP endpoint, its push client, its place on the bus."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import anyio
from anyio.abc import TaskGroup, TaskStatus

from callctl.cluster.event import ClusterEvent
from callctl.cluster.membership import Publish
from callctl.engine.engine import Engine
from callctl.engine.event import (
    ClusterEventReceived,
    CpnsChanged,
    FaultContained,
    LookedUp,
    LookUp,
)
from callctl.engine.node_core import NodeAction, NodeCore, NodeEvent
from callctl.io.bus import Bus
from callctl.io.direct_route import DirectRoute
from callctl.io.http_pool import PoolSettings
from callctl.io.pki import CertificateAuthority
from callctl.io.pump import Pump
from callctl.io.push_clients import ClientEvent, PushClients
from callctl.io.push_rest_client import PushRestClient
from callctl.io.tap import Tap
from callctl.model.cluster import Cluster
from callctl.push.channel import Channels
from callctl.push.cpns import CpnsSettings
from callctl.push.direct.choice import ChannelChoice
from callctl.push.events import (
    AbandonFetch,
    AbandonPush,
    FetchToken,
    PostPush,
    PushAnswered,
    PushLost,
    RenewToken,
    TokenChanged,
    TokenFetched,
    TokenFetchLost,
)
from callctl.push.features import PushFeatures
from callctl.push.history import RememberingCpns
from callctl.push.rest import PushRestChannel
from callctl.registration.push_binding import PushBinding
from sipstack.entropy import Entropy
from sipstack.io.clock import MonotonicClock
from sipstack.io.endpoint import Listener, SipEndpoint
from sipstack.io.entropy import OsEntropy
from sipstack.io.resolver import NameUnresolved, Resolver
from sipstack.timing import MS, SECOND, Instant
from sipstack.transaction.events import Ignored
from sipstack.transport.flow import SECURE, CloseFlow, Send
from sipstack.transport.locate import Query, Record

CLUSTER_KEY_OCTETS: Final = 32


@dataclass(frozen=True, slots=True)
class PushRoute:
    """How the pushes of a cluster leave it."""

    url: str  # of Push REST
    tls: ssl.SSLContext | None
    access_token: str | None = field(repr=False)
    insecure: bool = False  # allows http, as to a sink of a benchmark
    renew: Callable[[], str | None] = lambda: None
    """Gives another access token after one was refused, None if there is none."""
    direct: DirectRoute | None = None  # channels that do without Push REST


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the nodes of one process share."""

    cluster: Cluster
    key: bytes = field(repr=False)  # of the cluster: seals Record-Route
    bus: Bus
    clock: MonotonicClock
    entropy: Entropy = field(default_factory=OsEntropy)
    authority: CertificateAuthority | None = None  # for TLS listeners and connections
    push: PushRoute | None = None  # None: no push leaves
    tap: Tap | None = None  # None: nobody can ever watch, and nothing is spent on it


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
        self.cpns = RememberingCpns(
            _cpns_settings(around),
            around.entropy,
            self._newest_binding,
            self._features,
            _channels(around),
        )
        tap = around.tap
        self.engine = Engine(
            around.cluster,
            name,
            around.entropy,
            key=around.key,
            incarnation=incarnation,
            observer=None if tap is None else tap.observer(name),
        )
        self.core = NodeCore(self.engine, self.cpns)
        self._pump = Pump(self.core, self._clock, self._carry_out)
        self._endpoint = SipEndpoint(
            self._listeners(),
            self._pump.feed,
            client_tls=around.authority.client_context() if around.authority else None,
        )
        self._push = self._push_client()
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
                if self._push is not None:
                    await tasks.start(self._push.run)
                self._begin()
                task_status.started()
                await self._ended.wait()
                tasks.cancel_scope.cancel()
        finally:
            self.kill()
            with anyio.CancelScope(shield=True):
                await self._resolver.aclose()
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

    def set_cpns(self, running: bool) -> None:
        """Start or stop the push service of this node (CPNS-03)."""
        self._pump.feed(CpnsChanged(running))

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
        counts = {**self.core.counts(), **self._endpoint.counts()}
        if self._push is not None:
            counts |= {f"push_{name}": count for name, count in self._push.counts().items()}
        return counts

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
        if around.push is not None and around.push.access_token is not None:
            self._pump.feed(TokenChanged(around.push.access_token))
        self._pump.do(self.core.start)

    def _on_cluster_event(self, event: ClusterEvent) -> None:
        self._pump.feed(ClusterEventReceived(event))

    def _on_push_event(self, event: ClientEvent) -> None:
        # The client may tell of a loss while it is handed the push, in the middle of our actions.
        self._loop.call_soon(self._push_ended, event)

    def _push_ended(self, event: ClientEvent) -> None:
        match event:
            case PushAnswered(tracking_id, status):
                self._note(f"push {tracking_id}: {status}")
            case PushLost(tracking_id, reason):
                self._note(f"push {tracking_id}: lost, {reason}")
            case TokenFetched(channel, status):
                self._note(f"access token for {channel}: {status}")
            case TokenFetchLost(channel, reason):
                self._note(f"access token for {channel}: lost, {reason}")
        self._pump.feed(event)

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
            case PostPush(tracking_id):
                entry = self.cpns.posted(tracking_id)
                if entry is not None:
                    self._note(f"push {tracking_id}: {entry.kind.value} for {entry.device_name}")
                assert self._push is not None, "without a push route there is no access token"
                self._push.post(action)
            case AbandonPush():
                assert self._push is not None
                self._push.abandon(action)
            case FetchToken():
                assert self._push is not None
                self._push.fetch(action)
            case AbandonFetch():
                assert self._push is not None
                self._push.abandon_fetch(action)
            case RenewToken():
                self._loop.call_soon(self._renew_token)
            case LookUp():
                if self._tasks is not None:
                    self._tasks.start_soon(self._look_up, action)
            case FaultContained(where, error):
                what = f"{self.name}: a fault ended one call or request, {where}"
                self._loop.call_exception_handler({"message": what, "exception": error})
            case Ignored():
                pass  # the engine has counted it

    def _renew_token(self) -> None:
        route = self._around.push
        self._pump.feed(TokenChanged(None if route is None else route.renew()))

    async def _look_up(self, wanted: LookUp) -> None:
        answers: list[tuple[Query, tuple[Record, ...]]] = []
        for query in wanted.queries:
            try:
                answers.append((query, await self._resolver.answer(query)))
            except NameUnresolved:
                answers.append((query, ()))  # no answer leads nowhere, like no record
        self._pump.feed(LookedUp(wanted.lookup_id, tuple(answers)))

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

    def _push_client(self) -> PushClients | None:
        push = self._around.push
        if push is None:
            return None
        settings = PoolSettings(push.url, insecure=push.insecure)
        rest = PushRestClient(settings, push.tls, self._clock, self._on_push_event)
        return PushClients(rest, push.direct, self._clock, self._on_push_event)


def _channels(around: Surroundings) -> Channels:
    """Push REST, and the direct channels that the cluster file asks for."""
    settings = _cpns_settings(around)
    room, unix_ms_at_zero = settings.in_flight_max, settings.unix_ms_at_zero
    rest = PushRestChannel(settings.url, room=room, unix_ms_at_zero=unix_ms_at_zero)
    if around.push is None or around.push.direct is None:
        return Channels(rest)
    direct = around.push.direct.channels(unix_ms_at_zero, room)
    return Channels(rest, direct, ChannelChoice(around.cluster))


def _cpns_settings(around: Surroundings) -> CpnsSettings:
    cluster, parameters = around.cluster, around.cluster.service_parameters
    return CpnsSettings(
        url=around.push.url if around.push is not None else cluster.cloud.push_rest_url,
        second_push_wait_ns=parameters.second_push_wait_s * SECOND,
        response_timeout_ns=parameters.push_response_timeout_s * SECOND,
        unix_ms_at_zero=around.clock.unix_ns(Instant(0)) // MS,
    )
