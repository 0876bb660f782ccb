"""The sockets of one phone or caller: few, opened when they are needed, and lost at will.

A sleeping phone has none over TCP or TLS: the system took them when it suspended the app. Over UDP
it has one, because its address is all that its contact is.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sipstack.io.connections import Connections
from sipstack.io.stream import StreamLimits
from sipstack.io.udp import UdpListener, open_udp
from sipstack.transport.flow import (
    UNCONNECTED,
    BytesReceived,
    CloseFlow,
    Flow,
    FlowClosed,
    Send,
    TransportEvent,
)

LIMITS: Final = StreamLimits()


@dataclass(slots=True)
class WireCounts:
    """What the wires of a whole fleet did."""

    lost: int = 0  # messages to and from parties that had no network


class Wires:
    """Carries octets between one party and its servers.

    A party is known above by one address for life. `local_host` is the one that it really has at
    this moment: a phone that goes from one network to another does not learn what the NAT in front
    of it makes of that.
    """

    __slots__ = (
        "_counts",
        "_flows",
        "_nominal_host",
        "_sent_from",
        "_streams",
        "_tls",
        "_udp",
        "feed",
        "local_host",
        "up",
    )

    def __init__(self, local_host: str, tls: ssl.SSLContext | None, counts: WireCounts) -> None:
        self.local_host = self._nominal_host = local_host
        self.up = True
        """False: what is sent is lost, what comes is not heard, and nobody is told."""
        self.feed: Callable[[TransportEvent], None] = lambda event: None
        """Who hears what comes."""
        self._tls = tls
        self._counts = counts
        self._streams: Connections | None = None
        self._udp: UdpListener | None = None
        self._flows: dict[Flow, None] = {}  # connections that are up and have brought something
        # For messages that named no connection: the address that the last one left from.
        self._sent_from: dict[Flow, str] = {}

    async def bind(self) -> int:
        """Open a UDP socket. Returns: its port. Raises: OSError."""
        self._udp = await open_udp(self.local_host, 0, self._heard)
        return self._udp.local_port

    def perform(self, action: Send | CloseFlow) -> None:
        """Send a message, or close a flow."""
        if isinstance(action, CloseFlow):
            if self._streams is not None:
                self._streams.close(action.flow)
        elif not self.up:
            self._counts.lost += 1
        elif action.flow.transport == "UDP":
            if self._udp is not None:
                self._udp.send(action.flow, action.data)
        else:
            self._write(action.flow, action.data)

    def lose(self) -> None:
        """Out of reach of every network."""
        self.up = False

    def find(self, local_host: str) -> None:
        """A network again, perhaps at another address: what was connected before is gone."""
        self.up = True
        self.local_host = local_host
        for flow in tuple(self._flows):
            if self._streams is not None:
                self._streams.close(flow)

    async def aclose(self) -> None:
        """Close everything."""
        self.up = False
        if self._udp is not None:
            self._udp.close()
        if self._streams is not None:
            await self._streams.aclose()

    def _write(self, flow: Flow, data: bytes) -> None:
        streams = self._streams
        if streams is None:
            streams = self._streams = Connections(self._heard, LIMITS, self._tls)
        if flow.connection == UNCONNECTED:
            self._sent_from[flow] = self.local_host
            flow = flow._replace(local_host=self.local_host)
        streams.send(flow, data)

    def _heard(self, event: TransportEvent) -> None:
        flow = event.flow
        if isinstance(event, FlowClosed):
            self._flows.pop(flow, None)
            nominal = self._nominal(flow)
            if flow.connection == UNCONNECTED:
                if self._sent_from.get(nominal) != flow.local_host:
                    return  # of the network before; what was sent since then is well
                del self._sent_from[nominal]
            self.feed(FlowClosed(nominal, event.reason))
        elif not self.up:
            self._counts.lost += 1
        else:
            if flow.connection != UNCONNECTED:
                self._flows[flow] = None
            self.feed(BytesReceived(self._nominal(flow), event.data))

    def _nominal(self, flow: Flow) -> Flow:
        if flow.local_host == self._nominal_host:
            return flow
        return flow._replace(local_host=self._nominal_host)
