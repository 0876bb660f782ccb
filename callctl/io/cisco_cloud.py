"""The Cisco services that a cluster meets before it can push: licence managers, FOS, CI, and the
endpoint that alarms are uploaded to. Cores only; `callctl.io.emulators` puts them on sockets.

Source: CLOUD-01, CLOUD-02, CLOUD-03, LIC-01, OP-50, OP-51.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from callctl.certificate.certificate import Certificate, parse_certificates
from callctl.certificate.cloud_roots import CloudService as CertifiedService
from callctl.certificate.trust_bundle import sign_bundle
from callctl.cloud import alarm_intake, ci, fos, license_manager
from callctl.cloud.alarm_intake import UPLOAD_PATH, AlarmIntake
from callctl.cloud.ci import Ci
from callctl.cloud.fault_orders import ALARM_UPLOAD, CI, CSSM, FOS, PLM
from callctl.cloud.fos import AccountProvisioned, Fos
from callctl.cloud.license_manager import LicenseManager
from callctl.cloud.voucher_book import VoucherBook
from callctl.io.cloud_service import ServiceCore
from callctl.io.pki import CertificateAuthority
from callctl.onboarding.licensing import Issuer
from sipstack.entropy import Entropy
from sipstack.timing import Instant

BUNDLE_KEY_ID: Final = "emulated"
BUNDLE_LIFETIME_S: Final = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Guest:
    """A service that the cloud hosts, with the path that belongs to its URL."""

    name: str
    core: ServiceCore
    authority: CertificateAuthority
    path: str
    body_max: int


class CiscoCloud:
    """The cores, each told what it has to know of the others."""

    def __init__(
        self, entropy: Entropy, authority: CertificateAuthority, fos_authority: CertificateAuthority
    ) -> None:
        """`authority` signs for CI, Push REST and the rest, `fos_authority` for FOS (Table H1)."""
        self.vouchers = VoucherBook(entropy)
        self.ci = Ci(entropy)
        self.fos = Fos(self.vouchers, entropy)
        self.plm = LicenseManager(Issuer.PLM, self.vouchers, entropy)
        self.cssm = LicenseManager(Issuer.CSSM, self.vouchers, entropy)
        self.alarm_intake = AlarmIntake(self.ci.accounts, entropy)
        self.bundle_key = Ed25519PrivateKey.generate()
        self._authority = authority
        self._fos_authority = fos_authority

    def guests(self) -> tuple[Guest, ...]:
        """What is to be hosted."""
        authority = self._authority
        return (
            Guest(CI, self.ci, authority, "", ci.BODY_MAX),
            Guest(FOS, self.fos, self._fos_authority, "", fos.BODY_MAX),
            Guest(PLM, self.plm, authority, "", license_manager.BODY_MAX),
            Guest(CSSM, self.cssm, authority, "", license_manager.BODY_MAX),
            Guest(ALARM_UPLOAD, self.alarm_intake, authority, UPLOAD_PATH, alarm_intake.BODY_MAX),
        )

    def know_urls(self, ci_url: str, push_rest_url: str) -> None:
        """What FOS tells of the others: all of them run."""
        self.fos.token_url = f"{ci_url}{ci.TOKEN_PATH}"
        self.fos.push_rest_url = push_rest_url

    def make_trust_bundle(self, unix_s: int) -> None:
        """Let FOS give out the roots of both authorities, signed (OP-50)."""
        roots = (
            (CertifiedService.CI, _root_of(self._authority)),
            (CertifiedService.FOS, _root_of(self._fos_authority)),
        )
        self.fos.trust_bundle = sign_bundle(
            self.bundle_key,
            BUNDLE_KEY_ID,
            roots,
            sequence=1,
            issued_at_s=unix_s,
            expires_at_s=unix_s + BUNDLE_LIFETIME_S,
        )

    def performing(
        self, clock: Callable[[], Instant], on_trace: Callable[[object], None]
    ) -> Callable[[object], None]:
        """Carries out what a core asks for besides its answers."""

        def perform(action: object) -> None:
            if isinstance(action, AccountProvisioned):
                made = action.account
                if action.replaced is not None:
                    self.ci.accounts.remove(action.replaced.account_id)
                self.ci.accounts.know(
                    made.account_id, made.organisation_id, made.refresh_token, clock()
                )
            else:
                on_trace(action)

        return perform


def _root_of(authority: CertificateAuthority) -> Certificate:
    (root,) = parse_certificates(authority.ca_pem.encode())
    return root
