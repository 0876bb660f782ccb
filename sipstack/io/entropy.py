"""The operating system's chance."""

from __future__ import annotations

from os import urandom
from typing import Final

BLOCK: Final = 4096  # octets drawn at once: one system call for hundreds of tags


class OsEntropy:
    """Unpredictable octets of the operating system, drawn in blocks because each draw is a call.

    Not for use across a fork: both sides would go on with the same block.
    """

    __slots__ = ("_block", "_used")

    def __init__(self) -> None:
        self._block = b""
        self._used = 0

    def octets(self, count: int) -> bytes:
        """`count` octets, each given out once."""
        start = self._used
        end = start + count
        if end > len(self._block):
            if count > BLOCK:
                return urandom(count)
            self._block = urandom(BLOCK)
            start, end = 0, count
        self._used = end
        return self._block[start:end]

    def below(self, limit: int) -> int:
        """A whole number from 0 to `limit` - 1; without bias, by drawing again what is too large.

        Raises: ValueError if `limit` is not positive.
        """
        if limit <= 0:
            raise ValueError("limit must be positive")
        bits = (limit - 1).bit_length()
        octets = (bits + 7) // 8
        while True:
            number = int.from_bytes(self.octets(octets)) >> (octets * 8 - bits)
            if number < limit:
                return number
