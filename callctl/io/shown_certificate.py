"""Which certificate a server shows to the next client: its own, or one with something wrong."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Final

from callctl.cloud.fault_orders import CertificateFault
from callctl.io.pki import CertificateAuthority, Flaw
from sipstack.timing import Instant

HTTP_1: Final = ("http/1.1",)


class Certificates:
    """Contexts of the servers of one cloud; all that one authority signs share a certificate.

    Each is made at its first use: loading a key costs more than all else in the start of a server.
    """

    __slots__ = ("_made", "_names")

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._made: dict[tuple[CertificateAuthority, str, tuple[str, ...]], ssl.SSLContext] = {}

    def context(
        self, authority: CertificateAuthority, what: str, alpn: tuple[str, ...]
    ) -> ssl.SSLContext:
        """With a certificate that is good (`what` is empty), or has this wrong with it."""
        made = self._made.get((authority, what, alpn))
        if made is None:
            if what:
                made = authority.flawed_context(Flaw(what), self._names, alpn)
            else:
                made = authority.server_context(self._names, alpn)
            self._made[authority, what, alpn] = made
        return made


class ShownCertificate:
    """Chosen anew for each connection, in the handshake, so that open ones stay as they are."""

    __slots__ = ("_authority", "_certificates", "_clock", "fault")

    def __init__(
        self,
        authority: CertificateAuthority,
        certificates: Certificates,
        clock: Callable[[], Instant],
    ) -> None:
        self.fault: CertificateFault | None = None
        self._authority = authority
        self._certificates = certificates
        self._clock = clock

    def context(self, alpn: tuple[str, ...] = HTTP_1) -> ssl.SSLContext:
        """TLS of a server, which asks here in each handshake; it has no certificate itself."""
        asking = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        asking.minimum_version = ssl.TLSVersion.TLSv1_2
        asking.set_alpn_protocols(list(alpn))

        # Called without a name too, where a client asks for none (RFC 6066 §3).
        def choose(shaking: ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
            fault = self.in_force()
            what = "" if fault is None else fault.what
            shaking.context = self._certificates.context(self._authority, what, alpn)

        asking.sni_callback = choose
        return asking

    def in_force(self) -> CertificateFault | None:
        """The fault that the next client meets."""
        fault = self.fault
        if fault is not None and fault.ends_at is not None and self._clock() >= fault.ends_at:
            fault = self.fault = None
        return fault
