"""Every limit that a peer can run into, each with its reason.

A limit is generous to any real client and small enough that its cost is known: what is over it is
answered with the status named here, never cut and never followed further.
"""

from __future__ import annotations

from typing import Final

from sipstack.timing import SECOND

DATAGRAM_OCTETS_MAX: Final = 65_535
"""What UDP can carry; nothing larger reaches the parser from a datagram."""

HEAD_OCTETS_MAX: Final = 65_536
"""Start line and headers of one message: what fits a datagram fits a stream. Over it: 513."""

BODY_OCTETS_MAX: Final = 262_144
"""Body of one message over a stream: far above any SDP, PIDF or instant message. Over it: 513."""

HEADER_LINES_MAX: Final = 256
"""Lines of the headers of one message, folded ones each counted; the busiest in RFC 4475 has 47.
Over it: 513."""

VIAS_MAX: Final = 100
"""Via values: Max-Forwards starts at 70, so a longer path is a loop or an attack. Over it: 400."""

ROUTES_MAX: Final = 100
"""Route, Record-Route and Path values, as many as there can be hops. Over it: 400."""

CONTACTS_MAX: Final = 100
"""Contact values of one message; the registrar allows fewer for each device. Over it: 400."""

LIST_VALUES_MAX: Final = 256
"""Values of any other comma list (Supported, Require, Reason). Over it: 400."""

REQUEST_URI_OCTETS_MAX: Final = 8_192
"""Room for a Contact that carries push parameters (RFC 8599) and comes back as the Request-URI.
Over it: 414 (RFC 3261 §21.4.12)."""

PUSH_PARAM_OCTETS_MAX: Final = 4_096
"""One RFC 8599 parameter: a web push token has about 200 octets, an APNs one 64. Over it: 400."""

PORT_MAX: Final = 65_535

CSEQ_MAX: Final = 2**31 - 1
"""RFC 3261 §8.1.1.5."""

MAX_FORWARDS_MAX: Final = 255
"""RFC 3261 §20.22."""

EXPIRES_MAX: Final = 2**32 - 1
"""Seconds (RFC 3261 §20.19)."""

STATUS_MIN: Final = 100
STATUS_MAX: Final = 699
"""RFC 3261 §7.2; the six classes."""

WEBSOCKET_MESSAGE_OCTETS_MAX: Final = 65_536
"""One message over WebSocket: as much as a datagram could carry, far above what browsers send
(1 to 3 kB, their SDP included). Over it: closed with 1009."""

WEBSOCKET_FRAMES_MAX: Final = 128
"""Frames of one WebSocket message: browsers use one. Over it: closed with 1008."""

STREAM_READ_NS: Final = 10 * SECOND
"""How long a message may take on a stream, from its first octet to its last: a phone on a bad
radio link needs two or three seconds, a slow-reading attacker would like for ever."""
