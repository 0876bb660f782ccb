"""Blocks of a pcapng file (draft-ietf-opsawg-pcapng), little-endian, times in nanoseconds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from ipaddress import ip_address
from struct import pack
from typing import Final

SECTION_HEADER: Final = 0x0A0D0D0A
INTERFACE_DESCRIPTION: Final = 1
NAME_RESOLUTION: Final = 4
ENHANCED_PACKET: Final = 6

BYTE_ORDER_MAGIC: Final = 0x1A2B3C4D
LINKTYPE_ETHERNET: Final = 1
COMMENT_OCTETS_MAX: Final = 8_192  # more of a comment than anybody reads

OPT_COMMENT: Final = 1
SHB_USERAPPL: Final = 4
IF_NAME: Final = 2
IF_TSRESOL: Final = 9
EPB_FLAGS: Final = 2

NRB_IPV4: Final = 1
NRB_IPV6: Final = 2


class Direction(Enum):
    """Which way a packet went, as seen by the party whose capture it is."""

    RECEIVED = 1
    SENT = 2


def section_header(application: str) -> bytes:
    """The first block of a file."""
    body = pack("<IHHq", BYTE_ORDER_MAGIC, 1, 0, -1) + _options(
        [(SHB_USERAPPL, _text(application))]
    )
    return _block(SECTION_HEADER, body)


def interface_description(name: str) -> bytes:
    """One party of the capture; its number is how many came before it."""
    options = _options([(IF_NAME, _text(name)), (IF_TSRESOL, b"\x09")])
    return _block(INTERFACE_DESCRIPTION, pack("<HHI", LINKTYPE_ETHERNET, 0, 0) + options)


def name_resolution(names: Iterable[tuple[str, str]]) -> bytes:
    """Names of (numeric address, name) pairs; they hold for the whole file."""
    records = b""
    for address, name in names:
        ip = ip_address(address)
        value = ip.packed + name.encode() + b"\0"
        kind = NRB_IPV4 if ip.version == 4 else NRB_IPV6
        records += pack("<HH", kind, len(value)) + _padded(value)
    return _block(NAME_RESOLUTION, records + bytes(4))


def enhanced_packet(
    interface: int,
    unix_ns: int,
    packet: bytes,
    direction: Direction | None = None,
    comments: Sequence[str] = (),
) -> bytes:
    """One packet, captured whole."""
    time = unix_ns & 2**64 - 1
    head = pack("<IIIII", interface, time >> 32, time & 2**32 - 1, len(packet), len(packet))
    options = [(OPT_COMMENT, _text(comment)) for comment in comments]
    if direction is not None:
        options.append((EPB_FLAGS, pack("<I", direction.value)))
    return _block(ENHANCED_PACKET, head + _padded(packet) + _options(options))


def _block(kind: int, body: bytes) -> bytes:
    size = len(body) + 12
    return pack("<II", kind, size) + body + pack("<I", size)


def _options(options: list[tuple[int, bytes]]) -> bytes:
    if not options:
        return b""
    listed = b"".join(pack("<HH", code, len(value)) + _padded(value) for code, value in options)
    return listed + bytes(4)


def _text(text: str) -> bytes:
    octets = text.encode("utf-8", "replace")
    if len(octets) <= COMMENT_OCTETS_MAX:
        return octets
    return octets[:COMMENT_OCTETS_MAX].decode("utf-8", "ignore").encode()


def _padded(value: bytes) -> bytes:
    return value + bytes(-len(value) % 4)
