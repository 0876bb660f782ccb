"""The trust bundle of FOS: the roots that the cloud needs now, signed by a key that is pinned.

A flattened JWS in JSON (RFC 7515 §7.2.2), with ES256 or EdDSA (RFC 7518 §3.4, RFC 8037).
Source: OP-50, CERT-03.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from callctl.certificate.certificate import (
    Certificate,
    CertificateSyntaxError,
    parse_certificate,
)
from callctl.certificate.cloud_roots import CloudService
from callctl.certificate.fingerprint import Fingerprint

BUNDLE_MAX: Final = 256 * 1024  # octets
ROOTS_MAX: Final = 20
CLOCK_SKEW_S: Final = 300  # by which the clock of FOS may be ahead of ours
_HALF: Final = 32  # octets of r, and of s

SigningKey: TypeAlias = Ed25519PrivateKey | EllipticCurvePrivateKey
SignerKey: TypeAlias = Ed25519PublicKey | EllipticCurvePublicKey
Roots: TypeAlias = tuple[tuple[CloudService, Certificate], ...]


class BundleRefused(ValueError):
    """A bundle of which nothing is installed, and why."""


@dataclass(frozen=True, slots=True)
class TrustBundle:
    """What a bundle says, once it is believed."""

    sequence: int  # never falls: an old bundle does not come back
    issued_at_s: int  # unix time
    expires_at_s: int
    roots: Roots

    @property
    def fingerprints(self) -> frozenset[Fingerprint]:
        """Of the roots that the cloud needs."""
        return frozenset(certificate.fingerprint for _, certificate in self.roots)


@dataclass(frozen=True, slots=True)
class BundleRules:
    """By what a bundle is judged."""

    signers: Mapping[str, SignerKey]  # pinned, by key id
    pinned: frozenset[Fingerprint]  # roots that may be installed
    last_sequence: int = 0


class _Outer(msgspec.Struct):
    protected: str
    payload: str
    signature: str


class _Protected(msgspec.Struct):
    alg: str
    kid: str


class _Root(msgspec.Struct):
    service: CloudService
    certificate: str


class _Payload(msgspec.Struct):
    sequence: int
    issued_at: int
    expires_at: int
    roots: list[_Root]


def open_bundle(data: bytes, rules: BundleRules, unix_s: float) -> TrustBundle:
    """Read a bundle that FOS has sent; its signature first, and nothing of it before that.

    Raises: BundleRefused, whatever is handed in.
    """
    if len(data) > BUNDLE_MAX:
        raise BundleRefused(f"{len(data)} octets; a bundle has {BUNDLE_MAX} at most")
    try:
        outer = msgspec.json.decode(data, type=_Outer)
        header = msgspec.json.decode(_octets(outer.protected), type=_Protected)
        signature = _octets(outer.signature)
        signed = f"{outer.protected}.{outer.payload}".encode("ascii")
    except (msgspec.DecodeError, ValueError) as error:
        raise BundleRefused(f"not a trust bundle: {error}") from error
    signer = rules.signers.get(header.kid)
    if signer is None:
        raise BundleRefused(f"signed with the key {header.kid[:64]!r}, which is not pinned")
    if not _verified(signer, header.alg, signature, signed):
        raise BundleRefused(f"its signature is not that of the key {header.kid[:64]!r}")
    try:
        payload = msgspec.json.decode(_octets(outer.payload), type=_Payload)
        roots = tuple(_root(each) for each in payload.roots)
    except (msgspec.DecodeError, ValueError) as error:
        raise BundleRefused(f"signed, but not a trust bundle: {error}") from error
    bundle = TrustBundle(payload.sequence, payload.issued_at, payload.expires_at, roots)
    _judge(bundle, rules, unix_s)
    return bundle


def sign_bundle(
    key: SigningKey,
    key_id: str,
    roots: Iterable[tuple[CloudService, Certificate]],
    *,
    sequence: int,
    issued_at_s: int,
    expires_at_s: int,
) -> bytes:
    """A bundle as FOS offers it."""
    eddsa = isinstance(key, Ed25519PrivateKey)
    header = _Protected("EdDSA" if eddsa else "ES256", key_id)
    listed = [_Root(service, base64.b64encode(it.der).decode()) for service, it in roots]
    payload = _Payload(sequence, issued_at_s, expires_at_s, listed)
    protected, text = (_text(msgspec.json.encode(each)) for each in (header, payload))
    signed = f"{protected}.{text}".encode("ascii")
    if isinstance(key, Ed25519PrivateKey):
        signature = key.sign(signed)
    else:
        r, s = decode_dss_signature(key.sign(signed, ECDSA(hashes.SHA256())))
        signature = r.to_bytes(_HALF) + s.to_bytes(_HALF)
    return msgspec.json.encode(_Outer(protected, text, _text(signature)))


def _judge(bundle: TrustBundle, rules: BundleRules, unix_s: float) -> None:
    if bundle.issued_at_s > unix_s + CLOCK_SKEW_S:
        raise BundleRefused("issued in the future: is a clock wrong?")
    if bundle.expires_at_s <= unix_s:
        raise BundleRefused("it has expired")
    if bundle.sequence < rules.last_sequence:
        raise BundleRefused(
            f"number {bundle.sequence}, older than number {rules.last_sequence} that we had"
        )
    if not 1 <= len(bundle.roots) <= ROOTS_MAX:
        raise BundleRefused(f"{len(bundle.roots)} roots; 1 to {ROOTS_MAX} make a bundle")
    for service in CloudService:
        if service not in (each for each, _ in bundle.roots):
            raise BundleRefused(f"it has no root for {service.label}")
    for _, certificate in bundle.roots:
        if certificate.fingerprint not in rules.pinned:
            raise BundleRefused(f"{certificate} is not in the pinned list")


def _verified(signer: SignerKey, algorithm: str, signature: bytes, signed: bytes) -> bool:
    try:
        if isinstance(signer, Ed25519PublicKey):
            if algorithm != "EdDSA":
                return False
            signer.verify(signature, signed)
            return True
        if algorithm != "ES256" or not isinstance(signer.curve, SECP256R1):
            return False
        if len(signature) != 2 * _HALF:
            return False
        r, s = int.from_bytes(signature[:_HALF]), int.from_bytes(signature[_HALF:])
        signer.verify(encode_dss_signature(r, s), signed, ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _root(given: _Root) -> tuple[CloudService, Certificate]:
    try:
        der = base64.b64decode(given.certificate, validate=True)
        return given.service, parse_certificate(der)
    except (binascii.Error, CertificateSyntaxError) as error:
        raise ValueError(f"a root of {given.service.value}: {error}") from error


def _text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def _octets(text: str) -> bytes:
    padded = text.encode("ascii") + b"=" * (-len(text) % 4)
    octets = base64.b64decode(padded, altchars=b"-_", validate=True)
    if _text(octets) != text:
        raise ValueError("not base64url")
    return octets
