"""The SHA-256 fingerprint of a certificate: how Table H1 names one.

Source: CERT-02.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

OCTETS: Final = 32
_SEPARATORS: Final = re.compile(r"[:\s]")
_HEX: Final = re.compile(r"[0-9A-Fa-f]{64}")


@dataclass(frozen=True, slots=True, order=True)
class Fingerprint:
    """Printed as pairs of upper-case digits with colons, as OpenSSL does."""

    octets: bytes

    @classmethod
    def of(cls, der: bytes) -> Fingerprint:
        """That of the certificate with this DER encoding."""
        return cls(sha256(der).digest())

    @classmethod
    def parse(cls, text: str) -> Fingerprint:
        """Pairs of digits in either case, with colons, blanks or nothing between them.

        Raises: ValueError.
        """
        digits = _SEPARATORS.sub("", text)
        if not _HEX.fullmatch(digits):
            raise ValueError(f"{text[:120]!r} is not a SHA-256 fingerprint (64 hexadecimal digits)")
        return cls(bytes.fromhex(digits))

    @property
    def word(self) -> str:
        """Without separators, in lower case: fit for a file name and a path."""
        return self.octets.hex()

    @property
    def short(self) -> str:
        """The first four pairs, for a table."""
        return str(self)[:11]

    def __str__(self) -> str:
        return self.octets.hex(":").upper()
