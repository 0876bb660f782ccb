"""Cipher suites that can be read, by their numbers in the registry of TLS parameters."""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple


class Kind(Enum):
    """How records are sealed."""

    GCM = "AES-GCM"
    CHACHA = "ChaCha20-Poly1305"
    CBC = "AES-CBC with HMAC"


class Suite(NamedTuple):
    """What has to be known of a suite; how keys are exchanged does not matter here."""

    kind: Kind
    key_octets: int
    hash: str  # of HKDF or PRF, as `hashlib` names it
    mac: str = ""  # of CBC


_GCM_128: Final = Suite(Kind.GCM, 16, "sha256")
_GCM_256: Final = Suite(Kind.GCM, 32, "sha384")
_CHACHA: Final = Suite(Kind.CHACHA, 32, "sha256")
_CBC_128_SHA: Final = Suite(Kind.CBC, 16, "sha256", "sha1")
_CBC_256_SHA: Final = Suite(Kind.CBC, 32, "sha256", "sha1")
_CBC_128_SHA256: Final = Suite(Kind.CBC, 16, "sha256", "sha256")
_CBC_256_SHA256: Final = Suite(Kind.CBC, 32, "sha256", "sha256")
_CBC_256_SHA384: Final = Suite(Kind.CBC, 32, "sha384", "sha384")

SUITES_1_3: Final = {0x1301: _GCM_128, 0x1302: _GCM_256, 0x1303: _CHACHA}
"""RFC 8446 §B.4."""

SUITES_1_2: Final = {
    # RSA, DHE-RSA, ECDHE-ECDSA, ECDHE-RSA, in this order as far as there is one (RFC 5246 §A.5,
    # RFC 5288, RFC 5289, RFC 7905, RFC 8422).
    **dict.fromkeys((0x009C, 0x009E, 0xC02B, 0xC02F), _GCM_128),
    **dict.fromkeys((0x009D, 0x009F, 0xC02C, 0xC030), _GCM_256),
    **dict.fromkeys((0xCCAA, 0xCCA9, 0xCCA8), _CHACHA),
    **dict.fromkeys((0x002F, 0x0033, 0xC009, 0xC013), _CBC_128_SHA),
    **dict.fromkeys((0x0035, 0x0039, 0xC00A, 0xC014), _CBC_256_SHA),
    **dict.fromkeys((0x003C, 0x0067, 0xC023, 0xC027), _CBC_128_SHA256),
    **dict.fromkeys((0x003D, 0x006B), _CBC_256_SHA256),
    **dict.fromkeys((0xC024, 0xC028), _CBC_256_SHA384),
}
