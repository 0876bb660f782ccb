"""TLS to the clouds, out of the trust store of the cluster and of nothing else.

TLS 1.2 or later, a certificate that verifies, the host name checked: always, but for an option that
says in its name what it is. Source: SEC-04, CERT-01; research/reliability 5.2 P7.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from callctl.certificate.certificate import Certificate
from callctl.certificate.cloud_roots import PURPOSE, CloudService
from callctl.certificate.fingerprint import Fingerprint
from callctl.certificate.trust_store import Added, Origin, Trusted, TrustStore
from callctl.io.trust_files import TrustFiles
from callctl.serviceability.condition import ConditionEntered

VERIFICATION_DISABLED: Final = "TlsVerificationDisabled"
INSECURE_WARNING: Final = (
    "insecure_skip_tls_verification is on: the cluster takes whoever answers for the cloud, and "
    "gives it tokens and pushes. Use it in a lab, and nowhere else"
)


@dataclass(frozen=True, slots=True)
class CloudTls:
    """A TLS client for the clouds; `insecure` if it believes everybody."""

    context: ssl.SSLContext
    insecure: bool = False


def cloud_tls(
    trusted: Iterable[Certificate],
    *,
    alpn: tuple[str, ...] = (),
    insecure_skip_tls_verification: bool = False,
) -> CloudTls:
    """A client that trusts these roots, not those of the system. Without any it trusts nobody.

    Raises: ssl.SSLError for a certificate that OpenSSL does not read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if alpn:
        context.set_alpn_protocols(list(alpn))
    for each in trusted:
        context.load_verify_locations(cadata=each.der)
    if insecure_skip_tls_verification:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return CloudTls(context, insecure_skip_tls_verification)


def verification_disabled(node: str) -> ConditionEntered:
    """The condition that holds for as long as the option is on."""
    return ConditionEntered(VERIFICATION_DISABLED, node, detail=INSECURE_WARNING)


class Trust:
    """The trust store of a running cluster: kept in files, and made into TLS when it changes."""

    def __init__(
        self,
        store: TrustStore,
        files: TrustFiles | None = None,
        *,
        insecure_skip_tls_verification: bool = False,
        changed: Callable[[], None] = lambda: None,
        unix_s: Callable[[], float] = time.time,
    ) -> None:
        """`files`: None if it lasts no longer than the process. `changed` is called afterwards.

        Raises: ssl.SSLError.
        """
        self.store = store
        self.insecure = insecure_skip_tls_verification
        self.unix_s = unix_s
        self.files, self.changed = files, changed
        self._tls: dict[tuple[str, ...], CloudTls] = {}
        self.tls()

    def tls(self, alpn: tuple[str, ...] = ()) -> CloudTls:
        """A client with what the store holds now. Ask anew for each connection."""
        made = self._tls.get(alpn)
        if made is None:
            made = cloud_tls(
                self.store.certificates, alpn=alpn, insecure_skip_tls_verification=self.insecure
            )
            self._tls[alpn] = made
        return made

    def expires_in_s(self) -> dict[tuple[str, str], float]:
        """Seconds until each certificate of the store ends, by store and name: for metrics."""
        now_s = self.unix_s()
        return {
            (PURPOSE, f"{each.common_name} {each.fingerprint.short}"): each.not_after_s - now_s
            for each in self.store.certificates
        }

    def upload(self, data: bytes, for_service: CloudService | None = None) -> Added:
        """Take in an administrator's file. Raises: UploadRefused; OSError if it cannot be kept."""
        before = self.store.entries
        added = self.store.upload(data, int(self.unix_s()), for_service=for_service)
        self._keep(before)
        return added

    def install(self, certificates: Iterable[Certificate], origin: Origin) -> Added:
        """Take in what the system has found. Raises: UploadRefused; OSError."""
        before = self.store.entries
        added = self.store.add(certificates, int(self.unix_s()), origin=origin)
        self._keep(before)
        return added

    def remove(self, fingerprint: Fingerprint) -> Trusted | None:
        """Take out; None if it is not there. Raises: OSError."""
        before = self.store.entries
        removed = self.store.remove(fingerprint)
        self._keep(before)
        return removed

    def _keep(self, before: tuple[Trusted, ...]) -> None:
        """Keep what has changed in files and in TLS; what cannot be kept does not count."""
        if self.store.entries == before:
            return
        kept = self._tls
        try:
            self._tls = {}
            self.tls()
            if self.files is not None:
                self.files.save(self.store.entries)
        except OSError:  # an SSLError is one
            self.store.restore(before)
            self._tls = kept
            raise
        self.changed()
