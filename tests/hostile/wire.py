"""Bare sockets against a node on loopback, in the event loop that the node runs in."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final, cast

from callctl.io.cluster_shell import ClusterShell
from callctl.io.node_shell import NodeShell
from callctl.model.build import softphone
from callctl.model.cluster import Cluster
from helpers.node_rig import FAST, eventually, loopback_cluster
from sipstack.message.message import Request, Response
from sipstack.message.parser import parse_message

HOST: Final = "127.0.0.1"
OPEN: Final = replace(FAST, authentication="none")
"""Nobody is asked for a password: these tests are about transports."""


def cluster() -> Cluster:
    """One node with the softphones 1001 and 2001."""
    return loopback_cluster(softphone("1001"), softphone("2001"), parameters=OPEN)


def node_of(shell: ClusterShell) -> NodeShell:
    """The one node that runs."""
    (node,) = shell.nodes
    return node


def port_of(shell: ClusterShell, transport: str = "UDP") -> int:
    """Where the node listens."""
    listener = shell.cluster.nodes["ucm1"].listener(transport)
    assert listener is not None
    return listener.port


def text(
    method: str,
    port: int,
    *headers: str,
    user: str = "2001",
    branch: str = "1",
    transport: str = "UDP",
    body: bytes = b"",
) -> bytes:
    """A request of 1001 who listens at `port`, as it goes on the wire."""
    uri = f"sip:{user}@lab.example" if user else "sip:lab.example"
    lines = (
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/{transport} {HOST}:{port};branch=z9hG4bK{branch}",
        "Max-Forwards: 70",
        "From: <sip:1001@lab.example>;tag=a1",
        f"To: <sip:{user or '1001'}@lab.example>",
        f"Call-ID: call-{branch}",
        f"CSeq: 1 {method}",
        *headers,
        f"Content-Length: {len(body)}",
        "\r\n",
    )
    return "\r\n".join(lines).encode() + body


def register(port: int, *, user: str = "2001", transport: str = "UDP") -> bytes:
    """A REGISTER of `user` who listens at `port`."""
    parameter = "" if transport == "UDP" else f";transport={transport.lower()}"
    contact = f"Contact: <sip:{user}@{HOST}:{port}{parameter}>"
    made = text("REGISTER", port, contact, user="", branch=f"reg{user}", transport=transport)
    return made.replace(b"sip:1001@", f"sip:{user}@".encode())


class Datagrams(asyncio.DatagramProtocol):
    """A UDP socket and what came to it."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.errors: list[Exception] = []
        self.port = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # uvloop derives from nothing
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.got.append(data)

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)

    def send(self, data: bytes, port: int) -> None:
        self._transport.sendto(data, (HOST, port))

    def close(self) -> None:
        self._transport.close()

    async def until(self, count: int) -> None:
        """Wait for so many datagrams."""
        await eventually(lambda: len(self.got) >= count)

    @property
    def statuses(self) -> list[int]:
        """Of the responses that came."""
        return [each.status for each in map(parse_message, self.got) if isinstance(each, Response)]

    @property
    def requests(self) -> list[Request]:
        """That came."""
        return [each for each in map(parse_message, self.got) if isinstance(each, Request)]


@asynccontextmanager
async def udp() -> AsyncIterator[Datagrams]:
    """A UDP socket on a port of its own."""
    loop = asyncio.get_running_loop()
    transport, socket = await loop.create_datagram_endpoint(Datagrams, local_addr=(HOST, 0))
    try:
        yield socket
    finally:
        transport.close()


class Stream:
    """A TCP connection to a node."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.port: int = writer.get_extra_info("sockname")[1]
        self.got = b""

    async def until_statuses(self, count: int) -> list[int]:
        """Read until so many responses have begun; their statuses."""
        async with asyncio.timeout(10):
            while len(self.statuses) < count:
                data = await self.reader.read(65_536)
                assert data, "closed by the node"
                self.got += data
        return self.statuses

    async def until_closed(self) -> list[int]:
        """Read to the end; the statuses of all responses."""
        async with asyncio.timeout(10):
            self.got += await self.reader.read()
        return self.statuses

    async def until_request(self) -> Request:
        """Read one request to its last octet; what came before it was read already."""
        async with asyncio.timeout(10):
            head = await self.reader.readuntil(b"\r\n\r\n")
            found = re.search(rb"Content-Length: (\d+)", head)
            assert found is not None
            message = parse_message(head + await self.reader.readexactly(int(found[1])))
        assert isinstance(message, Request)
        return message

    @property
    def statuses(self) -> list[int]:
        """Of the responses that have come, complete or not."""
        return [int(status) for status in re.findall(rb"SIP/2\.0 (\d{3}) ", self.got)]


@asynccontextmanager
async def tcp(shell: ClusterShell) -> AsyncIterator[Stream]:
    """A connection to the node."""
    reader, writer = await asyncio.open_connection(HOST, port_of(shell, "TCP"), limit=200_000)
    try:
        yield Stream(reader, writer)
    finally:
        writer.transport.abort()
