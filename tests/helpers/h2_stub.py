"""An HTTP/2 server that behaves as a test tells it to, frame by frame."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias, cast

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

Settings: TypeAlias = dict[h2.settings.SettingCodes, int]


@dataclass
class Heard:
    """One request as it came, on a connection with a number."""

    connection: int
    stream_id: int
    path: str
    body: bytes = b""


class StubConnection(asyncio.Protocol):
    """One client. What it asks is kept; what is answered is up to the script."""

    def __init__(self, stub: H2Stub) -> None:
        self.stub = stub
        self.number = 0
        self.deaf = False
        """Reads on, and answers nothing any more, not even a PING."""
        self.transport: asyncio.Transport | None = None
        self.pings = 0
        self.resets: list[int] = []
        self.sent = 0  # octets of bodies
        self._open: dict[int, Heard] = {}
        self._unsent: dict[int, bytes] = {}
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self.h2 = h2.connection.H2Connection(config)

    # What a script may do.

    def answer(self, heard: Heard, status: int = 200, body: bytes = b"", **headers: str) -> None:
        fields = [(":status", str(status)), *headers.items()]
        self.h2.send_headers(heard.stream_id, fields, end_stream=not body)
        if body:
            self._unsent[heard.stream_id] = body
        self._send_bodies()
        self.flush()

    def refuse(self, heard: Heard, code: h2.errors.ErrorCodes) -> None:
        self.h2.reset_stream(heard.stream_id, code)
        self.flush()

    def go_away(self, last_stream_id: int, code: int = 0) -> None:
        """Only the frame: h2 would end the connection with it."""
        head = (8).to_bytes(3) + b"\x07\x00" + bytes(4)
        self.write(head + last_stream_id.to_bytes(4) + code.to_bytes(4))

    def set(self, settings: Settings) -> None:
        wanted: dict[h2.settings.SettingCodes | int, int] = dict(settings.items())
        self.h2.update_settings(wanted)
        self.flush()

    def write(self, octets: bytes) -> None:
        assert self.transport is not None
        self.transport.write(octets)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def flush(self) -> None:
        if self.transport is not None and (octets := self.h2.data_to_send()):
            self.transport.write(octets)

    def _send_bodies(self) -> None:
        """As far as the client's windows allow."""
        for stream_id in tuple(self._unsent):
            while body := self._unsent.get(stream_id):
                try:
                    size = min(len(body), self.h2.local_flow_control_window(stream_id), 16_384)
                    if size <= 0:
                        break
                    self.h2.send_data(stream_id, body[:size], end_stream=size == len(body))
                except h2.exceptions.ProtocolError:  # the client has ended the stream
                    del self._unsent[stream_id]
                    break
                self.sent += size
                self._unsent[stream_id] = body[size:]

    # From the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.stub.connections.append(self)
        self.number = len(self.stub.connections)
        if self.stub.hangs_up:
            self.transport.abort()
            return
        if self.stub.silent:
            return
        self.h2.local_settings = h2.settings.Settings(
            client=False, initial_values=dict(self.stub.settings)
        )
        self.h2.initiate_connection()
        self.flush()

    def data_received(self, data: bytes) -> None:
        if self.deaf or self.stub.silent:
            return
        try:
            events = self.h2.receive_data(data)
        except h2.exceptions.ProtocolError:
            self.close()
            return
        for event in events:
            self._handle(event)
        self._send_bodies()
        self.flush()

    def _handle(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived():
                fields = {str(name): str(value) for name, value in event.headers}
                self._open[event.stream_id] = Heard(self.number, event.stream_id, fields[":path"])
            case h2.events.DataReceived():
                self._open[event.stream_id].body += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamEnded():
                heard = self._open.pop(event.stream_id)
                self.stub.heard.append(heard)
                self.stub.script(self, heard)
            case h2.events.StreamReset():
                self.resets.append(event.stream_id)
            case h2.events.PingReceived():
                self.pings += 1
            case _:
                pass


@dataclass
class H2Stub:
    """The server: what it heard, and what it does with each request."""

    script: Callable[[StubConnection, Heard], None]
    settings: Settings = field(default_factory=dict)
    silent: bool = False  # no SETTINGS, no nothing
    hangs_up: bool = False  # as soon as somebody comes
    port: int = 0
    heard: list[Heard] = field(default_factory=list)
    connections: list[StubConnection] = field(default_factory=list)

    def paths(self, connection: int | None = None) -> list[str]:
        return [h.path for h in self.heard if connection in (None, h.connection)]


def says_yes(connection: StubConnection, heard: Heard) -> None:
    connection.answer(heard, 200)


def says_nothing(connection: StubConnection, heard: Heard) -> None:
    pass


@asynccontextmanager
async def h2_stub(stub: H2Stub, tls: ssl.SSLContext) -> AsyncIterator[H2Stub]:
    """`stub` on a port of the system's choice while the context lasts."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: StubConnection(stub), "127.0.0.1", 0, ssl=tls)
    stub.port = server.sockets[0].getsockname()[1]
    try:
        yield stub
    finally:
        server.close()
        for connection in stub.connections:
            connection.close()
