"""The cluster's way to the clouds: trust, onboarding, machine account, and what each node works by.

Everything here belongs to the publisher of the cluster, but for the ways out: each node has its
own, and takes over what was saved only when its push service starts (CPNS-11, ONB-21).
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import TaskGroup

from callctl.certificate.certificate import Certificate, parse_certificates
from callctl.certificate.cisco_managed import BoxSet, OnboardingChanged, PageLoaded, TomcatRestarted
from callctl.certificate.cloud_roots import CloudService
from callctl.certificate.expiry import ExpiryWatch
from callctl.cloud.http import HeaderList, HttpAnswer
from callctl.io.cisco_cloud import BUNDLE_KEY_ID
from callctl.io.direct_route import DirectRoute, route_of
from callctl.io.egress import Egress, Resolve
from callctl.io.emulators import PushCloud
from callctl.io.managed_trust import ManagedTrust, fetch_bundle
from callctl.io.node_database import MachineAccountStore
from callctl.io.onboarding import OnboardingHooks, OnboardingShell
from callctl.io.onboarding_client import EgressExchange, OnboardingClient, Services
from callctl.io.onboarding_file import OnboardingFile
from callctl.io.pki import CertificateAuthority
from callctl.io.push_route import PushRoute
from callctl.io.trust_setup import set_up_trust
from callctl.model.cloud import OnboardingWay, ProxySettings
from callctl.model.cluster import Cluster
from callctl.model.machine_account import MachineAccount
from callctl.onboarding.event import (
    AccountRenewed,
    CheckCertificates,
    InForceChanged,
    InstallCertificates,
    OnboardingAction,
    PrepareCertificates,
    PushSwitched,
    RestartDue,
    ServiceRestarted,
    StatusChanged,
    StoreMachineAccount,
)
from callctl.onboarding.home import HomeCluster
from callctl.onboarding.onboarding import Onboarding
from callctl.onboarding.page import PageChange, PageSettings
from callctl.onboarding.snapshot import restore
from callctl.onboarding.state import State
from callctl.onboarding.tasks import Prerequisites
from callctl.serviceability.condition import Condition
from sipstack.entropy import Entropy
from sipstack.io.clock import MonotonicClock
from sipstack.timing import MS, SECOND, Instant

ONBOARDED: Final = (State.COMPLETED, State.ACTIVE)


@dataclass(frozen=True, slots=True)
class CloudHooks:
    """What the rest of the product does for the way to the clouds."""

    on_condition: Callable[[Condition], None]
    on_news: Callable[[str], None]  # for the log of the publisher; never a secret
    on_push_switched: Callable[[bool], None]
    on_restart_due: Callable[[RestartDue], None]
    on_in_force: Callable[[str, PageSettings], None]  # a node works by this page from now on
    restart: Callable[[str, str], Awaitable[None]]  # service, node
    on_trust_changed: Callable[[ssl.SSLContext], None]
    look_around: Callable[[], Prerequisites]


class CloudAccess:
    """Trust, onboarding and account of one cluster, and the ways of its nodes."""

    def __init__(
        self,
        cluster: Cluster,
        clock: MonotonicClock,
        entropy: Entropy,
        authority: CertificateAuthority,
        fos_authority: CertificateAuthority,
        cloud: PushCloud | None,
        state: Path | None,
        hooks: CloudHooks,
        node_names: Sequence[str],
        resolve: Resolve | None = None,
    ) -> None:
        """`cloud`: the emulated one, which runs already; `state`: None if nothing is to be kept.
        `node_names`: of the nodes that run in this process; `resolve`: as for `Egress`.

        Raises: ConfigError, SnapshotError, OSError for what was kept, or is named in the cluster
        file, and cannot be used.
        """
        self._cluster, self._clock, self._entropy = cluster, clock, entropy
        self._cloud, self._hooks, self._resolve = cloud, hooks, resolve
        settings = cluster.cloud
        publisher = cluster.publisher.name
        unix_ns_at_zero = clock.unix_ns(Instant(0))
        self._unix_ms_at_zero = unix_ns_at_zero // MS
        emulated = () if cloud is None else _emulated_roots(authority, fos_authority)
        signers = None
        if cloud is not None:
            signers = {BUNDLE_KEY_ID: cloud.cisco.bundle_key.public_key()}
        setup = set_up_trust(
            cluster.certificate_files,
            state,
            unix_ns_at_zero / SECOND,
            insecure_skip_tls_verification=settings.insecure_skip_tls_verification,
            emulated=emulated,
            signers=signers,
        )
        self.trust, self.own_certificates = setup.trust, setup.own
        self.trust.changed = self._trust_changed
        self.push_on = False
        self.services = self._services()
        self.push_rest_url = settings.push_rest_url if cloud is None else cloud.push_rest_url
        self.ci_url = settings.ci_url if cloud is None else cloud.ci_url
        self.alarm_upload_url = (
            settings.alarm_upload_url if cloud is None else cloud.alarm_upload_url
        )
        self._node_names = tuple(node_names)
        self.egress = {name: self._new_egress() for name in cluster.nodes}
        self._onboarding_egress = self._new_egress()
        # Licence managers are there before onboarding has installed a certificate.
        self._licensing_egress = self._new_egress(
            ssl.create_default_context() if cloud is None else authority.client_context()
        )
        names = [name for name in self._node_names if name != publisher]
        messaging = cluster.deployment.im_and_presence_nodes
        directory = None if state is None else state / "nodes"
        self.accounts = MachineAccountStore(publisher, (*names, *messaging), directory)
        self.managed = ManagedTrust(
            setup.trust,
            setup.managed,
            ExpiryWatch(publisher, unix_ns_at_zero / SECOND),
            lambda: fetch_bundle(self._onboarding_egress, self.services.fos_url),
            clock,
            node=publisher,
            on_condition=hooks.on_condition,
            on_news=hooks.on_news,
        )
        self.onboarding = self._onboarding_shell(state)
        self._direct = self._direct_route()
        self._tasks: TaskGroup | None = None

    async def start(self, tasks: TaskGroup) -> None:
        """Look after trust and onboarding from now on."""
        self._tasks = tasks
        await tasks.start(self.managed.run, name="trust")
        await tasks.start(self.onboarding.run, name="onboarding")

    def close(self) -> None:
        """Let go of the files."""
        self.accounts.close()

    @property
    def pushes(self) -> bool:
        """True if pushes may leave: by onboarding, or because they go directly (GEN-02)."""
        return self.push_on or self._direct is not None

    async def onboard(self) -> None:
        """Do every step that is missing, if the cluster file says so; wait with the emulator.

        Why it could not be done is news, and no reason to stop: calls between phones that are awake
        need no cloud.
        """
        settings = self._cluster.cloud
        if settings.onboarding is not OnboardingWay.AUTOMATIC:
            return
        publisher = self._cluster.publisher.name
        if publisher not in self._node_names:
            self._hooks.on_news(f"not onboarded: the publisher, {publisher}, is not run here")
            return
        change = PageChange(manage_certificates=settings.manage_certificates, proxy=settings.proxy)
        if self._cloud is None:
            assert self._tasks is not None, "it runs"
            self._tasks.start_soon(self._onboard, change)
        else:
            await self._onboard(change)

    async def _onboard(self, change: PageChange) -> None:
        problem = await self.onboarding.onboard_by_itself(change)
        if problem:
            self._hooks.on_news(f"not onboarded: {problem}")

    def service_starts(self, service: str, node: str) -> None:
        """A service comes up on a node: from now on it works by what was saved (SVC-04)."""
        self.onboarding.feed(ServiceRestarted(service, node))

    def account_renewed(self, account: MachineAccount) -> None:
        """CI gave another refresh token for the account in use."""
        self.onboarding.feed(AccountRenewed(account))

    def route(self, node: str) -> PushRoute | None:
        """What the push service of a node starts with; None if nothing may leave."""
        in_force = self.onboarding.onboarding.in_force.get(node)
        account = None if in_force is None else in_force.account
        enabled = in_force is not None and in_force.page.push_enabled and account is not None
        if not enabled and self._direct is None:
            return None
        egress = self.egress[node]
        if in_force is not None and in_force.page.proxy != egress.proxy:
            egress.change(in_force.page.proxy)
        url = self.push_rest_url
        if enabled and account is not None:
            url = account.push_rest_url
            egress.hosts.add(account.token_url)
            egress.hosts.add(url)
        tls = self.trust.tls()
        return PushRoute(
            url,
            tls.context,
            account if enabled else None,
            egress=egress,
            insecure=tls.insecure,
            direct=self._direct,
        )

    # Inside.

    def _services(self) -> Services:
        settings, cloud = self._cluster.cloud, self._cloud
        if cloud is None:
            return Services(
                settings.fos_url, settings.plm_url, settings.cssm_url, settings.satellite_url
            )
        return Services(cloud.fos_url, cloud.url("plm"), cloud.url("cssm"), cloud.url("cssm"))

    def _new_egress(self, tls: ssl.SSLContext | None = None) -> Egress:
        """One way out; `tls` in place of the trust store, but for the proxy.

        What the administrator names may be at a private address (P8).
        """
        services = self.services
        urls = (
            services.fos_url,
            services.plm_url,
            services.cssm_url,
            services.satellite_url,
            self.ci_url,
            self.push_rest_url,
            self.alarm_upload_url or "",
        )
        hosts = tuple(url for url in urls if url)
        cloud_tls = self.trust.tls()
        return Egress(
            self._cluster.cloud.proxy,
            tls or cloud_tls.context,
            self._clock,
            entropy=self._entropy,
            proxy_tls=None if tls is None else cloud_tls.context,
            resolve=self._resolve,
            allowed=hosts,
            internal=hosts,
            insecure=cloud_tls.insecure and tls is None,
        )

    def _direct_route(self) -> DirectRoute | None:
        direct = self._cluster.cloud.direct
        if direct is None:
            return None
        return route_of(direct) if self._cloud is None else self._cloud.direct_route(direct)

    def _onboarding_shell(self, state: Path | None) -> OnboardingShell:
        home = replace(HomeCluster.of(self._cluster), nodes=self._node_names)
        core = Onboarding(home, self._entropy)
        file = None if state is None or self._cloud is not None else OnboardingFile(state)
        kept = None if file is None else file.read()
        since = None if kept is None else restore(core, kept, self._unix_ms_at_zero)
        if kept is None:
            settings = self._cluster.cloud
            core.page = PageSettings(
                manage_certificates=settings.manage_certificates, proxy=settings.proxy
            )
        client = OnboardingClient(
            self.services,
            self._exchange,
            clock=self._clock,
            sleep=anyio.sleep,
        )
        hooks = OnboardingHooks(
            self._onboarding_did,
            self._missing_certificates,
            self._look_around,
            self._restart,
            _nothing_kept if file is None else file.write,
        )
        return OnboardingShell(
            core,
            client,
            self._clock,
            hooks,
            unix_ms_at_zero=self._unix_ms_at_zero,
            since=since,
        )

    async def _exchange(
        self, url: str, method: str, headers: HeaderList, body: bytes, proxy: ProxySettings | None
    ) -> HttpAnswer:
        of_fos = url.startswith(self.services.fos_url)
        egress = self._onboarding_egress if of_fos else self._licensing_egress
        return await EgressExchange(egress)(url, method, headers, body, proxy)

    async def _missing_certificates(self) -> tuple[str, ...]:
        self.managed.receive(PageLoaded())
        return self.managed.missing

    async def _look_around(self) -> Prerequisites:
        return self._hooks.look_around()

    async def _restart(self, service: str, node: str) -> None:
        await self._hooks.restart(service, node)

    def _onboarding_did(self, action: OnboardingAction) -> None:
        match action:
            case PushSwitched(on):
                self.push_on = on
                self._hooks.on_push_switched(self.pushes)
            case StoreMachineAccount(account):
                if account is None:
                    self.accounts.clear()
                else:
                    self.accounts.put(account)
            case PrepareCertificates(managed):
                self.managed.receive(BoxSet(on=managed))
            case InstallCertificates(managed):
                self.managed.receive(BoxSet(on=managed))
                self.managed.receive(TomcatRestarted())
            case CheckCertificates():
                pass  # the shell asks
            case StatusChanged(state, text):
                self.managed.receive(OnboardingChanged(onboarded=state in ONBOARDED))
                self._hooks.on_news(f"onboarding: {text or state.value}")
            case RestartDue():
                self._hooks.on_restart_due(action)
            case InForceChanged(node, in_force):
                self._hooks.on_news(f"{node} works by what was saved")
                self._hooks.on_in_force(node, in_force.page)

    def _trust_changed(self) -> None:
        tls = self.trust.tls()
        for egress in (*self.egress.values(), self._onboarding_egress):
            egress.tls = tls.context
        self._licensing_egress.proxy_tls = tls.context
        self._hooks.on_trust_changed(tls.context)


def _emulated_roots(
    authority: CertificateAuthority, fos_authority: CertificateAuthority
) -> tuple[tuple[CloudService, Certificate], ...]:
    return (
        (CloudService.CI, parse_certificates(authority.ca_pem.encode())[0]),
        (CloudService.FOS, parse_certificates(fos_authority.ca_pem.encode())[0]),
    )


def _nothing_kept(document: bytes) -> None:
    """An emulated cloud forgets the cluster with its process, so there is nothing to remember."""
