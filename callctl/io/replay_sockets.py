"""The sockets of a play against a server that runs: of each place of the capture its own."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Collection
from dataclasses import dataclass
from errno import ETIMEDOUT
from os import strerror
from typing import Final, Protocol, cast

import anyio

from callctl.replay.play_event import Say
from callctl.replay.recording import Place
from sipstack.transport.flow import Flow
from sipstack.transport.framer import FramingError, StreamFramer

CONNECT_S: Final = 5.0
REFUSED_S: Final = 0.1
"""In which a host near by says that nobody is at a UDP port (RFC 1122 §4.1.3.1)."""

KEEP_ALIVE: Final = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Target:
    """The server that is asked instead of each node of the capture."""

    host: str  # numeric
    port: int
    transport: str | None = None  # None: as in the capture
    local: str = "127.0.0.1"  # where the parties are
    domain: str | None = None  # in place of the cluster's
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


async def reach(target: Target, transports: Collection[str]) -> None:
    """See whether somebody is there, as far as that can be seen without a word of SIP.

    Raises: OSError.
    """
    loop = asyncio.get_running_loop()
    if "UDP" in transports:
        knock = _Knock()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: knock, remote_addr=(target.host, target.port)
        )
        try:
            transport.sendto(KEEP_ALIVE)
            with anyio.move_on_after(REFUSED_S):
                await knock.refused.wait()
        finally:
            transport.abort()
        if knock.error is not None:
            raise knock.error
    if set(transports) - {"UDP"}:
        try:
            with anyio.fail_after(CONNECT_S):
                connected, _ = await loop.create_connection(
                    asyncio.Protocol, target.host, target.port
                )
        except TimeoutError as error:
            raise OSError(ETIMEDOUT, strerror(ETIMEDOUT)) from error
        connected.abort()


class _Knock(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.refused = anyio.Event()
        self.error: OSError | None = None

    def error_received(self, exc: Exception) -> None:
        if isinstance(exc, OSError):
            self.error = exc
            self.refused.set()


class Listener(Protocol):
    """Who plays."""

    def heard(self, place: Place, flow: Flow, octets: bytes) -> None:
        """A whole message came, or a keep-alive."""

    def lose(self, reason: str) -> None:
        """Something could not be sent."""


class End:
    """One place: a UDP socket, a listener, or connections to the server."""

    def __init__(self, place: Place, listener: Listener, target: Target) -> None:
        self.place = place
        self.address = (target.local, 0)
        self._listener = listener
        self._target = target
        self._datagrams: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None
        self._streams: dict[int, _Stream] = {}
        self._dialling: asyncio.Task[None] | None = None
        self._waiting: list[bytes] = []

    @property
    def _transport(self) -> str:
        return self._target.transport or self.place.transport

    async def open(self) -> None:
        """Be there for what comes. Raises: OSError"""
        loop = asyncio.get_running_loop()
        if self._transport == "UDP":
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self._take_datagram), local_addr=self.address
            )
            self._datagrams = transport
            self.address = transport.get_extra_info("sockname")[:2]
        elif not self.place.dials:
            self._server = await loop.create_server(self._accepted, *self.address)
            self.address = self._server.sockets[0].getsockname()[:2]

    def say(self, action: Say) -> None:
        """Send one message."""
        flow = action.flow
        if self._datagrams is not None:
            where = (self._target.host, self._target.port)
            if flow is not None:
                where = (flow.remote_host, flow.remote_port)
            self._datagrams.sendto(action.octets, where)
            return
        stream = self._streams.get(flow.connection) if flow is not None else None
        stream = stream or next(iter(self._streams.values()), None)
        if stream is not None:
            stream.write(action.octets)
            return
        self._waiting.append(action.octets)
        if self._dialling is None or self._dialling.done():
            self._dialling = asyncio.get_running_loop().create_task(self._dial())

    def hang_up(self) -> None:
        """Close connections."""
        for stream in tuple(self._streams.values()):
            stream.close()

    def give_up(self) -> None:
        """What waits for a connection waits no more."""
        self._lose_all("not up yet")

    def _lose_all(self, why: str) -> None:
        for _ in self._waiting:
            self._listener.lose(f"no connection to the server: {why}")
        self._waiting.clear()

    def close(self) -> None:
        """Be gone."""
        if self._dialling is not None:
            self._dialling.cancel()
        if self._datagrams is not None:
            self._datagrams.abort()
        if self._server is not None:
            self._server.close()
        for stream in tuple(self._streams.values()):
            stream.abort()

    async def _dial(self) -> None:
        target = self._target
        tls = target.tls if self._transport in ("TLS", "WSS") else None
        try:
            with anyio.fail_after(CONNECT_S):
                await asyncio.get_running_loop().create_connection(
                    self._accepted,
                    target.host,
                    target.port,
                    ssl=tls,
                    server_hostname=(target.domain or target.host) if tls else None,
                )
        except (OSError, TimeoutError) as error:
            self._lose_all(getattr(error, "strerror", None) or type(error).__name__)

    def _accepted(self) -> _Stream:
        return _Stream(self)

    def made(self, stream: _Stream, number: int) -> None:
        """A connection is up."""
        self._streams[number] = stream
        waiting, self._waiting = self._waiting, []
        for octets in waiting:
            stream.write(octets)

    def lost(self, number: int) -> None:
        """A connection is gone."""
        self._streams.pop(number, None)

    def take(self, octets: bytes, flow: Flow) -> None:
        """A whole message came."""
        self._listener.heard(self.place, flow, octets)

    def _take_datagram(self, octets: bytes, source: tuple[str, int]) -> None:
        flow = Flow("UDP", self.address[0], self.address[1], source[0], source[1])
        self._listener.heard(self.place, flow, octets)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, take: Callable[[bytes, tuple[str, int]], None]) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._take(data, (addr[0], addr[1]))


class _Stream(asyncio.Protocol):
    _numbers = 0

    def __init__(self, end: End) -> None:
        self._end = end
        self._framer = StreamFramer()
        self._transport: asyncio.Transport | None = None
        _Stream._numbers += 1
        self._number = _Stream._numbers
        self._flow: Flow | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        here, there = (transport.get_extra_info(name) for name in ("sockname", "peername"))
        way = self._end.place.transport
        self._flow = Flow(way, here[0], here[1], there[0], there[1], self._number)
        self._end.made(self, self._number)

    def data_received(self, data: bytes) -> None:
        for frame in self._framer.feed(data):
            if isinstance(frame, bytes) and self._flow is not None:
                self._end.take(frame, self._flow)
            elif isinstance(frame, FramingError):
                self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end.lost(self._number)

    def write(self, octets: bytes) -> None:
        if self._transport is not None:
            self._transport.write(octets)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
