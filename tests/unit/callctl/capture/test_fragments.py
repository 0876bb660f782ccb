"""Datagrams in fragments: put together in any order, and bounded when they never become whole."""

from __future__ import annotations

from struct import pack

import pytest

from callctl.capture.captured import CaptureError, Ignored
from callctl.capture.limits import ReadLimits
from helpers.packets import (
    EPOCH_NS,
    NODE,
    NODE6,
    PHONE,
    PHONE6,
    UDP,
    block,
    enhanced,
    fragments,
    fragments6,
    interface,
    ipv4,
    ipv6,
    octets_of,
    option,
    pcap,
    read,
    read_packets,
    section,
    udp,
    udp_header,
)
from helpers.sip_text import OPTIONS, octets

MESSAGE = octets(OPTIONS)
FOUR = fragments(udp(PHONE, NODE, MESSAGE), 104)
SIX = fragments6(udp(PHONE6, NODE6, MESSAGE), 104)


@pytest.mark.parametrize("pieces", [FOUR, SIX], ids=["IPv4", "IPv6"])
def test_message_has_the_number_of_the_fragment_that_completed_it(pieces: list[bytes]) -> None:
    assert len(pieces) > 2
    for order in (pieces, pieces[::-1], [*pieces[1:], pieces[0]]):
        (message,) = read_packets(order).messages
        assert message.octets == MESSAGE
        assert message.number == len(pieces)
        assert message.target in (NODE, NODE6)


def test_headers_in_the_part_that_is_fragmented_are_stepped_over() -> None:
    datagram = udp_header(PHONE6, NODE6, MESSAGE) + MESSAGE
    packet = ipv6(PHONE6.host, NODE6.host, 60, bytes((UDP,)) + bytes(7) + datagram)
    (message,) = read_packets(fragments6(packet, 96)).messages
    assert message.octets == MESSAGE


def test_tunnel_in_fragments_that_holds_fragments_is_read() -> None:
    outer = [
        piece
        for at, inner in enumerate(FOUR)
        for piece in fragments(ipv4("198.51.100.1", "198.51.100.2", 4, inner), 64, identity=at)
    ]
    (message,) = read_packets(outer).messages
    assert message.octets == MESSAGE


def piece(data: bytes, offset: int, *, more: bool, identity: int = 7) -> bytes:
    return ipv4(PHONE.host, NODE.host, UDP, data, identity=identity, offset=offset, more=more)


def test_of_octets_that_come_twice_the_first_count() -> None:
    whole = udp(PHONE, NODE, MESSAGE)[20:]
    wrong = bytes(len(whole))
    parts = [
        piece(whole[64:128], 64, more=True),
        piece(wrong[:160], 0, more=True),  # 0 to 64 and 128 to 160 are new
        piece(whole[:64], 0, more=True),
        piece(whole[128:], 128, more=False),
    ]
    result = read_packets(parts)
    assert result.messages == ()
    result = read_packets([parts[0], parts[3], parts[2]])
    assert [message.octets for message in result.messages] == [MESSAGE]


def test_what_lies_beyond_the_last_fragment_is_dropped() -> None:
    whole = udp(PHONE, NODE, MESSAGE)[20:]
    end = len(whole) // 8 * 8
    beyond = [piece(bytes(64), end + 64, more=True), piece(whole[8:end] + bytes(64), 8, more=True)]
    last = piece(whole[end:], end, more=False)
    late = piece(bytes(8), end + 128, more=True)
    # The one that reaches over the end brought octets that the last fragment would have had.
    assert read_packets([beyond[0], last, late, *fragments(udp(PHONE, NODE, MESSAGE), 64)]).messages
    first = piece(whole[:8], 0, more=True)
    assert octets_of(read_packets([last, beyond[1], first]).messages) == [MESSAGE]
    after = len(whole) - end
    assert octets_of(read_packets([beyond[1], last, first]).messages) == [
        MESSAGE[:-after] + bytes(after)
    ]


def test_fragment_of_one_octet_is_not_too_short_to_matter() -> None:
    message = MESSAGE
    while (8 + len(message)) % 8 != 1:
        message += b" "
    pieces = fragments(udp(PHONE, NODE, message), len(message) + 7)
    assert len(pieces[-1]) == 21
    assert octets_of(read_packets(pieces).messages) == [message]


def test_fragments_of_two_datagrams_and_two_views_are_not_mixed() -> None:
    first = fragments(udp(PHONE, NODE, MESSAGE), 104, identity=1)
    second = fragments(udp(PHONE, NODE, MESSAGE.replace(b"bob", b"eve")), 104, identity=2)
    mixed = [each for pair in zip(first, second, strict=True) for each in pair]
    result = read_packets(mixed)
    assert [message.octets[:15] for message in result.messages] == [
        b"OPTIONS sip:bob",
        b"OPTIONS sip:eve",
    ]
    data = section() + interface(101, option(2, b"a")) + interface(101, option(2, b"b"))
    for each in FOUR:
        data += enhanced(each, 1) + enhanced(each, 1, number=1)
    assert [message.interface for message in read(data).messages] == ["a", "b"]


def test_fragments_that_never_become_whole_are_counted() -> None:
    assert read_packets(FOUR[1:]).counts.ignored == {Ignored.FRAGMENTS_INCOMPLETE: 1}
    result = read(
        pcap([*FOUR[1:], *fragments(udp(PHONE, NODE, MESSAGE), 104, identity=8)]),
        limits=ReadLimits(datagrams_in_fragments=1),
    )
    assert len(result.messages) == 1
    assert result.counts.ignored == {Ignored.FRAGMENTS_INCOMPLETE: 1}
    result = read(pcap(FOUR), limits=ReadLimits(fragment_octets=500))
    assert result.messages == ()
    assert result.counts.ignored[Ignored.FRAGMENTS_INCOMPLETE]


def test_identity_is_used_again_after_a_minute() -> None:
    data = section() + interface(101)
    at = EPOCH_NS // 1_000
    for piece_ in FOUR[:2]:
        data += enhanced(piece_, at)
    for piece_ in fragments(udp(PHONE, NODE, MESSAGE.replace(b"bob", b"eve")), 104):
        data += enhanced(piece_, at + 60_000_001)
    (message,) = read(data).messages
    assert message.octets == MESSAGE.replace(b"bob", b"eve")


@pytest.mark.parametrize(
    "wrong",
    [
        piece(b"", 8, more=True) + bytes(26),
        piece(b"1234567", 8, more=True),
        piece(bytes(32), 65_528, more=False),
        ipv6(PHONE6.host, NODE6.host, 44, b"\x11\0"),
    ],
)
def test_malformed_fragments_are_counted(wrong: bytes) -> None:
    assert read_packets([wrong]).counts.ignored == {Ignored.MALFORMED: 1}


def test_malformed_headers_in_what_was_put_together_are_counted() -> None:
    endless = bytes((60, 255)) + bytes(100)
    packet = ipv6(PHONE6.host, NODE6.host, 60, endless)
    assert read_packets(fragments6(packet, 64)).counts.ignored == {Ignored.MALFORMED: 1}


def test_fragment_that_the_snapshot_length_cut_is_dropped() -> None:
    cut = FOUR[0][:60]
    frame = bytes(12) + b"\x08\0" + cut
    head = pack("<IIIII", 0, 0, 0, len(frame), 400)
    data = section() + interface() + block(6, head + frame)
    assert read(data).counts.ignored == {Ignored.CUT_SHORT: 1}


def test_more_fragments_than_anybody_sends_end_the_reading() -> None:
    what = "frame 3: more than 2 connections, fragments, late segments"
    with pytest.raises(CaptureError, match=what):
        read(pcap(FOUR), limits=ReadLimits(pieces=2))
