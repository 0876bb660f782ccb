"""Chance, handed in like time: branches, tags, Call-IDs, nonces, initialisation vectors."""

from __future__ import annotations

from typing import Protocol


class Entropy(Protocol):
    """A source of chance. A shell hands in the operating system's, a simulation a seeded one."""

    def octets(self, count: int) -> bytes:
        """`count` unpredictable octets."""

    def below(self, limit: int) -> int:
        """A whole number from 0 to `limit` - 1, evenly spread."""


def token(entropy: Entropy, octets: int = 8) -> str:
    """A lower-case hexadecimal word of `octets` octets, fit for a tag, branch or Call-ID."""
    return entropy.octets(octets).hex()


def uuid4(entropy: Entropy) -> str:
    """A random UUID in its usual form (RFC 9562 §5.4)."""
    raw = bytearray(entropy.octets(16))
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
