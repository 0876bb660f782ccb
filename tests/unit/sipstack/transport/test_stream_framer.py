"""RFC 3261 §18.3, RFC 4475 §3.1.2.2, §3.1.2.3 and §3.3.9, RFC 5626 §3.5.1."""

from __future__ import annotations

from time import process_time

import pytest

from helpers.sip_text import OPTIONS, octets
from sipstack.limits import BODY_OCTETS_MAX, HEAD_OCTETS_MAX
from sipstack.transport.framer import FramingError, KeepAlive, StreamFramer, content_length

MESSAGE = octets(OPTIONS)


def with_length(line: str, body: bytes = b"") -> bytes:
    return MESSAGE.replace(b"Content-Length: 0", line.encode()) + body


def test_one_message_in_one_piece() -> None:
    framer = StreamFramer()
    assert framer.feed(MESSAGE) == [MESSAGE]
    assert not framer.incomplete


def test_body_is_as_long_as_content_length_says() -> None:
    message = with_length("Content-Length: 5", b"hello")
    assert StreamFramer().feed(message + MESSAGE) == [message, MESSAGE]


def test_a_body_may_hold_empty_lines() -> None:
    message = with_length("Content-Length: 8", b"\r\n\r\n\r\n\r\n")
    assert StreamFramer().feed(message + MESSAGE) == [message, MESSAGE]


@pytest.mark.parametrize(
    "line",
    ["l: 5", "L : 5", "content-LENGTH\t:5", "Content-Length:\r\n 5", "Content-Length: 005"],
)
def test_each_spelling_of_content_length_counts(line: str) -> None:
    message = with_length(line, b"hello")
    assert StreamFramer().feed(message) == [message]


def test_a_header_whose_name_begins_alike_is_not_content_length() -> None:
    message = MESSAGE.replace(
        b"Content-Length: 0", b"Location: here\r\nContent-Length-Hint: 9\r\nContent-Length: 0"
    )
    assert StreamFramer().feed(message) == [message]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("Subject: x", "Content-Length missing"),
        ("Content-Length: 5\r\nContent-Length: 5", "Content-Length given twice"),
        ("Content-Length: 5\r\nl: 6", "Content-Length given twice"),
        ("Content-Length: -5", "Content-Length is not a number"),
        ("Content-Length: +5", "Content-Length is not a number"),
        ("Content-Length: 0x5", "Content-Length is not a number"),
        ("Content-Length: 5 5", "Content-Length is not a number"),
        ("Content-Length: 5\r\n 5", "Content-Length is not a number"),
        ("Content-Length: \uff15", "Content-Length is not a number"),
        ("Content-Length: \u00b2", "Content-Length is not a number"),
        ("Content-Length:", "Content-Length is not a number"),
        ("Content-Length: " + "1" * 30, "Content-Length is not a number"),
    ],
)
def test_without_one_good_content_length_the_stream_is_lost(line: str, reason: str) -> None:
    framer = StreamFramer()
    message = with_length(line)
    assert framer.feed(message + MESSAGE) == [FramingError(400, reason, message)]
    assert framer.feed(MESSAGE) == []
    assert not framer.incomplete


def test_messages_before_a_broken_one_are_still_given() -> None:
    frames = StreamFramer().feed(MESSAGE + with_length("Content-Length: no"))
    assert frames[0] == MESSAGE
    assert isinstance(frames[1], FramingError)


def test_too_large_a_body_is_refused_before_it_comes() -> None:
    frames = StreamFramer().feed(with_length(f"Content-Length: {BODY_OCTETS_MAX + 1}"))
    assert isinstance(frames[0], FramingError)
    assert frames[0].status == 513


def test_headers_without_end_are_refused_at_the_limit() -> None:
    framer = StreamFramer()
    start = MESSAGE[:-4]
    assert framer.feed(start) == []
    (error,) = framer.feed(b"\r\nX: y" * (HEAD_OCTETS_MAX // 6))
    assert isinstance(error, FramingError)
    assert error.status == 513
    assert error.head.startswith(start)
    assert error.head.endswith(b"\r\n\r\n")


def test_a_header_block_that_came_whole_has_the_same_limit() -> None:
    long = MESSAGE.replace(
        b"Content-Length", b"X: " + b"y" * HEAD_OCTETS_MAX + b"\r\nContent-Length"
    )
    (error,) = StreamFramer().feed(long)
    assert isinstance(error, FramingError)
    assert error.status == 513


@pytest.mark.parametrize("pieces", [1, 2, 7])
def test_lines_that_end_with_a_bare_line_feed_are_refused_however_they_are_cut(pieces: int) -> None:
    framer = StreamFramer()
    data = MESSAGE.replace(b"\r\n", b"\n") + MESSAGE
    size = len(data) // pieces + 1
    frames = [f for at in range(0, len(data), size) for f in framer.feed(data[at : at + size])]
    (error,) = frames
    assert isinstance(error, FramingError)
    assert error.reason == "line end without CR"


def test_two_crlfs_are_a_ping_and_one_is_a_pong() -> None:
    framer = StreamFramer()
    assert framer.feed(b"\r\n\r\n") == [KeepAlive.PING]
    assert framer.feed(b"\r\n") == [KeepAlive.PONG]
    assert not framer.incomplete


def test_a_ping_in_two_pieces_is_answered_all_the_same() -> None:
    framer = StreamFramer()
    assert framer.feed(b"\r") == []
    assert framer.feed(b"\n\r") == []
    assert framer.feed(b"\n") == [KeepAlive.PING]


def test_crlfs_before_and_after_messages_are_skipped_or_pings() -> None:
    frames = StreamFramer().feed(
        b"\r\n" + MESSAGE + b"\r\n\r\n" + MESSAGE + b"\r\n\r\n\r\n" + MESSAGE
    )
    assert frames == [MESSAGE, KeepAlive.PING, MESSAGE, KeepAlive.PING, MESSAGE]


def test_message_that_waits_for_its_rest_is_incomplete() -> None:
    framer = StreamFramer()
    message = with_length("Content-Length: 9999", b"short")  # RFC 4475 §3.1.2.2
    assert framer.feed(message) == []
    assert framer.incomplete


@pytest.mark.parametrize("head", [b"", b"\r\n\r\n", b"INVITE\r\n\r\n"])
def test_content_length_of_a_head_without_one_is_missing(head: bytes) -> None:
    assert content_length(head) == "Content-Length missing"


@pytest.mark.parametrize("chunk", [1, 3, 1400, 10**7])
def test_time_is_linear_in_the_octets(chunk: int) -> None:
    def seconds(count: int) -> float:
        data = with_length("Content-Length: 2000", b"x" * 2000) * count
        framer = StreamFramer()
        start = process_time()
        frames = sum(len(framer.feed(data[at : at + chunk])) for at in range(0, len(data), chunk))
        assert frames == count
        return process_time() - start

    count = 20 if chunk < 10 else 2_000
    seconds(count)
    # Quadratic would be 16; the rest is room for a busy machine.
    assert min(seconds(4 * count) for _ in range(3)) < 9 * min(seconds(count) for _ in range(3))


def test_one_large_message_byte_by_byte_takes_linear_time() -> None:
    def seconds(size: int) -> float:
        data = with_length(f"Content-Length: {size}", b"\n" * size)
        framer = StreamFramer()
        start = process_time()
        for octet in data:
            frames = framer.feed(bytes((octet,)))
        assert frames == [data]
        return process_time() - start

    assert min(seconds(100_000) for _ in range(2)) < 9 * min(seconds(25_000) for _ in range(2))
