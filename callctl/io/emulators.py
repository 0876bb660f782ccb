"""Push REST, APNs and FCM on loopback, over TLS, as one cloud beside the nodes of a lab."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskStatus

from callctl.cloud.apns import Apns
from callctl.cloud.delivery import Deliver, DeviceUnregistered
from callctl.cloud.fcm import Fcm
from callctl.cloud.http import Forward, ForwardAnswered, ForwardFailed, json_answer
from callctl.cloud.partner import DEFAULT_PROJECT_ID, Partner
from callctl.cloud.provider_token import ProviderTokenVerifier, SigningKey
from callctl.cloud.push_rest import BODY_MAX, PUSH_PATH, PushRest, PushRestSettings
from callctl.io.core_runner import Core, CoreRunner
from callctl.io.device_streams import ATTACH_PATH, DeviceStreams
from callctl.io.h2_client import ALPN, H2Client
from callctl.io.h2_server import serve_h2
from callctl.io.http_pool import HttpPool, PoolSettings, Post, request_octets
from callctl.io.http_server import (
    AsgiApp,
    Receive,
    Scope,
    Send,
    read_request,
    send_answer,
    serve,
    unless_disconnected,
)
from callctl.io.pki import CertificateAuthority
from sipstack.entropy import Entropy, token
from sipstack.io.clock import MonotonicClock
from sipstack.timing import MS, Instant


@dataclass(frozen=True, slots=True)
class PushCloudSettings:
    """Where the cloud listens; a port of 0 is chosen by the system."""

    host: str = "127.0.0.1"
    push_rest_port: int = 0
    apns_port: int = 0  # for providers, HTTP/2
    apns_device_port: int = 0
    fcm_port: int = 0  # for senders and devices
    names: tuple[str, ...] = ()  # further names of the host, for its certificate
    on_trace: Callable[[object], None] = field(default=lambda _: None)  # what was lost, ignored


class PushCloud:
    """The three clouds. Tests reach into the cores for faults and logs: `push_rest.faults.add`."""

    def __init__(
        self,
        settings: PushCloudSettings,
        clock: MonotonicClock,
        entropy: Entropy,
        authority: CertificateAuthority,
    ) -> None:
        unix_ms_at_zero = clock.unix_ns(Instant(0)) // MS
        signing_key = SigningKey.make(entropy)
        fcm_tokens = {DEFAULT_PROJECT_ID: token(entropy, 32)}
        self.access_token = token(entropy, 32)  # for Push REST
        self.authority = authority
        self.push_rest = PushRest(
            PushRestSettings(
                (self.access_token,), signing_key, fcm_tokens, unix_ms_at_zero=unix_ms_at_zero
            ),
            entropy,
        )
        verifier = ProviderTokenVerifier(
            {(signing_key.team_id, signing_key.key_id): signing_key.private.public_key()}
        )
        self.apns = Apns(verifier, entropy, unix_ms_at_zero)
        self.fcm = Fcm(fcm_tokens, entropy)
        self.push_rest_url = ""  # known once it runs
        self.attach_urls: Mapping[Partner, str] = {}
        self._settings = settings
        self._clock = clock
        self._apns_host: _PartnerHost | None = None
        self._fcm_host: _PartnerHost | None = None

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled."""
        settings, issue = self._settings, self.authority.server_context
        host, names, on_trace = settings.host, settings.names, settings.on_trace
        apns = self._apns_host = _PartnerHost(self.apns, self._clock, on_trace)
        fcm = self._fcm_host = _PartnerHost(self.fcm, self._clock, on_trace)
        async with (
            serve_h2(
                apns.runner, issue(names, ALPN), host=host, port=settings.apns_port
            ) as apns_port,
            serve(
                apns.devices_app,
                issue(names),
                host=host,
                port=settings.apns_device_port,
                before_stop=apns.stop,
            ) as apns_device_port,
            serve(
                fcm.app, issue(names), host=host, port=settings.fcm_port, before_stop=fcm.stop
            ) as fcm_port,
            anyio.create_task_group() as tasks,
        ):
            forwarder = _Forwarder(self.authority, host, apns_port, fcm_port, self._clock, on_trace)
            await tasks.start(forwarder.run)
            runner = CoreRunner(self.push_rest, self._clock, forwarder.perform)
            forwarder.feed = runner.feed
            app = _push_rest_app(runner)
            async with serve(
                app,
                issue(names),
                host=host,
                port=settings.push_rest_port,
                before_stop=runner.close,
            ) as port:
                authority = f"[{host}]" if ":" in host else host
                self.push_rest_url = f"https://{authority}:{port}{PUSH_PATH}"
                self.attach_urls = {
                    Partner.APNS: f"https://{authority}:{apns_device_port}{ATTACH_PATH}",
                    Partner.FCM: f"https://{authority}:{fcm_port}{ATTACH_PATH}",
                }
                task_status.started()
                await anyio.sleep_forever()

    def remove_app(self, partner: Partner, device_token: str) -> None:
        """The user removes the app: its token is dead from now on."""
        host = self._apns_host if partner is Partner.APNS else self._fcm_host
        assert host is not None, "the cloud does not run"
        host.runner.feed(DeviceUnregistered(device_token))


class _PartnerHost:
    """One partner cloud: its core, and the devices attached to it."""

    def __init__(
        self, core: Core, clock: MonotonicClock, on_trace: Callable[[object], None]
    ) -> None:
        self.runner = CoreRunner(core, clock, self._perform)
        self._streams = DeviceStreams(self.runner.feed)
        self._on_trace = on_trace

    def stop(self) -> None:
        """End the streams, answer who still waits."""
        self._streams.close()
        self.runner.close()

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """For senders and devices."""
        if scope["path"] == ATTACH_PATH:
            await self._streams.attach(scope, receive, send)
            return
        request = await read_request(scope, receive, BODY_MAX)
        if request is None:
            return
        answer = await unless_disconnected(receive, self.runner.answer_to(request))
        if answer is not None:
            await send_answer(send, answer)

    async def devices_app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """For devices alone."""
        if scope["path"] == ATTACH_PATH:
            await self._streams.attach(scope, receive, send)
        else:
            await send_answer(send, json_answer(404, {"reason": "BadPath"}))

    def _perform(self, action: object) -> None:
        if isinstance(action, Deliver):
            self._streams.deliver(action.delivery)
        else:
            self._on_trace(action)


def _push_rest_app(runner: CoreRunner) -> AsgiApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = await read_request(scope, receive, BODY_MAX)
        if request is None:
            return
        answer = await unless_disconnected(receive, runner.answer_to(request))
        if answer is not None:
            await send_answer(send, answer)

    return app


class _Forwarder:
    """Carries requests of Push REST to the partner clouds, as they would travel: APNs over HTTP/2,
    FCM over HTTP/1.1, both over TLS."""

    def __init__(
        self,
        authority: CertificateAuthority,
        host: str,
        apns_port: int,
        fcm_port: int,
        clock: MonotonicClock,
        on_trace: Callable[[object], None],
    ) -> None:
        self._on_trace = on_trace
        url_host = f"[{host}]" if ":" in host else host
        self.feed: Callable[[object], None] = lambda _: None
        self._apns = H2Client(host, apns_port, authority.client_context(ALPN))
        self._authority = f"{url_host}:{fcm_port}"
        self._fcm = HttpPool(
            PoolSettings(f"https://{self._authority}"),
            authority.client_context(),
            clock,
            lambda key, answer: self.feed(ForwardAnswered(int(key), answer)),
            lambda key, reason: self.feed(ForwardFailed(int(key), reason)),
        )

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep the connections until cancelled."""
        async with anyio.create_task_group() as tasks:
            await tasks.start(self._apns.run)
            await tasks.start(self._fcm.run)
            task_status.started()

    def perform(self, action: object) -> None:
        """Send one request."""
        if not isinstance(action, Forward):
            self._on_trace(action)
            return
        forward, request = action.forward, action.request
        if action.partner is Partner.APNS:
            self._apns.ask(
                request,
                lambda answer: self.feed(ForwardAnswered(forward, answer)),
                lambda reason: self.feed(ForwardFailed(forward, reason)),
            )
            return
        self._fcm.post(Post(str(forward), request_octets(request, self._authority), None))
