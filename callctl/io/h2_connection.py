"""One HTTP/2 connection of a client: streams, windows, PING, and a GOAWAY that is obeyed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol, cast

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

from callctl.cloud.http import HeaderList, HttpAnswer, HttpRequest
from callctl.io.dial import Service
from callctl.push.events import LostReason
from sipstack.timing import Instant

ALPN: Final = ("h2",)
ANSWER_MAX: Final = 65_536  # octets of an answer's body

_FRAME_HEAD: Final = 9  # octets, RFC 9113 §4.1
_FRAME_MAX: Final = 16_384  # octets; what we let the other side send
_GOAWAY: Final = 7
_GOAWAY_OCTETS: Final = 8
_STREAM_BITS: Final = 0x7FFF_FFFF


@dataclass(frozen=True, slots=True)
class H2Settings:
    """Where to, and how its connection is watched."""

    url: str
    ping_every_s: float = 60.0
    ping_timeout_s: float = 5.0  # without its answer the connection is dead


class Asked:
    """One request, then its answer as it comes in."""

    __slots__ = ("body", "deadline", "headers", "key", "request", "status", "tries", "unsent")

    def __init__(self, key: str, request: HttpRequest, deadline: Instant | None) -> None:
        self.key = key
        self.request = request
        self.deadline = deadline  # it is not sent at or after it
        self.tries = 0
        self.reset()

    def reset(self) -> None:
        """Before it is sent, for the first time or again."""
        self.status = 0
        self.headers: HeaderList = ()
        self.body = bytearray()
        self.unsent = memoryview(self.request.body)  # waits for the service's window


class Owner(Protocol):
    """What a connection tells its client."""

    def send_waiting(self) -> None: ...

    def answered(self, asked: Asked, answer: HttpAnswer) -> None: ...

    def lost(self, asked: Asked, reason: LostReason) -> None: ...

    def leaves(self, connection: H2Connection) -> None: ...

    def gone(self, connection: H2Connection) -> None: ...


class H2Connection(asyncio.Protocol):
    """Carries requests until the service says goodbye, then their answers, then nothing.

    A GOAWAY is read here and kept from `h2`, which would end the connection at once: answers to the
    streams that the service names as taken are still to come (RFC 9113 §6.8).
    """

    def __init__(self, owner: Owner, service: Service, settings: H2Settings) -> None:
        self.closed = False
        self.usable = False
        """The service has said how many streams it takes; before that none is opened."""
        self._owner = owner
        self._authority = service.authority
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._streams: dict[int, Asked] = {}
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()  # of a frame that is not complete
        self._leaving = False
        self._watch: asyncio.TimerHandle | None = None
        self._pings = 0
        self._ping_pending = False
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        self._h2 = h2.connection.H2Connection(config)

    @property
    def has_room(self) -> bool:
        """True if one more request may be sent now."""
        if self._leaving or not self.usable:
            return False
        return len(self._streams) < self._h2.remote_settings.max_concurrent_streams

    @property
    def streams(self) -> int:
        """Requests without an answer."""
        return len(self._streams)

    def send(self, asked: Asked) -> None:
        """Open a stream for a request that there is room for."""
        request = asked.request
        pseudo = [
            (":method", request.method),
            (":scheme", "https"),
            (":authority", self._authority),
            (":path", request.path),
        ]
        asked.reset()
        try:
            stream_id = self._h2.get_next_available_stream_id()
            self._h2.send_headers(
                stream_id, [*pseudo, *request.headers], end_stream=not request.body
            )
        except h2.exceptions.ProtocolError:  # also: this connection has no stream ids any more
            self._owner.lost(asked, "refused unread")
            self.close()
            return
        self._streams[stream_id] = asked
        self._send_body(stream_id, asked)
        self._flush()

    def abandon(self, key: str) -> bool:
        """End the stream of this request; False if it has none here."""
        for stream_id, asked in self._streams.items():
            if asked.key == key:
                del self._streams[stream_id]
                self._reset_stream(stream_id)
                self._after_events()
                return True
        return False

    def close(self) -> None:
        """Say goodbye and close; what is under way is lost when the transport is gone."""
        self._leave()
        if self._transport is not None and not self._transport.is_closing():
            with contextlib.suppress(h2.exceptions.ProtocolError):
                self._h2.close_connection()
                self._flush()
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._leave()
        if self._transport is not None:
            self._transport.abort()
        self._end()

    # From the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        if transport.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
            self.closed = True
            self._transport.abort()
            return
        self._h2.initiate_connection()
        self._flush()
        self._watch = self._loop.call_later(self._settings.ping_timeout_s, self._check)

    def data_received(self, data: bytes) -> None:
        self._received += data
        try:
            for frame in self._frames():
                if frame[3] == _GOAWAY:
                    self._goodbye(frame[_FRAME_HEAD:])
                    continue
                for event in self._h2.receive_data(bytes(frame)):
                    self._handle(event)
        except h2.exceptions.ProtocolError:
            self.close()
            return
        self._after_events()
        self._owner.send_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()

    def _end(self) -> None:
        """Gone, for whatever reason; tells the owner once."""
        if self.closed:
            return
        self.closed = True
        if self._watch is not None:
            self._watch.cancel()
        streams, self._streams = self._streams, {}
        self._leave()
        for asked in streams.values():
            self._owner.lost(asked, "closed")
        self._owner.gone(self)

    # Frames.

    def _frames(self) -> Iterator[bytearray]:
        """Take the complete frames. Raises: ProtocolError for one that is too long."""
        while len(self._received) >= _FRAME_HEAD:
            length = int.from_bytes(self._received[:3])
            if length > _FRAME_MAX:
                raise h2.exceptions.FrameTooLargeError("longer than we allow")
            end = _FRAME_HEAD + length
            if len(self._received) < end:
                return
            frame = self._received[:end]
            del self._received[:end]
            yield frame

    def _goodbye(self, payload: bytearray) -> None:
        """A GOAWAY: streams above the last one it names were not read."""
        if len(payload) < _GOAWAY_OCTETS:
            raise h2.exceptions.FrameDataMissingError("GOAWAY without its fields")
        last_stream_id = int.from_bytes(payload[:4]) & _STREAM_BITS
        unread = [stream_id for stream_id in self._streams if stream_id > last_stream_id]
        lost = [self._streams.pop(stream_id) for stream_id in unread]
        self._leave()
        for asked in reversed(lost):  # each goes to the head of the queue
            self._owner.lost(asked, "refused unread")

    def _handle(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RemoteSettingsChanged():
                self.usable = True
            case h2.events.ResponseReceived():
                asked = self._streams.get(event.stream_id)
                if asked is not None:
                    fields = [(str(name), str(value)) for name, value in event.headers]
                    status = dict(fields)[":status"]
                    asked.status = int(status) if status.isascii() and status.isdigit() else 0
                    asked.headers = tuple(f for f in fields if not f[0].startswith(":"))
            case h2.events.DataReceived():
                self._take_body(event)
            case h2.events.StreamEnded():
                asked = self._streams.pop(event.stream_id, None)
                if asked is not None:
                    answer = HttpAnswer(asked.status, asked.headers, bytes(asked.body))
                    self._owner.answered(asked, answer)
            case h2.events.StreamReset():
                asked = self._streams.pop(event.stream_id, None)
                if asked is not None:
                    refused = event.error_code == h2.errors.ErrorCodes.REFUSED_STREAM
                    self._owner.lost(asked, "refused unread" if refused else "closed")
            case h2.events.PingAckReceived():
                self._ping_pending = False
            case _:
                pass  # windows and pings of the other side: h2 has answered them itself

    def _take_body(self, event: h2.events.DataReceived) -> None:
        asked = self._streams.get(event.stream_id)
        if asked is not None and len(asked.body) + len(event.data) > ANSWER_MAX:
            del self._streams[event.stream_id]
            self._reset_stream(event.stream_id)
            self._owner.lost(asked, "bad answer")
        elif asked is not None:
            asked.body += event.data
        with contextlib.suppress(h2.exceptions.ProtocolError):  # the stream has just ended
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)

    def _reset_stream(self, stream_id: int) -> None:
        with contextlib.suppress(h2.exceptions.ProtocolError):  # it has ended by itself
            self._h2.reset_stream(stream_id, h2.errors.ErrorCodes.CANCEL)

    def _send_body(self, stream_id: int, asked: Asked) -> None:
        """Send as much of a body as the windows of stream and connection allow."""
        while asked.unsent:
            try:
                room = self._h2.local_flow_control_window(stream_id)
                size = min(room, self._h2.max_outbound_frame_size, len(asked.unsent))
                if size <= 0:
                    return
                piece, asked.unsent = asked.unsent[:size], asked.unsent[size:]
                self._h2.send_data(stream_id, bytes(piece), end_stream=not asked.unsent)
            except h2.exceptions.ProtocolError:  # the stream was ended by the service
                return

    def _after_events(self) -> None:
        for stream_id, asked in tuple(self._streams.items()):
            if asked.unsent:
                self._send_body(stream_id, asked)
        self._flush()
        if self._leaving and not self._streams:
            self.close()

    # Life.

    def _check(self) -> None:
        """Ask whether the connection lives."""
        if not self.usable:
            self.abort()
            return
        self._pings += 1
        try:
            self._h2.ping(self._pings.to_bytes(8))
        except h2.exceptions.ProtocolError:  # we said goodbye, and the other side does not close
            self.abort()
            return
        self._ping_pending = True
        self._flush()
        self._watch = self._loop.call_later(self._settings.ping_timeout_s, self._check_answer)

    def _check_answer(self) -> None:
        if self._ping_pending:
            self.abort()
            return
        rest_s = max(0.0, self._settings.ping_every_s - self._settings.ping_timeout_s)
        self._watch = self._loop.call_later(rest_s, self._check)

    def _leave(self) -> None:
        if not self._leaving:
            self._leaving = True
            self._owner.leaves(self)

    def _flush(self) -> None:
        if self._transport is not None and (octets := self._h2.data_to_send()):
            self._transport.write(octets)
