"""A proxy that misbehaves on purpose, or behaves: what it does is one word."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

import anyio
from anyio.abc import ByteStream, SocketAttribute

from helpers.https_service import CalmListener
from sipstack.digest import Credentials, ha1, response_of

USER: Final = "callctl"
PASSWORD: Final = "cello"
OPENED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"
CHUNK: Final = 65_536

Manner: TypeAlias = Literal[
    "open",  # to everybody
    "digest",  # SHA-256, on a connection that serves on
    "digest and hangs up",  # behind its 407
    "stale for ever",
    "407 for ever",
    "opens and hangs up",
    "silent",
    "garbage",
    "half an answer",
    "hangs up",
    "502",
    "403",
    "redirects",
    "html",
    "early octets",
    "swallows",  # what goes through its tunnels never arrives
]

LITERALS: Final[dict[str, bytes]] = {
    "garbage": b"\x00\x01\x02SSH-2.0-what\r\n\r\n",
    "502": b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nno\n",
    "403": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
    "redirects": b"HTTP/1.1 302 Found\r\nLocation: http://[::1]/\r\nContent-Length: 0\r\n\r\n",
    "html": b"<html><body>Welcome</body></html>",
    "early octets": OPENED + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
}


@dataclass(slots=True)
class BadProxy:
    """One address of a proxy, and what it saw."""

    manner: Manner = "open"
    leads_to: dict[str, str] = field(default_factory=dict)  # host names to addresses
    delay_s: float = 0.0  # before each answer
    host: str = "127.0.0.1"
    port: int = 0
    asked: list[str] = field(default_factory=list)  # the heads of requests
    connections: int = 0
    tunnels: int = 0
    nonces: int = 0
    counts: set[tuple[str, str]] = field(default_factory=set)  # nonce and its count, once each
    deaf: bool = False  # what clients put into its tunnels from now on never arrives
    mute: bool = False  # what comes back to them never arrives

    async def take(self, stream: ByteStream) -> None:
        self.connections += 1
        async with stream:
            try:
                await self._serve(stream)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return

    async def _serve(self, stream: ByteStream) -> None:
        while True:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += await stream.receive()
            self.asked.append(head.decode())
            await anyio.sleep(self.delay_s)
            if not await self._answer(stream, head.decode()):
                return

    async def _answer(self, stream: ByteStream, head: str) -> bool:
        """True if the connection serves on."""
        manner = self.manner
        if manner in LITERALS:
            await stream.send(LITERALS[manner])
            return True
        match manner:
            case "silent":
                await anyio.sleep_forever()
            case "hangs up":
                return False
            case "half an answer":
                await stream.send(b"HTTP/1.1 200 Conn")
                return False
            case "opens and hangs up":
                await stream.send(OPENED)
                return False
            case "swallows":
                await stream.send(OPENED)
                while True:
                    await stream.receive()
            case "open":
                await self._tunnel(stream, head)
                return False
            case _:
                if manner.startswith("digest") and self._is_right(head):
                    await self._tunnel(stream, head)
                    return False
                await stream.send(self._challenge())
        return manner != "digest and hangs up"

    def _challenge(self) -> bytes:
        self.nonces += 1
        asked = f'Digest realm="lab", nonce="n{self.nonces}", algorithm=SHA-256, qop="auth"'
        if self.manner == "stale for ever":
            asked += ", stale=true"
        body = "<html>who are you?</html>"
        return (
            "HTTP/1.1 407 Proxy Authentication Required\r\n"
            f'Proxy-Authenticate: Basic realm="lab"\r\nProxy-Authenticate: {asked}\r\n'
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def _is_right(self, head: str) -> bool:
        """As RFC 7616 has it: of a nonce of ours, with a count that was not seen before."""
        _, _, rest = head.partition("Proxy-Authorization: ")
        given = Credentials.parse(rest.partition("\r\n")[0]) if rest else None
        if given is None or given.nc is None or (given.nonce, given.nc) in self.counts:
            return False
        if given.nonce not in {f"n{number}" for number in range(1, self.nonces + 1)}:
            return False
        self.counts.add((given.nonce, given.nc))
        return given.response == response_of(
            ha1(USER, "lab", PASSWORD, "SHA-256"),
            "CONNECT",
            head.split(" ")[1],
            given.nonce,
            qop=given.qop,
            nc=given.nc,
            cnonce=given.cnonce,
            algorithm="SHA-256",
        )

    async def _tunnel(self, stream: ByteStream, head: str) -> None:
        host, _, port = head.split(" ")[1].rpartition(":")
        self.tunnels += 1
        far = await anyio.connect_tcp(self.leads_to.get(host, host.strip("[]")), int(port))
        await stream.send(OPENED)
        async with far, anyio.create_task_group() as tasks:
            tasks.start_soon(self._carry, stream, far, tasks, lambda: self.deaf)
            tasks.start_soon(self._carry, far, stream, tasks, lambda: self.mute)

    async def _carry(
        self,
        source: ByteStream,
        sink: ByteStream,
        tasks: anyio.abc.TaskGroup,
        swallows: Callable[[], bool],
    ) -> None:
        try:
            while True:
                octets = await source.receive(CHUNK)
                if not swallows():
                    await sink.send(octets)
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def bad_proxy(
    manner: Manner = "open",
    *,
    tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    leads_to: dict[str, str] | None = None,
    delay_s: float = 0.0,
) -> AsyncIterator[BadProxy]:
    """The proxy, up while the context lasts; with `tls` it is an https proxy."""
    proxy = BadProxy(manner, leads_to or {}, delay_s, host)
    plain = await anyio.create_tcp_listener(local_host=host, local_port=port)
    proxy.port = plain.extra(SocketAttribute.local_port)
    secured = plain if tls is None else CalmListener(plain, tls, standard_compatible=False)
    async with secured, anyio.create_task_group() as tasks:
        tasks.start_soon(secured.serve, proxy.take)
        yield proxy
        tasks.cancel_scope.cancel()
