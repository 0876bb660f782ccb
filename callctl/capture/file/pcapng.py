"""Files of the pcapng format, both byte orders, any number of sections and interfaces.

Source: draft-ietf-opsawg-pcapng.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct, pack
from typing import Final, NamedTuple, TypeAlias

from callctl.capture.captured import CaptureError, Frame, Ignored, Interface, Tally
from callctl.capture.file.source import Source
from callctl.capture.limits import (
    BLOCK_OCTETS_MAX,
    COMMENT_OCTETS_MAX,
    INTERFACES_MAX,
    NAME_MAX,
    OPTIONS_MAX,
    PACKET_OCTETS_MAX,
)
from callctl.capture.network.link import LEAST_OCTETS
from callctl.capture.pcapng import (
    BYTE_ORDER_MAGIC,
    ENHANCED_PACKET,
    EPB_FLAGS,
    IF_NAME,
    IF_TSRESOL,
    INTERFACE_DESCRIPTION,
    OPT_COMMENT,
    SECTION_HEADER,
    Direction,
)
from callctl.capture.tls.key_log import KeyLog

PACKET: Final = 2  # obsolete
SIMPLE_PACKET: Final = 3
DECRYPTION_SECRETS: Final = 10
NUMBERED: Final = frozenset({9, 0xBAD, 0x4000_0BAD, 0x204, 0x208, 0x216, 0x217, 0x221, 0x222})
"""Blocks that are no packets but frames to Wireshark: journal entries, custom, system calls."""

IF_TSOFFSET: Final = 14
TLS_KEY_LOG: Final = 0x544C_534B
DIRECTIONS: Final = {1: Direction.RECEIVED, 2: Direction.SENT}
UNTOLD: Final[tuple[None, tuple[str, ...]]] = None, ()
MICROSECONDS: Final = 6


class Numbers:
    """How numbers are read in one byte order."""

    __slots__ = ("enhanced", "obsolete", "option", "pair", "signed", "single")

    def __init__(self, order: str) -> None:
        """`order` is "<" or ">"."""
        self.single = Struct(f"{order}I").unpack_from
        self.pair = Struct(f"{order}II").unpack_from
        self.signed = Struct(f"{order}q").unpack_from
        self.option = Struct(f"{order}HH").unpack_from
        self.enhanced = Struct(f"{order}IIIII").unpack_from
        self.obsolete = Struct(f"{order}HxxIIII").unpack_from


LITTLE: Final = Numbers("<")
ORDERS: Final = {pack("<I", BYTE_ORDER_MAGIC): LITTLE, pack(">I", BYTE_ORDER_MAGIC): Numbers(">")}


class Described(NamedTuple):
    """An interface, and how packets of it are written."""

    interface: Interface
    snap: int  # octets of a packet that are kept at most, 0 for all
    # Nanoseconds since 1970 are ticks * factor // divisor + offset_ns.
    factor: int
    divisor: int
    offset_ns: int


Packet: TypeAlias = tuple[Frame, bytes]


class PcapngReader:
    """Reads blocks in order. `packets` is to be called once."""

    __slots__ = (
        "_at_ns",
        "_described",
        "_interfaces",
        "_key_log",
        "_numbers",
        "_packets_max",
        "_source",
        "_tally",
    )

    def __init__(self, source: Source, tally: Tally, key_log: KeyLog, packets_max: int) -> None:
        """Secrets in the file are added to `key_log` before the packets that come after them."""
        self._source = source
        self._tally = tally
        self._key_log = key_log
        self._packets_max = packets_max
        self._numbers = LITTLE
        self._interfaces = 0  # of the whole file
        self._described: list[Described] = []  # of this section
        self._at_ns = 0  # of the last packet that has a time

    def packets(self) -> Iterator[Packet]:
        """Each packet long enough to hold something, in order; the others are only counted.

        Raises: CaptureError.
        """
        source = self._source
        while not source.at_end():
            kind, at, end = self._block()
            packet = None
            if kind == ENHANCED_PACKET:
                packet = self._enhanced(at, end)
            elif kind == SIMPLE_PACKET:
                packet = self._simple(at, end)
            elif kind == PACKET:
                packet = self._obsolete(at, end)
            elif kind in NUMBERED:
                self._count()
            elif kind == INTERFACE_DESCRIPTION:
                self._describe(at, end)
            elif kind == DECRYPTION_SECRETS:
                self._add_secrets(at, end)
            source.at = end + 4
            if packet is not None:
                yield packet
        unknown = self._tally.counts[Ignored.UNKNOWN_LINK]
        if unknown and unknown == self._tally.packets:
            raise CaptureError(source.name, f"no packet can be read: {self._tally.problems[0]}")

    def _block(self) -> tuple[int, int, int]:
        """Brings the next block into the buffer. Returns: its type, start and end of its body."""
        source = self._source
        if not source.has(12):
            raise self._error("the file ends within a block")
        (kind,) = self._numbers.single(source.buffer, source.at)
        if kind == SECTION_HEADER:
            magic = source.buffer[source.at + 8 : source.at + 12]
            if magic not in ORDERS:
                raise self._error("a section without byte order")
            self._numbers = ORDERS[magic]
            self._described = []
        (size,) = self._numbers.single(source.buffer, source.at + 4)
        if size < 12 or size % 4 or size > BLOCK_OCTETS_MAX:
            raise self._error(f"a block of {size:,} octets: 12 to {BLOCK_OCTETS_MAX:,}, in fours")
        if not source.has(size):
            raise self._error("the file ends within a block")
        at, end = source.at + 8, source.at + size - 4
        if self._numbers.single(source.buffer, end)[0] != size:
            raise self._error("the two lengths of a block differ")
        return kind, at, end

    def _describe(self, at: int, end: int) -> None:
        if end - at < 8:
            raise self._error("an interface is described in too few octets")
        link, _ = self._numbers.option(self._source.buffer, at)
        (snap,) = self._numbers.single(self._source.buffer, at + 4)
        options = dict(self._options(at + 8, end))
        if self._interfaces >= INTERFACES_MAX:
            raise self._error(f"more than {INTERFACES_MAX:,} interfaces")
        name = options.get(IF_NAME, b"").decode("utf-8", "replace").rstrip("\0")[:NAME_MAX]
        if link not in LEAST_OCTETS:
            shown = f" ({name})" if name else ""
            what = f"interface {self._interfaces}{shown} has link type {link}, which is not read"
            self._tally.tell(what)
        resolution = options.get(IF_TSRESOL, b"")[:1] or bytes((MICROSECONDS,))
        divisor = 2 ** (resolution[0] & 127) if resolution[0] & 128 else 10 ** resolution[0]
        offset = options.get(IF_TSOFFSET, bytes(8))
        offset_s = self._numbers.signed(offset)[0] if len(offset) == 8 else 0
        # Most clocks divide a second into no more than 10**9 ticks: then nothing is to divide.
        factor, divisor = (10**9 // divisor, 1) if 10**9 % divisor == 0 else (10**9, divisor)
        interface = Interface(self._interfaces, name, link)
        self._interfaces += 1
        self._described.append(Described(interface, snap, factor, divisor, offset_s * 10**9))

    def _enhanced(self, at: int, end: int) -> Packet | None:
        if end - at < 20:
            raise self._error("a packet block is too short")
        index, high, low, kept, _ = self._numbers.enhanced(self._source.buffer, at)
        return self._packet(index, high << 32 | low, at + 20, kept, end)

    def _obsolete(self, at: int, end: int) -> Packet | None:
        if end - at < 20:
            raise self._error("a packet block is too short")
        index, high, low, kept, _ = self._numbers.obsolete(self._source.buffer, at)
        return self._packet(index, high << 32 | low, at + 20, kept, end)

    def _simple(self, at: int, end: int) -> Packet | None:
        """It has no time: it gets that of the packet before."""
        if end - at < 4 or not self._described:
            raise self._error("a simple packet block without interface or length")
        (size,) = self._numbers.single(self._source.buffer, at)
        kept = min(size, self._described[0].snap or size, end - at - 4)
        return self._packet(0, None, at + 4, kept, at + 4 + kept)

    def _packet(self, index: int, ticks: int | None, at: int, kept: int, end: int) -> Packet | None:
        """The packet of `kept` octets at `at`, and its options, which end at `end`."""
        stop = at + kept
        if stop > end:
            raise self._error(f"a packet of {kept:,} octets, which is more than its block holds")
        if kept > PACKET_OCTETS_MAX:
            what = f"a packet of {kept:,} octets, which is more than {PACKET_OCTETS_MAX:,}"
            raise self._error(what)
        if index >= len(self._described):
            raise self._error(f"interface {index} is not described")
        interface, _, factor, divisor, offset_ns = self._described[index]
        told = self._told(stop + -kept % 4, end)
        self._count()
        if ticks is not None:
            self._at_ns = ticks * factor // divisor + offset_ns
        least = LEAST_OCTETS.get(interface.link)
        if least is None or kept < least:
            kind = Ignored.UNKNOWN_LINK if least is None else Ignored.TOO_SHORT
            self._tally.counts[kind] += 1
            return None
        octets = self._source.buffer[at:stop]
        return Frame(self._tally.packets, self._at_ns, interface, *told), octets

    def _told(self, at: int, end: int) -> tuple[Direction | None, tuple[str, ...]]:
        """Direction and comments, from the options of a packet."""
        if at >= end:
            return UNTOLD
        direction = None
        comments = []
        for code, value in self._options(at, end):
            if code == OPT_COMMENT:
                comments.append(value)
            elif code == EPB_FLAGS and len(value) == 4:
                direction = DIRECTIONS.get(self._numbers.single(value)[0] & 3)
        if sum(map(len, comments)) > COMMENT_OCTETS_MAX:
            raise self._error(f"comments of more than {COMMENT_OCTETS_MAX:,} octets")
        return direction, tuple(comment.decode("utf-8", "replace") for comment in comments)

    def _options(self, at: int, end: int) -> list[tuple[int, bytes]]:
        """Codes and values, in order."""
        found: list[tuple[int, bytes]] = []
        buffer = self._source.buffer
        while at + 4 <= end:
            code, size = self._numbers.option(buffer, at)
            at += 4
            if code == 0:
                break
            if at + size > end:
                raise self._error("an option is longer than its block")
            if len(found) == OPTIONS_MAX:
                raise self._error(f"a block with more than {OPTIONS_MAX:,} options")
            found.append((code, buffer[at : at + size]))
            at += size + -size % 4
        return found

    def _add_secrets(self, at: int, end: int) -> None:
        if end - at < 8:
            raise self._error("a block of secrets is too short")
        kind, size = self._numbers.pair(self._source.buffer, at)
        if kind == TLS_KEY_LOG:
            for problem in self._key_log.add(self._source.buffer[at + 8 : min(at + 8 + size, end)]):
                self._tally.tell(problem)

    def _count(self) -> None:
        """A frame more."""
        if self._tally.packets >= self._packets_max:
            raise self._error(f"more than {self._packets_max:,} packets")
        self._tally.packets += 1

    def _error(self, what: str) -> CaptureError:
        """An error in the block that is next, which is no frame yet."""
        return self._source.error(what, self._tally.packets + 1)
