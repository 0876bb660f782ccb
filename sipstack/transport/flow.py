"""Flow identity, and the events and actions that pass between a transport shell and the stack.

A flow is one five-tuple (RFC 5626 §2). Over UDP it is a listening socket and a peer address; over a
stream it is one connection. The two are one type, so that nothing above has to ask which it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

UNCONNECTED: Final = 0
"""Connection number of a UDP flow, and of a stream that the shell is asked to open or re-use."""

RELIABLE: Final = frozenset({"TCP", "TLS", "WS", "WSS"})
SECURE: Final = frozenset({"TLS", "WSS"})
WEBSOCKET: Final = frozenset({"WS", "WSS"})
"""Connections that keep messages apart by themselves and that a client opens (RFC 7118)."""


class Flow(NamedTuple):
    """Where a message came from, or is to go."""

    transport: str  # "UDP", "TCP", "TLS", "WS" or "WSS": as in a Via
    local_host: str  # numeric address of the listener, IPv6 without brackets
    local_port: int
    remote_host: str  # numeric address of the peer, IPv6 without brackets
    remote_port: int
    connection: int = UNCONNECTED  # number the shell gave this connection, never used twice

    @property
    def reliable(self) -> bool:
        """True if the transport repeats lost octets itself, so that transactions need not."""
        return self.transport in RELIABLE


class BytesReceived(NamedTuple):
    """A datagram, a WebSocket message, or what a stream had to give."""

    flow: Flow
    data: bytes


@dataclass(frozen=True, slots=True)
class FlowClosed:
    """A stream connection is gone, or could not be opened (`flow.connection` is then 0)."""

    flow: Flow
    reason: str


class Send(NamedTuple):
    """Put one message on the wire, whole.

    For a stream flow with connection 0 the shell uses the connection it has to that peer over that
    transport, or opens one; if that fails it reports `FlowClosed` with this flow.
    """

    flow: Flow
    data: bytes


@dataclass(frozen=True, slots=True)
class CloseFlow:
    """Close this stream connection once what was sent before has left."""

    flow: Flow


TransportEvent: TypeAlias = BytesReceived | FlowClosed
TransportAction: TypeAlias = Send | CloseFlow
