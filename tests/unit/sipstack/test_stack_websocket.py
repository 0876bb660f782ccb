"""The stack over WebSocket flows (RFC 7118): whole messages, and a peer that is never dialled."""

from __future__ import annotations

import pytest

from helpers.sip_text import OPTIONS, WS, octets, request
from sipstack.message.message import Request
from sipstack.message.parser import parse_message
from sipstack.message.response import respond
from sipstack.message.uri import Uri
from sipstack.stack import KeepAliveReceived, Stack, StackOutput
from sipstack.timing import SECOND, Instant
from sipstack.transaction.events import Ignored, RequestReceived
from sipstack.transport.flow import BytesReceived, Flow, FlowClosed, Send
from sipstack.transport.locate import locate

T0 = Instant(0)
WSS = WS._replace(transport="WSS", connection=9)
BROWSER = octets(OPTIONS).replace(b"UDP 192.0.2.101:5060", b"WS df7jal23ls0d.invalid")


def received(stack: Stack, data: bytes, flow: Flow = WS) -> tuple[StackOutput, ...]:
    return stack.receive(BytesReceived(flow, data), T0)


def only_request(outputs: tuple[StackOutput, ...]) -> RequestReceived:
    (event,) = outputs
    assert isinstance(event, RequestReceived)
    return event


@pytest.mark.parametrize("flow", [WS, WSS])
def test_answer_takes_the_connection_and_says_where_the_request_came_from(flow: Flow) -> None:
    stack = Stack()
    data = BROWSER.replace(b"/WS", f"/{flow.transport}".encode())
    event = only_request(received(stack, data, flow))
    (sent, *_) = stack.respond(event.transaction, respond(event.request, 200, to_tag="a"), T0)
    assert isinstance(sent, Send)
    assert sent.flow == flow
    via = f"Via: SIP/2.0/{flow.transport} df7jal23ls0d.invalid;branch=z9hG4bKhjhs8"
    assert f"{via};received=192.0.2.101\r\n".encode() in sent.data


def test_rport_is_filled_where_a_client_asks_for_it() -> None:
    event = only_request(received(Stack(), BROWSER.replace(b";branch", b";rport;branch")))
    assert b";rport=40002;branch=z9hG4bKhjhs8;received=192.0.2.101\r\n" in event.request.to_bytes()


def test_body_ends_with_the_frame_where_no_content_length_says_so() -> None:
    data = BROWSER.replace(b"Content-Length: 0\r\n", b"") + b"v=0\r\n"
    assert only_request(received(Stack(), data)).request.body == b"v=0\r\n"


def test_content_length_beyond_the_frame_is_refused_and_the_connection_stays() -> None:
    (ignored, sent) = received(Stack(), BROWSER.replace(b"Length: 0", b"Length: 9"))
    assert isinstance(ignored, Ignored)
    assert isinstance(sent, Send)
    answer = parse_message(sent.data)
    assert not isinstance(answer, Request)
    assert answer.status == 400


def test_ping_in_a_frame_gets_its_pong_in_a_frame() -> None:
    """RFC 7118 §6, RFC 5626 §3.5.1: what SIP.js sends if it is told to keep alive."""
    assert received(Stack(), b"\r\n\r\n") == (KeepAliveReceived(WS), Send(WS, b"\r\n"))
    assert received(Stack(), b"\r\n") == (KeepAliveReceived(WS),)
    assert received(Stack(), b"") == (KeepAliveReceived(WS),)


def test_connection_is_known_by_its_number_while_it_is_up() -> None:
    stack = Stack()
    received(stack, BROWSER)
    assert stack.connection(WS.connection) == WS
    assert stack.counts()["streams"] == 1
    stack.receive(FlowClosed(WS, "closed by peer"), T0)
    assert stack.connection(WS.connection) is None
    assert stack.counts()["streams"] == 0


def test_request_is_not_repeated_over_a_reliable_connection() -> None:
    stack = Stack()
    _, outputs = stack.request(request(OPTIONS, ("/UDP", "/WS")), WS, T0)
    assert [type(output) for output in outputs] == [Send]
    assert stack.advance(Instant(10 * SECOND)) == ()


@pytest.mark.parametrize("uri", ["sip:1@192.0.2.7;transport=ws", "sips:1@192.0.2.7;transport=ws"])
def test_websocket_contact_leads_nowhere(uri: str) -> None:
    class NoChance:
        def octets(self, count: int) -> bytes:
            raise AssertionError

        def below(self, limit: int) -> int:
            raise AssertionError

    assert locate(Uri.parse(uri), {}, NoChance()) == ()
