"""A certificate authority made at start, for emulators and lab nodes; nothing is kept on disk."""

from __future__ import annotations

import ipaddress
import os
import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME: Final = timedelta(days=365)
BACKDATED: Final = timedelta(hours=1)  # a machine whose clock is a little late accepts it too
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class CertificateAuthority:
    """Signs server certificates; whoever trusts `ca_pem` trusts those."""

    def __init__(self, name: str = "callctl lab CA") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
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
        self._certificate = (
            _builder(self._name, self._name, public)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(self._key_id, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.ca_pem = self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    def server_context(
        self, names: tuple[str, ...] = (), alpn: tuple[str, ...] = ("http/1.1",)
    ) -> ssl.SSLContext:
        """A TLS server with a fresh certificate for loopback and `names` (hosts or addresses).

        `alpn`: protocols to agree on, in order of preference (RFC 7301); () for none.
        """
        certificate, key = self.issue(names)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if alpn:
            context.set_alpn_protocols(list(alpn))
        # OpenSSL loads a chain from a file only.
        handle, path = tempfile.mkstemp(suffix=".pem")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(key + certificate)
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

    def issue(self, names: tuple[str, ...] = ()) -> tuple[bytes, bytes]:
        """A server certificate for loopback and `names`, and its key, both as PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        public = key.public_key()
        all_names = tuple(dict.fromkeys((*names, *LOOPBACK)))
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, all_names[0][:64])])
        certificate = (
            _builder(subject, self._name, public)
            .add_extension(
                x509.SubjectAlternativeName([_general_name(name) for name in all_names]),
                critical=False,
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self._key_id),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        return (
            certificate.public_bytes(serialization.Encoding.PEM),
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + LIFETIME)
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
