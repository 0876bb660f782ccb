"""The stack as a whole: octets in, octets and events out."""

from __future__ import annotations

import pytest

from helpers.sip_text import INVITE, OPTIONS, TCP, UDP, WS, octets, request
from sipstack.limits import STREAM_READ_NS
from sipstack.message.message import Request
from sipstack.message.parser import parse_message
from sipstack.message.response import respond
from sipstack.stack import FlowEnded, KeepAliveReceived, Stack, StackOutput
from sipstack.timing import SECOND, Instant
from sipstack.transaction.events import (
    AckReceived,
    Ignored,
    RequestReceived,
    ResponseReceived,
    TransactionFailed,
)
from sipstack.transport.flow import BytesReceived, CloseFlow, Flow, FlowClosed, Send

T0 = Instant(0)
MESSAGE = octets(OPTIONS)
ACK = octets(INVITE).replace(b"INVITE sip", b"ACK sip").replace(b"1 INVITE", b"1 ACK")


def received(stack: Stack, data: bytes, flow: Flow = UDP, now: int = 0) -> tuple[StackOutput, ...]:
    return stack.receive(BytesReceived(flow, data), Instant(now))


def only_request(outputs: tuple[StackOutput, ...]) -> RequestReceived:
    (event,) = outputs
    assert isinstance(event, RequestReceived)
    return event


def sent(outputs: tuple[StackOutput, ...]) -> list[tuple[Flow, int]]:
    """Flow and status of each response among the outputs; each must be well-formed."""
    responses = []
    for output in outputs:
        if isinstance(output, Send):
            message = parse_message(output.data)
            assert not isinstance(message, Request)
            responses.append((output.flow, message.status))
    return responses


def ignored(outputs: tuple[StackOutput, ...]) -> list[str]:
    return [output.reason for output in outputs if isinstance(output, Ignored)]


def test_request_reaches_the_user_and_its_answer_the_wire() -> None:
    stack = Stack()
    event = only_request(received(stack, MESSAGE))
    outputs = stack.respond(event.transaction, respond(event.request, 200, to_tag="a"), T0)
    assert sent(outputs) == [(UDP, 200)]


def test_repeated_request_gets_the_same_octets_again() -> None:
    stack = Stack()
    event = only_request(received(stack, MESSAGE))
    first = stack.respond(event.transaction, respond(event.request, 200, to_tag="a"), T0)
    assert received(stack, MESSAGE) == first


def test_answer_goes_where_rport_and_received_say() -> None:
    stack = Stack()
    behind_nat = UDP._replace(remote_host="198.51.100.7", remote_port=33_000)
    data = MESSAGE.replace(b";branch", b";rport;branch")
    event = only_request(received(stack, data, behind_nat))
    assert b";rport=33000;branch=z9hG4bKhjhs8;received=198.51.100.7\r\n" in event.request.to_bytes()
    outputs = stack.respond(event.transaction, respond(event.request, 200, to_tag="a"), T0)
    assert sent(outputs) == [(behind_nat, 200)]


def test_our_request_gets_its_response_back() -> None:
    stack = Stack()
    transaction, outputs = stack.request(request(OPTIONS), UDP, T0, owner=self_made())
    assert outputs == (Send(UDP, MESSAGE),)
    (event, *_) = received(stack, respond(request(OPTIONS), 200, to_tag="b").to_bytes())
    assert isinstance(event, ResponseReceived)
    assert event.transaction is transaction


def self_made() -> object:
    return object()


def test_ack_of_a_2xx_passes_and_is_sent_on_without_state() -> None:
    stack = Stack()
    (event,) = received(stack, ACK)
    assert isinstance(event, AckReceived)
    before = stack.counts()
    (output,) = stack.send_request_stateless(event.request, TCP, T0)
    assert output == Send(TCP, event.request.to_bytes())
    assert stack.counts() == before


def test_request_without_a_way_back_is_ignored() -> None:
    outputs = received(Stack(), MESSAGE, UDP._replace(remote_host="255.255.255.255"))
    assert ignored(outputs) == ["no way to answer"]


# Syntax errors


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (b" SIP/2.0\r\n", b" SIP/7.0\r\n", 505),
        (b"Content-Length: 0", b"Content-Length: 9999", 400),  # RFC 4475 clerr
        (b"Content-Length: 0", b"Content-Length: -999", 400),  # ncl
        (b"Content-Length: 0", b"Content-Length: 0\r\nContent-Length: 0", 400),  # mcl01
        (b"63104 OPTIONS", b"63104 INVITE", 400),
        (b"63104 OPTIONS", b"4294967296 OPTIONS", 400),
        (b"Max-Forwards: 70", b"Max-Forwards: 256", 400),
        (b"sip:bob@biloxi.example.com SIP", b"sip:" + b"b" * 20_000 + b" SIP", 414),
    ],
)
def test_malformed_request_is_answered_with_its_status_and_no_state(
    old: bytes, new: bytes, status: int
) -> None:
    stack = Stack()
    outputs = received(stack, MESSAGE.replace(old, new, 1))
    assert sent(outputs) == [(UDP, status)]
    assert ignored(outputs) == ["syntax error"]
    assert not any(stack.counts().values())


def test_reason_phrase_says_what_is_wrong() -> None:
    outputs = received(Stack(), MESSAGE.replace(b"63104 OPTIONS", b"63104 INVITE"))
    answer = outputs[-1]
    assert isinstance(answer, Send)
    assert answer.data.startswith(b"SIP/2.0 400 Bad Request (CSeq: ")


def test_repeated_malformed_request_gets_the_same_tag() -> None:
    stack = Stack()
    data = MESSAGE.replace(b"SIP/2.0\r\n", b"SIP/7.0\r\n", 1)
    assert received(stack, data) == received(stack, data)


@pytest.mark.parametrize(
    "data",
    [
        ACK.replace(b"1 ACK", b"1 INVITE"),
        respond(request(OPTIONS), 200, to_tag="a").to_bytes().replace(b"200", b"4294967301", 1),
        respond(request(OPTIONS), 200, to_tag="a").to_bytes().replace(b"63104 ", b"99999999999 "),
        MESSAGE.replace(b"Via:", b"Xia:"),
        b"ABC",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\xff" * 100,
        b"\0\0\0\0\0",
        b"\x16\x03\x01\x02\x00\x01",  # a TLS handshake on the wrong port
    ],
)
def test_what_cannot_or_must_not_be_answered_is_ignored(data: bytes) -> None:
    outputs = received(Stack(), data)
    assert not sent(outputs)
    assert ignored(outputs) or outputs == (KeepAliveReceived(UDP),)


def test_stray_response_is_ignored() -> None:
    outputs = received(Stack(), respond(request(OPTIONS), 200, to_tag="a").to_bytes())
    assert ignored(outputs) == ["stray response"]


# Keep-alives


@pytest.mark.parametrize("data", [b"", b"\0\0\0\0", b"\r\n\r\n", b"\r\n"])
def test_empty_datagram_is_a_keep_alive_without_answer(data: bytes) -> None:
    assert received(Stack(), data) == (KeepAliveReceived(UDP),)


def test_stun_binding_request_is_answered_on_the_sip_port() -> None:
    data = bytes.fromhex("000100002112a442") + bytes(12)
    alive, answer = received(Stack(), data)
    assert alive == KeepAliveReceived(UDP)
    assert isinstance(answer, Send)
    assert answer.flow == UDP
    assert answer.data.startswith(b"\x01\x01\x00\x0c\x21\x12\xa4\x42")


def test_other_stun_is_ignored() -> None:
    data = bytes.fromhex("010100002112a442") + bytes(12)
    assert ignored(received(Stack(), data)) == ["stun"]


def test_ping_on_a_stream_gets_a_pong() -> None:
    stack = Stack()
    assert received(stack, b"\r\n\r\n", TCP) == (KeepAliveReceived(TCP), Send(TCP, b"\r\n"))
    assert received(stack, b"\r\n", TCP) == (KeepAliveReceived(TCP),)


# Streams


def test_several_messages_of_one_segment_come_in_order() -> None:
    second = MESSAGE.replace(b"hjhs8", b"hjhs9")
    outputs = received(Stack(), MESSAGE + second, TCP)
    branches = [o.request.top_via.branch for o in outputs if isinstance(o, RequestReceived)]
    assert branches == ["z9hG4bKhjhs8", "z9hG4bKhjhs9"]


def test_malformed_message_amid_good_ones_costs_only_itself() -> None:
    bad = MESSAGE.replace(b"63104 OPTIONS", b"63104 INVITE")
    outputs = received(Stack(), MESSAGE + bad + MESSAGE.replace(b"hjhs8", b"hjhs9"), TCP)
    kinds = [type(output) for output in outputs]
    assert kinds == [RequestReceived, Ignored, Send, RequestReceived]


@pytest.mark.parametrize(
    "line",
    [
        b"Subject: no length",  # 6.A.16
        b"Content-Length: 5\r\nContent-Length: 5",  # RFC 4475 mcl01
        b"Content-Length: -1",  # ncl
    ],
)
def test_stream_whose_framing_is_lost_gets_400_and_is_closed(line: bytes) -> None:
    stack = Stack()
    data = MESSAGE.replace(b"Content-Length: 0", line) + b"hello"
    outputs = received(stack, data, TCP)
    assert sent(outputs) == [(TCP, 400)]
    assert outputs[-1] == CloseFlow(TCP)
    assert received(stack, MESSAGE, TCP) == ()


def test_framing_error_of_no_request_only_closes() -> None:
    outputs = received(Stack(), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", TCP)
    assert [type(output) for output in outputs] == [Ignored, CloseFlow]


def test_message_that_never_ends_closes_the_stream_10_s_after_its_first_octet() -> None:
    """RFC 4475 §3.1.2.2 (clerr) over a stream."""
    stack = Stack()
    data = MESSAGE.replace(b"Content-Length: 0", b"Content-Length: 9999")
    assert received(stack, data, TCP, now=SECOND) == ()
    assert received(stack, b"x", TCP, now=9 * SECOND) == ()
    assert stack.next_deadline() == SECOND + STREAM_READ_NS
    assert stack.advance(Instant(SECOND + STREAM_READ_NS - 1)) == ()
    late, close = stack.advance(Instant(SECOND + STREAM_READ_NS))
    assert isinstance(late, Ignored)
    assert close == CloseFlow(TCP)
    assert stack.next_deadline() is None


def test_each_message_of_a_stream_has_its_own_time() -> None:
    stack = Stack()
    received(stack, MESSAGE[:50], TCP)
    received(stack, MESSAGE[50:] + MESSAGE[:50], TCP, now=9 * SECOND)
    assert stack.next_deadline() == 19 * SECOND
    received(stack, MESSAGE[50:], TCP, now=10 * SECOND)
    assert stack.counts()["unfinished_messages"] == 0


def test_end_of_a_stream_is_told_and_forgets_what_was_half_read() -> None:
    stack = Stack()
    received(stack, MESSAGE[:50], TCP)
    assert stack.receive(FlowClosed(TCP, "reset"), T0) == (FlowEnded(TCP, "reset"),)
    assert not any(stack.counts().values())
    assert stack.next_deadline() is None


def test_request_over_a_stream_that_ends_fails_at_once() -> None:
    stack = Stack()
    dialled = TCP._replace(connection=0)
    transaction, _ = stack.request(request(OPTIONS), dialled, T0)
    failed, *_, ended = stack.receive(FlowClosed(dialled, "refused"), T0)
    assert failed == TransactionFailed(transaction, "transport")
    assert ended == FlowEnded(dialled, "refused")


def test_answer_to_a_stream_that_is_gone_takes_a_new_one_to_the_sent_by_port() -> None:
    """RFC 3261 §18.2.2."""
    stack = Stack()
    data = MESSAGE.replace(b"UDP 192.0.2.101:5060", b"TCP 192.0.2.101:5071")
    event = only_request(received(stack, data, TCP))
    stack.receive(FlowClosed(TCP, "reset"), T0)
    outputs = stack.respond(event.transaction, respond(event.request, 200, to_tag="a"), T0)
    assert sent(outputs) == [(TCP._replace(remote_port=5071, connection=0), 200)]


def test_websocket_messages_are_framed_by_their_transport() -> None:
    data = MESSAGE.replace(b"Content-Length: 0\r\n", b"")
    assert only_request(received(Stack(), data, WS)).request.method == "OPTIONS"


# The observer


class Recorder:
    def __init__(self) -> None:
        self.seen: list[tuple[str, int, Flow, bytes]] = []

    def received(self, now: Instant, flow: Flow, data: bytes) -> None:
        self.seen.append(("in", now, flow, data))

    def sent(self, now: Instant, flow: Flow, data: bytes) -> None:
        self.seen.append(("out", now, flow, data))


def test_observer_sees_each_message_once_in_order() -> None:
    recorder = Recorder()
    stack = Stack(observer=recorder)
    event = only_request(received(stack, MESSAGE, TCP, now=1))
    answer = respond(event.request, 200, to_tag="a")
    stack.respond(event.transaction, answer, Instant(2))
    received(stack, b"\r\n\r\n", TCP, now=3)
    stack.request(request(INVITE), UDP, Instant(4))
    stack.advance(Instant(4 + SECOND // 2))
    stack.send_request_stateless(request(OPTIONS), UDP, Instant(SECOND))
    assert recorder.seen == [
        ("in", 1, TCP, MESSAGE),
        ("out", 2, TCP, answer.to_bytes()),
        ("in", 3, TCP, b"\r\n\r\n"),
        ("out", 3, TCP, b"\r\n"),
        ("out", 4, UDP, octets(INVITE)),
        ("out", 4 + SECOND // 2, UDP, octets(INVITE)),
        ("out", SECOND, UDP, MESSAGE),
    ]
