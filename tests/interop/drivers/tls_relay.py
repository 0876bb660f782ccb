"""Plain TCP on one side, TLS to the server on the other, for clients that know no TLS."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import ByteStream, SocketStream


@asynccontextmanager
async def tls_relay(
    server: tuple[str, int], authority: str, *, port: int = 0
) -> AsyncGenerator[int]:
    """The port to connect to. `authority` is the PEM file that the server's certificate is of."""
    context = ssl.create_default_context(cafile=authority)

    async def serve(client: SocketStream) -> None:
        async with (
            client,
            await anyio.connect_tcp(*server, ssl_context=context) as upstream,
            anyio.create_task_group() as both,
        ):
            both.start_soon(_pump, client, upstream)
            await _pump(upstream, client)
            both.cancel_scope.cancel()

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield int(listener.extra(anyio.abc.SocketAttribute.local_port))
        tasks.cancel_scope.cancel()


async def _pump(source: ByteStream, target: ByteStream) -> None:
    """Until either side is closed."""
    try:
        async for data in source:
            await target.send(data)
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        return
