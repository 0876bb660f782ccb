"""Reads a capture file: packets in, SIP messages out.

    read = read_capture(Path("call.pcapng"))
    for message in read.messages:
        print(message.at_ns, message.source, message.octets)

Files are pcap or pcapng. Messages are found by what packets hold, not by ports: over UDP, TCP and
WebSocket, in fragments and IP tunnels, and inside TLS 1.2 and 1.3 where a key log is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final, NamedTuple

from callctl.capture.captured import (
    CapturedMessage,
    CapturedNote,
    CapturedStream,
    CaptureError,
    CaptureRead,
    Found,
    Frame,
    Ignored,
    ReadCounts,
    Tally,
)
from callctl.capture.file.netmon import NETMON_MAGIC, netmon_packets
from callctl.capture.file.pcap import FORMS, pcap_packets
from callctl.capture.file.pcapng import PcapngReader
from callctl.capture.file.source import Source
from callctl.capture.limits import KEY_LOG_OCTETS_MAX, ReadLimits
from callctl.capture.network.dissector import Dissector
from callctl.capture.tls.key_log import KeyLog

__all__ = [
    "CaptureError",
    "CaptureRead",
    "CaptureReader",
    "CapturedMessage",
    "CapturedNote",
    "CapturedStream",
    "Ignored",
    "ReadCounts",
    "ReadLimits",
    "read_capture",
]

KEY_LOG_SUFFIX: Final = ".keylog"
PCAPNG_MAGIC: Final = b"\x0a\x0d\x0d\x0a"
PIECES: Final = "connections, fragments, late segments, TLS records and WebSocket frames"
GZIP_MAGIC: Final = b"\x1f\x8b"


class CaptureReader:
    """Reads one file once, in time and memory that `limits` bound; keeps nothing it gave out.

    To be iterated once. A message comes when it is known to be whole: one behind a gap in its
    stream may come later than others with higher numbers.
    """

    def __init__(
        self, file: BinaryIO, name: str, *, key_log: bytes = b"", limits: ReadLimits | None = None
    ) -> None:
        """`file` is open for reading octets, `name` stands in errors."""
        self.name = name
        self._limits = limits or ReadLimits()
        self._tally = Tally(self._limits.problems)
        self._source = Source(file, name)
        self._key_log = KeyLog()
        self._messages = self._notes = 0
        for problem in self._key_log.add(key_log):
            self._tally.tell(problem)

    @property
    def counts(self) -> ReadCounts:
        """What was read so far."""
        tally = self._tally
        ignored = {kind: tally.counts[kind] for kind in Ignored if tally.counts[kind]}
        return ReadCounts(
            packets=tally.packets,
            messages=self._messages,
            notes=self._notes,
            ignored=MappingProxyType(ignored),
            problems=tally.problems_all,
        )

    @property
    def problems(self) -> tuple[str, ...]:
        """What was wrong so far, as far as there is room for words."""
        return tuple(self._tally.problems)

    def __iter__(self) -> Iterator[Found]:
        """Raises: CaptureError, after all messages that are before the place it tells."""
        found: list[Found] = []
        tally, limits = self._tally, self._limits
        dissector = Dissector(limits, self._key_log, tally, found)
        error: CaptureError | None = None
        try:
            for frame, octets in self._packets():
                dissector.take(frame, octets)
                if found:
                    yield from self._counted(found)
                if tally.pieces > limits.pieces:
                    what = f"more than {limits.pieces:,} {PIECES}"
                    raise CaptureError(self.name, what, frame=frame.number)
        except CaptureError as caught:
            error = caught
        dissector.end()
        yield from self._counted(found)
        if error is not None:
            raise error

    def collect(self) -> CaptureRead:
        """Everything at once, in the order of the frames.

        Raises: CaptureError; its `read` is what was read before that.
        """
        kept, limits = _Kept([], [], []), self._limits
        octets = 0
        try:
            for found in self:
                octets += kept.add(found)
                if kept.total > limits.messages:
                    what = f"more than {limits.messages:,} messages, notes and connections"
                    raise CaptureError(self.name, what, frame=self._tally.packets)
                if octets > limits.octets_kept:
                    what = f"more than {limits.octets_kept:,} octets of messages and notes"
                    raise CaptureError(self.name, what, frame=self._tally.packets)
        except CaptureError as error:
            error.read = kept.read(self)
            raise
        return kept.read(self)

    def _packets(self) -> Iterator[tuple[Frame, bytes]]:
        source, packets_max = self._source, self._limits.packets
        source.has(4)
        magic = source.buffer[:4]
        if magic in FORMS:
            return pcap_packets(source, self._tally, packets_max)
        if magic == NETMON_MAGIC:
            return netmon_packets(source, self._tally, packets_max)
        if magic == PCAPNG_MAGIC:
            return PcapngReader(source, self._tally, self._key_log, packets_max).packets()
        if magic[:2] == GZIP_MAGIC:
            raise source.error("compressed with gzip: unpack it first")
        raise source.error(f"neither pcap nor pcapng: it begins with {magic.hex(' ') or 'nothing'}")

    def _counted(self, found: list[Found]) -> list[Found]:
        """Those that were found, which are none then."""
        taken = found.copy()
        found.clear()
        for each in taken:
            self._messages += isinstance(each, CapturedMessage)
            self._notes += isinstance(each, CapturedNote)
        return taken


def read_capture(
    path: Path, *, key_log: Path | None = None, limits: ReadLimits | None = None
) -> CaptureRead:
    """Everything in the file at `path`.

    `key_log` is a file of TLS secrets (SSLKEYLOGFILE). Without it `NAME.keylog` beside the capture
    is taken, if there is one; secrets inside the capture are taken in any case.

    Raises: CaptureError; its `read` is what was read before that.
    """
    at = path
    try:
        if key_log is None and (beside := path.with_suffix(KEY_LOG_SUFFIX)).is_file():
            key_log = beside
        at = key_log or path
        secrets = b"" if key_log is None else _octets_of(key_log)
        at = path
        with path.open("rb") as file:
            return CaptureReader(file, str(path), key_log=secrets, limits=limits).collect()
    except OSError as error:
        raise CaptureError(str(at), error.strerror or str(error)) from error


class _Kept(NamedTuple):
    messages: list[CapturedMessage]
    notes: list[CapturedNote]
    streams: list[CapturedStream]

    @property
    def total(self) -> int:
        return len(self.messages) + len(self.notes) + len(self.streams)

    def add(self, found: Found) -> int:
        """Returns: octets it holds."""
        if isinstance(found, CapturedMessage):
            self.messages.append(found)
            return len(found.octets) + sum(map(len, found.comments))
        if isinstance(found, CapturedNote):
            self.notes.append(found)
            return len(found.text)
        self.streams.append(found)
        return 0

    def read(self, reader: CaptureReader) -> CaptureRead:
        for each in self:
            each.sort(key=attrgetter("number"))
        return CaptureRead(
            tuple(self.messages),
            tuple(self.notes),
            tuple(self.streams),
            reader.counts,
            reader.problems,
        )


def _octets_of(key_log: Path) -> bytes:
    with key_log.open("rb") as file:
        octets = file.read(KEY_LOG_OCTETS_MAX + 1)
    if len(octets) > KEY_LOG_OCTETS_MAX:
        raise CaptureError(str(key_log), f"more than {KEY_LOG_OCTETS_MAX:,} octets")
    return octets
