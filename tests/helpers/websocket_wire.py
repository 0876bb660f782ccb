"""A WebSocket client made of octets (RFC 6455): it says what a test writes, right or wrong."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from struct import pack, unpack
from typing import Final

HOST: Final = "127.0.0.1"
KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 §1.3
ACCEPT: Final = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
MASK: Final = b"\x01\x02\x03\x04"

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def upgrade(*headers: str, protocol: str | None = "sip") -> bytes:
    """The request of a client, with further header lines."""
    lines = [
        "GET / HTTP/1.1",
        f"Host: {HOST}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {KEY}",
        "Sec-WebSocket-Version: 13",
        *headers,
    ]
    if protocol is not None:
        lines.append(f"Sec-WebSocket-Protocol: {protocol}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def frame(
    opcode: int, data: bytes = b"", *, final: bool = True, length: int | None = None
) -> bytes:
    """A masked frame, as a client has to send it. `length` is what it claims, if not the truth."""
    size = len(data) if length is None else length
    if size < 126:
        head = pack("!BB", final << 7 | opcode, 0x80 | size)
    elif size < 65_536:
        head = pack("!BBH", final << 7 | opcode, 0x80 | 126, size)
    else:
        head = pack("!BBQ", final << 7 | opcode, 0x80 | 127, size)
    key = int.from_bytes((MASK * (len(data) // 4 + 1))[: len(data)], "big")
    masked = (int.from_bytes(data, "big") ^ key).to_bytes(len(data), "big")
    return head + MASK + masked


@dataclass(slots=True)
class Wire:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
        await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the answer to the upgrade, names in lower case."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        status, *lines = head.strip().split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        return int(status.split()[1]), headers

    async def frame(self) -> tuple[int, bytes]:
        """Opcode and payload of the next frame, which is whole and not masked."""
        first, size = await self.reader.readexactly(2)
        assert first & 0xF0 == 0x80, "one frame, no extension"
        if size == 126:
            (size,) = unpack("!H", await self.reader.readexactly(2))
        elif size == 127:
            (size,) = unpack("!Q", await self.reader.readexactly(8))
        return first & 0x0F, await self.reader.readexactly(size)

    async def closed_with(self) -> int:
        """The code of the Close frame that comes next."""
        opcode, data = await self.frame()
        assert opcode == CLOSE
        return int.from_bytes(data[:2], "big")

    async def at_end(self) -> bytes:
        """What comes before the other side ends the connection."""
        return await self.reader.read()


@asynccontextmanager
async def wire(port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[Wire]:
    """A connection without a word said."""
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(HOST, port, ssl=tls)
        try:
            yield Wire(reader, writer)
        finally:
            writer.transport.abort()
            await asyncio.sleep(0)


@asynccontextmanager
async def opened(
    port: int, *headers: str, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Wire]:
    """A connection after its handshake."""
    async with wire(port, tls) as client:
        await client.send(upgrade(*headers))
        status, answered = await client.answer()
        assert status == 101
        assert answered["sec-websocket-accept"] == ACCEPT
        assert answered["sec-websocket-protocol"] == "sip"
        yield client
