"""The clouds on loopback, over TLS, as one lab sees them: Push REST, APNs, FCM and those around."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final

import anyio
from anyio.abc import TaskStatus
from cryptography.hazmat.primitives.asymmetric import rsa

from callctl.cloud.apns import Apns
from callctl.cloud.delivery import DeviceUnregistered
from callctl.cloud.fault_orders import ALARM_UPLOAD, APNS, CI, FCM, FCM_TOKENS, FOS, PUSH_REST
from callctl.cloud.fcm import Fcm
from callctl.cloud.http import Deafen, SayGoodbye
from callctl.cloud.oauth import TOKEN_PATH, AccessTokens, TokenEndpoint
from callctl.cloud.partner import DEFAULT_PROJECT_ID, Partner
from callctl.cloud.provider_token import ProviderTokenVerifier
from callctl.cloud.push_rest import BODY_MAX, PUSH_PATH, PushRest, PushRestSettings
from callctl.io.cisco_cloud import CiscoCloud, Guest
from callctl.io.cloud_service import CloudService, Hosting
from callctl.io.device_streams import ATTACH_PATH
from callctl.io.direct_route import DirectRoute, emulated_route
from callctl.io.forwarder import Forwarder
from callctl.io.h2_server import H2Server
from callctl.io.partner_host import PartnerHost
from callctl.io.pki import CertificateAuthority
from callctl.io.shown_certificate import Certificates
from callctl.model.cloud import CI_URL, FOS_URL, PUSH_REST_URL
from callctl.model.push_access import RSA_BITS_MIN, DirectPush, ServiceAccount, SigningKey
from sipstack.entropy import Entropy, token
from sipstack.io.clock import MonotonicClock
from sipstack.timing import MS, SECOND, Instant

PRODUCTION_NAMES: Final = tuple(
    url.removeprefix("https://") for url in (FOS_URL, CI_URL, PUSH_REST_URL)
)
"""In the certificate of every server, so that a resolver can send these names here (CLOUD-14)."""


@dataclass(frozen=True, slots=True)
class PushCloudSettings:
    """Where the cloud listens; a port of 0 is chosen by the system."""

    host: str = "127.0.0.1"
    push_rest_port: int = 0
    apns_port: int = 0  # for providers, HTTP/2
    apns_device_port: int = 0
    fcm_port: int = 0  # for senders and devices
    ports: Mapping[str, int] = field(default_factory=dict)  # of CI, FOS and the like, by their name
    names: tuple[str, ...] = ()  # further names of the host, for its certificate
    apns_streams_at_first: int = 1  # until a good provider token was seen, as at Apple's
    connection_faults: bool = True  # one hop more on loopback; without it connections are all well
    on_trace: Callable[[object], None] = field(default=lambda _: None)  # what was lost, ignored


class PushCloud:
    """The clouds. Tests reach into the cores for faults and logs: `push_rest.faults.add`.

    `services` has each by the name that faults and logs know it by.
    """

    def __init__(
        self,
        settings: PushCloudSettings,
        clock: MonotonicClock,
        entropy: Entropy,
        authority: CertificateAuthority,
        fos_authority: CertificateAuthority | None = None,
    ) -> None:
        """`authority` signs for all, or for all but FOS if that has an authority of its own."""
        unix_ms_at_zero = clock.unix_ns(Instant(0)) // MS
        signing_key = self.signing_key = SigningKey.make(entropy)
        fcm_tokens = {DEFAULT_PROJECT_ID: token(entropy, 32)}
        self.fcm_tokens = AccessTokens(entropy)
        self.access_token = token(entropy, 32)  # for Push REST
        self.authority = authority
        self.fos_authority = fos_authority or authority
        self.cisco = CiscoCloud(entropy, authority, self.fos_authority)
        self.push_rest = PushRest(
            PushRestSettings(
                (self.access_token,),
                signing_key,
                fcm_tokens,
                unix_ms_at_zero=unix_ms_at_zero,
                access=self.cisco.ci.accounts,
                block_list=self.cisco.ci.block_list,
            ),
            entropy,
        )
        self._verifier = ProviderTokenVerifier({})
        self.know_apns_key(signing_key)
        self.apns = Apns(self._verifier, entropy, unix_ms_at_zero)
        self.fcm = Fcm(fcm_tokens, entropy, self.fcm_tokens)
        self.token_endpoint = TokenEndpoint(self.fcm_tokens, entropy, unix_ms_at_zero)
        self.hosting = Hosting(
            settings.host,
            Certificates((*settings.names, *PRODUCTION_NAMES)),
            clock,
            entropy,
            settings.on_trace,
            settings.connection_faults,
        )
        self.services: dict[str, CloudService] = {}
        for name, core in (
            (PUSH_REST, self.push_rest),
            (APNS, self.apns),
            (FCM, self.fcm),
            (FCM_TOKENS, self.token_endpoint),
        ):
            self.services[name] = CloudService(name, core, authority, self.hosting)
        self.attach_urls: Mapping[Partner, str] = {}  # known once it runs
        self._guests = self.cisco.guests()
        for guest in self._guests:
            self.services[guest.name] = CloudService(
                guest.name, guest.core, guest.authority, self.hosting
            )
        self._apns_server: H2Server | None = None
        self._settings = settings
        self._clock = clock
        self._entropy = entropy
        self._hosts: dict[Partner, PartnerHost] = {}

    def url(self, name: str) -> str:
        """Where a service is reached; empty before it runs, and where there is no such service."""
        service = self.services.get(name)
        return "" if service is None else service.url

    @property
    def push_rest_url(self) -> str:
        """Where pushes are posted to."""
        return self.url(PUSH_REST)

    @property
    def apns_url(self) -> str:
        """Of APNs for providers."""
        return self.url(APNS)

    @property
    def fcm_url(self) -> str:
        """Of FCM for senders."""
        return self.url(FCM)

    @property
    def token_url(self) -> str:
        """Where service accounts get access tokens for FCM."""
        return self.url(FCM_TOKENS)

    @property
    def fos_url(self) -> str:
        """Of FOS, without a path."""
        return self.url(FOS)

    @property
    def ci_url(self) -> str:
        """Of CI, without a path."""
        return self.url(CI)

    @property
    def alarm_upload_url(self) -> str:
        """Where alarms are uploaded to."""
        return self.url(ALARM_UPLOAD)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled."""
        # Each server in a task of its own, so that they stop at the same time.
        try:
            async with anyio.create_task_group() as tasks:
                for guest in self._guests:
                    await tasks.start(self._serve_guest, guest)
                await tasks.start(self._serve_apns)
                await tasks.start(self._serve_fcm)
                await tasks.start(self._serve_push_rest)
                self.cisco.know_urls(self.ci_url, self.push_rest_url)
                self.cisco.make_trust_bundle(self._clock.unix_ns(self._clock()) // SECOND)
                task_status.started()
        finally:
            for service in self.services.values():
                service.url = ""

    async def _serve_guest(self, guest: Guest, *, task_status: TaskStatus[None]) -> None:
        service = self.services[guest.name]
        runner = service.runner(self.cisco.performing(self._clock, self.hosting.on_trace))
        app = service.app(runner, guest.body_max)
        port = self._settings.ports.get(guest.name, 0)
        async with service.listen(app, port, runner.close) as url:
            service.url = f"{url}{guest.path}"
            task_status.started()
            await anyio.sleep_forever()

    async def _serve_apns(self, *, task_status: TaskStatus[None]) -> None:
        service, settings = self.services[APNS], self._settings
        host = PartnerHost(service, self._perform_apns)
        self._hosts[Partner.APNS] = host
        async with (
            service.listen_h2(
                host.runner,
                settings.apns_port,
                streams_at_first=settings.apns_streams_at_first,
            ) as (url, server),
            service.listen(host.devices_app, settings.apns_device_port, host.stop) as device_url,
        ):
            self._apns_server = server
            service.url = url
            self.attach_urls = {**self.attach_urls, Partner.APNS: f"{device_url}{ATTACH_PATH}"}
            task_status.started()
            await anyio.sleep_forever()

    async def _serve_fcm(self, *, task_status: TaskStatus[None]) -> None:
        service, tokens = self.services[FCM], self.services[FCM_TOKENS]
        host = PartnerHost(service, self.hosting.on_trace, tokens.runner())
        self._hosts[Partner.FCM] = host
        async with service.listen(host.app, self._settings.fcm_port, host.stop) as url:
            service.url = url
            tokens.url = self.token_endpoint.url = f"{url}{TOKEN_PATH}"
            self.attach_urls = {**self.attach_urls, Partner.FCM: f"{url}{ATTACH_PATH}"}
            task_status.started()
            await anyio.sleep_forever()

    async def _serve_push_rest(self, *, task_status: TaskStatus[None]) -> None:
        service = self.services[PUSH_REST]
        async with self._forwarding() as forwarder:
            runner = service.runner(forwarder.perform)
            forwarder.feed = runner.feed
            app = service.app(runner, BODY_MAX)
            async with service.listen(app, self._settings.push_rest_port, runner.close) as url:
                service.url = f"{url}{PUSH_PATH}"
                task_status.started()
                await anyio.sleep_forever()

    @asynccontextmanager
    async def _forwarding(self) -> AsyncIterator[Forwarder]:
        forwarder = Forwarder(
            self.authority, self.apns_url, self.fcm_url, self._clock, self.hosting.on_trace
        )
        async with anyio.create_task_group() as tasks:
            await tasks.start(forwarder.run)
            yield forwarder
            tasks.cancel_scope.cancel()

    def _perform_apns(self, action: object) -> None:
        if self._apns_server is not None and isinstance(action, SayGoodbye):
            self._apns_server.go_away(unread=action.unread)
        elif self._apns_server is not None and isinstance(action, Deafen):
            # Not before the server knows which exchange the request in its hands has become.
            asyncio.get_running_loop().call_soon(self._apns_server.deafen, action.exchange)
        self.hosting.on_trace(action)

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

    def apns_goes_away(self, *, unread: bool = False) -> int:
        """APNs says goodbye on every connection, as it does before a server is taken down.

        `unread`: it has not read what is open, by its word. Returns: how many connections.
        """
        assert self._apns_server is not None, "the cloud does not run"
        count = len(self._apns_server)
        self._apns_server.go_away(unread=unread)
        return count

    def rotate_token(self) -> None:
        """The access token given out so far is good no more."""
        self.access_token = token(self._entropy, 32)
        self.push_rest.settings = replace(
            self.push_rest.settings, access_tokens=(self.access_token,)
        )

    def remove_app(self, partner: Partner, device_token: str) -> None:
        """The user removes the app: its token is dead from now on."""
        host = self._hosts.get(partner)
        assert host is not None, "the cloud does not run"
        host.runner.feed(DeviceUnregistered(device_token))


def lab_account() -> ServiceAccount:
    """A service account of the emulated project, with a key of its own."""
    private = rsa.generate_private_key(public_exponent=65_537, key_size=RSA_BITS_MIN)
    email = f"push@{DEFAULT_PROJECT_ID}.iam.gserviceaccount.com"
    return ServiceAccount(DEFAULT_PROJECT_ID, email, "lab", "", private)
