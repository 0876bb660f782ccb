"""The user part of our Record-Route: how in-dialog requests find both ends again.

It names the two ends of a dialog, sealed with a key that all nodes of the cluster share, so that
any node can serve a request in the dialog and nobody can make one up. An end is a binding (found
even after the device registered again elsewhere), a stream connection of one node, a datagram peer,
or nothing: then the next Route or the Request-URI decides.
Source: RFC 5626 §5.1 to §5.3; design, OP-03.
"""

from __future__ import annotations

import hmac
from typing import Final, NamedTuple
from zlib import crc32

from callctl.registration.binding import Binding
from sipstack.transport.flow import UNCONNECTED, Flow

MAC_HEX: Final = 16  # 64 bits

HOP: Final = "h"  # one request from node to node, to one binding
DIALOG: Final = "d"


class RouteToken(NamedTuple):
    """What one token says."""

    kind: str  # HOP or DIALOG
    caller: str  # end: see `binding_end`, `flow_end`; "" if the message itself tells. HOP: mark
    callee: str
    caller_tag: str  # checksum of the caller's From tag: which way a request goes


def binding_end(binding_id: str) -> str:
    """The end that a registered device is."""
    return f"b{binding_id}"


def flow_mark(binding: Binding) -> str:
    """Which connection of a node a hop is meant for; "" where it is none.

    What was held up on its way between two nodes may arrive when the device has come by another
    connection and has its INVITE over that already (I3).
    """
    flow = binding.flow
    if flow is None or flow.connection == UNCONNECTED:
        return ""
    return f"{binding.incarnation}.{flow.connection}"


def flow_end(node: int, flow: Flow, *, behind_nat: bool) -> str:
    """The end that a peer without registration is, reached only at one node.

    Args:
        node: index of the node in the cluster's order.
        behind_nat: its Via named another address than its datagrams come from, so that its Contact
            leads nowhere. Without NAT a datagram peer is found by its Contact.
    """
    if flow.connection != UNCONNECTED:
        return f"c{node}.{flow.connection}"
    if behind_nat:
        return f"u{node}.{flow.remote_host.replace(':', '_')}.{flow.remote_port}"
    return ""


def tag_checksum(tag: str | None) -> str:
    """A few characters that tell the caller's tag from the callee's."""
    return f"{crc32((tag or '').encode('utf-8', 'surrogateescape')):08x}"


class RouteTokens:
    """Makes and reads tokens with the cluster's key."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, token: RouteToken) -> str:
        """The token as a URI user part."""
        body = f"{token.kind}-{token.caller}-{token.callee}-{token.caller_tag}"
        return f"{body}-{self._mac(body)}"

    def open(self, text: str) -> RouteToken | None:
        """What a user part says; None if the cluster did not make it."""
        body, _, mac = text.rpartition("-")
        if not mac.isascii() or not hmac.compare_digest(mac, self._mac(body)):
            return None
        parts = body.split("-")
        return RouteToken(*parts) if len(parts) == 4 else None

    def _mac(self, body: str) -> str:
        return hmac.digest(self._key, body.encode("utf-8", "surrogateescape"), "sha256").hex()[
            :MAC_HEX
        ]
