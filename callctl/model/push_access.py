"""What lets a cluster push to APNs and FCM by itself: accounts there, and the keys to them.

Source: Apple, "Establishing a token-based connection to APNs"; Google, "Using OAuth 2.0 for server
to server applications".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from callctl.model.device import SUBSCRIBER_SERVICES, Platform
from sipstack.entropy import Entropy

APNS_URL: Final = "https://api.push.apple.com"
APNS_SANDBOX_URL: Final = "https://api.sandbox.push.apple.com"
FCM_URL: Final = "https://fcm.googleapis.com"
SANDBOX_SERVICE: Final = "APNS:dev"
"""Subscriber service of apps that were built for development: their tokens live in the sandbox."""

RSA_BITS_MIN: Final = 2048

_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True, slots=True)
class SigningKey:
    """What a provider signs its tokens for APNs with."""

    key_id: str
    team_id: str
    private: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def make(
        cls, entropy: Entropy, key_id: str = "CALLCTL001", team_id: str = "CALLCTLLAB"
    ) -> SigningKey:
        """A new key on P-256."""
        scalar = 1 + int.from_bytes(entropy.octets(40)) % (_P256_ORDER - 1)
        return cls(key_id, team_id, ec.derive_private_key(scalar, ec.SECP256R1()))


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """Who asks Google for access tokens, and for which project."""

    project_id: str
    client_email: str
    key_id: str
    token_url: str
    private: rsa.RSAPrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class ApnsAccess:
    """The way to APNs. Without a key the emulator's is used."""

    bundle_id: str  # of the app, where the client does not say
    key: SigningKey | None = None
    url: str = APNS_URL
    sandbox_url: str = APNS_SANDBOX_URL


@dataclass(frozen=True, slots=True)
class FcmAccess:
    """The way to FCM. Without an account the emulator's is used."""

    account: ServiceAccount | None = None
    url: str = FCM_URL


@dataclass(frozen=True, slots=True)
class DirectPush:
    """Which pushes go to the partner clouds without Push REST, and how."""

    services: frozenset[str] = frozenset()  # subscriber services, unless a device says otherwise
    apns: ApnsAccess | None = None
    fcm: FcmAccess | None = None

    def serves(self, service: str) -> bool:
        """True if there is a direct way for this subscriber service."""
        ios = SUBSCRIBER_SERVICES.get(service) is Platform.IOS
        return (self.apns if ios else self.fcm) is not None


def apns_private_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """The key in a `.p8` file of Apple. Raises: ValueError if it is none on P-256."""
    try:
        private = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):  # TypeError: it has a password
        raise ValueError("is not a private key in PEM, without a password") from None
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise ValueError("is not a key of an elliptic curve")
    if not isinstance(private.curve, ec.SECP256R1):
        raise ValueError("is not a key on P-256")
    return private


class _AccountFile(msgspec.Struct):
    type: str
    project_id: str
    private_key_id: str
    private_key: str
    client_email: str
    token_uri: str


def service_account(octets: bytes) -> ServiceAccount:
    """The JSON file that Google gives out. Raises: ValueError, which quotes no secret."""
    try:
        file = msgspec.json.decode(octets, type=_AccountFile)
    except (msgspec.DecodeError, RecursionError):
        raise ValueError("is not the JSON of a service account") from None
    if file.type != "service_account":
        raise ValueError("has a type that is not service_account")
    if not is_https(file.token_uri):
        raise ValueError("has a token_uri that is not https")
    if not all(c.isascii() and (c.isalnum() or c in "-.:_") for c in file.project_id):
        raise ValueError("has a project_id that is none")
    try:
        private = load_pem_private_key(file.private_key.encode(), password=None)
    except (ValueError, TypeError):
        raise ValueError("has a private_key that is none") from None
    if not isinstance(private, rsa.RSAPrivateKey) or private.key_size < RSA_BITS_MIN:
        raise ValueError(f"has a private_key that is not RSA with {RSA_BITS_MIN} bits or more")
    return ServiceAccount(
        file.project_id, file.client_email, file.private_key_id, file.token_uri, private
    )


def is_https(url: str) -> bool:
    """True for the https URL of some host."""
    try:
        parts = urlsplit(url)
    except ValueError:  # half an IPv6 address
        return False
    return parts.scheme == "https" and bool(parts.hostname)
