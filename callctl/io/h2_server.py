"""The HTTP/2 server of the emulated APNs."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from typing import Final, cast

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from callctl.cloud.http import HttpAnswer, HttpRequest
from callctl.io.core_runner import CoreRunner
from callctl.io.fault_wire import RESET_GRACE_S, reset
from callctl.io.h2_bodies import Bodies

ALPN: Final = ("h2",)
STREAMS_MAX: Final = 1000  # at once on one connection, as APNs announces
CONNECTIONS_MAX: Final = 1000
BODY_MAX: Final = 16_384  # octets kept of a request; the core refuses less than that


class H2Server:
    """A server that runs: its port, and the connections it can say goodbye to."""

    __slots__ = ("_connections", "port")

    def __init__(self, port: int, connections: set[_Connection]) -> None:
        self.port = port
        self._connections = connections

    def __len__(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    def go_away(self, *, unread: bool = False) -> None:
        """Say goodbye to every client: what was asked is answered, what comes now is not read.

        `unread`: what is open and newer than all that was answered is not read either.
        """
        for connection in tuple(self._connections):
            connection.go_away(unread=unread)

    def deafen(self, exchange: int) -> None:
        """Play dead on the connection of this exchange."""
        for connection in self._connections:
            connection.deafen(exchange)


@contextlib.asynccontextmanager
async def serve_h2(
    runner: CoreRunner,
    tls: ssl.SSLContext,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    streams_at_first: int = STREAMS_MAX,
) -> AsyncIterator[H2Server]:
    """Serve the core behind `runner` over HTTP/2 and TLS while the context lasts.

    A client that does not agree on `h2` by ALPN is refused. `streams_at_first`: how many it may
    open until one of its requests was not answered 403; APNs allows one until it has seen a good
    provider token. Raises: OSError if the port is taken.
    """
    connections: set[_Connection] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: _Connection(runner, connections, streams_at_first), host, port, ssl=tls
    )
    try:
        yield H2Server(server.sockets[0].getsockname()[1], connections)
    finally:
        server.close()
        for connection in tuple(connections):
            connection.abort()


class _Stream:
    """One request on its way in, then its exchange."""

    __slots__ = ("body", "exchange", "headers")

    def __init__(self, headers: list[tuple[str, str]]) -> None:
        self.headers = headers
        self.body = bytearray()
        self.exchange: int | None = None


class _Connection(asyncio.Protocol):
    """One client."""

    def __init__(
        self, runner: CoreRunner, connections: set[_Connection], streams_at_first: int
    ) -> None:
        self._streams_max = streams_at_first
        self._newest = 0  # stream
        self._newest_answered = 0
        self._leaving = False
        self._deaf = False
        self._runner = runner
        self._connections = connections
        self._streams: dict[int, _Stream] = {}
        self._transport: asyncio.Transport | None = None
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self._h2 = h2.connection.H2Connection(config)
        self._bodies = Bodies(self._h2, self._flush, self._break_off)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        tls = transport.get_extra_info("ssl_object")
        if tls.selected_alpn_protocol() != "h2" or len(self._connections) >= CONNECTIONS_MAX:
            self._transport.abort()
            return
        self._connections.add(self)
        self._h2.local_settings = h2.settings.Settings(
            client=False,
            initial_values={h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: self._streams_max},
        )
        self._h2.initiate_connection()
        self._flush()

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        try:
            events = self._h2.receive_data(data)
        except h2.exceptions.ProtocolError:
            self._flush()  # h2 has written the GOAWAY
            self.close()
            return
        for event in events:
            self._handle(event)
        self._bodies.send()
        self._flush()
        self._close_if_done()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._bodies.clear()
        self._forget_streams()

    def abort(self) -> None:
        """Say goodbye, and do not wait for an answer."""
        self.close()
        if self._transport is not None:
            self._transport.abort()

    def go_away(self, *, unread: bool = False) -> None:
        """Say goodbye, answer what was asked unless that is `unread`, then close."""
        if self._transport is None or self._leaving or self._deaf:
            return
        self._leaving = True
        if unread:
            self._forget_streams()
        # Written here: h2 would take the connection for closed, and answer nothing any more.
        self._transport.write(_goaway(self._newest_answered if unread else self._newest))
        self._close_if_done()

    def deafen(self, exchange: int) -> None:
        """Play dead if this exchange is ours: octets are taken, and that is all."""
        if any(stream.exchange == exchange for stream in self._streams.values()):
            self._deaf = True
            self._bodies.clear()

    def close(self) -> None:
        """Say goodbye and close."""
        if self._transport is not None and not self._transport.is_closing():
            with contextlib.suppress(h2.exceptions.ProtocolError):
                self._h2.close_connection()
                self._flush()
            self._transport.close()

    def _handle(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived():
                if self._leaving:
                    return
                self._newest = event.stream_id
                headers = [(str(name), str(value)) for name, value in event.headers]
                self._streams[event.stream_id] = _Stream(headers)
            case h2.events.DataReceived():
                stream = self._streams.get(event.stream_id)
                if stream is not None and len(stream.body) <= BODY_MAX:
                    stream.body += event.data
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamEnded():
                self._ask(event.stream_id)
            case h2.events.StreamReset():
                self._bodies.drop(event.stream_id)
                stream = self._streams.pop(event.stream_id, None)
                if stream is not None and stream.exchange is not None:
                    self._runner.forget(stream.exchange)
            case h2.events.ConnectionTerminated():
                self.close()
            case _:
                pass  # settings, pings and windows: h2 has answered them itself

    def _ask(self, stream_id: int) -> None:
        stream = self._streams.get(stream_id)
        if stream is None:  # it came after we said goodbye
            return
        pseudo = dict(stream.headers[:4])
        request = HttpRequest(
            pseudo.get(":method", ""),
            pseudo.get(":path", ""),
            tuple((name, value) for name, value in stream.headers if not name.startswith(":")),
            bytes(stream.body[: BODY_MAX + 1]),
        )
        stream.body.clear()

        def on_answer(answer: HttpAnswer) -> None:
            self._answer(stream_id, answer)

        stream.exchange = self._runner.ask(request, on_answer)

    def _answer(self, stream_id: int, answer: HttpAnswer) -> None:
        if self._streams.pop(stream_id, None) is None or self._deaf:
            return
        self._newest_answered = max(self._newest_answered, stream_id)
        breaks = answer.manner is not None and answer.manner.break_after is not None
        headers = [(":status", str(answer.status)), *answer.headers]
        try:
            self._h2.send_headers(stream_id, headers, end_stream=not (answer.body or breaks))
        except h2.exceptions.ProtocolError:  # the stream or connection has just ended
            return
        if answer.status != 403 and self._streams_max < STREAMS_MAX:
            self._streams_max = STREAMS_MAX
            code = h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS
            self._h2.update_settings({code: STREAMS_MAX})
        if answer.body or breaks:
            self._bodies.add(stream_id, answer.body, answer.manner)
        self._flush()
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self._leaving and not self._streams and not self._bodies and self._transport is not None:
            self._transport.close()

    def _forget_streams(self) -> None:
        """Nobody waits for these answers any more."""
        for stream in self._streams.values():
            if stream.exchange is not None:
                self._runner.forget(stream.exchange)
        self._streams.clear()

    def _break_off(self) -> None:
        """Reset the connection, once what was written has left."""
        self._flush()
        self._deaf = True
        if self._transport is not None:
            asyncio.get_running_loop().call_later(RESET_GRACE_S, reset, self._transport)

    def _flush(self) -> None:
        if self._transport is None or self._deaf:
            return
        if octets := self._h2.data_to_send():
            self._transport.write(octets)


def _goaway(last_stream_id: int) -> bytes:
    """The frame, with NO_ERROR (RFC 9113 §6.8)."""
    head = (8).to_bytes(3) + b"\x07\x00" + bytes(4)
    return head + last_stream_id.to_bytes(4) + bytes(4)
