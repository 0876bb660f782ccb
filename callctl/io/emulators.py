"""Push REST, APNs, FCM and Google's token endpoint on loopback, over TLS, as one cloud of a lab."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import anyio
from anyio.abc import TaskStatus
from cryptography.hazmat.primitives.asymmetric import rsa

from callctl.cloud.apns import Apns
from callctl.cloud.delivery import Deliver, DeviceUnregistered
from callctl.cloud.fcm import Fcm
from callctl.cloud.http import Forward, ForwardAnswered, ForwardFailed, json_answer
from callctl.cloud.oauth import TOKEN_PATH, AccessTokens, TokenEndpoint
from callctl.cloud.partner import DEFAULT_PROJECT_ID, Partner
from callctl.cloud.provider_token import ProviderTokenVerifier
from callctl.cloud.push_rest import BODY_MAX, PUSH_PATH, PushRest, PushRestSettings
from callctl.io.core_runner import Core, CoreRunner
from callctl.io.device_streams import ATTACH_PATH, DeviceStreams
from callctl.io.direct_route import DirectRoute, emulated_route
from callctl.io.h2_client import H2Client
from callctl.io.h2_connection import ALPN, H2Settings
from callctl.io.h2_server import H2Server, serve_h2
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
from callctl.model.push_access import RSA_BITS_MIN, DirectPush, ServiceAccount, SigningKey
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
    apns_streams_at_first: int = 1  # until a good provider token was seen, as at Apple's
    on_trace: Callable[[object], None] = field(default=lambda _: None)  # what was lost, ignored


class PushCloud:
    """The clouds. Tests reach into the cores for faults and logs: `push_rest.faults.add`."""

    def __init__(
        self,
        settings: PushCloudSettings,
        clock: MonotonicClock,
        entropy: Entropy,
        authority: CertificateAuthority,
    ) -> None:
        unix_ms_at_zero = clock.unix_ns(Instant(0)) // MS
        signing_key = self.signing_key = SigningKey.make(entropy)
        fcm_tokens = {DEFAULT_PROJECT_ID: token(entropy, 32)}
        self.fcm_tokens = AccessTokens(entropy)
        self.access_token = token(entropy, 32)  # for Push REST
        self.authority = authority
        self.push_rest = PushRest(
            PushRestSettings(
                (self.access_token,), signing_key, fcm_tokens, unix_ms_at_zero=unix_ms_at_zero
            ),
            entropy,
        )
        self._verifier = ProviderTokenVerifier({})
        self.know_apns_key(signing_key)
        self.apns = Apns(self._verifier, entropy, unix_ms_at_zero)
        self.fcm = Fcm(fcm_tokens, entropy, self.fcm_tokens)
        self.token_endpoint = TokenEndpoint(self.fcm_tokens, entropy, unix_ms_at_zero)
        # Known once it runs.
        self.push_rest_url = self.apns_url = self.fcm_url = self.token_url = ""
        self.attach_urls: Mapping[Partner, str] = {}
        self._apns_server: H2Server | None = None
        self._settings = settings
        self._clock = clock
        self._entropy = entropy
        self._apns_host: _PartnerHost | None = None
        self._fcm_host: _PartnerHost | None = None

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled."""
        settings, issue = self._settings, self.authority.server_context
        host, names, on_trace = settings.host, settings.names, settings.on_trace
        apns = self._apns_host = _PartnerHost(self.apns, self._clock, on_trace)
        tokens = CoreRunner(self.token_endpoint, self._clock, on_trace)
        fcm = self._fcm_host = _PartnerHost(self.fcm, self._clock, on_trace, tokens)
        async with (
            serve_h2(
                apns.runner,
                issue(names, ALPN),
                host=host,
                port=settings.apns_port,
                streams_at_first=settings.apns_streams_at_first,
            ) as apns_server,
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
            self._apns_server = apns_server
            forwarder = _Forwarder(
                self.authority, host, apns_server.port, fcm_port, self._clock, on_trace
            )
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
                self.apns_url = f"https://{authority}:{apns_server.port}"
                self.fcm_url = f"https://{authority}:{fcm_port}"
                self.token_url = self.token_endpoint.url = f"{self.fcm_url}{TOKEN_PATH}"
                self.attach_urls = {
                    Partner.APNS: f"https://{authority}:{apns_device_port}{ATTACH_PATH}",
                    Partner.FCM: f"https://{authority}:{fcm_port}{ATTACH_PATH}",
                }
                task_status.started()
                await anyio.sleep_forever()

    def know_apns_key(self, key: SigningKey) -> None:
        """Take provider tokens that are signed with this key, too."""
        self._verifier.add(key.team_id, key.key_id, key.private.public_key())

    def know_account(self, account: ServiceAccount) -> None:
        """Give access tokens to this service account."""
        public = account.private.public_key()
        self.token_endpoint.add(account.client_email, account.project_id, public)

    def direct_route(self, direct: DirectPush) -> DirectRoute:
        """Direct channels of a cluster to these clouds, with its accounts or ones of the lab."""
        apns_key, account = self.signing_key, None
        if direct.apns is not None and direct.apns.key is not None:
            apns_key = direct.apns.key
            self.know_apns_key(apns_key)
        if direct.fcm is not None:
            account = direct.fcm.account or lab_account()
            self.know_account(account)
        return emulated_route(
            direct,
            self.authority,
            apns_url=self.apns_url,
            apns_key=apns_key,
            fcm_url=self.fcm_url,
            token_url=self.token_url,
            account=account,
        )

    def apns_goes_away(self) -> None:
        """APNs says goodbye on every connection, as it does before a server is taken down."""
        assert self._apns_server is not None, "the cloud does not run"
        self._apns_server.go_away()

    def renew_token(self) -> str:
        """The access token that Push REST takes now: what CI would give for the old one."""
        return self.access_token

    def rotate_token(self) -> None:
        """The access token given out so far is good no more."""
        self.access_token = token(self._entropy, 32)
        self.push_rest.settings = replace(
            self.push_rest.settings, access_tokens=(self.access_token,)
        )

    def remove_app(self, partner: Partner, device_token: str) -> None:
        """The user removes the app: its token is dead from now on."""
        host = self._apns_host if partner is Partner.APNS else self._fcm_host
        assert host is not None, "the cloud does not run"
        host.runner.feed(DeviceUnregistered(device_token))


def lab_account() -> ServiceAccount:
    """A service account of the emulated project, with a key of its own."""
    private = rsa.generate_private_key(public_exponent=65_537, key_size=RSA_BITS_MIN)
    email = f"push@{DEFAULT_PROJECT_ID}.iam.gserviceaccount.com"
    return ServiceAccount(DEFAULT_PROJECT_ID, email, "lab", "", private)


class _PartnerHost:
    """One partner cloud: its core, and the devices attached to it."""

    def __init__(
        self,
        core: Core,
        clock: MonotonicClock,
        on_trace: Callable[[object], None],
        tokens: CoreRunner | None = None,
    ) -> None:
        """`tokens` runs the token endpoint on the same host."""
        self.runner = CoreRunner(core, clock, self._perform)
        self._tokens = tokens
        self._streams = DeviceStreams(self.runner.feed)
        self._on_trace = on_trace

    def stop(self) -> None:
        """End the streams, answer who still waits."""
        self._streams.close()
        self.runner.close()
        if self._tokens is not None:
            self._tokens.close()

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """For senders and devices."""
        if scope["path"] == ATTACH_PATH:
            await self._streams.attach(scope, receive, send)
        elif scope["path"] == TOKEN_PATH and self._tokens is not None:
            await _answer_by(self._tokens, scope, receive, send)
        else:
            await _answer_by(self.runner, scope, receive, send)

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
        await _answer_by(runner, scope, receive, send)

    return app


async def _answer_by(runner: CoreRunner, scope: Scope, receive: Receive, send: Send) -> None:
    request = await read_request(scope, receive, BODY_MAX)
    if request is None:
        return
    answer = await unless_disconnected(receive, runner.answer_to(request))
    if answer is not None:
        await send_answer(send, answer)


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
        self._apns = H2Client(
            H2Settings(f"https://{url_host}:{apns_port}"),
            authority.client_context(ALPN),
            clock,
            lambda key, answer: self.feed(ForwardAnswered(int(key), answer)),
            lambda key, reason: self.feed(ForwardFailed(int(key), reason)),
        )
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
            self._apns.send(str(forward), request)
            return
        self._fcm.post(Post(str(forward), request_octets(request, self._authority), None))
