"""The trust store looked after: roots from the image, bundles from FOS, ends that come near.

Runs `CiscoManaged` and `ExpiryWatch` on the store of a cluster, on its publisher. Source: CERT-03
to CERT-05, OP-50.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

import anyio
from anyio.abc import TaskGroup, TaskStatus

from callctl.certificate.certificate import Certificate
from callctl.certificate.cisco_managed import (
    BundleFetched,
    BundleIgnored,
    BundleLost,
    CiscoManaged,
    Event,
    FetchBundle,
    InstallRoots,
    StoreChanged,
    UploadNeeded,
)
from callctl.certificate.cloud_roots import PURPOSE
from callctl.certificate.expiry import CertificatesChanged, ExpiryWatch, Watched
from callctl.certificate.trust_store import Origin, UploadRefused
from callctl.cloud.fos import TRUST_BUNDLE_PATH
from callctl.io.core_runner import Clock, CoreRunner
from callctl.io.egress import Egress
from callctl.io.trust import Trust, verification_disabled
from callctl.serviceability.condition import Condition, ConditionEntered, ConditionLeft

Fetch: TypeAlias = Callable[[], Awaitable[bytes]]
OK: Final = 200


async def fetch_bundle(egress: Egress, fos_url: str) -> bytes:
    """The trust bundle that FOS offers. Raises: OSError."""
    answer = await egress.exchange(fos_url.rstrip("/") + TRUST_BUNDLE_PATH)
    if answer.status != OK:
        raise OSError(f"FOS answered {answer.status}")
    return answer.body


class ManagedTrust:
    """The two cores, at work while `run` runs."""

    def __init__(
        self,
        trust: Trust,
        managed: CiscoManaged,
        watch: ExpiryWatch,
        fetch: Fetch,
        clock: Clock,
        *,
        node: str,
        on_condition: Callable[[Condition], None],
        on_news: Callable[[str], None] = lambda text: None,
        servers: Mapping[str, Certificate] | None = None,
    ) -> None:
        """`servers`: what nodes show, by a name for people. `on_news`: for the log of the node."""
        self.managed = managed
        self._trust, self._watch = trust, watch
        self._fetch, self._clock, self._node = fetch, clock, node
        self._on_condition, self._on_news = on_condition, on_news
        self._servers = servers or {}
        self._tasks: TaskGroup | None = None
        self._managed_runner: CoreRunner | None = None
        self._watch_runner: CoreRunner | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """What the cloud needs and the store has not, in words (ONB-03)."""
        roots = self._trust.store.roots
        named = ((each, roots.of(each)) for each in sorted(self.managed.missing))
        return tuple(root.name if root else str(fingerprint) for fingerprint, root in named)

    def receive(self, event: Event) -> None:
        """Something of the onboarding page happened; nothing does while we do not run."""
        if self._managed_runner is not None:
            self._managed_runner.feed(event)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        self._managed_runner = CoreRunner(self.managed, self._clock, self._perform)
        self._watch_runner = CoreRunner(self._watch, self._clock, self._perform)
        others = self._trust.changed

        def changed() -> None:
            self._look()
            others()

        self._trust.changed = changed
        try:
            async with anyio.create_task_group() as self._tasks:
                if self._trust.insecure:
                    self._on_condition(verification_disabled(self._node))
                self._look()
                task_status.started()
                await anyio.sleep_forever()
        finally:
            self._trust.changed = others
            self._managed_runner.close()
            self._watch_runner.close()
            self._tasks = self._managed_runner = self._watch_runner = None

    def _look(self) -> None:
        """Tell both cores what the store holds now."""
        if self._managed_runner is None or self._watch_runner is None:
            return
        certificates = self._trust.store.certificates
        held = frozenset(each.fingerprint for each in certificates)
        self._managed_runner.feed(StoreChanged(held))
        watched = (
            *(Watched(each, PURPOSE) for each in certificates),
            *(Watched(each, place) for place, each in self._servers.items()),
        )
        self._watch_runner.feed(CertificatesChanged(watched))

    def _perform(self, action: object) -> None:
        match action:
            case ConditionEntered() | ConditionLeft():
                self._on_condition(action)
            case FetchBundle() if self._tasks is not None:
                self._tasks.start_soon(self._ask)
            case InstallRoots():
                self._install(action)
            case UploadNeeded():
                names = ", ".join(self.missing)
                self._on_news(f"to be uploaded to {PURPOSE} by hand: {names} (CERT-04)")
            case BundleIgnored(reason):
                self._on_news(f"no trust bundle taken: {reason}")

    def _install(self, action: InstallRoots) -> None:
        origin = Origin.FETCHED if action.fetched else Origin.IMAGE
        try:
            added = self._trust.install(action.certificates, origin)
        except (UploadRefused, OSError) as error:
            self._on_news(f"cloud certificates not installed: {error}")
            return
        for each in added.added:
            self._on_news(f"installed in {PURPOSE} ({origin.value}): {each}")

    async def _ask(self) -> None:
        try:
            data = await self._fetch()
        except OSError as error:
            self.receive(BundleLost(str(error)))
            return
        before = self.managed.sequence
        self.receive(BundleFetched(data))
        if self.managed.sequence != before and self._trust.files is not None:
            try:
                self._trust.files.keep_sequence(self.managed.sequence)
            except OSError as error:
                self._on_news(f"the number of the trust bundle cannot be kept: {error}")
