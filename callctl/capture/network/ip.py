"""Headers of IPv4 (RFC 791) and IPv6 (RFC 8200)."""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple, TypeAlias

from callctl.capture.limits import EXTENSIONS_MAX

HOP_BY_HOP: Final = 0
IPV4_INSIDE: Final = 4
IPV6_INSIDE: Final = 41
ROUTING: Final = 43
FRAGMENT: Final = 44
AUTHENTICATION: Final = 51
DESTINATION: Final = 60
MOBILITY: Final = 135
HOST_IDENTITY: Final = 139
SHIM6: Final = 140
EXTENSIONS: Final = frozenset(
    {HOP_BY_HOP, ROUTING, AUTHENTICATION, DESTINATION, MOBILITY, HOST_IDENTITY, SHIM6}
)
"""IPv6 headers before the transport header that are only stepped over."""

_V4: Final = Struct("!BxHHHxB2x4s4s").unpack_from
_V6: Final = Struct("!IHBx16s16s").unpack_from
_FRAGMENT: Final = Struct("!BxHI").unpack_from


class Piece(NamedTuple):
    """Which part of a datagram this fragment is."""

    identity: int
    offset: int  # octets
    more: bool


Packet: TypeAlias = tuple[int, bytes, bytes, int, int, int, Piece | None]
"""An IP packet: protocol, source, target, start and end of what it carries, octets that should
follow the end and were not captured, which piece it is of a datagram in fragments.

A plain tuple, because there are millions: a name for each field would cost a tenth of the time.
"""


def read_ipv4(octets: bytes, at: int, end: int) -> Packet | None:
    """The packet at `at`; None if it is malformed."""
    if end - at < 20:
        return None
    first, size, identity, flags, protocol, source, target = _V4(octets, at)
    start = at + (first & 15) * 4
    stop = at + size if size else end  # 0: the network card was to cut it (segmentation offload)
    if not 0x45 <= first <= 0x4F or start > end or start > stop:
        return None
    piece = None
    if flags & 0x3FFF:
        piece = Piece(identity, (flags & 0x1FFF) * 8, bool(flags & 0x2000))
    if stop > end:
        return protocol, source, target, start, end, stop - end, piece
    return protocol, source, target, start, stop, 0, piece


def read_ipv6(octets: bytes, at: int, end: int) -> Packet | None:
    """The packet at `at`, extension headers left behind; None if it is malformed."""
    start = at + 40
    if end < start:
        return None
    first, size, following, source, target = _V6(octets, at)
    if first >> 28 != 6:
        return None
    stop = start + size if size else end  # 0: as above, or a jumbogram
    missing = max(0, stop - end)
    stop -= missing
    inner = after_extensions(following, octets, start, stop)
    if inner is None:
        return None
    protocol, start, piece = inner
    return protocol, source, target, start, stop, missing, piece


def after_extensions(
    following: int, octets: bytes, at: int, end: int
) -> tuple[int, int, Piece | None] | None:
    """Steps over IPv6 extension headers, up to the end of a fragment header.

    Returns: what comes then, where it begins, and the fragment header; None if malformed.
    """
    for _ in range(EXTENSIONS_MAX):
        if following in EXTENSIONS:
            if at + 2 > end:
                return None
            size = octets[at + 1]
            step = size * 4 + 8 if following == AUTHENTICATION else size * 8 + 8
            following = octets[at]
        elif following == FRAGMENT:
            if at + 8 > end:
                return None
            inner, flags, identity = _FRAGMENT(octets, at)
            if flags & 0xFFF9:
                return inner, at + 8, Piece(identity, flags & 0xFFF8, bool(flags & 1))
            following, step = inner, 8  # a datagram in one fragment (RFC 6946)
        else:
            return following, at, None
        at += step
        if at > end:
            return None
    return None
