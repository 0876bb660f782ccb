"""The clients of one node's push service: connections of its own for each channel."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Final, Protocol, TypeAlias

import anyio
from anyio.abc import TaskStatus

from callctl.cloud.http import HttpAnswer, HttpRequest
from callctl.io.dial import service_at
from callctl.io.direct_route import DirectRoute
from callctl.io.egress import Egress
from callctl.io.h2_client import H2Client
from callctl.io.h2_connection import H2Settings
from callctl.io.http_pool import Clock, HttpPool, PoolSettings, Post, request_octets
from callctl.io.push_rest_client import PushRestClient
from callctl.push.channel import PUSH_REST
from callctl.push.direct.choice import APNS, APNS_SANDBOX, FCM
from callctl.push.events import (
    AbandonFetch,
    AbandonPush,
    FetchToken,
    LostReason,
    PostPush,
    PushAnswered,
    PushLost,
    PushWritten,
    TokenFetched,
    TokenFetchLost,
)
from sipstack.errors import LocalProtocolError

ClientEvent: TypeAlias = PushAnswered | PushLost | PushWritten | TokenFetched | TokenFetchLost
OnClientEvent: TypeAlias = Callable[[ClientEvent], None]

FORM: Final = (("content-type", "application/x-www-form-urlencoded"), ("connection", "close"))


class Connections(Protocol):
    """To one service."""

    async def run(self, *, task_status: TaskStatus[None] = ...) -> None: ...

    def counts(self) -> dict[str, int]: ...


class PushClient(Connections, Protocol):
    """The connections of one channel."""

    def post(self, push: PostPush) -> None: ...

    def abandon(self, push: AbandonPush) -> None: ...


class PushClients:
    """Performs the actions of a push service, each by the client of its channel.

    `on_event` gets the answers, from the event loop; perhaps while an action is performed.
    """

    def __init__(
        self,
        rest: PushRestClient,
        direct: DirectRoute | None,
        clock: Clock,
        on_event: OnClientEvent,
        machine_tokens: TokenClient | None = None,
    ) -> None:
        """`machine_tokens`: to CI, None where a token is handed in.

        Raises: ValueError for a URL that is not https.
        """
        self._rest, self._machine_tokens = rest, machine_tokens
        self._clients: dict[str, PushClient] = {PUSH_REST: rest}
        self._token_clients: dict[str, TokenClient] = {}
        if machine_tokens is not None:
            self._token_clients[PUSH_REST] = machine_tokens
        if direct is None:
            return
        if direct.apns is not None:
            for name, url in ((APNS, direct.apns[0].url), (APNS_SANDBOX, direct.apns_sandbox_url)):
                client = ApnsClient(H2Settings(url), direct, clock, on_event)
                self._clients[name] = client
        if direct.fcm is not None:
            self._clients[FCM] = FcmClient(PoolSettings(direct.fcm.url), direct, clock, on_event)
            url = direct.fcm.account.token_url
            self._token_clients[FCM] = TokenClient(FCM, url, direct.tls, clock, on_event)

    def remake(self, tls: ssl.SSLContext) -> None:
        """The trust was changed: no connection to the Cisco cloud that was made before is used."""
        self._rest.remake(tls)
        if self._machine_tokens is not None:
            self._machine_tokens.remake(tls)

    @property
    def _all(self) -> tuple[Connections, ...]:
        return (*self._clients.values(), *self._token_clients.values())

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep the connections until cancelled."""
        async with anyio.create_task_group() as tasks:
            for client in self._all:
                await tasks.start(client.run)
            task_status.started()

    def post(self, push: PostPush) -> None:
        """Send a push by its channel."""
        self._clients[push.channel].post(push)

    def abandon(self, push: AbandonPush) -> None:
        """Nobody waits for this answer any more."""
        self._clients[push.channel].abandon(push)

    def fetch(self, wanted: FetchToken) -> None:
        """Ask for an access token."""
        self._token_clients[wanted.channel].fetch(wanted)

    def abandon_fetch(self, fetch: AbandonFetch) -> None:
        """Nobody waits for this token any more."""
        self._token_clients[fetch.channel].abandon()

    def counts(self) -> dict[str, int]:
        """What is held, summed over the channels; open connections apart, 0 at rest (I13)."""
        total: dict[str, int] = {}
        for client in self._all:
            for name, count in client.counts().items():
                total[name] = total.get(name, 0) + count
        return total


class ApnsClient:
    """Pushes to APNs, over one HTTP/2 connection."""

    def __init__(
        self, settings: H2Settings, direct: DirectRoute, clock: Clock, on_event: OnClientEvent
    ) -> None:
        self._on_event = on_event
        self._h2 = H2Client(settings, direct.tls_h2, clock, self._answered, self._lost)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep the connection until cancelled."""
        await self._h2.run(task_status=task_status)

    def post(self, push: PostPush) -> None:
        """Send it as soon as there is a stream for it, but not after its deadline."""
        request = HttpRequest("POST", push.path, push.headers, push.body)
        self._h2.send(push.tracking_id, request, push.deadline)

    def abandon(self, push: AbandonPush) -> None:
        """End its stream."""
        self._h2.abandon(push.tracking_id)

    def counts(self) -> dict[str, int]:
        """What is held."""
        return self._h2.counts()

    def _answered(self, tracking_id: str, answer: HttpAnswer) -> None:
        self._on_event(push_answered(tracking_id, answer))

    def _lost(self, tracking_id: str, reason: LostReason) -> None:
        self._on_event(PushLost(tracking_id, reason))


class FcmClient:
    """Pushes to FCM, over a pool of HTTP/1.1 connections."""

    def __init__(
        self, settings: PoolSettings, direct: DirectRoute, clock: Clock, on_event: OnClientEvent
    ) -> None:
        self._on_event = on_event
        self._authority = service_at(settings.url, direct.tls).authority
        self._pool = HttpPool(settings, direct.tls, clock, self._answered, self._lost)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep the connections until cancelled."""
        await self._pool.run(task_status=task_status)

    def post(self, push: PostPush) -> None:
        """Send it over an open connection, or a new one where all are busy."""
        request = HttpRequest("POST", push.path, push.headers, push.body)
        octets = request_octets(request, self._authority)
        self._pool.post(Post(push.tracking_id, octets, push.deadline))

    def abandon(self, push: AbandonPush) -> None:
        """Close the connection its answer was to come over."""
        self._pool.abandon(push.tracking_id)

    def counts(self) -> dict[str, int]:
        """What is held."""
        return self._pool.counts()

    def _answered(self, tracking_id: str, answer: HttpAnswer) -> None:
        self._on_event(push_answered(tracking_id, answer))

    def _lost(self, tracking_id: str, reason: LostReason) -> None:
        self._on_event(PushLost(tracking_id, reason))


class TokenClient:
    """Fetches the access tokens of one channel, one at a time, each over a new connection.

    One that was idle for an hour may be dead, and a fetch that is lost is tried again only later.
    """

    def __init__(
        self,
        channel: str,
        url: str,
        tls: ssl.SSLContext | None,
        clock: Clock,
        on_event: OnClientEvent,
        *,
        egress: Egress | None = None,
        insecure: bool = False,
    ) -> None:
        """Raises: ValueError for a URL that is not https, unless http is allowed as insecure."""
        self._channel = channel
        self._url = url
        self._on_event = on_event
        self._service = service_at(url, tls, insecure=insecure)
        settings = PoolSettings(url, connections_max=1, insecure=insecure)
        self._pool = HttpPool(settings, tls, clock, self._answered, self._lost, egress=egress)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep the connection until cancelled."""
        await self._pool.run(task_status=task_status)

    def fetch(self, wanted: FetchToken) -> None:
        """Post the form."""
        if wanted.url != self._url:
            raise LocalProtocolError(f"this client fetches from {self._url} only")
        service = self._service
        request = HttpRequest("POST", service.path or "/", FORM, wanted.body)
        self._pool.post(Post(self._channel, request_octets(request, service.authority), None))

    def remake(self, tls: ssl.SSLContext) -> None:
        """The trust was changed: from now on CI is believed by this."""
        self._pool.remake(tls)

    def abandon(self) -> None:
        """Close the connection the answer was to come over."""
        self._pool.abandon(self._channel)

    def counts(self) -> dict[str, int]:
        """What is held."""
        return self._pool.counts()

    def _answered(self, channel: str, answer: HttpAnswer) -> None:
        retry_after = answer.header("retry-after")
        self._on_event(TokenFetched(channel, answer.status, answer.body, retry_after))

    def _lost(self, channel: str, reason: LostReason) -> None:
        self._on_event(TokenFetchLost(channel, reason))


def push_answered(tracking_id: str, answer: HttpAnswer) -> PushAnswered:
    """The answer as the push service takes it."""
    return PushAnswered(tracking_id, answer.status, answer.body, answer.header("retry-after"))
