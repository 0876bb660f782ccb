"""Sealing of push content, and the outer request to Push REST (OP-10).

    {"trackingId": "CPNS_6f9c...", "service": "APNS", "target": "<device token>",
     "channel": "voip", "priority": "high", "ttl": 13,
     "payload": {"enc": "A256GCM", "kid": "k7", "iv": "...", "ct": "...", "tag": "..."}}

A device without a key (a standard RFC 8599 client) gets a content-free push. Its payload is exactly
`{"enc": "none"}`: it wakes the app and says nothing, so there is nothing to encrypt (OP-01). Push
REST accepts these two forms and no other, so that clear text has no way through (SEC-03).
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

A256GCM: Final = "A256GCM"
KEY_OCTETS: Final = 32  # SEC-01
IV_OCTETS: Final = 12
TAG_OCTETS: Final = 16
KEY_ID_MAX: Final = 64  # characters
CIPHERTEXT_MAX: Final = 4096  # octets

# A seal looks like chance. From this length on, octets that happen to be UTF-8 are no seal: the
# odds are below one in 2**40.
_TELLING_OCTETS: Final = 64

CONTENT_FREE: Final[Mapping[str, str]] = {"enc": "none"}
"""The payload of a push to a device that has given no key."""

_SEALED_KEYS: Final = {"enc", "kid", "iv", "ct", "tag"}


on_seal: Callable[[bytes, bytes, bytes], None] | None = None
"""Sees content, key and IV of each seal, for scans of a whole test run; else None."""


class EnvelopeError(ValueError):
    """A payload that is no envelope, or that this key, tracking id and target do not open."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Sealed content: its key id, initialisation vector, ciphertext and tag, as octets."""

    key_id: str
    iv: bytes
    ciphertext: bytes
    tag: bytes

    def payload(self) -> dict[str, str]:
        """The `payload` member of the outer request."""
        return {
            "enc": A256GCM,
            "kid": self.key_id,
            "iv": b64url(self.iv),
            "ct": b64url(self.ciphertext),
            "tag": b64url(self.tag),
        }


def seal(
    content: bytes, *, key: bytes, key_id: str, iv: bytes, tracking_id: str, target: str
) -> Envelope:
    """Encrypt `content` for one device, bound to its target and to this one push.

    `iv` is 96 bits, fresh for every push: two with one key would give the content away.
    Source: SEC-01, SEC-07; NIST SP 800-38D §8.2.2.
    """
    if len(key) != KEY_OCTETS or len(iv) != IV_OCTETS:
        raise ValueError("AES-256-GCM takes a key of 32 octets and an IV of 12")
    if on_seal is not None:
        on_seal(content, key, iv)
    sealed = AESGCM(key).encrypt(iv, content, _bound_to(tracking_id, target))
    return Envelope(key_id, iv, sealed[:-TAG_OCTETS], sealed[-TAG_OCTETS:])


def open_envelope(envelope: Envelope, *, key: bytes, tracking_id: str, target: str) -> bytes:
    """The content again.

    Raises: EnvelopeError if the key is another, or anything of the push was changed.
    """
    try:
        return AESGCM(key).decrypt(
            envelope.iv, envelope.ciphertext + envelope.tag, _bound_to(tracking_id, target)
        )
    except (InvalidTag, ValueError) as error:
        raise EnvelopeError("the key does not open this push") from error


def parse_payload(payload: object) -> Envelope | None:
    """Read a `payload` member: an envelope, or None for a content-free push.

    Raises: EnvelopeError for anything else, above all for content that is not encrypted (SEC-03).
    """
    if not isinstance(payload, dict):
        raise EnvelopeError("payload is not an object")
    if payload == CONTENT_FREE:
        return None
    if payload.get("enc") != A256GCM or payload.keys() != _SEALED_KEYS:
        raise EnvelopeError("payload is not encrypted")
    key_id = payload["kid"]
    if not isinstance(key_id, str) or not 0 < len(key_id) <= KEY_ID_MAX:
        raise EnvelopeError("kid is not a key id")
    iv, ciphertext, tag = (_octets(payload, name) for name in ("iv", "ct", "tag"))
    if len(iv) != IV_OCTETS or len(tag) != TAG_OCTETS or not 0 < len(ciphertext) <= CIPHERTEXT_MAX:
        raise EnvelopeError("iv, ct or tag has a wrong length")
    if len(ciphertext) >= _TELLING_OCTETS and _is_text(ciphertext):
        raise EnvelopeError("ct is not encrypted")
    return Envelope(key_id, iv, ciphertext, tag)


def collapse_id(call_uuid: str, target: str) -> str:
    """A name for all pushes of one call to one target, so that a later one replaces the first.

    Hashed with the target, the cloud cannot tell from it which phones one call woke.
    Source: OP-08.
    """
    return sha256(f"{call_uuid}\n{target}".encode()).hexdigest()[:32]


def b64url(octets: bytes) -> str:
    """base64url without padding (RFC 4648 §5)."""
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


def b64url_octets(text: str) -> bytes:
    """Raises: ValueError unless `text` is base64url without padding."""
    if not text.isascii() or "=" in text or "+" in text or "/" in text:
        raise ValueError("not base64url without padding")
    try:
        octets = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except Base64Error as error:
        raise ValueError("not base64url") from error
    if b64url(octets) != text:  # the decoder skips what is not in its alphabet
        raise ValueError("not base64url")
    return octets


def _bound_to(tracking_id: str, target: str) -> bytes:
    return f"{tracking_id}\n{target}".encode()


def _octets(payload: dict[str, Any], name: str) -> bytes:
    value = payload[name]
    if not isinstance(value, str):
        raise EnvelopeError(f"{name} is not a string")
    try:
        return b64url_octets(value)
    except ValueError as error:
        raise EnvelopeError(f"{name} is not base64url") from error


def _is_text(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True
