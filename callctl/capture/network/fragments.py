"""Puts datagrams together that came in fragments (RFC 791 §3.2, RFC 8200 §4.5)."""

from __future__ import annotations

from typing import Final, TypeAlias

from callctl.capture.captured import Frame, Ignored, Tally
from callctl.capture.limits import FRAGMENTS_WITHIN_NS, ReadLimits
from callctl.capture.network.ip import Piece
from callctl.capture.parts import Parts

DATAGRAM_MAX: Final = 65_535

Ends: TypeAlias = tuple[int, bytes, bytes]
"""Protocol, source, target."""

Key: TypeAlias = tuple[int, Ends, int]
"""Interface, ends, identity."""


class _Datagram:
    """The fragments of one datagram so far."""

    __slots__ = ("begun_ns", "parts", "size")

    def __init__(self, begun_ns: int) -> None:
        self.begun_ns = begun_ns
        self.parts = Parts()
        self.size: int | None = None  # unknown until the last fragment is here

    def add(self, piece: Piece, data: bytes, frame: Frame) -> int:
        """Returns: how many parts that took to look at."""
        if self.size is not None:
            data = data[: max(self.size - piece.offset, 0)]
        elif not piece.more:
            self.size = piece.offset + len(data)
            self.parts.cut(self.size)
        return self.parts.add(piece.offset, data, frame)


class Fragments:
    """All datagrams of which fragments are here."""

    __slots__ = ("_cost", "_datagrams", "_limits", "_tally")

    def __init__(self, limits: ReadLimits, tally: Tally) -> None:
        self._limits = limits
        self._tally = tally
        self._datagrams: dict[Key, _Datagram] = {}  # the oldest first
        self._cost = 0

    def add(self, frame: Frame, ends: Ends, piece: Piece, data: bytes) -> bytes | None:
        """One fragment more. Returns: what the datagram carries, once it is whole."""
        if piece.offset + len(data) > DATAGRAM_MAX or (piece.more and len(data) % 8) or not data:
            self._tally.counts[Ignored.MALFORMED] += 1
            return None
        key = frame.interface.number, ends, piece.identity
        datagram = self._datagrams.get(key)
        if datagram is None or frame.at_ns - datagram.begun_ns > FRAGMENTS_WITHIN_NS:
            if datagram is not None:
                self._drop(key)
            datagram = self._datagrams[key] = _Datagram(frame.at_ns)
        parts = datagram.parts
        self._cost -= parts.cost
        self._tally.pieces += datagram.add(piece, data, frame)
        if parts.size == datagram.size:
            del self._datagrams[key]
            return parts.joined()
        self._cost += parts.cost
        while (
            len(self._datagrams) > self._limits.datagrams_in_fragments
            or self._cost > self._limits.fragment_octets
        ):
            self._drop(next(iter(self._datagrams)))
        return None

    def end(self) -> None:
        """No packet follows: what is not whole never will be."""
        while self._datagrams:
            self._drop(next(iter(self._datagrams)))

    def _drop(self, key: Key) -> None:
        self._cost -= self._datagrams.pop(key).parts.cost
        self._tally.counts[Ignored.FRAGMENTS_INCOMPLETE] += 1
