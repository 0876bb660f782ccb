"""Syslog collectors on loopback that take nothing but what the RFCs allow."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import anyio.streams.tls
from anyio.abc import ByteStream, SocketAttribute

from helpers.node_rig import eventually
from helpers.rfc5424 import Syslog, read_syslog, unframed


@dataclass
class Collector:
    """What came, read strictly; `wrong` says what did not."""

    port: int = 0
    messages: list[Syslog] = field(default_factory=list)
    octets: list[bytes] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    connections: int = 0

    def take(self, message: bytes) -> None:
        self.octets.append(message)
        try:
            self.messages.append(read_syslog(message))
        except ValueError as error:
            self.wrong.append(str(error))

    async def until(self, count: int, *, within_s: float = 10.0) -> None:
        """Wait for so many messages."""
        await eventually(lambda: len(self.octets) >= count, within_s=within_s)

    def values(self, name: str) -> list[str]:
        return [each.data["alarm@32473"][name] for each in self.messages]


@asynccontextmanager
async def udp_collector() -> AsyncIterator[Collector]:
    made = Collector()
    async with await anyio.create_udp_socket(
        family=socket.AF_INET, local_host="127.0.0.1"
    ) as endpoint:
        made.port = endpoint.extra(SocketAttribute.local_port)

        async def listen() -> None:
            async for message, _ in endpoint:
                made.take(message)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listen)
            yield made
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def stream_collector(
    tls: ssl.SSLContext | None = None, *, port: int = 0, collector: Collector | None = None
) -> AsyncIterator[Collector]:
    """Over TCP or TLS. With a `collector` it goes on counting what another began."""
    made = collector or Collector()

    async def serve(connection: ByteStream) -> None:
        made.connections += 1
        rest = b""
        async with connection:
            with anyio.CancelScope():
                try:
                    while True:
                        messages, rest = unframed(rest + await connection.receive())
                        for message in messages:
                            made.take(message)
                except ValueError as error:
                    made.wrong.append(str(error))
                except (anyio.EndOfStream, anyio.BrokenResourceError):
                    return

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port)
    made.port = listener.extra(SocketAttribute.local_port)

    async def wrapped(plain: ByteStream) -> None:
        if tls is None:
            await serve(plain)
            return
        try:
            secure = await anyio.streams.tls.TLSStream.wrap(
                plain, server_side=True, ssl_context=tls, standard_compatible=False
            )
        except (ssl.SSLError, anyio.EndOfStream, anyio.BrokenResourceError):
            await anyio.aclose_forcefully(plain)
            return
        await serve(secure)

    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, wrapped)
        yield made
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def hung_collector() -> AsyncIterator[tuple[int, list[socket.socket]]]:
    """Takes connections and never reads from one."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    listener.setblocking(False)
    taken: list[socket.socket] = []

    async def accept() -> None:
        while True:
            await anyio.wait_readable(listener)
            connection, _ = listener.accept()
            taken.append(connection)

    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(accept)
            yield listener.getsockname()[1], taken
            tasks.cancel_scope.cancel()
    finally:
        for each in (*taken, listener):
            each.close()
