"""A service behind TLS that answers as a test tells it to, and keeps what it was asked."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import ByteStream, SocketAttribute, SocketStream
from anyio.streams.tls import TLSListener

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
SILENCE = b""


class HttpsService:
    """Answers each request with the next of its script, the last one again and again."""

    def __init__(self, *script: bytes) -> None:
        self.script = list(script or (OK,))
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = 0

    async def take(self, stream: ByteStream) -> None:
        self.connections += 1
        async with stream:
            try:
                while True:
                    request = await stream.receive()
                    self.requests.append(request)
                    reply = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                    await stream.send(reply)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return


class CalmListener(TLSListener):
    """A TLS listener that keeps calm when a client does not like it."""

    @staticmethod
    async def handle_handshake_error(exc: BaseException, stream: object) -> None:
        assert isinstance(stream, SocketStream)
        await stream.aclose()


@asynccontextmanager
async def https_service(
    tls: ssl.SSLContext | None, *script: bytes, host: str = "127.0.0.1"
) -> AsyncIterator[HttpsService]:
    """The service, up while the context lasts; without `tls` it speaks http."""
    service = HttpsService(*script)
    plain = await anyio.create_tcp_listener(local_host=host)
    service.port = plain.extra(SocketAttribute.local_port)
    secured = plain if tls is None else CalmListener(plain, tls, standard_compatible=False)
    async with secured, anyio.create_task_group() as tasks:
        tasks.start_soon(secured.serve, service.take)
        yield service
        tasks.cancel_scope.cancel()
