"""Every limit of reading a capture, so that a hostile file costs neither time nor memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sipstack.limits import BODY_OCTETS_MAX, HEAD_OCTETS_MAX


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """What one file may ask for. Over a limit is an error, or a drop that is counted or told."""

    packets: int = 3_000_000
    """Of one file: eight hours of a call with media. Over it: error."""

    pieces: int = 300_000
    """Of one file: what costs several times as much as a packet of media. That is connections,
    fragments, segments that came too early, TLS records and WebSocket frames; a fragment or segment
    counts again for each that it lies over. Over it: error."""

    messages: int = 200_000
    """That are kept at once, and notes with them. Over it: error."""

    octets_kept: int = 80 << 20
    """In the messages and notes that are kept, comments included. Over it: error."""

    connections: int = 20_000
    """That are followed at once. Over it the one that was silent longest is dropped."""

    octets_waiting: int = 32 << 20
    """Of all connections together: segments behind a gap, messages that are not whole.
    Over it: what waits in the connection that asks for more is dropped."""

    datagrams_in_fragments: int = 1_024
    """That are put together at once. Over it the oldest is dropped."""

    fragment_octets: int = 16 << 20
    """Of all of them together. Over it the oldest is dropped."""

    problems: int = 1_000
    """That are told in words. Over it they are only counted."""


PACKET_OCTETS_MAX: Final = 262_144
"""One packet: the largest snapshot length that tcpdump and Wireshark know. Over it: error."""

BLOCK_OCTETS_MAX: Final = 16 << 20
"""One block of a pcapng file: a key log of 20,000 connections. Over it: error."""

OPTIONS_MAX: Final = 1_000
"""Options of one block. Over it: error."""

COMMENT_OCTETS_MAX: Final = 65_536
"""Comments of one packet. Over it: error."""

NAME_MAX: Final = 256
"""Characters of the name of an interface; the rest is cut off."""

INTERFACES_MAX: Final = 10_000
"""Of one file. Over it: error."""

TUNNELS_MAX: Final = 4
"""IP packets inside one another. Over it: counted as malformed."""

EXTENSIONS_MAX: Final = 16
"""IPv6 extension headers of one packet. Over it: counted as malformed."""

FRAGMENTS_WITHIN_NS: Final = 60 * 10**9
"""From the first fragment of a datagram to the last (RFC 8200 §4.5). Over it: dropped."""

SEGMENTS_WAITING_MAX: Final = 1_024
"""Behind one gap of one stream. Over it the gap is taken for lost."""

SEGMENT_COST: Final = 256
"""Octets that a waiting segment or fragment costs beside its own."""

JUMP_MAX: Final = 1 << 26
"""Octets that a sequence number may be away from the one that is due: the window of a connection
is smaller. Over it: told, and the stream goes on from there."""

MESSAGE_OCTETS_MAX: Final = HEAD_OCTETS_MAX + BODY_OCTETS_MAX
"""One SIP message. Over it: told, and the stream is searched for the next one."""

SEARCH_OCTETS_MAX: Final = 1 << 18
"""How far a stream is searched for its first SIP message. Over it the stream is none of SIP."""

TLS_WAITING_MAX: Final = 1 << 18
"""Octets of one side of a TLS handshake that wait for the other. Over it: unread."""

KEY_LOG_LINES_MAX: Final = 100_000
"""Of all key logs of a capture: 20,000 connections. Over it: told, and the rest is not read."""

KEY_LOG_OCTETS_MAX: Final = 32 << 20
"""Of a key log beside the capture. Over it: error."""
