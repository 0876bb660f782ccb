"""Cloud certificates that the system looks after, over real TLS: Table I, and ends in sight."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import time
from typing import Final

import anyio
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from callctl.certificate.certificate import DAY_S, Certificate, parse_certificates
from callctl.certificate.cisco_managed import (
    BoxSet,
    CiscoManaged,
    OnboardingChanged,
    PageLoaded,
    TomcatRestarted,
    Way,
)
from callctl.certificate.cloud_roots import CloudRoots, CloudService
from callctl.certificate.expiry import ExpiryWatch
from callctl.certificate.trust_bundle import BundleRules, sign_bundle
from callctl.certificate.trust_store import Origin, TrustStore
from callctl.cloud.fos import TRUST_BUNDLE_PATH
from callctl.egress.failure import ExchangeFailed
from callctl.io.certificate_files import CertificateFileError
from callctl.io.egress import Egress
from callctl.io.http_server import AsgiApp, Receive, Scope, Send, serve
from callctl.io.managed_trust import ManagedTrust, fetch_bundle
from callctl.io.pki import CertificateAuthority, emulated_cloud_authorities
from callctl.io.trust import Trust
from callctl.io.trust_files import TrustFiles
from callctl.io.trust_setup import set_up_trust
from callctl.model.certificate_files import NO_FILES, CertificateFiles
from callctl.serviceability.condition import Condition, ConditionEntered
from helpers.certificates import made
from helpers.loops import on_each_loop
from helpers.node_rig import eventually
from sipstack.io.clock import MonotonicClock

pytestmark = [pytest.mark.anyio, on_each_loop]

CI, FOS = emulated_cloud_authorities()
NEW_CI: Final = CertificateAuthority("Emulated Commercial Root CA 2", organisation="Emulated")
SIGNER: Final = ed25519.Ed25519PrivateKey.generate()


def root(authority: CertificateAuthority) -> Certificate:
    return parse_certificates(authority.ca_pem.encode())[0]


IMAGE: Final = ((CloudService.CI, root(CI)), (CloudService.FOS, root(FOS)))


def bundle(ci: CertificateAuthority, sequence: int = 1) -> bytes:
    now_s = int(time())
    roots = ((CloudService.CI, root(ci)), (CloudService.FOS, root(FOS)))
    return sign_bundle(
        SIGNER, "k", roots, sequence=sequence, issued_at_s=now_s, expires_at_s=now_s + DAY_S
    )


def answering(body: bytes, heard: list[str]) -> AsgiApp:
    """A service that answers every request with this."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        heard.append(scope["path"])
        status = 200 if body else 503
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})

    return app


@dataclass
class Publisher:
    """The publisher of a cluster, and the cloud it knows."""

    trust: Trust
    managed: ManagedTrust
    egress: Egress
    ci_url: str
    asked: list[str]  # of FOS
    conditions: list[Condition] = field(default_factory=list)
    news: list[str] = field(default_factory=list)

    def missing(self) -> tuple[str, ...]:
        """Asked anew each time."""
        return self.managed.missing

    async def reaches_ci(self) -> bool:
        """Whether TLS with CI stands, with the trust of this moment."""
        self.egress.tls = self.trust.tls().context
        try:
            await self.egress.exchange(self.ci_url)
        except ExchangeFailed as error:
            if error.step == "certificate":
                return False
            raise
        return True


@asynccontextmanager
async def publisher(
    directory: Path,
    *,
    ci: CertificateAuthority = CI,
    offered: bytes = b"",
    image: Iterable[tuple[CloudService, Certificate]] = IMAGE,
    required: tuple[Certificate, ...] = (root(CI), root(FOS)),
    stored: tuple[bytes, ...] = (),
    insecure: bool = False,
) -> AsyncIterator[Publisher]:
    """`ci`: whose certificate CI shows; `offered`: the bundle at FOS."""
    files = TrustFiles(directory)
    roots = CloudRoots.emulated(IMAGE).with_fingerprints(
        [(CloudService.CI, root(NEW_CI).fingerprint, False)]
    )
    trust = Trust(TrustStore(roots, files.load()), files, insecure_skip_tls_verification=insecure)
    for pem in stored:
        trust.upload(pem)
    clock = MonotonicClock()
    rules = BundleRules({"k": SIGNER.public_key()}, roots.fingerprints, files.sequence())
    prints = frozenset(each.fingerprint for each in required)
    egress = Egress(None, trust.tls().context, clock)
    asked: list[str] = []
    conditions: list[Condition] = []
    news: list[str] = []
    async with (
        serve(answering(offered, asked), FOS.server_context()) as fos_port,
        serve(answering(b"{}", []), ci.server_context()) as ci_port,
        anyio.create_task_group() as tasks,
    ):

        async def fetch() -> bytes:
            egress.tls = trust.tls().context
            return await fetch_bundle(egress, f"https://127.0.0.1:{fos_port}/")

        managed = ManagedTrust(
            trust,
            CiscoManaged(prints, tuple(image), rules, time()),
            ExpiryWatch("ucm1", time()),
            fetch,
            clock,
            node="ucm1",
            on_condition=conditions.append,
            on_news=news.append,
        )
        await tasks.start(managed.run)
        url = f"https://127.0.0.1:{ci_port}/"
        yield Publisher(trust, managed, egress, url, asked, conditions, news)
        tasks.cancel_scope.cancel()


@pytest.mark.req("CERT-01", "CERT-03", "CERT-05")
async def test_image_roots_are_installed_by_the_restart_of_tomcat_and_only_then_is_ci_reached(
    tmp_path: Path,
) -> None:
    """Table I, row 1."""
    async with publisher(tmp_path) as here:
        here.managed.receive(BoxSet(on=True))
        assert len(here.missing()) == 2
        assert not await here.reaches_ci()
        here.managed.receive(TomcatRestarted())
        assert here.missing() == ()
        assert await here.reaches_ci()
        assert {entry.origin for entry in here.trust.store.entries} == {Origin.IMAGE}
    assert len(TrustFiles(tmp_path).load()) == 2


@pytest.mark.req("CERT-04", "CERT-05")
async def test_root_that_the_image_lacks_is_asked_for_and_ci_is_reached_once_it_is_uploaded(
    tmp_path: Path,
) -> None:
    """Table I, row 2."""
    required = (root(NEW_CI), root(FOS))
    async with publisher(tmp_path, ci=NEW_CI, required=required, offered=bundle(NEW_CI)) as here:
        here.managed.receive(BoxSet(on=True))
        here.managed.receive(TomcatRestarted())
        here.managed.receive(PageLoaded())
        assert here.managed.managed.way is Way.BY_HAND
        assert any("CERT-04" in text for text in here.news)
        assert not await here.reaches_ci()
        here.trust.upload(NEW_CI.ca_pem.encode())
        assert here.missing() == ()
        assert await here.reaches_ci()
        assert here.asked == []  # who is not onboarded fetches nothing


@pytest.mark.req("CERT-03", "CERT-05")
async def test_onboarded_cluster_fetches_the_new_root_and_reaches_ci_again(tmp_path: Path) -> None:
    """Table I, row 3."""
    stored = (CI.ca_pem.encode(), FOS.ca_pem.encode())
    async with publisher(tmp_path, ci=NEW_CI, offered=bundle(NEW_CI, 7), stored=stored) as here:
        assert not await here.reaches_ci()
        here.managed.receive(BoxSet(on=True))
        here.managed.receive(OnboardingChanged(onboarded=True))
        await eventually(lambda: here.managed.managed.sequence == 7)
        assert here.asked == [TRUST_BUNDLE_PATH]
        assert here.missing() == ()
        assert await here.reaches_ci()
        entry = here.trust.store.get(root(NEW_CI).fingerprint)
        assert entry is not None
        assert entry.origin is Origin.FETCHED
    files = TrustFiles(tmp_path)
    assert len(files.load()) == 3
    assert files.sequence() == 7


async def test_bundle_comes_over_verified_tls_alone(tmp_path: Path) -> None:
    """Without the root of FOS not even the bundle is asked for."""
    stored = (CI.ca_pem.encode(),)
    async with publisher(tmp_path, ci=NEW_CI, offered=bundle(NEW_CI), stored=stored) as here:
        here.managed.receive(BoxSet(on=True))
        here.managed.receive(OnboardingChanged(onboarded=True))
        await eventually(lambda: bool(here.news))
        assert "no trust bundle taken" in here.news[0]
        assert here.asked == []
        assert not await here.reaches_ci()


@pytest.mark.parametrize("offered", [b"", b"{}", bundle(CertificateAuthority("stranger"))])
async def test_bundle_that_is_not_believed_leaves_the_store_as_it_was(
    tmp_path: Path, offered: bytes
) -> None:
    stored = (CI.ca_pem.encode(), FOS.ca_pem.encode())
    async with publisher(tmp_path, offered=offered, stored=stored) as here:
        here.managed.receive(BoxSet(on=True))
        here.managed.receive(OnboardingChanged(onboarded=True))
        await eventually(lambda: bool(here.news))
        assert here.asked == [TRUST_BUNDLE_PATH]
        assert len(here.trust.store.entries) == 2
        assert TrustFiles(tmp_path).sequence() == 0


async def test_end_that_comes_near_is_a_condition_until_the_certificate_is_removed(
    tmp_path: Path,
) -> None:
    now_days = (time() - 1_800_000_000) / DAY_S  # the helper counts from there
    ends_soon = made("ends soon", begins=now_days - 1, days=4)
    async with publisher(tmp_path) as here:
        here.trust.upload(ends_soon.pem)
        (entered,) = here.conditions
        assert isinstance(entered, ConditionEntered)
        assert (entered.alarm, entered.node) == ("CertificateExpiring", "ucm1")
        assert entered.detail == "ends soon in tomcat-trust ends within 7 days"
        left = here.trust.expires_in_s()
        assert [round(seconds / DAY_S) for seconds in left.values()] == [3]
        here.trust.remove(ends_soon.certificate.fingerprint)
        assert [type(each).__name__ for each in here.conditions] == [
            "ConditionEntered",
            "ConditionLeft",
        ]


async def test_verification_that_is_off_is_a_condition_from_the_start(tmp_path: Path) -> None:
    async with publisher(tmp_path, insecure=True) as here:
        assert [each.alarm for each in here.conditions] == ["TlsVerificationDisabled"]
    async with publisher(tmp_path) as here:
        assert here.conditions == []


async def test_nothing_happens_to_the_store_of_a_cluster_that_has_stopped(tmp_path: Path) -> None:
    async with publisher(tmp_path) as here:
        here.managed.receive(BoxSet(on=True))
    here.managed.receive(TomcatRestarted())
    assert here.trust.store.entries == ()


async def test_cluster_starts_with_what_was_kept_and_what_its_file_names(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text(NEW_CI.ca_pem)
    files = CertificateFiles(
        tomcat_trust=(ca,), roots=(("ci", str(root(NEW_CI).fingerprint), True),)
    )
    for _ in range(2):
        setup = set_up_trust(files, tmp_path, time())
        assert setup.trust.store.certificates == (root(NEW_CI),)
        (fos,) = setup.trust.store.missing_roots(time())
        assert fos.service is CloudService.FOS
    emulated = set_up_trust(NO_FILES, tmp_path, time(), emulated=IMAGE)
    assert emulated.trust.store.entries == ()
    assert emulated.trust.files is None
    assert emulated.managed.required == {root(CI).fingerprint, root(FOS).fingerprint}
    for text in ("nothing", CI.issue()[0].decode()):
        ca.write_text(text)
        with pytest.raises(CertificateFileError, match=r"ca\.pem"):
            set_up_trust(files, tmp_path, time())
    ca.unlink()
    with pytest.raises(CertificateFileError, match=r"ca\.pem"):
        set_up_trust(files, tmp_path, time())
