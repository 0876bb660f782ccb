"""UDP listeners: uvloop's datagram transport, or an own reader on the stock event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final, Protocol, cast

from sipstack.transport.flow import BytesReceived, Flow, TransportEvent

DATAGRAM_MAX: Final = 65_535
SOCKET_BUFFER: Final = 4 * 1024 * 1024  # octets: a burst of some thousand requests
WRITE_QUEUE_MAX: Final = 1024 * 1024  # octets that wait for the interface before more are dropped
DRAIN_MAX: Final = 64  # datagrams read in one turn, so that timers and streams get theirs
FLOWS_KEPT_MAX: Final = 16_384

OnEvent = Callable[[TransportEvent], None]


class UdpListener(Protocol):
    """One bound UDP socket."""

    local_host: str
    local_port: int
    sent_not: int  # datagrams that the interface did not take; UDP may lose, so nobody is told

    def send(self, flow: Flow, data: bytes) -> None:
        """Put a datagram on the wire now, or lose it."""

    def close(self) -> None:
        """Give the port back."""


async def open_udp(host: str, port: int, on_event: OnEvent) -> UdpListener:
    """Bind a UDP listener to a numeric address; port 0 for any free one.

    Raises: OSError if the address cannot be had.
    """
    loop = asyncio.get_running_loop()
    sock = udp_socket(host, port)
    if isinstance(loop, asyncio.SelectorEventLoop):
        return DrainingListener(loop, sock, on_event)
    try:
        _, protocol = await loop.create_datagram_endpoint(
            lambda: TransportListener(loop, on_event), sock=sock
        )
    except BaseException:
        sock.close()
        raise
    return protocol


def udp_socket(host: str, port: int) -> socket.socket:
    """A bound socket with large buffers.

    Raises: OSError
    """
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER)
        sock.bind((host, port))
    except BaseException:
        sock.close()
        raise
    return sock


class _FlowCache:
    """Flows by peer address: most datagrams come from a peer that was heard before."""

    __slots__ = ("flows", "local_host", "local_port")

    def __init__(self, local_host: str, local_port: int) -> None:
        self.local_host = local_host
        self.local_port = local_port
        self.flows: dict[tuple[Any, ...], Flow] = {}

    def add(self, address: tuple[Any, ...]) -> Flow:
        if len(self.flows) >= FLOWS_KEPT_MAX:
            self.flows.clear()
        host, port = address[0], address[1]
        flow = Flow("UDP", self.local_host, self.local_port, host, port)
        self.flows[address] = flow
        return flow


class DrainingListener:
    """Reads all that waits whenever the socket is readable; four times the rate of the stock
    datagram transport, which reads one datagram a turn of the loop.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, sock: socket.socket, on_event: OnEvent
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._on_event = on_event
        self.local_host, self.local_port = sock.getsockname()[:2]
        self.sent_not = 0
        self._cache = _FlowCache(self.local_host, self.local_port)
        loop.add_reader(sock.fileno(), self._on_readable)

    def _on_readable(self) -> None:
        receive, on_event, flows = self._sock.recvfrom, self._on_event, self._cache.flows
        for _ in range(DRAIN_MAX):
            try:
                data, address = receive(DATAGRAM_MAX)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # an ICMP error about an earlier datagram; the socket itself is well
            try:
                on_event(BytesReceived(flows.get(address) or self._cache.add(address), data))
            except Exception as error:
                # One message must not cost those that wait behind it.
                self._loop.call_exception_handler(
                    {"message": "a datagram could not be processed", "exception": error}
                )
            if self._sock.fileno() < 0:
                return  # closed by what the datagram led to

    def send(self, flow: Flow, data: bytes) -> None:
        try:
            self._sock.sendto(data, (flow.remote_host, flow.remote_port))
        except (OSError, OverflowError):
            self.sent_not += 1

    def close(self) -> None:
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock.fileno())
            self._sock.close()


class TransportListener(asyncio.DatagramProtocol):
    """Over the datagram transport of the loop, which is the faster way with uvloop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_event: OnEvent) -> None:
        self._loop = loop
        self._on_event = on_event
        self.sent_not = 0
        self._choked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # uvloop derives from nothing
        cast(asyncio.WriteTransport, transport).set_write_buffer_limits(high=WRITE_QUEUE_MAX)
        self.local_host, self.local_port = transport.get_extra_info("sockname")[:2]
        self._cache = _FlowCache(self.local_host, self.local_port)
        self._flows = self._cache.flows

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        try:
            self._on_event(BytesReceived(self._flows.get(addr) or self._cache.add(addr), data))
        except Exception as error:
            self._loop.call_exception_handler(
                {"message": "a datagram could not be processed", "exception": error}
            )

    def send(self, flow: Flow, data: bytes) -> None:
        if self._choked:
            self.sent_not += 1
            return
        try:
            self._transport.sendto(data, (flow.remote_host, flow.remote_port))
        except (OSError, OverflowError, ValueError):
            self.sent_not += 1

    def error_received(self, exc: Exception) -> None:
        self.sent_not += 1

    def pause_writing(self) -> None:
        self._choked = True

    def resume_writing(self) -> None:
        self._choked = False

    def close(self) -> None:
        self._transport.close()
