"""The sockets of one SIP party, turned into events, and its actions, turned into octets."""

from __future__ import annotations

import asyncio
import resource
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from sipstack.errors import LocalProtocolError
from sipstack.io.connections import Connections
from sipstack.io.stream import StreamConnection, StreamLimits
from sipstack.io.udp import UdpListener, open_udp
from sipstack.io.websocket import AcceptedWebSocket
from sipstack.transport.flow import (
    SECURE,
    WEBSOCKET,
    CloseFlow,
    Flow,
    Send,
    TransportAction,
    TransportEvent,
)
from sipstack.transport.websocket import OriginPolicy

BACKLOG: Final = 4_096  # connections that wait to be accepted; the kernel may allow fewer
FILES_RESERVED: Final = 128  # open files kept free of connections: listeners, store, logs, pushes
TLS_BUFFER: Final = 16 * 1024  # octets: one TLS record, the most that is read at once


@dataclass(frozen=True, slots=True)
class Listener:
    """An address to listen on."""

    transport: str  # "UDP", "TCP", "TLS", "WS" or "WSS"
    host: str  # numeric, IPv6 without brackets
    port: int = 0  # 0 for any free one
    tls: ssl.SSLContext | None = None  # for TLS and WSS: the certificate, TLS 1.2 or newer
    origins: OriginPolicy = field(default_factory=OriginPolicy)  # for WS and WSS


class SipEndpoint:
    """Owns the listeners and connections of one local party: a node, a phone, a caller.

    `on_event` is called from the event loop for each transport event, and never from inside
    perform(). An endpoint is started once and closed once.
    """

    def __init__(
        self,
        listeners: Sequence[Listener],
        on_event: Callable[[TransportEvent], None],
        *,
        limits: StreamLimits | None = None,
        client_tls: ssl.SSLContext | None = None,
    ) -> None:
        """`client_tls` is the context for TLS connections that are dialled; None allows none."""
        self._wanted = tuple(listeners)
        self._on_event = on_event
        self._limits = _within_open_files(limits or StreamLimits())
        self._client_tls = client_tls
        self._udp: dict[tuple[str, int], UdpListener] = {}
        self._servers: list[asyncio.Server] = []
        self._connections: Connections | None = None
        self.listeners: tuple[Listener, ...] = ()
        """What is listened on, with the real ports, in the order asked for."""

    async def start(self) -> None:
        """Bind everything.

        Raises: OSError if an address cannot be had, with nothing left bound; ValueError if a TLS
            or WSS listener has no context, or one that allows less than TLS 1.2.
        """
        for listener in self._wanted:
            _check(listener)
        if self._client_tls or any(listener.tls for listener in self._wanted):
            _shrink_tls_buffers()
        self._connections = Connections(self._on_event, self._limits, self._client_tls)
        async with AsyncExitStack() as undo:
            undo.push_async_callback(self.aclose)
            self.listeners = tuple([await self._listen(listener) for listener in self._wanted])
            undo.pop_all()

    async def aclose(self) -> None:
        """Close every listener and connection. No event comes once this was called."""
        for server in self._servers:
            server.close()
        for udp in self._udp.values():
            udp.close()
        self._udp.clear()
        if self._connections is not None:
            await self._connections.aclose()
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()

    def perform(self, action: TransportAction) -> None:
        """Send a message, or close a flow. Failures come back as events, later.

        Raises: LocalProtocolError for a UDP flow whose local address is no listener of ours.
        """
        if type(action) is Send:
            flow, data = action
            if flow.transport == "UDP":
                udp = self._udp.get((flow.local_host, flow.local_port))
                if udp is None:
                    raise LocalProtocolError(f"no UDP listener {flow.local_host}:{flow.local_port}")
                udp.send(flow, data)
            else:
                self._streams.send(flow, data)
        else:
            assert isinstance(action, CloseFlow)
            self._streams.close(action.flow)

    def flow_to(self, transport: str, host: str, port: int) -> Flow:
        """The flow by which this party reaches a numeric address: from its first fitting listener.

        Raises: LocalProtocolError if no listener has that transport and address family.
        """
        for listener in self.listeners:
            if listener.transport == transport and (":" in listener.host) == (":" in host):
                return Flow(transport, listener.host, listener.port, host, port)
        raise LocalProtocolError(f"no {transport} listener that reaches {host}")

    def counts(self) -> dict[str, int]:
        """Gauges and counters of the sockets."""
        return {
            "connections": len(self._streams),
            "connections_refused": self._streams.refused,
            "datagrams_not_sent": sum(udp.sent_not for udp in self._udp.values()),
        }

    @property
    def _streams(self) -> Connections:
        if self._connections is None:
            raise LocalProtocolError("endpoint not started")
        return self._connections

    async def _listen(self, listener: Listener) -> Listener:
        if listener.transport == "UDP":
            udp = await open_udp(listener.host, listener.port, self._on_event)
            self._udp[udp.local_host, udp.local_port] = udp
            return replace(listener, host=udp.local_host, port=udp.local_port)
        handshake_s = self._limits.handshake_s if listener.tls else None
        server = await asyncio.get_running_loop().create_server(
            partial(self._accepted, listener),
            listener.host,
            listener.port,
            ssl=listener.tls,
            ssl_handshake_timeout=handshake_s,
            backlog=BACKLOG,
            reuse_address=True,
        )
        self._servers.append(server)
        host, port = server.sockets[0].getsockname()[:2]
        return replace(listener, host=host, port=port)

    def _accepted(self, listener: Listener) -> StreamConnection:
        if listener.transport in WEBSOCKET:
            return AcceptedWebSocket(self._streams, listener.transport, listener.origins)
        return StreamConnection(self._streams, listener.transport, None)


def _check(listener: Listener) -> None:
    if listener.transport not in ("UDP", "TCP", "TLS", "WS", "WSS"):
        raise ValueError(f"unknown transport {listener.transport}")
    if listener.transport in SECURE:
        if listener.tls is None:
            raise ValueError(f"a {listener.transport} listener needs a context")
        if listener.tls.minimum_version < ssl.TLSVersion.TLSv1_2:
            raise ValueError("TLS 1.2 is the least that is allowed")


def _within_open_files(limits: StreamLimits) -> StreamLimits:
    """Fewer connections if the process may not open so many files: it must keep some for itself."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return limits
    room = max(soft - FILES_RESERVED, 1)
    return replace(limits, connections_max=min(limits.connections_max, room))


def _shrink_tls_buffers() -> None:
    """Let the stock event loop spend 41 KB on a sleeping TLS phone in place of 287 KB.

    It gives each connection a read buffer of 256 KiB, a size for web servers, and has no setting
    for it. uvloop is frugal by itself and does not look at this.
    """
    if getattr(SSLProtocol, "max_size", 0) > TLS_BUFFER:
        SSLProtocol.max_size = TLS_BUFFER
