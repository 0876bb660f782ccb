"""Certificate authorities made at start, for emulators and lab nodes; nothing is kept on disk.

They also make certificates with something wrong, for faults and for tests.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME: Final = timedelta(days=365)
BACKDATED: Final = timedelta(hours=1)  # a machine whose clock is a little late accepts it too
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
ELSEWHERE: Final = ("elsewhere.invalid",)

_Key: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
_PublicKey: TypeAlias = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


class Flaw(Enum):
    """What can be wrong with a server certificate."""

    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    WRONG_HOST = "wrong_host"
    SELF_SIGNED = "self_signed"
    WEAK_KEY = "weak_key"
    NO_SERVER = "no_server"  # its extended key usage is for clients alone


@dataclass(frozen=True, slots=True)
class Span:
    """When a certificate is valid, counted from its making."""

    begins: timedelta = -BACKDATED
    ends: timedelta = LIFETIME


_SPANS: Final = {
    Flaw.EXPIRED: Span(-timedelta(days=30), -timedelta(days=1)),
    Flaw.NOT_YET_VALID: Span(timedelta(days=1), timedelta(days=30)),
}


class CertificateAuthority:
    """Signs server certificates; whoever trusts `ca_pem` trusts those."""

    def __init__(
        self,
        name: str = "callctl lab CA",
        *,
        organisation: str = "",
        signed_by: CertificateAuthority | None = None,
        span: Span = Span(),
    ) -> None:
        """A root; an intermediate if `signed_by` is given, whose servers send the chain."""
        self._key = ec.generate_private_key(ec.SECP256R1())
        named = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
        if organisation:
            named.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
        self._name = x509.Name(named)
        self._above = signed_by
        above = signed_by or self
        public = self._key.public_key()
        self._key_id = x509.SubjectKeyIdentifier.from_public_key(public)
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        self.certificate = (
            _builder(self._name, above._name, public, span)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(self._key_id, critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(above._key_id),
                critical=False,
            )
            .sign(above._key, hashes.SHA256())
        )
        self.ca_pem = self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def chain_pem(self) -> str:
        """What a server sends after its own certificate: nothing for a root."""
        return "" if self._above is None else self.ca_pem + self._above.chain_pem

    def server_context(
        self, names: tuple[str, ...] = (), alpn: tuple[str, ...] = ("http/1.1",)
    ) -> ssl.SSLContext:
        """A TLS server with a fresh certificate for loopback and `names` (hosts or addresses).

        `alpn`: protocols to agree on, in order of preference (RFC 7301); () for none.
        """
        return self._server_context(names, alpn, None)

    def flawed_context(
        self, flaw: Flaw, names: tuple[str, ...] = (), alpn: tuple[str, ...] = ("http/1.1",)
    ) -> ssl.SSLContext:
        """As `server_context`, with a certificate that no client should take."""
        return self._server_context(names, alpn, flaw)

    def _server_context(
        self, names: tuple[str, ...], alpn: tuple[str, ...], flaw: Flaw | None
    ) -> ssl.SSLContext:
        certificate, key = self.issue(names, flaw=flaw)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if flaw is Flaw.WEAK_KEY:
            context.set_ciphers("DEFAULT@SECLEVEL=0")  # else we could not even load it
        if alpn:
            context.set_alpn_protocols(list(alpn))
        # OpenSSL loads a chain from a file only.
        handle, path = tempfile.mkstemp(suffix=".pem")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(key + certificate + self.chain_pem.encode())
            context.load_cert_chain(path)
        finally:
            os.unlink(path)
        return context

    def client_context(self, alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
        """A TLS client that trusts this authority and nobody else, and checks the host name."""
        context = ssl.create_default_context(cadata=self.ca_pem)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context

    def issue(
        self,
        names: tuple[str, ...] = (),
        *,
        flaw: Flaw | None = None,
        span: Span | None = None,
    ) -> tuple[bytes, bytes]:
        """A server certificate for loopback and `names`, and its key, both as PEM.

        `span`: when it is valid, if `flaw` does not say so. With `Flaw.WRONG_HOST` it is for
        another host alone.
        """
        key = _weak_key() if flaw is Flaw.WEAK_KEY else ec.generate_private_key(ec.SECP256R1())
        public = key.public_key()
        all_names = tuple(dict.fromkeys((*names, *LOOPBACK)))
        if flaw is Flaw.WRONG_HOST:
            all_names = ELSEWHERE
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, all_names[0][:64])])
        own_key_id = x509.SubjectKeyIdentifier.from_public_key(public)
        issuer, signer, signer_id = self._name, self._key, self._key_id
        signing: _Key = signer
        if flaw is Flaw.SELF_SIGNED:
            issuer, signing, signer_id = subject, key, own_key_id
        usage = ExtendedKeyUsageOID.SERVER_AUTH
        if flaw is Flaw.NO_SERVER:
            usage = ExtendedKeyUsageOID.CLIENT_AUTH
        valid = _SPANS[flaw] if flaw in _SPANS else span or Span()
        certificate = (
            _builder(subject, issuer, public, valid)
            .add_extension(
                x509.SubjectAlternativeName([_general_name(name) for name in all_names]),
                critical=False,
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(own_key_id, critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer_id),
                critical=False,
            )
            .sign(signing, hashes.SHA256())
        )
        return (
            certificate.public_bytes(serialization.Encoding.PEM),
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )


def emulated_cloud_authorities() -> tuple[CertificateAuthority, CertificateAuthority]:
    """Two roots, as Table H1 has two: that of CI and Push REST, and that of FOS."""
    return (
        CertificateAuthority("Emulated Commercial Root CA 1", organisation="Emulated CI Authority"),
        CertificateAuthority("Emulated Class 2 Root CA", organisation="Emulated FOS Authority"),
    )


def _weak_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=1024)


def _builder(
    subject: x509.Name, issuer: x509.Name, public: _PublicKey, span: Span
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + span.begins)
        .not_valid_after(now + span.ends)
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
