"""SIP over WebSocket: the frames of both sides, after their handshake."""

from __future__ import annotations

from struct import pack

import pytest

from callctl.capture.captured import CaptureRead, Ignored
from helpers.packets import Conversation, octets_of, read_packets
from helpers.sip_text import INVITE, OPTIONS, octets, request, response
from helpers.websocket_wire import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    frame,
    upgrade,
)
from sipstack.limits import WEBSOCKET_FRAMES_MAX

ONE = octets(OPTIONS)
TWO = octets(INVITE)
OK = response(request(OPTIONS), 200).to_bytes()
SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Protocol: sip\r\n\r\n"
)


def plain(opcode: int, data: bytes) -> bytes:
    """A frame of a server, which is not masked."""
    size = pack("!B", len(data)) if len(data) < 126 else pack("!BH", 126, len(data))
    return pack("!B", 0x80 | opcode) + size + data


def connected() -> Conversation:
    return Conversation().opened().sent(upgrade()).answered(SWITCHED)


def told(result: CaptureRead) -> list[str]:
    return [problem.split(": ", 2)[2] for problem in result.problems]


@pytest.mark.parametrize("cut", [1, 3, 50, 1_400])
def test_messages_of_both_sides_are_read(cut: int) -> None:
    talk = Conversation().opened().sent(upgrade(), cut=cut).answered(SWITCHED, cut=cut)
    talk.sent(frame(TEXT, ONE) + frame(BINARY, TWO), cut=cut).answered(plain(TEXT, OK), cut=cut)
    result = read_packets(talk.packets)
    assert octets_of(result.messages) == [ONE, TWO, OK]
    assert {message.transport for message in result.messages} == {"WS"}
    assert [message.opened_by_source for message in result.messages] == [True, True, False]
    assert result.problems == ()
    assert result.counts.ignored == {}
    assert [stream.transport for stream in result.streams] == ["WS"]


def test_message_in_several_frames_with_others_between_is_put_together() -> None:
    parts = (
        frame(TEXT, ONE[:50], final=False)
        + frame(PING, b"?")
        + frame(CONTINUATION, ONE[50:90], final=False)
        + frame(CONTINUATION, ONE[90:])
    )
    result = read_packets(connected().sent(parts).answered(plain(PONG, b"?")).packets)
    assert octets_of(result.messages) == [ONE]
    assert result.counts.ignored == {Ignored.KEEP_ALIVE: 2}


def test_close_is_no_keep_alive_and_crlf_is_one() -> None:
    result = read_packets(connected().sent(frame(TEXT, b"\r\n\r\n") + frame(CLOSE)).packets)
    assert result.counts.ignored == {Ignored.KEEP_ALIVE: 1}


def test_line_ends_before_a_message_are_left_out() -> None:
    result = read_packets(connected().sent(frame(TEXT, b"\r\n" + ONE)).packets)
    assert octets_of(result.messages) == [ONE]


def test_messages_of_other_protocols_are_counted() -> None:
    result = read_packets(connected().sent(frame(TEXT, b'{"jsonrpc": "2.0"}')).packets)
    assert result.messages == ()
    assert result.counts.ignored == {Ignored.OTHER_WEBSOCKET: 1, Ignored.OTHER_TCP: 1}


def test_compressed_messages_are_told() -> None:
    compressed = bytearray(frame(TEXT, b"squeezed"))
    compressed[0] |= 0x40
    result = read_packets(connected().sent(bytes(compressed) + frame(TEXT, ONE)).packets)
    assert octets_of(result.messages) == [ONE]
    assert told(result) == ["compressed WebSocket messages are not read"]
    assert result.counts.ignored == {Ignored.OTHER_WEBSOCKET: 1}


def test_after_a_gap_reading_goes_on_with_a_segment_that_begins_a_message() -> None:
    talk = connected().sent(frame(TEXT, TWO))
    talk.client_at += 10
    talk.sent(b"\x81").sent(b"rest of a frame").sent(frame(PING)).sent(frame(TEXT, ONE), cut=100)
    result = read_packets(talk.packets)
    assert octets_of(result.messages) == [TWO, ONE]
    assert told(result) == ["10 octets are missing"]


@pytest.mark.parametrize(
    "wrong",
    [
        b"\x83\x00",  # an opcode that is none
        frame(TEXT, length=2**63 - 1),
        b"\x81\xff" + b"\xff" * 12,
    ],
)
def test_what_is_no_frame_is_told_and_the_next_message_is_found(wrong: bytes) -> None:
    result = read_packets(connected().sent(wrong).sent(frame(TEXT, ONE)).packets)
    assert octets_of(result.messages) == [ONE]
    assert told(result) == ["no WebSocket frame where one is due"]


def test_message_in_too_many_frames_is_told() -> None:
    many = frame(TEXT, b"", final=False)
    many += frame(CONTINUATION, b"", final=False) * WEBSOCKET_FRAMES_MAX
    result = read_packets(connected().sent(many + frame(TEXT, ONE)).packets)
    assert octets_of(result.messages) == [ONE]
    assert told(result) == ["a WebSocket message is too large or in too many frames"]


def test_handshake_that_is_refused_and_tried_again_is_followed() -> None:
    talk = Conversation().opened().sent(upgrade()).answered(b"HTTP/1.1 401 No\r\n\r\n")
    talk.sent(upgrade()).sent(frame(TEXT, ONE))
    assert octets_of(read_packets(talk.packets).messages) == [ONE]


def test_many_handshakes_in_a_row_are_no_frames() -> None:
    result = read_packets(Conversation().opened().sent(upgrade() * 250, cut=60_000).packets)
    assert told(result) == ["no WebSocket frame where one is due"]


@pytest.mark.parametrize(
    "answer",
    [
        SWITCHED.replace(b"101 Switching Protocols", b"200 OK"),
        SWITCHED.replace(b"upgrade: WebSocket\r\n", b""),
        SWITCHED.replace(b"upgrade: WebSocket", b"upgrade: h2c"),
    ],
)
def test_answer_that_does_not_switch_is_other_tcp(answer: bytes) -> None:
    talk = Conversation().opened().answered(answer).answered(plain(TEXT, OK))
    result = read_packets(talk.packets)
    assert result.messages == ()
    assert result.counts.ignored == {Ignored.OTHER_TCP: 1}


def test_gap_in_the_handshake_loses_the_connection() -> None:
    talk = Conversation().opened().sent(upgrade()[:40])
    talk.client_at += 20
    talk.sent(upgrade()[60:]).sent(frame(TEXT, ONE))
    assert read_packets(talk.packets).messages == ()
