"""CallManager's connection to the push service of its node."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Final, TypeAlias, cast

from callctl.push.call_manager_link import LinkClosed, LinkEvent, LinkOctets, LinkOpened

CONNECT_S: Final = 2.0

OnLinkEvent: TypeAlias = Callable[[LinkEvent], None]


class LinkClient:
    """Performs `OpenLink`, `WriteLink` and `CloseLink`; one connection at a time.

    `on_event` is called from the event loop, never while an action is performed.
    """

    def __init__(self, host: str, port: int, on_event: OnLinkEvent) -> None:
        self._host = host
        self._port = port
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._dial: asyncio.Task[None] | None = None
        self._connection: _Connection | None = None

    def open(self) -> None:
        """Connect; `LinkOpened` or `LinkClosed` follows."""
        self.close()
        self._dial = self._loop.create_task(self._connect(), name="push service link")

    def write(self, octets: bytes) -> None:
        """Write; what is written to a connection that has just ended is lost with it."""
        if self._connection is not None:
            self._connection.write(octets)

    def close(self) -> None:
        """End the connection, or the try to get one; nothing is reported of it any more."""
        if self._dial is not None:
            self._dial.cancel()
            self._dial = None
        if self._connection is not None:
            self._connection.drop()
            self._connection = None

    async def aclose(self) -> None:
        """End everything, and wait until it has."""
        dial, connection = self._dial, self._connection
        self.close()
        if dial is not None:
            await asyncio.gather(dial, return_exceptions=True)
        if connection is not None:
            await connection.ended

    @property
    def is_open(self) -> bool:
        """True while there is a connection."""
        return self._connection is not None

    async def _connect(self) -> None:
        def make() -> _Connection:
            return _Connection(self._octets, self._lost)

        try:
            async with asyncio.timeout(CONNECT_S):
                _, connection = await self._loop.create_connection(make, self._host, self._port)
        except (OSError, TimeoutError) as error:
            self._dial = None
            self._on_event(LinkClosed(_why(error)))
            return
        self._dial = None
        if connection.ended.done():  # before anybody knew that it was there
            self._on_event(LinkClosed("closed by the service"))
            return
        self._connection = connection
        self._on_event(LinkOpened())

    def _octets(self, octets: bytes) -> None:
        self._on_event(LinkOctets(octets))

    def _lost(self, connection: _Connection, reason: str) -> None:
        if connection is self._connection:
            self._connection = None
            self._on_event(LinkClosed(reason))


class _Connection(asyncio.Protocol):
    def __init__(
        self, on_octets: Callable[[bytes], None], on_lost: Callable[[_Connection, str], None]
    ) -> None:
        self._on_octets = on_octets
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._dropped = False
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop has its own

    def data_received(self, data: bytes) -> None:
        if not self._dropped:
            self._on_octets(data)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)
        if not self._dropped:
            self._on_lost(self, "closed by the service" if error is None else _why(error))

    def write(self, octets: bytes) -> None:
        if self._transport is not None:
            self._transport.write(octets)

    def drop(self) -> None:
        self._dropped = True
        if self._transport is not None:
            self._transport.abort()


def _why(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer to connect"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()  # the loops have words of their own
    return type(error).__name__
