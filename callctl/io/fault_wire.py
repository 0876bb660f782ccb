"""A stage of raw TCP in front of an emulated server, in which connections break as in the field.

It costs one more hop on loopback, and does nothing while there is no fault.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final, cast

from anyio.lowlevel import cancel_shielded_checkpoint

from callctl.cloud.wire_faults import WireEffect, WireFault, WirePlan, pace_ns
from sipstack.timing import Instant

THROTTLED_PIECE: Final = 512  # octets; a throttled answer comes in pieces no longer than this
RESET_GRACE_S: Final = 0.02  # for what was written before a reset to leave
UNREAD_MAX: Final = 65_536  # octets that wait for a server which is being connected

_LINGER_NOT: Final = struct.pack("ii", 1, 0)
# Of the loop: what comes in while a server of asyncio closes would stay open for ever.
_ACCEPT_PASSES: Final = 4
_PAUSED_MAX: Final = 1 << 20  # octets held back for a client; past it the server is not read


def reset(transport: asyncio.Transport) -> None:
    """Close with RST instead of FIN (SO_LINGER of 0 s); what is not written yet is lost."""
    plain = transport.get_extra_info("socket")
    if plain is not None:
        with contextlib.suppress(OSError):
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    transport.abort()


class FaultWire:
    """The stage in front of one server. `plan` says what happens."""

    def __init__(self, plan: WirePlan, clock: Callable[[], Instant], host: str, inner: int) -> None:
        """`inner` is the port of the server behind it."""
        self.plan = plan
        self.clock = clock
        self.host = host
        self.inner = inner
        self.connections: dict[int, _Client] = {}
        self.peers: dict[int, str] = {}  # addresses of clients, by the port the server sees
        self._made = 0

    def __len__(self) -> int:
        """How many connections are open."""
        return len(self.connections)

    def faults_changed(self) -> None:
        """Let a fault act on connections that are open and idle, too."""
        for client in tuple(self.connections.values()):
            client.look()

    def accept(self) -> _Client:
        """The protocol of the next connection."""
        self._made += 1
        return _Client(self, self._made)


@contextlib.asynccontextmanager
async def serve_wire(wire: FaultWire, port: int = 0) -> AsyncIterator[int]:
    """Listen while the context lasts; gives the port. Raises: OSError if it is taken."""
    server = await asyncio.get_running_loop().create_server(wire.accept, wire.host, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        for _ in range(_ACCEPT_PASSES):
            await cancel_shielded_checkpoint()
        server.close()
        for client in tuple(wire.connections.values()):
            client.end()


class _Client(asyncio.Protocol):
    """The side of a connection that the client sees."""

    def __init__(self, wire: FaultWire, number: int) -> None:
        self._wire = wire
        self._number = number
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._server: _Server | None = None
        self._dialling: asyncio.Task[None] | None = None
        self._unread = bytearray()  # for the server, until it is connected
        self._held: deque[bytes] = deque()  # for the client, while a fault holds it back
        self._held_octets = 0
        self._timer: asyncio.TimerHandle | None = None
        self._sent = 0  # octets to the client since a fault began
        self._hole = False
        self._server_ended = False
        self.address = ""

    # From the client.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self.address = str(transport.get_extra_info("peername")[0])
        self._wire.connections[self._number] = self
        if (fault := self._fault(new=True)) is not None and fault.effect is WireEffect.REFUSE:
            self._reset()
            return
        self._dialling = self._loop.create_task(self._dial())

    def data_received(self, data: bytes) -> None:
        self.look()
        if self._hole:
            return
        if self._server is not None:
            self._server.write(data)
            return
        self._unread += data
        if len(self._unread) > UNREAD_MAX and self._transport is not None:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        return False  # TLS knows no half of a connection

    def pause_writing(self) -> None:
        if self._server is not None:
            self._server.pause()

    def resume_writing(self) -> None:
        if self._server is not None and self._held_octets < _PAUSED_MAX:
            self._server.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wire.connections.pop(self._number, None)
        self._wire.plan.forget(self._number)
        if self._timer is not None:
            self._timer.cancel()
        if self._dialling is not None:
            self._dialling.cancel()
        if self._server is not None:
            self._server.end()

    # From the server.

    def answer(self, data: bytes) -> None:
        """Octets for the client."""
        self.look()
        if self._hole or self._transport is None:
            return
        fault = self._fault()
        if fault is None and not self._held:
            self._transport.write(data)
            return
        if fault is not None and fault.effect is WireEffect.RESET:
            self._transport.write(data[: fault.after_octets - self._sent])
            self._count(fault, len(data))
            return
        if fault is not None and fault.effect is WireEffect.BLACK_HOLE:
            self._transport.write(data[: fault.after_octets - self._sent])
            self._count(fault, len(data))
            return
        self._hold(data, fault)

    def server_ended(self) -> None:
        """The server has closed; a black hole keeps that to itself."""
        self._server = None
        self._server_ended = True
        if not self._hole and not self._held and self._transport is not None:
            self._transport.close()

    # What the stage does.

    def look(self) -> None:
        """Do what a fault asks for that acts without octets of the server."""
        fault = self._fault()
        if fault is not None:
            self._count(fault, 0)

    def end(self) -> None:
        """The stage is taken down."""
        if self._transport is not None:
            self._transport.abort()

    def _fault(self, *, new: bool = False) -> WireFault | None:
        return self._wire.plan.acts_on(self._number, self._wire.clock(), new=new)

    def _count(self, fault: WireFault, octets: int) -> None:
        self._sent += octets
        if self._sent < fault.after_octets:
            return
        if fault.effect is WireEffect.BLACK_HOLE:
            self._hole = True
        elif fault.effect is WireEffect.RESET:
            self._reset()

    def _reset(self) -> None:
        self._hole = True
        if self._transport is not None:
            self._loop.call_later(RESET_GRACE_S, reset, self._transport)

    def _hold(self, data: bytes, fault: WireFault | None) -> None:
        size = len(data)
        if fault is not None and fault.effect is WireEffect.THROTTLE:
            size = THROTTLED_PIECE
        self._held.extend(data[at : at + size] for at in range(0, len(data), size))
        self._held_octets += len(data)
        if self._held_octets >= _PAUSED_MAX and self._server is not None:
            self._server.pause()
        if self._timer is None:
            self._wait_for_next()

    def _wait_for_next(self) -> None:
        fault = self._fault()
        wait_ns = 0 if fault is None else pace_ns(fault, len(self._held[0]))
        self._timer = self._loop.call_later(wait_ns / 1e9, self._send_next)

    def _send_next(self) -> None:
        self._timer = None
        if self._transport is None or self._hole:
            return
        piece = self._held.popleft()
        self._held_octets -= len(piece)
        self._transport.write(piece)
        if self._held:
            self._wait_for_next()
        elif self._server_ended:
            self._transport.close()
        elif self._server is not None:
            self._server.resume()

    async def _dial(self) -> None:
        wire = self._wire
        try:
            _, server = await self._loop.create_connection(
                lambda: _Server(wire, self), wire.host, wire.inner
            )
        except OSError:
            if self._transport is not None:
                self._transport.abort()
            return
        self._server = server
        if self._unread:
            server.write(bytes(self._unread))
            self._unread.clear()
        if self._transport is not None and not self._transport.is_reading():
            self._transport.resume_reading()


class _Server(asyncio.Protocol):
    """The side of a connection that the emulated server sees."""

    def __init__(self, wire: FaultWire, client: _Client) -> None:
        self._wire = wire
        self._client = client
        self._port = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._port = int(transport.get_extra_info("sockname")[1])
        self._wire.peers[self._port] = self._client.address

    def data_received(self, data: bytes) -> None:
        self._client.answer(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._wire.peers.pop(self._port, None)
        self._client.server_ended()

    def write(self, data: bytes) -> None:
        """Octets of the client."""
        if self._transport is not None:
            self._transport.write(data)

    def pause(self) -> None:
        """The client is slow."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """The client has caught up."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def end(self) -> None:
        """The client is gone."""
        if self._transport is not None:
            self._transport.close()
