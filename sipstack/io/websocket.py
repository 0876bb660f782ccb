"""One SIP over WebSocket connection (RFC 7118): the handshake, frames, pings, an orderly end.

It is a stream connection whose octets go through the protocol of the `websockets` library, which
does no I/O itself. What a message is and who may connect is `sipstack.transport.websocket`.
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from websockets.client import ClientProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from sipstack.io.stream import StreamConnection
from sipstack.limits import WEBSOCKET_MESSAGE_OCTETS_MAX
from sipstack.transport.flow import Flow
from sipstack.transport.websocket import (
    SUBPROTOCOL,
    FrameKind,
    MessageAssembler,
    OriginPolicy,
    Refusal,
)

if TYPE_CHECKING:
    from sipstack.io.connections import Connections

DATA: Final = frozenset({Opcode.CONT, Opcode.TEXT, Opcode.BINARY})
PROTOCOLS: Final = (Subprotocol(SUBPROTOCOL),)

# Of its own, not below the root: the library would log whole messages where that asks for more.
_LOGGER: Final = logging.Logger("websocket", logging.ERROR)


class WebSocketConnection(StreamConnection):
    """What both ends have in common. `send` takes whole SIP messages."""

    __slots__ = ("_failure", "_messages", "_pinged_at", "_protocol", "_waiting", "_waiting_size")

    _protocol: ClientProtocol | ServerProtocol

    def __init__(self, all_: Connections, transport_name: str, dialled_for: Flow | None) -> None:
        super().__init__(all_, transport_name, dialled_for)
        self._messages = MessageAssembler()
        self._failure = ""  # why we fail the connection, where the library does not know it
        self._pinged_at: float | None = None  # unanswered yet
        self._waiting: list[bytes] = []  # messages that were sent before the handshake was over
        self._waiting_size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self.flow is not None:
            handshake_s = self._all.limits.handshake_s
            self._timer = self._all.loop.call_later(handshake_s, self.abort, "handshake too slow")

    def data_received(self, data: bytes) -> None:
        if self.flow is None:
            return
        self.heard_at = self._all.loop.time()
        protocol = self._protocol
        protocol.receive_data(data)
        events = protocol.events_received()
        if protocol.state is State.CONNECTING and len(events) > 1:
            self.abort("frames before the handshake was over")
            return
        for event in events:
            if isinstance(event, Frame):
                self._take_frame(self.flow, event)
            else:
                assert isinstance(event, Request | Response)
                self._take_handshake(event)
        self._flush()
        if protocol.close_expected() and not self._reason:
            self._give_up(self._why_ended())
            # The last frames are on their way; what still comes is read and thrown away, because
            # closing with octets unread would take our Close frame from the peer.
            self._end_within(self._all.limits.close_s)

    def eof_received(self) -> bool:
        """The peer is gone, with or without a Close frame."""
        self._give_up("closed by peer")
        return False

    def close(self, reason: str) -> None:
        """Say Close, and wait a while for the peer to say it too (RFC 6455 §7.1.2)."""
        if self._reason:
            return
        if self._protocol.state is not State.OPEN:
            super().close(reason)
            return
        self._give_up(reason)
        self._protocol.send_close(CloseCode.GOING_AWAY)
        self._flush()
        self._end_within(self._all.limits.close_s)

    def tick(self, now: float) -> None:
        """Ping a peer that has been silent, and give up one that does not answer."""
        if self._reason or self._protocol.state is not State.OPEN:
            return
        limits = self._all.limits
        if self._pinged_at is not None and self.heard_at < self._pinged_at:
            if now - self._pinged_at > limits.ping_answer_s:
                self.abort("does not answer pings")
            return
        self._pinged_at = None
        if now - self.heard_at > limits.ping_after_s:
            self._pinged_at = now
            self._protocol.send_ping(b"")
            self._flush()

    # Inside

    def _take_handshake(self, event: Request | Response) -> None:
        raise NotImplementedError

    def _opened(self) -> None:
        """The handshake is over: messages may pass."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            self._write(data)

    def _write(self, data: bytes) -> None:
        state = self._protocol.state
        if state is State.CONNECTING:
            self._waiting_size += len(data)
            if self._waiting_size > self._all.limits.queue_max:
                self.abort("too much is waiting for the handshake")
            else:
                self._waiting.append(data)
        elif state is State.OPEN:
            if self._messages.kind_for(data) is FrameKind.TEXT:
                self._protocol.send_text(data)
            else:
                self._protocol.send_binary(data)
            self._flush()

    def _take_frame(self, flow: Flow, frame: Frame) -> None:
        if frame.opcode not in DATA or self._reason or self._failure:
            return  # the library has answered what is no data
        kind = FrameKind(int(frame.opcode))
        message = self._messages.add(kind, bytes(frame.data), final=frame.fin)
        if isinstance(message, Refusal):
            self._failure = message.reason
            self._protocol.fail(message.code, message.reason)
        elif message is not None:
            self._hear(flow, message)

    def _flush(self) -> None:
        """Put on the wire what the protocol wants to say; an empty piece is the end of it."""
        transport, protocol = self._transport, self._protocol
        for data in protocol.data_to_send():
            if data:
                if not transport.is_closing():
                    transport.write(data)
            elif protocol.close_rcvd is not None or protocol.state is State.CONNECTING:
                transport.close()
            elif transport.can_write_eof():
                transport.write_eof()

    def _why_ended(self) -> str:
        protocol = self._protocol
        if protocol.state is State.CONNECTING:
            return "handshake refused"
        if self._failure or protocol.parser_exc is not None:
            return self._failure or str(protocol.parser_exc)
        return "closed by peer"

    def _end_within(self, limit_s: float) -> None:
        self._timer = self._all.loop.call_later(limit_s, self._transport.abort)


class AcceptedWebSocket(WebSocketConnection):
    """The end that was connected to. A client that does not speak `sip` gets a 400, a page of a
    wrong Origin a 403; no extension is negotiated, so nothing is ever inflated.
    """

    __slots__ = ("_origins",)

    _protocol: ServerProtocol

    def __init__(self, all_: Connections, transport_name: str, origins: OriginPolicy) -> None:
        super().__init__(all_, transport_name, None)
        self._origins = origins
        self._protocol = ServerProtocol(
            subprotocols=PROTOCOLS, max_size=WEBSOCKET_MESSAGE_OCTETS_MAX, logger=_LOGGER
        )

    def _take_handshake(self, event: Request | Response) -> None:
        assert isinstance(event, Request)
        protocol = self._protocol
        if protocol.eof_sent:
            self.abort("frames before the handshake was over")
            return
        given = event.headers.get_all("Origin")
        if len(given) > 1 or not self._origins.admits(given[0] if given else None):
            response = protocol.reject(HTTPStatus.FORBIDDEN, "Origin not allowed.\n")
        else:
            response = protocol.accept(event)
        protocol.send_response(response)
        self._flush()
        if protocol.state is State.OPEN:
            self._opened()
        else:
            self._all.refused += 1


class DialledWebSocket(WebSocketConnection):
    """The end that connected: a simulated phone's."""

    __slots__ = ()

    _protocol: ClientProtocol

    def __init__(self, all_: Connections, transport_name: str, dialled_for: Flow) -> None:
        super().__init__(all_, transport_name, dialled_for)
        host = dialled_for.remote_host
        host = f"[{host}]" if ":" in host else host
        self._protocol = ClientProtocol(
            parse_uri(f"{transport_name.lower()}://{host}:{dialled_for.remote_port}/"),
            subprotocols=PROTOCOLS,
            max_size=WEBSOCKET_MESSAGE_OCTETS_MAX,
            logger=_LOGGER,
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self.flow is not None:
            self._protocol.send_request(self._protocol.connect())
            self._flush()

    def _take_handshake(self, event: Request | Response) -> None:
        protocol = self._protocol
        if protocol.handshake_exc is not None or protocol.subprotocol is None:
            self.abort(f"handshake refused: {protocol.handshake_exc or 'no sub-protocol'}")
        else:
            self._opened()
