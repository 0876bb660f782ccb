"""Chance from one seed, in named streams: a new component never reshuffles what the others draw."""

from __future__ import annotations

from random import Random


class SeededEntropy:
    """An `Entropy` (sipstack.entropy) that gives the same octets for the same seed and name."""

    __slots__ = ("_random",)

    def __init__(self, seed: int, name: str) -> None:
        # Text is hashed by SHA-512 here, so it does not depend on PYTHONHASHSEED.
        self._random = Random(f"{seed}/{name}")

    def octets(self, count: int) -> bytes:
        """`count` octets."""
        return self._random.randbytes(count)

    def below(self, limit: int) -> int:
        """A whole number from 0 to `limit` - 1."""
        return self._random.randrange(limit)


class Streams:
    """All chance of one run."""

    __slots__ = ("seed",)

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def entropy(self, name: str) -> SeededEntropy:
        """For a core: branches, tags, initialisation vectors."""
        return SeededEntropy(self.seed, name)

    def random(self, name: str) -> Random:
        """For the world itself: who calls whom, what the network does."""
        return Random(f"{self.seed}/{name}")
