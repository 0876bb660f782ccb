"""A certificate as the product sees it: parsed once, with what the rules ask about it.

Source: RFC 5280, RFC 7468 for its text form.
"""

from __future__ import annotations

import base64
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from textwrap import wrap
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from callctl.certificate.fingerprint import Fingerprint

UPLOAD_MAX: Final = 256 * 1024  # octets in one upload
IN_ONE_MAX: Final = 100  # certificates in one upload
RSA_BITS_MIN: Final = 2048  # what TLS libraries take today (112 bits of security)
CURVE_BITS_MIN: Final = 224
DAY_S: Final = 86_400
PEM_LINE: Final = 64  # characters (RFC 7468 §2)

_BLOCK: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,64})-----(.*?)-----END \1-----", re.DOTALL)
_LABELS: Final = (b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE")
_SHORT: Final = {
    NameOID.COUNTRY_NAME: "C",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.LOCALITY_NAME: "L",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.COMMON_NAME: "CN",
}
# What the parser raises beside ValueError for a certificate that it cannot make sense of.
_UNREADABLE: Final = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


class CertificateSyntaxError(ValueError):
    """What was handed in is no certificate, or holds something that must not be in there."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Facts of one certificate. Two are the same if their fingerprints are."""

    fingerprint: Fingerprint
    der: bytes = field(repr=False, compare=False)
    subject: str = field(compare=False)  # "O=IdenTrust, CN=IdenTrust Commercial Root CA 1"
    issuer: str = field(compare=False)
    not_before_s: int = field(compare=False)  # unix time
    not_after_s: int = field(compare=False)
    is_ca: bool = field(compare=False)
    self_signed: bool = field(compare=False)  # subject and issuer are the same name
    key: str = field(compare=False)  # "RSA 2048", "EC 256", "Ed25519"
    weak: str = field(compare=False)  # why TLS libraries do not take the key; "" if they do
    hosts: tuple[str, ...] = field(compare=False)  # names and addresses it is for
    server_auth: bool = field(
        compare=False
    )  # its extended key usage allows a server, if it has one

    @property
    def common_name(self) -> str:
        """CN of the subject, else all of it."""
        return self.subject.rpartition("CN=")[2] or self.subject

    @property
    def pem(self) -> str:
        """Its text form (RFC 7468)."""
        text = base64.b64encode(self.der).decode("ascii")
        lines = "\n".join(wrap(text, PEM_LINE))
        return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"

    @property
    def validity_days(self) -> float:
        """From the first moment to the last."""
        return (self.not_after_s - self.not_before_s) / DAY_S

    def x509(self) -> x509.Certificate:
        """For the cryptography library."""
        with _old_roots_allowed():
            return x509.load_der_x509_certificate(self.der)

    def expired(self, unix_s: float) -> bool:
        return unix_s > self.not_after_s

    def not_yet_valid(self, unix_s: float) -> bool:
        return unix_s < self.not_before_s

    def issued(self, other: Certificate) -> bool:
        """Whether our name is that of its issuer and our key made its signature."""
        if not self.is_ca and self.fingerprint != other.fingerprint:
            return False
        return self.subject == other.issuer and _signed(self.x509(), other.x509())

    def __str__(self) -> str:
        return f"{self.subject} ({self.fingerprint})"


def parse_certificate(der: bytes) -> Certificate:
    """One certificate in DER. Raises: CertificateSyntaxError, whatever is handed in."""
    try:
        with _old_roots_allowed():
            return _read(der)
    except _UNREADABLE as error:
        raise CertificateSyntaxError(f"not a certificate: {_one_line(error)}") from error


def parse_certificates(data: bytes) -> tuple[Certificate, ...]:
    """The certificates of an upload: one in DER, or any number in PEM, in their order.

    Raises: CertificateSyntaxError if there is none, one cannot be read, there are too many, or
    there is a private key among them.
    """
    if len(data) > UPLOAD_MAX:
        raise CertificateSyntaxError(f"{len(data)} octets; an upload has {UPLOAD_MAX} at most")
    if b"PRIVATE KEY-----" in data:
        raise CertificateSyntaxError(
            "there is a private key in it: a trust store takes certificates alone. "
            "The key has left its place; consider it known"
        )
    blocks = _BLOCK.findall(data)
    if not blocks:
        if b"-----BEGIN" in data:
            raise CertificateSyntaxError("a PEM block has no end")
        if not data.strip():
            raise CertificateSyntaxError("it is empty")
        return (parse_certificate(data),)
    if len(blocks) > IN_ONE_MAX:
        raise CertificateSyntaxError(f"{len(blocks)} certificates; {IN_ONE_MAX} at most")
    return tuple(_of_block(number, *block) for number, block in enumerate(blocks, 1))


def pem_bundle(certificates: Iterable[Certificate]) -> str:
    """All of them in one text."""
    return "".join(each.pem for each in certificates)


def _of_block(number: int, label: bytes, text: bytes) -> Certificate:
    place = f"PEM block {number}"
    if label not in _LABELS:
        what = label.decode("ascii").lower()
        raise CertificateSyntaxError(f"{place} is a {what}, not a certificate")
    block = b"-----BEGIN CERTIFICATE-----" + text + b"-----END CERTIFICATE-----\n"
    try:
        with _old_roots_allowed():
            der = x509.load_pem_x509_certificate(block).public_bytes(Encoding.DER)
        return parse_certificate(der)
    except CertificateSyntaxError as error:
        raise CertificateSyntaxError(f"{place}: {error}") from error
    except _UNREADABLE as error:
        raise CertificateSyntaxError(f"{place}: not a certificate: {_one_line(error)}") from error


@contextmanager
def _old_roots_allowed() -> Iterator[None]:
    """No warnings for what RFC 5280 forbids and is about: a root of Table H1 has the number 0."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _read(der: bytes) -> Certificate:
    found = x509.load_der_x509_certificate(der)
    if found.public_bytes(Encoding.DER) != der:
        raise ValueError("something follows it")
    return _facts(found, der)


def _facts(found: x509.Certificate, der: bytes) -> Certificate:
    subject, issuer = _name(found.subject), _name(found.issuer)
    key, weak = _key(found)
    extensions = found.extensions
    try:
        is_ca = extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_ca = False
    with suppress(x509.ExtensionNotFound):
        is_ca &= extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    try:
        uses = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        server_auth = any(
            use in uses
            for use in (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
        )
    except x509.ExtensionNotFound:
        server_auth = True
    return Certificate(
        Fingerprint.of(der),
        der,
        subject,
        issuer,
        _unix_s(found.not_valid_before_utc),
        _unix_s(found.not_valid_after_utc),
        is_ca,
        found.subject == found.issuer,
        key,
        weak,
        _hosts(extensions),
        server_auth,
    )


def _hosts(extensions: x509.Extensions) -> tuple[str, ...]:
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return (
        *names.get_values_for_type(x509.DNSName),
        *map(str, names.get_values_for_type(x509.IPAddress)),
    )


def _name(name: x509.Name) -> str:
    return ", ".join(
        f"{_SHORT.get(each.oid, each.oid.dotted_string)}={_text(each.value)}" for each in name
    )


def _text(value: str | bytes) -> str:
    """Printable and on one line: a name is written by whoever made the certificate."""
    text = value if isinstance(value, str) else value.hex()
    return "".join(each if each.isprintable() else "?" for each in text)


def _key(found: x509.Certificate) -> tuple[str, str]:
    match found.public_key():
        case rsa.RSAPublicKey() as key:
            short = f"RSA of {key.key_size} bits is too short ({RSA_BITS_MIN} at least)"
            return f"RSA {key.key_size}", short if key.key_size < RSA_BITS_MIN else ""
        case ec.EllipticCurvePublicKey() as key:
            short = f"a curve of {key.curve.key_size} bits is too short"
            weak = short if key.curve.key_size < CURVE_BITS_MIN else ""
            return f"EC {key.curve.key_size}", weak
        case ed25519.Ed25519PublicKey():
            return "Ed25519", ""
        case ed448.Ed448PublicKey():
            return "Ed448", ""
        case dsa.DSAPublicKey():
            return "DSA", "TLS has no DSA any more"
        case _:
            return "other", "the key is of a kind that signs nothing"


def _signed(issuer: x509.Certificate, subject: x509.Certificate) -> bool:
    try:
        with _old_roots_allowed():
            subject.verify_directly_issued_by(issuer)
    except (InvalidSignature, *_UNREADABLE):
        return False
    return True


def _unix_s(moment: datetime) -> int:
    return int(moment.timestamp())


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
