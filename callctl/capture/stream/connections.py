"""TCP connections: which segments belong together, and when another connection begins."""

from __future__ import annotations

from collections import OrderedDict
from struct import Struct
from typing import Final

from callctl.capture.captured import Found, Frame, Ignored, Tally
from callctl.capture.limits import ReadLimits
from callctl.capture.stream.connection import Connection, Key, back
from callctl.capture.stream.half import WRAP
from callctl.capture.tls.key_log import KeyLog

FIN: Final = 1
SYN: Final = 2
RST: Final = 4
ACK: Final = 16

HEADER_OCTETS: Final = 20
_HEADER: Final = Struct("!4s I4x BB").unpack_from


class Connections:
    """All connections of a capture. What is found goes to the list that was handed in."""

    __slots__ = (
        "_connections",
        "_held",
        "_key_log",
        "_limits",
        "_number",
        "_out",
        "_owners",
        "_tally",
    )

    def __init__(self, limits: ReadLimits, key_log: KeyLog, out: list[Found], tally: Tally) -> None:
        self._limits = limits
        self._key_log = key_log
        self._out = out
        self._tally = tally
        self._owners: dict[Key, Connection] = {}
        self._connections: OrderedDict[int, Connection] = OrderedDict()  # the most silent first
        self._number = 0
        self._held = 0

    def take(
        self,
        frame: Frame,
        ends: tuple[bytes, bytes],
        octets: bytes,
        start: int,
        end: int,
        picture_of: str = "",
    ) -> None:
        """The segment `octets[start:end]` between two addresses."""
        if end - start < HEADER_OCTETS:
            self._tally.counts[Ignored.MALFORMED] += 1
            return
        ports, sequence, size, flags = _HEADER(octets, start)
        start += (size >> 4) * 4
        if size >> 4 < HEADER_OCTETS // 4 or start > end:
            self._tally.counts[Ignored.MALFORMED] += 1
            return
        if start == end and not flags & (SYN | FIN | RST):
            return
        key = frame.interface.number, picture_of, *ends, ports
        connection = self._owners.get(key)
        if flags & SYN:
            sequence = (sequence + 1) % WRAP
            connection = self._begun(key, connection, sequence, flags)
        else:
            if connection is not None and start < end and connection.is_over(key, sequence):
                self._finish(connection)
                connection = None
            if connection is None:
                if start == end:
                    return
                connection = self._new(key)
        if start < end:
            half = connection.half(key, self._key_log, self._out, self._tally)
            half.take(sequence, octets[start:end], frame)
            self._connections.move_to_end(connection.number)
            self._held += connection.count_held()
            if self._held > self._limits.octets_waiting:
                half.give_way(frame)
                self._held += connection.count_held()
        if flags & (FIN | RST):
            sequence = (sequence + end - start) % WRAP
            connection.end_side(key, sequence, frame, both=bool(flags & RST))

    def end(self) -> None:
        """No packet follows."""
        while self._connections:
            self._finish(next(iter(self._connections.values())))

    def _begun(
        self, key: Key, connection: Connection | None, sequence: int, flags: int
    ) -> Connection:
        """The connection that this SYN belongs to; its first octet has that sequence number."""
        if connection is not None:
            begun = connection.begun(key)
            if begun == sequence:
                return connection  # the same SYN once more
            if begun is not None or connection.has(key) or connection.opener is None:
                self._finish(connection)  # its ports are used again
                connection = None
        if connection is None:
            connection = self._new(key)
            connection.opener = back(key) if flags & ACK else key
        connection.begin(key, sequence)
        return connection

    def _new(self, key: Key) -> Connection:
        self._tally.pieces += 1
        if len(self._connections) >= self._limits.connections:
            silent = next(iter(self._connections.values()))
            self._tally.counts[Ignored.DROPPED] += not silent.closed
            self._finish(silent)
        self._number += 1
        connection = Connection(self._number, key)
        self._connections[self._number] = connection
        self._owners[key] = self._owners[back(key)] = connection
        return connection

    def _finish(self, connection: Connection) -> None:
        connection.finish(self._out, self._tally)
        self._held -= connection.held
        del self._connections[connection.number]
        self._owners.pop(connection.key, None)
        self._owners.pop(back(connection.key), None)
