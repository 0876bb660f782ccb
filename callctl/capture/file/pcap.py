"""Files of the pcap format, both byte orders, microseconds and nanoseconds.

Source: draft-ietf-opsawg-pcap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from struct import Struct
from typing import Final, NamedTuple

from callctl.capture.captured import Frame, Ignored, Interface, Tally
from callctl.capture.file.source import Source
from callctl.capture.limits import PACKET_OCTETS_MAX
from callctl.capture.network.link import LEAST_OCTETS


class Form(NamedTuple):
    """How the numbers of a file are written."""

    order: str  # as `struct` says it
    unit_ns: int  # of the fraction of a second


FORMS: Final = {
    b"\xd4\xc3\xb2\xa1": Form("<", 1_000),
    b"\xa1\xb2\xc3\xd4": Form(">", 1_000),
    b"\x4d\x3c\xb2\xa1": Form("<", 1),
    b"\xa1\xb2\x3c\x4d": Form(">", 1),
}
"""By the first four octets of the file."""

LINK_BITS: Final = 0xFFFF  # the others tell of a frame check sequence


def pcap_packets(source: Source, tally: Tally, packets_max: int) -> Iterator[tuple[Frame, bytes]]:
    """Each packet long enough to hold something, in order; the others are only counted.

    Raises: CaptureError.
    """
    if not source.has(24):
        raise source.error("the file ends within its header")
    form = FORMS[source.buffer[:4]]
    (link,) = Struct(f"{form.order}20xI").unpack_from(source.buffer)
    link &= LINK_BITS
    if link not in LEAST_OCTETS:
        raise source.error(f"packets of link type {link} cannot be read")
    source.at = 24
    interface = Interface(0, "", link)
    least = LEAST_OCTETS[link]
    header = Struct(f"{form.order}IIII").unpack_from
    unit_ns = form.unit_ns
    number = short = 0
    try:
        while _next_is_whole(source, header, number + 1, packets_max):
            buffer, at = source.buffer, source.at
            size = len(buffer)
            # What follows is done for each of millions of packets of media.
            while at + 16 <= size and number < packets_max:
                seconds, fraction, kept, _ = header(buffer, at)
                start = at + 16
                end = start + kept
                if end > size or kept > PACKET_OCTETS_MAX:
                    break
                number += 1
                at = end
                if kept < least:
                    short += 1
                    continue
                source.at = at
                tally.packets = number
                at_ns = seconds * 1_000_000_000 + fraction * unit_ns
                yield Frame(number, at_ns, interface), buffer[start:end]
            source.at = at
    finally:
        tally.packets = number
        tally.counts[Ignored.TOO_SHORT] += short


def _next_is_whole(
    source: Source, header: Callable[[bytes, int], tuple[int, ...]], number: int, packets_max: int
) -> bool:
    """Whether there is another packet; then it is in the buffer.

    Raises: CaptureError if it is not whole, too large, or one too many.
    """
    if source.at_end():
        return False
    if number > packets_max:
        raise source.error(f"more than {packets_max:,} packets", number)
    if not source.has(16):
        raise source.error("the file ends within the header of a packet", number)
    kept = header(source.buffer, source.at)[2]
    if kept > PACKET_OCTETS_MAX:
        what = f"a packet of {kept:,} octets, which is more than {PACKET_OCTETS_MAX:,}"
        raise source.error(what, number)
    if not source.has(16 + kept):
        raise source.error("the file ends within a packet", number)
    return True
