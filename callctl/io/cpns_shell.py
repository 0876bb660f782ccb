"""The push service of one node over real sockets: port 9966, its core, its clients.

It is a process of its own in Unified CM, with a life of its own: it is started, stopped and
restarted while its node goes on (CPNS-02, CPNS-11, SVC-01).
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Iterable
from typing import Final

import anyio
from anyio.abc import TaskStatus

from callctl.egress.pool_state import PoolFailed, PoolState
from callctl.io.http_pool import PoolSettings
from callctl.io.link_server import LinkServer
from callctl.io.pump import Pump
from callctl.io.push_clients import ClientEvent, PushClients, TokenClient
from callctl.io.push_rest_client import PushRestClient
from callctl.io.push_route import PushRoute
from callctl.io.surroundings import Surroundings
from callctl.push.channel import PUSH_REST, Channels
from callctl.push.cpns import CpnsSettings, FeaturesOf, NewestBinding
from callctl.push.direct.choice import ChannelChoice
from callctl.push.events import (
    AbandonFetch,
    AbandonPush,
    CallersGone,
    FetchToken,
    Ignored,
    PostPush,
    PushAnswered,
    PushLost,
    PushWritten,
    RenewToken,
    TokenChanged,
    TokenFetched,
    TokenFetchLost,
)
from callctl.push.history import PushEntry, RememberingCpns
from callctl.push.machine_token import MachineToken, MachineTokenSettings
from callctl.push.rest import PushRestChannel
from callctl.push.service import (
    ClosePeer,
    CpnsService,
    PeerGone,
    PeerOctets,
    ServiceAction,
    WritePeer,
)
from callctl.push.token_events import MachineAccountRenewed, TokenFetchFailed, TokenObtained
from callctl.push.trace_lines import push_service_did
from callctl.serviceability.condition import ConditionEntered, ConditionLeft
from callctl.serviceability.tracing import Source, TraceLevel, TraceRecord
from sipstack.timing import MS, SECOND, Instant

START_FAILED: Final = "StartFailed"
POOL_ERROR: Final = "HttpClientPoolCreationError"


class CpnsShell:
    """One life of the push service of a node. It is run once."""

    def __init__(
        self,
        node: str,
        around: Surroundings,
        newest_binding: NewestBinding,
        features: FeaturesOf,
        entries: deque[PushEntry],
    ) -> None:
        """`entries`: what earlier lives remember, to go on with."""
        self.node = node
        self.failure = ""
        """Why it could not start."""
        self.token_status: int | None = None  # the last answer of CI, 0 for none
        self.token_reason = ""
        self._token_tried = anyio.Event()
        self.ignored: dict[str, int] = {}
        self.route = route = around.route(node)
        self._around = around
        self._clock = around.clock
        self._loop = asyncio.get_running_loop()
        self._ended = anyio.Event()
        self._conditions: dict[str, None] = {}  # that this life has entered
        self._token = _machine_token(node, around, route)
        self.cpns = RememberingCpns(
            cpns_settings(around, route),
            around.entropy,
            newest_binding,
            features,
            _channels(around, route, self._token),
            entries,
        )
        self.service = CpnsService(node, self.cpns, newest_binding)
        self._pump = Pump(self.service, self._clock, self._carry_out)
        place = around.cluster.nodes[node]
        self._server = LinkServer(place.cpns_host, place.cpns_port, self._peer_event)
        self._clients = None if route is None else self._make_clients(route)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve until stopped or cancelled. That it cannot start is an alarm, no error (F4)."""
        try:
            try:
                await self._server.start()
            except OSError as error:
                port = self._around.cluster.nodes[self.node].cpns_port
                self._fail(f"port {port} cannot be had: {error.strerror or error}")
                task_status.started()
                return
            self._around.on_condition(ConditionLeft(START_FAILED, self.node))
            async with anyio.create_task_group() as tasks:
                if self._clients is not None:
                    await tasks.start(self._clients.run)
                self._begin()
                task_status.started()
                await self._ended.wait()
                tasks.cancel_scope.cancel()
        finally:
            self.stop()
            with anyio.CancelScope(shield=True):
                await self._server.aclose()

    def stop(self) -> None:
        """End it; `run` returns soon after."""
        self._pump.do(self.service.stop)
        self._pump.stop()
        for alarm in tuple(self._conditions):
            self._condition(ConditionLeft(alarm, self.node))
        self._ended.set()

    def remake(self, tls: ssl.SSLContext) -> None:
        """The trust store of the cluster was changed: that takes effect without a restart."""
        if self._clients is not None:
            self._clients.remake(tls)

    def withdraw(self) -> None:
        """No push may leave any more: what waits is dropped (GEN-09)."""
        self._pump.feed(CallersGone())

    @property
    def running(self) -> bool:
        """True while pushes are taken."""
        return self._pump.running

    @property
    def access_token(self) -> str | None:
        """The machine token that it holds, None without one."""
        return self._token.token(self._clock()) if isinstance(self._token, MachineToken) else None

    async def token_tried(self) -> int:
        """Wait for the first word of CI. Returns: its status, 200 for a token, 0 for no answer."""
        await self._token_tried.wait()
        return self.token_status or 0

    def counts(self) -> dict[str, int]:
        """What is alive in it, and in its sockets."""
        counts = self.service.counts()
        if self._clients is not None:
            counts |= {f"push_{name}": count for name, count in self._clients.counts().items()}
        return counts

    def _begin(self) -> None:
        self._pump.start()
        if self.route is not None and self.route.access_token is not None:
            self._pump.feed(TokenChanged(self.route.access_token))
        self._pump.do(self.service.start)

    def _fail(self, why: str) -> None:
        self.failure = why
        self._around.on_condition(ConditionEntered(START_FAILED, self.node, detail=why))
        self._trace(TraceLevel.ERROR, f"cannot start: {why}")

    # Events.

    def _peer_event(self, event: PeerOctets | PeerGone) -> None:
        self._pump.feed(event)

    def _client_event(self, event: ClientEvent) -> None:
        # A client may tell of a loss while it is handed the push, in the middle of our actions.
        self._loop.call_soon(self._client_told, event)

    def _client_told(self, event: ClientEvent) -> None:
        match event:
            case PushAnswered(tracking_id, status):
                self._note(f"push {tracking_id}: {status}")
                self._trace(TraceLevel.INFO, f"answered {status}", tracking_id)
            case PushLost(tracking_id, reason):
                self._note(f"push {tracking_id}: lost, {reason}")
                self._trace(TraceLevel.WARN, f"lost: {reason}", tracking_id)
            case TokenFetched(channel, status):
                self._note(f"access token for {channel}: {status}")
            case TokenFetchLost(channel, reason):
                self._note(f"access token for {channel}: lost, {reason}")
        self._pump.feed(event)

    def _written(self, event: PushWritten) -> None:
        self._loop.call_soon(self._pump.feed, event)

    def _pool_state(self, state: PoolState) -> None:
        if isinstance(state, PoolFailed):
            self._trace(TraceLevel.ERROR, f"no connection to Push REST: {state}")
            self._condition(ConditionEntered(POOL_ERROR, self.node, detail=str(state)))
        else:
            self._condition(ConditionLeft(POOL_ERROR, self.node))

    # Actions.

    def _carry_out(self, actions: Iterable[ServiceAction]) -> None:
        for action in actions:
            match action:
                case WritePeer():
                    self._server.write(action)
                case ClosePeer():
                    self._server.close(action)
                case PostPush(tracking_id):
                    self._posted(tracking_id, action.attempt)
                    assert self._clients is not None, "without a route there is no access token"
                    self._clients.post(action)
                case AbandonPush():
                    assert self._clients is not None
                    self._clients.abandon(action)
                case FetchToken():
                    assert self._clients is not None
                    self._clients.fetch(action)
                case AbandonFetch():
                    assert self._clients is not None
                    self._clients.abandon_fetch(action)
                case Ignored(reason):
                    self.ignored[reason] = self.ignored.get(reason, 0) + 1
                case ConditionEntered() | ConditionLeft():
                    self._condition(action)
                case _:
                    self._told(action)

    def _told(self, action: object) -> None:
        record = push_service_did(self.node, action, self._clock())
        if record is not None:
            self._around.trace(record)
        match action:
            case TokenObtained():
                self._token_told(200, "")
            case TokenFetchFailed(status=status, reason=reason):
                self._token_told(status or 0, reason)
            case RenewToken():
                self._loop.call_soon(self._hand_in_token)
            case MachineAccountRenewed(account):
                self._loop.call_soon(self._around.on_account_renewed, account)

    def _token_told(self, status: int, reason: str) -> None:
        self.token_status, self.token_reason = status, reason
        self._token_tried.set()

    def _hand_in_token(self) -> None:
        route = self._around.route(self.node)
        self._pump.feed(TokenChanged(None if route is None else route.access_token))

    def _posted(self, tracking_id: str, attempt: int) -> None:
        entry = self.cpns.posted(tracking_id)
        if entry is None:
            return
        again = " once more, by the next address" if attempt else ""
        self._note(f"push {tracking_id}: {entry.kind.value} for {entry.device_name}{again}")
        text = f"{entry.kind.value} push posted{again}"
        self._trace(TraceLevel.INFO, text, tracking_id, entry.device_name)

    def _condition(self, condition: ConditionEntered | ConditionLeft) -> None:
        if isinstance(condition, ConditionEntered):
            self._conditions[condition.alarm] = None
        else:
            self._conditions.pop(condition.alarm, None)
        self._around.on_condition(condition)

    def _note(self, text: str) -> None:
        if self._around.tap is not None:
            self._around.tap.note(self._clock(), self.node, text)

    def _trace(
        self, level: TraceLevel, text: str, tracking_id: str = "", personal: str = ""
    ) -> None:
        now = self._clock()
        self._around.trace(
            TraceRecord(Source.CPNS, self.node, now, level, text, tracking_id, personal)
        )

    def _make_clients(self, route: PushRoute) -> PushClients:
        settings = PoolSettings(route.url, insecure=route.insecure)
        rest = PushRestClient(
            settings,
            route.tls,
            self._clock,
            self._client_event,
            egress=route.egress,
            on_written=self._written,
            on_state=self._pool_state,
        )
        tokens = None
        if route.access_token is None and route.account is not None:
            tokens = TokenClient(
                PUSH_REST,
                route.account.token_url,
                route.tls,
                self._clock,
                self._client_event,
                egress=route.egress,
                insecure=route.insecure,
            )
        return PushClients(rest, route.direct, self._clock, self._client_event, tokens)


def cpns_settings(around: Surroundings, route: PushRoute | None) -> CpnsSettings:
    """What the service works by, from the parameters of the cluster."""
    cluster, parameters = around.cluster, around.cluster.service_parameters
    proxied = route is not None and route.egress is not None and route.egress.proxy is not None
    return CpnsSettings(
        url=cluster.cloud.push_rest_url if route is None else route.url,
        second_push_wait_ns=parameters.second_push_wait_s * SECOND,
        response_timeout_ns=parameters.push_response_timeout_s * SECOND,
        unix_ms_at_zero=around.clock.unix_ns(Instant(0)) // MS,
        next_address=proxied,
    )


def _machine_token(node: str, around: Surroundings, route: PushRoute | None) -> MachineToken | None:
    """How the service gets tokens; None where there is nothing to push, or one is handed in."""
    if route is None or route.access_token is not None:
        return None
    unix_ms_at_zero = around.clock.unix_ns(Instant(0)) // MS
    return MachineToken(MachineTokenSettings(node, unix_ms_at_zero=unix_ms_at_zero), route.account)


def _channels(
    around: Surroundings, route: PushRoute | None, token: MachineToken | None
) -> Channels:
    """Push REST, and the direct channels that the cluster file asks for."""
    settings = cpns_settings(around, route)
    room, unix_ms_at_zero = settings.in_flight_max, settings.unix_ms_at_zero
    rest = PushRestChannel(settings.url, token, room=room, unix_ms_at_zero=unix_ms_at_zero)
    if route is None or route.direct is None:
        return Channels(rest)
    direct = route.direct.channels(unix_ms_at_zero, room)
    return Channels(rest, direct, ChannelChoice(around.cluster))
