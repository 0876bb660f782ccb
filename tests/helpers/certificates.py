"""Certificates for tests of the cores: any name, any dates, on a clock that starts at `BORN_S`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from callctl.certificate.certificate import DAY_S, Certificate, parse_certificate

BORN_S: Final = 1_800_000_000  # unix time; every certificate begins a day before unless told
_SHORT: Final = {
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "CN": NameOID.COMMON_NAME,
}


@dataclass(frozen=True, slots=True)
class Made:
    """A certificate, and the key to sign others with."""

    certificate: Certificate
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.pem.encode()


def made(
    name: str | tuple[tuple[str, str], ...],
    by: Made | None = None,
    *,
    ca: bool | None = True,
    days: float = 365,
    begins: float = -1,
    hosts: tuple[str, ...] = (),
    rsa_bits: int = 0,
) -> Made:
    """A certificate signed by `by`, else by itself; `ca` None: it does not say.

    It is valid from `begins` days after `BORN_S` on, for `days`.
    """
    key = (
        rsa.generate_private_key(public_exponent=65_537, key_size=rsa_bits)
        if rsa_bits
        else ec.generate_private_key(ec.SECP256R1())
    )
    given = (("CN", name),) if isinstance(name, str) else name
    subject = x509.Name([x509.NameAttribute(_SHORT[kind], value) for kind, value in given])
    begin_s = BORN_S + begins * DAY_S
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.x509().subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(begin_s, UTC))
        .not_valid_after(datetime.fromtimestamp(begin_s + days * DAY_S, UTC))
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, None), critical=True)
    if hosts:
        names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    signed = builder.sign(by.key if by else key, hashes.SHA256())
    return Made(parse_certificate(signed.public_bytes(Encoding.DER)), key)
