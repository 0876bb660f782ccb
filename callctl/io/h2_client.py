"""An HTTP/2 client to one service: many requests on one connection, made anew when it is gone."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias, cast

import anyio
import h2.config
import h2.connection
import h2.events
import h2.exceptions
from anyio.abc import TaskStatus

from callctl.cloud.http import HeaderList, HttpAnswer, HttpRequest

ALPN: Final = ("h2",)
CONNECT_TIMEOUT_S: Final = 5.0
WAITING_MAX: Final = 10_000  # requests that wait for a connection or a stream
ANSWER_MAX: Final = 65_536  # octets of an answer's body

OnAnswer: TypeAlias = Callable[[HttpAnswer], None]
OnFailed: TypeAlias = Callable[[str], None]


class _Asked:
    """One request, then its answer as it comes in."""

    __slots__ = ("body", "headers", "on_answer", "on_failed", "request", "status")

    def __init__(self, request: HttpRequest, on_answer: OnAnswer, on_failed: OnFailed) -> None:
        self.request = request
        self.on_answer = on_answer
        self.on_failed = on_failed
        self.status = 0
        self.headers: HeaderList = ()
        self.body = bytearray()


class H2Client:
    """Sends requests to `host`; each gets one call, `on_answer` or `on_failed`."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._waiting: deque[_Asked] = deque()
        self._connection: _Connection | None = None
        self._wanted = anyio.Event()

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Connect whenever there is something to send, until cancelled."""
        task_status.started()
        try:
            while True:
                await self._wanted.wait()
                self._wanted = anyio.Event()
                if self._connection is None and self._waiting:
                    await self._connect()
        finally:
            if self._connection is not None:
                self._connection.abort()
            self._fail_waiting("stopped")

    def ask(self, request: HttpRequest, on_answer: OnAnswer, on_failed: OnFailed) -> None:
        """Send `request`, now or as soon as there is a connection with room."""
        if len(self._waiting) >= WAITING_MAX:
            on_failed("queue full")
            return
        self._waiting.append(_Asked(request, on_answer, on_failed))
        self.send_waiting()

    def send_waiting(self) -> None:
        """Send what there is room for; ask for a connection if there is none."""
        if self._connection is None:
            if self._waiting:
                self._wanted.set()
            return
        while self._waiting and self._connection is not None:
            if not self._connection.has_room(len(self._waiting[0].request.body)):
                return
            self._connection.send(self._waiting.popleft(), self._host)

    def gone(self, connection: _Connection) -> None:
        """From a connection: it takes no more requests."""
        if self._connection is connection:
            self._connection = None
            self.send_waiting()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            with anyio.fail_after(CONNECT_TIMEOUT_S):
                _, self._connection = await loop.create_connection(
                    lambda: _Connection(self), self._host, self._port, ssl=self._tls
                )
        except (OSError, TimeoutError) as error:
            self._fail_waiting(type(error).__name__)
            return
        self.send_waiting()

    def _fail_waiting(self, reason: str) -> None:
        waiting, self._waiting = self._waiting, deque()
        for asked in waiting:
            asked.on_failed(reason)


class _Connection(asyncio.Protocol):
    """One connection to the service."""

    def __init__(self, client: H2Client) -> None:
        self._client = client
        self._streams: dict[int, _Asked] = {}
        self._transport: asyncio.Transport | None = None
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        self._h2 = h2.connection.H2Connection(config)
        self._draining = False

    def has_room(self, octets: int) -> bool:
        """True if one more request with a body of `octets` may be sent now, whole."""
        if self._draining or octets > self._h2.outbound_flow_control_window:
            return False
        return len(self._streams) < self._h2.remote_settings.max_concurrent_streams

    def send(self, asked: _Asked, authority: str) -> None:
        """Open a stream for one request that there is room for."""
        request = asked.request
        pseudo = [
            (":method", request.method),
            (":scheme", "https"),
            (":authority", authority),
            (":path", request.path),
        ]
        try:
            stream_id = self._h2.get_next_available_stream_id()
            self._h2.send_headers(stream_id, [*pseudo, *request.headers])
            self._h2.send_data(stream_id, request.body, end_stream=True)
        except h2.exceptions.ProtocolError as error:
            asked.on_failed(type(error).__name__)
            self.close()
            return
        self._streams[stream_id] = asked
        self._flush()

    def close(self) -> None:
        """Close; streams under way fail when the transport says it is gone."""
        self._drain()
        if self._transport is not None and not self._transport.is_closing():
            with contextlib.suppress(h2.exceptions.ProtocolError):
                self._h2.close_connection()
                self._flush()
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._drain()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        if transport.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
            self._transport.abort()
            return
        self._h2.initiate_connection()
        self._flush()

    def data_received(self, data: bytes) -> None:
        try:
            events = self._h2.receive_data(data)
        except h2.exceptions.ProtocolError:
            self.close()
            return
        for event in events:
            self._handle(event)
        self._flush()
        if self._draining and not self._streams:
            self.close()
        self._client.send_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        streams, self._streams = self._streams, {}
        for asked in streams.values():
            asked.on_failed("closed")
        self._drain()

    def _handle(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ResponseReceived():
                asked = self._streams[event.stream_id]
                fields = [(str(name), str(value)) for name, value in event.headers]
                asked.status = int(dict(fields)[":status"])
                asked.headers = tuple(field for field in fields if not field[0].startswith(":"))
            case h2.events.DataReceived():
                asked = self._streams[event.stream_id]
                if len(asked.body) < ANSWER_MAX:
                    asked.body += event.data
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamEnded():
                asked = self._streams.pop(event.stream_id)
                asked.on_answer(HttpAnswer(asked.status, asked.headers, bytes(asked.body)))
            case h2.events.StreamReset():
                self._streams.pop(event.stream_id).on_failed("reset")
            case h2.events.ConnectionTerminated():
                self._drain()  # GOAWAY: the next request opens a new connection
            case _:
                pass  # settings, pings and windows: h2 has answered them itself

    def _drain(self) -> None:
        if not self._draining:
            self._draining = True
            self._client.gone(self)

    def _flush(self) -> None:
        if self._transport is not None and (octets := self._h2.data_to_send()):
            self._transport.write(octets)
