"""One party's SIP stack: transport rules, framing, parsing and transactions behind three doors.

    shell -- TransportEvent --> Stack -- StackOutput --> shell (Send, CloseFlow) and user (the rest)

The user is whatever makes decisions above: a proxy engine, a simulated phone, a caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2s
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from sipstack.errors import SipSyntaxError
from sipstack.limits import STREAM_READ_NS
from sipstack.message.message import Request, Response
from sipstack.message.parser import parse_message
from sipstack.message.response import respond
from sipstack.timing import DeadlineQueue, Instant, Timed
from sipstack.transaction.events import Ignored, Output
from sipstack.transaction.key import steady_tag
from sipstack.transaction.layer import TransactionLayer
from sipstack.transport import stun
from sipstack.transport.flow import (
    UNCONNECTED,
    WEBSOCKET,
    BytesReceived,
    CloseFlow,
    Flow,
    FlowClosed,
    Send,
    TransportEvent,
)
from sipstack.transport.framer import FramingError, KeepAlive, StreamFramer
from sipstack.transport.rules import response_flow, stamp_received

if TYPE_CHECKING:
    from sipstack.transaction.invite_client import InviteClient
    from sipstack.transaction.machine import ClientTransaction, ServerTransaction
    from sipstack.transaction.timers import TimerValues

PADDING: Final = b"\r\n\0 \t"  # what is around or instead of a message in keep-alive datagrams


@dataclass(frozen=True, slots=True)
class KeepAliveReceived:
    """The peer of this flow is there: a CRLF ping or pong, or a STUN Binding request (RFC 5626)."""

    flow: Flow


@dataclass(frozen=True, slots=True)
class FlowEnded:
    """This stream connection is gone, or could not be opened; nothing can be sent over it."""

    flow: Flow
    reason: str


StackOutput: TypeAlias = Output | KeepAliveReceived | FlowEnded


class Observer(Protocol):
    """Sees every message as it passes, in the clear: a capture, a trace."""

    def received(self, now: Instant, flow: Flow, data: bytes) -> None:
        """`data` is one datagram, or one message or keep-alive of a stream."""

    def sent(self, now: Instant, flow: Flow, data: bytes) -> None:
        """`data` is one datagram, or one message or keep-alive for a stream."""


class _Stream(Timed):
    """One stream connection; its deadline is the read deadline of a message that is under way."""

    __slots__ = ("flow", "framer")

    def __init__(self, flow: Flow) -> None:
        super().__init__()
        self.flow = flow
        self.framer = StreamFramer()


class Stack:
    """Octets in, requests and responses out, and back.

    A request with wrong syntax is answered here without state, by the status its error names, and
    shows as `Ignored`; so does everything else that goes no further. Responses and ACKs with wrong
    syntax are never answered.
    """

    __slots__ = ("_layer", "_message_flows", "_read_deadlines", "_streams", "observer")

    def __init__(
        self, timers: TimerValues | None = None, *, observer: Observer | None = None
    ) -> None:
        self._layer = TransactionLayer() if timers is None else TransactionLayer(timers)
        self._streams: dict[int, _Stream] = {}  # by connection number
        self._message_flows: dict[int, Flow] = {}  # as `_streams`, for what needs no framer
        self._read_deadlines: DeadlineQueue[_Stream] = DeadlineQueue()
        self.observer = observer

    # Events of the transport.

    def receive(self, event: TransportEvent, now: Instant) -> tuple[StackOutput, ...]:
        """What an event of the transport leads to."""
        if type(event) is BytesReceived:
            flow, data = event
            if flow.connection == UNCONNECTED:
                if self.observer is not None:
                    self.observer.received(now, flow, data)
                outputs = self._datagram(flow, data, now)
            elif flow.transport in WEBSOCKET:
                outputs = self._framed(flow, data, now)
            else:
                outputs = self._stream(flow, data, now)
        else:
            assert isinstance(event, FlowClosed)
            outputs = self._flow_closed(event, now)
        return outputs if self.observer is None else self._observed(outputs, now)

    def _datagram(self, flow: Flow, data: bytes, now: Instant) -> tuple[StackOutput, ...]:
        if not data or data[0] < 0x41:  # no message begins with less than "A"
            if stun.is_stun(data):
                answer = stun.answer(data, flow)
                if answer is None:
                    return (Ignored("stun", "not a Binding request"),)
                return (KeepAliveReceived(flow), Send(flow, answer))
            if not data.strip(PADDING):
                return (KeepAliveReceived(flow),)
        return self._message(flow, data, now)

    def _message(self, flow: Flow, data: bytes, now: Instant) -> tuple[StackOutput, ...]:
        try:
            message = parse_message(data)
            if type(message) is Request:
                stamp_received(message, flow)
                answer_to = response_flow(message, flow)
                return self._layer.receive_request(message, flow, answer_to, now)
            assert isinstance(message, Response)
            return self._layer.receive_response(message, flow, now)
        except SipSyntaxError as error:
            return self._refuse(error, flow, data)

    def _refuse(self, error: SipSyntaxError, flow: Flow, data: bytes) -> tuple[StackOutput, ...]:
        """Answer a malformed request without state, if it can be answered at all."""
        ignored = Ignored("syntax error", str(error))
        request = error.request
        if request is None or request.method == "ACK":
            return (ignored,)
        try:
            stamp_received(request, flow)
            answer_to = response_flow(request, flow)
            response = respond(request, error.status, _reason(error), to_tag=_tag_of(request, data))
        except SipSyntaxError:
            return (ignored,)
        if answer_to is None:
            return (ignored,)
        return (ignored, Send(answer_to, response.to_bytes()))

    def _stream(self, flow: Flow, data: bytes, now: Instant) -> tuple[StackOutput, ...]:
        stream = self._streams.get(flow.connection)
        if stream is None:
            stream = self._streams[flow.connection] = _Stream(flow)
        frames = stream.framer.feed(data)
        outputs: tuple[StackOutput, ...] = ()
        if len(frames) == 1:
            outputs = self._frame(flow, frames[0], now)
        elif frames:
            collected: list[StackOutput] = []
            for frame in frames:
                collected += self._frame(flow, frame, now)
            outputs = tuple(collected)
        if not stream.framer.incomplete:
            self._read_deadlines.set(stream, None)
        elif frames or stream.deadline is None:
            self._read_deadlines.set(stream, Instant(now + STREAM_READ_NS))
        return outputs

    def _framed(self, flow: Flow, data: bytes, now: Instant) -> tuple[StackOutput, ...]:
        """One WebSocket message: a SIP message, or a CRLF keep-alive (RFC 7118 §6)."""
        self._message_flows[flow.connection] = flow
        if self.observer is not None:
            self.observer.received(now, flow, data)
        if data.strip(b"\r\n"):
            return self._message(flow, data, now)
        if data == KeepAlive.PING.value:
            return (KeepAliveReceived(flow), Send(flow, KeepAlive.PONG.value))
        return (KeepAliveReceived(flow),)

    def _frame(
        self, flow: Flow, frame: bytes | KeepAlive | FramingError, now: Instant
    ) -> tuple[StackOutput, ...]:
        observer = self.observer
        if type(frame) is bytes:
            if observer is not None:
                observer.received(now, flow, frame)
            return self._message(flow, frame, now)
        if isinstance(frame, KeepAlive):
            if observer is not None:
                observer.received(now, flow, frame.value)
            if frame is KeepAlive.PING:
                return (KeepAliveReceived(flow), Send(flow, KeepAlive.PONG.value))
            return (KeepAliveReceived(flow),)
        assert isinstance(frame, FramingError)
        if observer is not None:
            observer.received(now, flow, frame.head)
        return (*self._refuse_frame(frame, flow), CloseFlow(flow))

    def _refuse_frame(self, error: FramingError, flow: Flow) -> tuple[StackOutput, ...]:
        request: Request | None
        try:
            message = parse_message(error.head)
            request = message if isinstance(message, Request) else None
        except SipSyntaxError as unreadable:
            request = unreadable.request
        fault = SipSyntaxError(error.reason, header="framing", status=error.status, request=request)
        return self._refuse(fault, flow, error.head)

    def _flow_closed(self, event: FlowClosed, now: Instant) -> tuple[StackOutput, ...]:
        flow = event.flow
        stream = self._streams.pop(flow.connection, None)
        if stream is not None:
            self._read_deadlines.set(stream, None)
        self._message_flows.pop(flow.connection, None)
        return (*self._layer.flow_closed(flow, now), FlowEnded(flow, event.reason))

    # Time.

    def advance(self, now: Instant) -> tuple[StackOutput, ...]:
        """What has become due by `now`."""
        outputs: tuple[StackOutput, ...] = self._layer.advance(now)
        for stream in self._read_deadlines.due(now):
            late = Ignored("read deadline", "message not complete in time")
            outputs = (*outputs, late, CloseFlow(stream.flow))
        return outputs if self.observer is None else self._observed(outputs, now)

    def next_deadline(self) -> Instant | None:
        """When advance() has something to do, None if never."""
        first = self._layer.next_deadline()
        second = self._read_deadlines.next_deadline()
        if first is None or (second is not None and second < first):
            return second
        return first

    # Commands of the user.

    def respond(
        self, transaction: ServerTransaction, response: Response, now: Instant
    ) -> tuple[StackOutput, ...]:
        """Answer a request that came as `RequestReceived`."""
        outputs = self._layer.respond(transaction, response, now)
        return outputs if self.observer is None else self._observed(outputs, now)

    def request(
        self, request: Request, flow: Flow, now: Instant, owner: object | None = None
    ) -> tuple[ClientTransaction, tuple[StackOutput, ...]]:
        """Send a request in a client transaction; its top Via carries a branch of its own."""
        transaction, outputs = self._layer.request(request, flow, now, owner)
        if self.observer is not None:
            self._observed(outputs, now)
        return transaction, outputs

    def cancel(
        self, invite: InviteClient, now: Instant, reason: str | None = None
    ) -> tuple[StackOutput, ...]:
        """Cancel an INVITE that was sent, with a Reason header (RFC 3326) if one is given."""
        outputs = self._layer.cancel(invite, now, reason)
        return outputs if self.observer is None else self._observed(outputs, now)

    def send_request_stateless(
        self, request: Request, flow: Flow, now: Instant
    ) -> tuple[StackOutput, ...]:
        """Send a request that no transaction watches: an ACK for a 2xx."""
        outputs = (Send(flow, request.to_bytes()),)
        return outputs if self.observer is None else self._observed(outputs, now)

    def connection(self, number: int) -> Flow | None:
        """The flow of a stream connection that has brought something and is still up."""
        stream = self._streams.get(number)
        return self._message_flows.get(number) if stream is None else stream.flow

    def counts(self) -> dict[str, int]:
        """How many of each kind of state are held; all are 0 at rest but for idle `streams`."""
        return {
            **self._layer.counts(),
            "streams": len(self._streams) + len(self._message_flows),
            "unfinished_messages": len(self._read_deadlines),
        }

    def _observed(self, outputs: tuple[StackOutput, ...], now: Instant) -> tuple[StackOutput, ...]:
        observer = self.observer
        if observer is not None:
            for output in outputs:
                if type(output) is Send:
                    observer.sent(now, output.flow, output.data)
        return outputs


def _tag_of(request: Request, data: bytes) -> str:
    """The same request gets the same tag again (RFC 3261 §8.2.7), without state.

    The transaction layer knows the ACK of such an answer by it. Where the headers it is made of
    are themselves malformed, the ACK will be too, and any steady tag does.
    """
    try:
        return steady_tag(request)
    except SipSyntaxError:
        return blake2s(data, digest_size=8).hexdigest()


def _reason(error: SipSyntaxError) -> str | None:
    """A reason phrase that says what was wrong (RFC 3261 §21.4.1), if it is fit to be sent."""
    if error.status != 400:
        return None
    phrase = f"Bad Request ({error.header}: {error.reason})"
    # A reason may quote what the peer wrote.
    return phrase if len(phrase) <= 120 and phrase.isascii() and phrase.isprintable() else None
