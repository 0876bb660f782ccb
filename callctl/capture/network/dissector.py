"""Packets in, SIP messages out: link layer, IP, UDP, and what streams make of TCP."""

from __future__ import annotations

from typing import Final, TypeAlias

from callctl.capture import own
from callctl.capture.captured import CapturedMessage, Found, Frame, Ignored, Tally
from callctl.capture.host import host
from callctl.capture.limits import TUNNELS_MAX, ReadLimits
from callctl.capture.network.fragments import Fragments
from callctl.capture.network.ip import (
    IPV4_INSIDE,
    IPV6_INSIDE,
    after_extensions,
    read_ipv4,
    read_ipv6,
)
from callctl.capture.network.link import NETWORK
from callctl.capture.packet import TCP, UDP, Address
from callctl.capture.start_line import message_start
from callctl.capture.stream.connections import Connections
from callctl.capture.tls.key_log import KeyLog
from sipstack.transport.stun import is_stun

KEEP_ALIVE_OCTETS_MAX: Final = 16
KEEP_ALIVE_OCTETS: Final = b"\r\n\0 "  # what phones send over and over, beside STUN

Ends: TypeAlias = tuple[bytes, bytes]
"""Source and target."""


class Dissector:
    """Takes packets in the order of the file. What it finds goes to the list that was handed in."""

    __slots__ = ("_connections", "_counts", "_fragments", "_out", "_tally")

    def __init__(self, limits: ReadLimits, key_log: KeyLog, tally: Tally, out: list[Found]) -> None:
        self._tally = tally
        self._counts = tally.counts
        self._out = out
        self._fragments = Fragments(limits, tally)
        self._connections = Connections(limits, key_log, out, tally)

    def take(self, frame: Frame, octets: bytes) -> None:
        """One packet of a link type in NETWORK, of LEAST_OCTETS or more."""
        version, at = NETWORK[frame.interface.link](octets)
        if not version:
            self._counts[Ignored.NOT_IP] += 1
            return
        end = len(octets)
        for _ in range(TUNNELS_MAX):
            packet = (read_ipv4 if version == 4 else read_ipv6)(octets, at, end)
            if packet is None:
                break
            protocol, source, target, at, end, missing, piece = packet
            if piece is not None:
                if missing:
                    self._counts[Ignored.CUT_SHORT] += 1
                    return
                ends = protocol, source, target
                whole = self._fragments.add(frame, ends, piece, octets[at:end])
                if whole is None:
                    return
                octets, at, end = whole, 0, len(whole)
                if version == 6:
                    inner = after_extensions(protocol, octets, at, end)
                    if inner is None:
                        break
                    protocol, at, _ = inner
            if protocol == UDP:
                self._udp(frame, (source, target), octets, at, end, missing)
                return
            if protocol == TCP:
                self._tcp(frame, (source, target), octets, at, end, missing)
                return
            if protocol not in (IPV4_INSIDE, IPV6_INSIDE):
                self._counts[Ignored.OTHER_IP] += 1
                return
            version = 4 if protocol == IPV4_INSIDE else 6
        self._counts[Ignored.MALFORMED] += 1

    def end(self) -> None:
        """No packet follows: gives out what waited for more."""
        self._fragments.end()
        self._connections.end()

    def _udp(
        self, frame: Frame, ends: Ends, octets: bytes, at: int, end: int, missing: int
    ) -> None:
        start = at + 8
        if start > end:
            self._counts[Ignored.CUT_SHORT if missing else Ignored.MALFORMED] += 1
            return
        size = octets[at + 4] << 8 | octets[at + 5]
        stop = at + size if size >= 8 else end
        if stop > end:
            self._not_whole(frame, octets, start, end, missing)
        elif start < stop and octets[start] & 0x80:
            self._counts[Ignored.OTHER_UDP] += 1  # media, nearly always
        elif (begins := message_start(octets, start, stop)) >= 0:
            self._message(frame, ends, octets[at:start], octets[begins:stop])
        elif _is_keep_alive(octets[start:stop]):
            self._counts[Ignored.KEEP_ALIVE] += 1
        elif octets[at : at + 4] == own.SYSLOG_PORTS and (
            note := own.note(frame, host(ends[0]), host(ends[1]), octets[start:stop])
        ):
            self._out.append(note)
        else:
            self._counts[Ignored.OTHER_UDP] += 1

    def _message(self, frame: Frame, ends: Ends, header: bytes, octets: bytes) -> None:
        self._out.append(
            CapturedMessage(
                number=frame.number,
                at_ns=frame.at_ns,
                transport="UDP",
                source=Address(host(ends[0]), int.from_bytes(header[:2])),
                target=Address(host(ends[1]), int.from_bytes(header[2:4])),
                octets=octets,
                stream=0,
                opened_by_source=None,
                interface=frame.interface.name,
                direction=frame.direction,
                comments=frame.comments,
            )
        )

    def _not_whole(self, frame: Frame, octets: bytes, start: int, end: int, missing: int) -> None:
        """A datagram that is longer than what carries it."""
        self._counts[Ignored.CUT_SHORT if missing else Ignored.MALFORMED] += 1
        if message_start(octets, start, end) >= 0:
            why = "by the snapshot length" if missing else "in its packet"
            self._tally.tell(f"a SIP message is cut short {why}", frame.number)

    def _tcp(
        self, frame: Frame, ends: Ends, octets: bytes, at: int, end: int, missing: int
    ) -> None:
        if missing:
            # What is there is taken; the gap behind it is told if it matters.
            self._counts[Ignored.CUT_SHORT] += 1
        picture_of = own.picture_of(frame.comments) if frame.comments else ""
        self._connections.take(frame, ends, octets, at, end, picture_of)


def _is_keep_alive(data: bytes) -> bool:
    if len(data) <= KEEP_ALIVE_OCTETS_MAX and not data.strip(KEEP_ALIVE_OCTETS):
        return True
    return is_stun(data)
