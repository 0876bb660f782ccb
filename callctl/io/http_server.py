"""HTTPS servers inside our own event loop: uvicorn without its signal handlers, and ASGI by hand.

The services here have two or three routes each, so that a framework would be more text, not less.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from typing import Any, Final, TypeAlias

import anyio
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from callctl.cloud.http import HeaderList, HttpAnswer, HttpRequest, Manner
from callctl.io.fault_wire import RESET_GRACE_S, reset

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

KEEP_ALIVE_S: Final = 7_200  # longer than any client of ours keeps an idle connection (CPNS-09)
GRACE_S: Final = 2  # for answers under way when a server stops
CONNECTIONS_MAX: Final = 20_000
PIECE_OCTETS: Final = 65_536  # of a body, before everybody else has a turn
TRANSPORT: Final = "callctl.transport"


# That the grace of a stopping server is over is no news to the one who stops it.
logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)


class _Server(uvicorn.Server):
    """A guest in somebody else's process leaves the signals alone, and says when it is ready."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = anyio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        # An idle TLS client in another process may never say goodbye; the grace is over.
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Protocol(HttpToolsProtocol):
    """Tells an app its transport, which some faults of an answer need."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: {"it": self.transport}}


@contextlib.asynccontextmanager
async def serve(
    app: AsgiApp,
    tls: ssl.SSLContext | None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    before_stop: Callable[[], None] = lambda: None,
) -> AsyncIterator[int]:
    """Serve `app` while the context lasts; gives the port, chosen by the system if `port` is 0.

    `before_stop` ends what would keep connections busy. Raises: OSError if the port is taken.
    """
    listener = socket.create_server(
        (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
    )
    # Connections inherit it. With Nagle's rule an answer written in two pieces takes 40 ms more.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with contextlib.closing(listener):
        config = uvicorn.Config(
            app,
            http=_Protocol,
            interface="asgi3",
            log_config=None,
            access_log=False,  # a path may name a user
            lifespan="off",
            ws="none",
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
            limit_concurrency=CONNECTIONS_MAX,
        )
        config.load()
        config.ssl = tls
        server = _Server(config)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_run, server, listener)
            await server.ready.wait()
            try:
                yield listener.getsockname()[1]
            finally:
                before_stop()
                server.should_exit = True


async def _run(server: _Server, listener: socket.socket) -> None:
    # Cancelled in the middle, uvicorn would leave its sockets open; told to exit, it closes them.
    with anyio.CancelScope(shield=True):
        await server.serve([listener])


def request_head(scope: Scope) -> tuple[str, str, HeaderList]:
    """Method, path and headers of an HTTP scope; header names come in lower case."""
    headers = tuple(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
    )
    return scope["method"], scope["path"], headers


async def read_request(scope: Scope, receive: Receive, body_max: int) -> HttpRequest | None:
    """The whole request, cut one octet past `body_max`; None if the client has gone."""
    method, path, headers = request_head(scope)
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        if len(body) <= body_max:
            body += message.get("body", b"")
        if not message.get("more_body", False):
            return HttpRequest(method, path, headers, bytes(body[: body_max + 1]))


async def send_answer(send: Send, answer: HttpAnswer) -> None:
    """The whole answer, a long one as fast as the client takes it."""
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    body = memoryview(answer.body)
    while len(body) > PIECE_OCTETS:
        piece = bytes(body[:PIECE_OCTETS])
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        body = body[PIECE_OCTETS:]
    await send({"type": "http.response.body", "body": bytes(body)})


async def send_in_manner(
    scope: Scope, receive: Receive, send: Send, answer: HttpAnswer, manner: Manner
) -> None:
    """An answer that comes octet by octet, or breaks off with a reset."""
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    body = answer.body if manner.break_after is None else answer.body[: manner.break_after]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_cancel_on_disconnect, receive, tasks.cancel_scope)
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        size = 1 if manner.octet_every_ns else max(1, len(body))
        # Without a piece the head would not leave.
        for piece in [body[at : at + size] for at in range(0, len(body), size)] or [b""]:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await anyio.sleep(manner.octet_every_ns / 1e9)
        if manner.break_after is None:
            await send({"type": "http.response.body", "body": b""})
        else:
            await anyio.sleep(RESET_GRACE_S)
            reset(scope["extensions"][TRANSPORT]["it"])
        tasks.cancel_scope.cancel()


async def unless_disconnected(
    receive: Receive, awaitable: Awaitable[HttpAnswer]
) -> HttpAnswer | None:
    """What `awaitable` gives; None, and it is cancelled, if the client leaves first."""
    answer: HttpAnswer | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_cancel_on_disconnect, receive, tasks.cancel_scope)
        answer = await awaitable
        tasks.cancel_scope.cancel()
    return answer


async def _cancel_on_disconnect(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
