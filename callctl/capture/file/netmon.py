"""Files of Microsoft Network Monitor 2.0, which old captures of Windows are.

Source: CAPTUREFILE_HEADER_VALUES in the documentation of Netmon.h. Frames stand in a row behind
the header, each behind 16 octets of its own: microseconds since the capture began, its length, how
much of it was kept.
"""

from __future__ import annotations

from calendar import timegm
from collections.abc import Iterator
from struct import Struct
from typing import Final

from callctl.capture.captured import Frame, Ignored, Interface, Tally
from callctl.capture.file.source import Source
from callctl.capture.limits import PACKET_OCTETS_MAX
from callctl.capture.network.link import ETHERNET, LEAST_OCTETS

NETMON_MAGIC: Final = b"GMBU"
HEADER_OCTETS: Final = 128
MAC_ETHERNET: Final = 1
_HEADER: Final = Struct("<4x BB H 8H I I").unpack_from
_FRAME: Final = Struct("<QII").unpack_from


def netmon_packets(source: Source, tally: Tally, packets_max: int) -> Iterator[tuple[Frame, bytes]]:
    """Each packet long enough to hold something, in order; the others are only counted.

    Raises: CaptureError.
    """
    if not source.has(HEADER_OCTETS):
        raise source.error("the file ends within its header")
    minor, major, mac, *date, table_at, _ = _HEADER(source.buffer, source.at)
    if (major, minor) != (2, 0) or mac != MAC_ETHERNET:
        what = f"Network Monitor {major}.{minor} with packets of type {mac} cannot be read"
        raise source.error(f"{what}: save it as pcapng")
    begun_ns = _since_1970_ns(date)
    source.at = HEADER_OCTETS
    interface = Interface(0, "", ETHERNET)
    while source.offset < table_at:
        if tally.packets >= packets_max:
            raise source.error(f"more than {packets_max:,} packets", tally.packets + 1)
        if not source.has(16):
            raise source.error("the file ends within the header of a packet", tally.packets + 1)
        after_us, _, kept = _FRAME(source.buffer, source.at)
        if kept > PACKET_OCTETS_MAX:
            what = f"a packet of {kept:,} octets, which is more than {PACKET_OCTETS_MAX:,}"
            raise source.error(what, tally.packets + 1)
        if not source.has(16 + kept):
            raise source.error("the file ends within a packet", tally.packets + 1)
        tally.packets += 1
        start = source.at + 16
        source.at = start + kept
        if kept < LEAST_OCTETS[ETHERNET]:
            tally.counts[Ignored.TOO_SHORT] += 1
            continue
        at_ns = begun_ns + after_us * 1_000
        yield Frame(tally.packets, at_ns, interface), source.buffer[start : source.at]


def _since_1970_ns(date: list[int]) -> int:
    """Of year, month, day of the week, day, hour, minute, second, millisecond."""
    year, month, _, day, hour, minute, second, millisecond = date
    if not (1970 <= year <= 9999 and 1 <= month <= 12):
        return 0
    return timegm((year, month, day, hour, minute, second)) * 10**9 + millisecond * 10**6
