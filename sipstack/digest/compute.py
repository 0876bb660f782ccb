"""The digest itself (RFC 7616 §3.4, RFC 8760)."""

from __future__ import annotations

import hashlib
from typing import Final

from sipstack.errors import LocalProtocolError

_HASHES: Final = {"md5": "md5", "sha-256": "sha256", "sha-512-256": "sha512_256"}
_SESSION: Final = "-sess"


def is_supported(algorithm: str) -> bool:
    """True for MD5, SHA-256, SHA-512-256 and their -sess forms, in any case."""
    return algorithm.lower().removesuffix(_SESSION) in _HASHES


def ha1(username: str, realm: str, password: str, algorithm: str = "MD5") -> str:
    """H(A1) as lower-case hexadecimal digits: what may be stored in place of the password.

    It is the same for an algorithm and its -sess form, which mixes the nonces in later.
    """
    return _hash(algorithm, f"{username}:{realm}:{password}")


def response_of(
    ha1: str,
    method: str,
    uri: str,
    nonce: str,
    *,
    qop: str | None = None,
    nc: str | None = None,
    cnonce: str | None = None,
    algorithm: str = "MD5",
    body: bytes = b"",
) -> str:
    """The `response` value as lower-case hexadecimal digits.

    Without `qop` it is that of RFC 2069; with "auth-int" it covers `body`.
    Raises: LocalProtocolError for an algorithm that `is_supported` denies.
    """
    if algorithm.lower().endswith(_SESSION):
        ha1 = _hash(algorithm, f"{ha1}:{nonce}:{cnonce or ''}")
    a2 = f"{method}:{uri}"
    if qop is not None and qop.lower() == "auth-int":
        a2 = f"{a2}:{_hash(algorithm, body)}"
    ha2 = _hash(algorithm, a2)
    if qop is None:
        return _hash(algorithm, f"{ha1}:{nonce}:{ha2}")
    return _hash(algorithm, f"{ha1}:{nonce}:{nc or ''}:{cnonce or ''}:{qop}:{ha2}")


def _hash(algorithm: str, data: str | bytes) -> str:
    name = _HASHES.get(algorithm.lower().removesuffix(_SESSION))
    if name is None:
        raise LocalProtocolError(f"unsupported digest algorithm {algorithm!r}")
    octets = data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape")
    if name == "md5":
        return hashlib.md5(octets, usedforsecurity=False).hexdigest()
    return hashlib.new(name, octets).hexdigest()
