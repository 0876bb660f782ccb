"""What a stream of octets is taken for: messages, keep-alives, and what is neither."""

from __future__ import annotations

import pytest

from callctl.capture.captured import CaptureRead, Ignored
from callctl.capture.limits import SEARCH_OCTETS_MAX
from helpers.packets import NODE, PHONE, Conversation, octets_of, read_packets, udp
from helpers.sip_text import INVITE, OPTIONS, octets
from sipstack.limits import BODY_OCTETS_MAX, HEAD_OCTETS_MAX
from sipstack.transport.stun import binding_request

ONE = octets(OPTIONS)
TWO = octets(INVITE)
STUN = binding_request(b"transaction!")


def with_body(body: bytes, length: bytes | None = None) -> bytes:
    value = b"%d" % len(body) if length is None else length
    return ONE.replace(b"Content-Length: 0", b"Content-Length: " + value) + body


def without_length(body: bytes = b"") -> bytes:
    return ONE.replace(b"Content-Length: 0\r\n", b"") + body


def read_stream(*pieces: bytes) -> CaptureRead:
    """What the client of a connection says, each piece in segments of its own."""
    talk = Conversation().opened()
    for piece in pieces:
        talk.sent(piece, cut=60_000)
    return read_packets(talk.packets)


def told(result: CaptureRead) -> list[str]:
    return [problem.split(": ", 2)[2] for problem in result.problems]


def test_body_ends_as_content_length_says() -> None:
    body = b"v=0\r\n\r\nINVITE sip:a SIP/2.0\r\nVia: x\r\n"
    result = read_stream(with_body(body) + TWO)
    assert octets_of(result.messages) == [with_body(body), TWO]


def test_body_of_the_largest_size_is_read() -> None:
    large = with_body(bytes(BODY_OCTETS_MAX))
    assert octets_of(read_stream(large + TWO).messages) == [large, TWO]


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (b"\r\n\r\n", 1),
        (b"\r\n", 1),
        (b"\r\n\r\n\r\n\r\n", 2),
        (STUN, 1),
        (STUN + b"\r\n\r\n" + STUN, 3),
    ],
)
def test_keep_alives_are_counted(data: bytes, count: int) -> None:
    result = read_stream(data, ONE, data, TWO)
    assert octets_of(result.messages) == [ONE, TWO]
    assert result.counts.ignored == {Ignored.KEEP_ALIVE: 2 * count}
    assert read_stream(data).counts.ignored == {Ignored.KEEP_ALIVE: count}
    assert result.problems == ()


def test_keep_alive_octet_by_octet_is_one() -> None:
    talk = Conversation().opened().sent(STUN, cut=1).sent(ONE)
    result = read_packets(talk.packets)
    assert result.counts.ignored == {Ignored.KEEP_ALIVE: 1}
    assert octets_of(result.messages) == [ONE]


def test_line_end_before_a_message_is_no_keep_alive() -> None:
    """RFC 3261 §7.5."""
    result = read_stream(b"\r\n" + ONE + b"\r\n" + TWO)
    assert octets_of(result.messages) == [ONE, TWO]
    assert result.counts.ignored == {}


@pytest.mark.parametrize(
    "garbage",
    [
        b"?",
        b"garbage\r\n",
        b"\x00\x01\x02 not STUN",
        b"\xff" * 100,
        b"HELLO sip:world\r\n\r\n",
        b"Via: SIP/2.0/UDP x\r\nSIP/2.0\r\nSIP/2.0 2000 x\r\n",
        b"NO[REQUEST sip:a SIP/2.0\r\nA: b\r\n\r\n",
        b"a" * HEAD_OCTETS_MAX + b"\r\n",
        b"INVITE sip:a SIP/2.0\r\nSubject: " + b"a" * HEAD_OCTETS_MAX + b"\r\n\r\n",
    ],
)
def test_garbage_between_messages_is_left_out_and_told(garbage: bytes) -> None:
    status = b"SIP/2.0 200 OK\r\n"
    compact = ONE.replace(b"Via:", b"v:")
    for following in (ONE, compact, TWO.replace(b"INVITE", b"UNHEARD"), status + ONE[44:]):
        before = b"\r\n" if following.startswith(b"UNHEARD") else b""
        result = read_stream(TWO + garbage + before + following + ONE)
        assert octets_of(result.messages) == [TWO, following, ONE]
        assert told(result) == [
            f"{len(garbage + before):,} octets that are no SIP message left out"
        ]


@pytest.mark.parametrize("cut", [1, 2, 7, 100, 1_000])
def test_message_after_garbage_is_found_however_the_stream_is_cut(cut: int) -> None:
    data = TWO + b"garbage SIP/2.0\r\nSIP/2.0 2" + TWO[100:] + ONE + TWO
    result = read_packets(Conversation().opened().sent(data, cut=cut).packets)
    assert octets_of(result.messages) == [TWO, ONE, TWO]


def test_message_of_a_known_method_is_found_at_the_end_of_a_body() -> None:
    result = read_packets(Conversation().sent(b"a=sendrecv" + ONE).answered(b"=1" + TWO).packets)
    assert octets_of(result.messages) == [ONE, TWO]


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (without_length(b"v=0\r\n"), "Content-Length missing"),
        (without_length(), "Content-Length missing"),
        (with_body(b"v=0\r\n", b"4294967295"), "Content-Length is more than 262,144"),
        (with_body(b"v=0\r\n", b"-1"), "Content-Length is not a number"),
        (with_body(b"v=0\r\n", b"5\r\nContent-Length: 5"), "Content-Length given twice"),
    ],
)
def test_message_without_a_length_ends_before_the_next_or_with_its_segment(
    message: bytes, why: str
) -> None:
    what = f"{why}: the message ends before the next, or with its segment"
    for pieces in ([message, TWO], [message + TWO]):
        result = read_stream(*pieces)
        assert octets_of(result.messages) == [message, TWO]
        assert told(result) == [what]


def test_message_that_is_not_whole_at_the_end_is_told() -> None:
    assert told(read_stream(ONE + TWO[:-1])) == ["the last message is not whole"]
    assert told(read_stream(ONE + with_body(b"body")[:-1])) == ["the last message is not whole"]
    assert told(read_stream(ONE + b"\r")) == []


def test_stream_that_is_searched_in_vain_is_none_of_sip() -> None:
    filler = b"x" * 99 + b"\n"
    late = filler * (SEARCH_OCTETS_MAX // 100 + 600)
    result = read_stream(late, ONE)
    assert result.counts.ignored == {Ignored.OTHER_TCP: 1}
    assert result.problems == ()
    again = read_stream(ONE, late, ONE)
    assert octets_of(again.messages) == [ONE, ONE]


@pytest.mark.parametrize(
    "data",
    [
        b"POST /sip HTTP/1.1\r\nContent-Length: 400\r\n\r\n" + ONE,
        b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n" + ONE,
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + ONE,
        b"GET /" + b"x" * 20_000 + ONE,
    ],
)
def test_sip_inside_http_is_no_message(data: bytes) -> None:
    result = read_stream(data)
    assert result.messages == ()
    assert result.counts.ignored == {Ignored.OTHER_TCP: 1}


@pytest.mark.parametrize(
    "message",
    [
        ONE,
        ONE.replace(b"OPTIONS", b"a-long.method!%*_+`'~"),
        ONE.replace(b"SIP/2.0\r\n", b"SIP/7.0\r\n", 1),
        ONE.replace(b"SIP/2.0\r\n", b"sip/2.0 \r\n", 1),
        ONE.replace(b"sip:bob@biloxi.example.com SIP", b"sip:a b; lr  SIP", 1),
        ONE.replace(b"OPTIONS ", b"OPTIONS\t \t", 1),
        b"SIP/2.0 200 \r\n" + ONE[44:],
        b"SIP/2.0 200\r\n" + ONE[44:],
        b"SIP/2.0 999 What\r\n" + ONE[44:],
        ONE.replace(b"\r\n", b"\n"),
        b"a sip:b SIP/2.0\r\n",
    ],
)
def test_datagram_is_sip_by_its_start_line_whatever_is_wrong_with_the_rest(message: bytes) -> None:
    result = read_packets([udp(PHONE, NODE, b"\r\n\r\n" + message)])
    assert octets_of(result.messages) == [message]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", Ignored.KEEP_ALIVE),
        (b"\r\n\r\n", Ignored.KEEP_ALIVE),
        (b"\0", Ignored.KEEP_ALIVE),
        (b"\0\0\0\0", Ignored.KEEP_ALIVE),
        (STUN, Ignored.KEEP_ALIVE),
        (STUN[:-1], Ignored.OTHER_UDP),
        (b"hello", Ignored.OTHER_UDP),
        (b"\x80\x00" + bytes(170), Ignored.OTHER_UDP),
        (b"\xf3\x00" + ONE, Ignored.OTHER_UDP),
        (b"SIP/2.0 20 x\r\n", Ignored.OTHER_UDP),
        (b"SIP/2.0 2000 x\r\n", Ignored.OTHER_UDP),
        (b"OPTIONS sip:a SIP/2.0", Ignored.OTHER_UDP),
        (b"OPTIONS sip:a HTTP/1.1\r\n", Ignored.OTHER_UDP),
        (b"OPT(IONS sip:a SIP/2.0\r\n", Ignored.OTHER_UDP),
        (b"x" + b" " * 60_000, Ignored.OTHER_UDP),
    ],
)
def test_other_datagrams_are_counted_by_kind(data: bytes, kind: Ignored) -> None:
    assert read_packets([udp(PHONE, NODE, data)]).counts.ignored == {kind: 1}


def test_rest_of_a_datagram_stays_whatever_content_length_says() -> None:
    data = with_body(b"body", b"2") + b"trailer"
    assert octets_of(read_packets([udp(PHONE, NODE, data)]).messages) == [data]
