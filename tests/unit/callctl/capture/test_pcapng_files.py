"""Files of pcapng: sections, interfaces, every block that can hold a packet, and all others."""

from __future__ import annotations

from struct import pack

import pytest

from callctl.capture.captured import CaptureError, Ignored
from callctl.capture.limits import COMMENT_OCTETS_MAX, OPTIONS_MAX, ReadLimits
from callctl.capture.pcapng import Direction
from helpers.packets import (
    EPOCH_NS,
    NODE,
    PHONE,
    block,
    enhanced,
    ethernet,
    interface,
    option,
    read,
    secrets,
    section,
    udp,
)
from helpers.sip_text import OPTIONS, octets

MESSAGE = octets(OPTIONS)
PACKET = udp(PHONE, NODE, MESSAGE)
FRAME = ethernet(PACKET)
MICROSECONDS = EPOCH_NS // 1_000

COMMENT, NAME, RESOLUTION, OFFSET, FLAGS = 1, 2, 9, 14, 2


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
def test_packet_has_its_interface_direction_and_comments(order: str) -> None:
    described = interface(options=option(NAME, b"node1", order), order=order)
    options = option(COMMENT, "größer".encode(), order) + option(FLAGS, pack(f"{order}I", 2), order)
    options += option(COMMENT, b"again", order) + option(99, b"?", order)
    packet = enhanced(FRAME, MICROSECONDS, options=options, order=order)
    (message,) = read(section(order) + described + packet).messages
    assert message.octets == MESSAGE
    assert message.at_ns == EPOCH_NS
    assert message.interface == "node1"
    assert message.direction is Direction.SENT
    assert message.comments == ("größer", "again")


def test_direction_that_is_not_told_is_none() -> None:
    packets = [enhanced(FRAME, 0, options=option(FLAGS, pack("<I", flags))) for flags in (0, 1, 3)]
    result = read(section() + interface() + b"".join(packets))
    assert [message.direction for message in result.messages] == [None, Direction.RECEIVED, None]


@pytest.mark.parametrize(
    ("resolution", "offset", "ticks", "at_ns"),
    [
        (None, None, 1_500_000, 1_500_000_000),
        (b"\x09", None, 1_500_000_001, 1_500_000_001),
        (b"\x00", None, 7, 7_000_000_000),
        (b"\x0c", None, 1_500_000_001_999, 1_500_000_001),
        (b"\x8a", None, 1_536, 1_500_000_000),  # 1/1024 s
        (b"\xa0", None, 3 << 31, 1_500_000_000),
        (b"\x06", 100, 1, 100_000_001_000),
        (b"\x06", -1, 1_500_000, 500_000_000),
    ],
)
def test_time_is_in_the_units_of_its_interface(
    resolution: bytes | None, offset: int | None, ticks: int, at_ns: int
) -> None:
    options = b"" if resolution is None else option(RESOLUTION, resolution)
    options += b"" if offset is None else option(OFFSET, pack("<q", offset))
    result = read(section() + interface(options=options) + enhanced(FRAME, ticks))
    assert result.messages[0].at_ns == at_ns


def test_interfaces_have_their_own_link_types_and_numbers_begin_anew_in_a_section() -> None:
    data = section() + interface(1, option(NAME, b"a")) + interface(101, option(NAME, b"b"))
    data += enhanced(PACKET, 1, number=1) + enhanced(FRAME, 2)
    data += section(">") + interface(228, option(NAME, b"c", ">"), order=">")
    data += enhanced(PACKET, 3, order=">")
    result = read(data)
    assert [message.interface for message in result.messages] == ["b", "a", "c"]
    assert [message.number for message in result.messages] == [1, 2, 3]
    assert [message.octets for message in result.messages] == [MESSAGE] * 3


def test_simple_packet_has_the_time_of_the_one_before_and_ends_where_it_was_cut() -> None:
    simple = block(3, pack("<I", len(FRAME)) + FRAME)
    data = section() + interface(snap=len(FRAME)) + enhanced(FRAME, MICROSECONDS) + simple
    assert [message.at_ns for message in read(data).messages] == [EPOCH_NS] * 2
    cut = block(3, pack("<I", len(FRAME)) + FRAME[:100])
    result = read(section() + interface(snap=100) + cut)
    assert result.counts.ignored == {Ignored.CUT_SHORT: 1}
    assert result.problems == ("frame 1: a SIP message is cut short by the snapshot length",)


def test_obsolete_packet_block_is_read() -> None:
    ticks = MICROSECONDS
    head = pack("<HHIIII", 1, 9, ticks >> 32, ticks & 2**32 - 1, len(FRAME), len(FRAME))
    packet = block(2, head + FRAME + bytes(-len(FRAME) % 4) + option(COMMENT, b"old") + bytes(4))
    (message,) = read(section() + interface() + interface() + packet).messages
    assert (message.octets, message.at_ns, message.comments) == (MESSAGE, EPOCH_NS, ("old",))


def test_other_blocks_are_passed_over_and_numbered_as_wireshark_does() -> None:
    names = block(4, pack("<HH", 1, 7) + bytes([192, 0, 2, 1]) + b"ab\0\0" + bytes(4))
    statistics = block(5, pack("<III", 0, 0, 0))
    unknown = block(0x8000_0001, b"whatever")
    journal = block(9, b"MESSAGE=x\n")
    custom = block(0xBAD, pack("<I", 32_473) + b"abcd")
    data = section() + interface() + names + statistics + unknown + journal + custom
    assert [message.number for message in read(data + enhanced(FRAME, 0)).messages] == [3]


def test_secrets_of_another_kind_are_passed_over_and_malformed_ones_told() -> None:
    other = block(10, pack("<II", 0x57474B4C, 4) + b"abcd")
    result = read(section() + other + secrets(b"CLIENT_RANDOM 00\nnonsense\n# comment\n\n"))
    assert result.problems == ("2 lines of the key log are malformed",)


def test_unknown_link_type_is_told_and_its_packets_are_counted() -> None:
    odd = interface(147, option(NAME, b"odd"))
    result = read(section() + odd + interface() + enhanced(b"x", 0) + enhanced(FRAME, 1, number=1))
    assert result.problems == ("interface 0 (odd) has link type 147, which is not read",)
    assert result.counts.ignored == {Ignored.UNKNOWN_LINK: 1}
    assert len(result.messages) == 1


def test_capture_of_unknown_link_types_only_is_an_error() -> None:
    what = "no packet can be read: interface 0 has link type 147, which is not read"
    with pytest.raises(CaptureError, match=what):
        read(section() + interface(147) + enhanced(FRAME, 0))


@pytest.mark.parametrize("kept", [1, 11, 12, 60, 200])
def test_truncated_file_tells_frame_and_octet_and_gives_what_was_before(kept: int) -> None:
    whole = section() + interface() + enhanced(FRAME, 1)
    with pytest.raises(CaptureError) as caught:
        read(whole + enhanced(FRAME, 2)[:kept])
    assert str(caught.value) == (
        f"x.pcap: frame 2 at octet {len(whole)}: the file ends within a block"
    )
    assert caught.value.read is not None
    assert len(caught.value.read.messages) == 1


LONG = pack("<IIIII", 0, 0, 0, 2**32 - 4, 0)
SHORT = pack("<IIIII", 0, 0, 0, 300_000, 0)


@pytest.mark.parametrize(
    ("blocks", "what"),
    [
        (pack("<II", 6, 2**32 - 4) + bytes(8), "a block of 4,294,967,292 octets: 12 to"),
        (pack("<II", 6, 8) + bytes(8), "a block of 8 octets: 12 to"),
        (pack("<II", 6, 13) + bytes(8), "a block of 13 octets: 12 to"),
        (block(6, LONG), "a packet of 4,294,967,292 octets, which is more than its block holds"),
        (block(6, SHORT + bytes(300_000)), "a packet of 300,000 octets, which is more than 262,14"),
        (block(6, bytes(8)), "a packet block is too short"),
        (block(2, bytes(8)), "a packet block is too short"),
        (block(3, b""), "a simple packet block without interface or length"),
        (block(1, b""), "an interface is described in too few octets"),
        (block(10, b""), "a block of secrets is too short"),
        (enhanced(FRAME, 0, number=1), "interface 1 is not described"),
        (block(6, b"")[:-4] + b"\x10\0\0\0", "the two lengths of a block differ"),
        (block(0x0A0D0D0A, bytes(16)), "a section without byte order"),
        (
            enhanced(FRAME, 0, options=pack("<HH", 1, 65_535)),
            "an option is longer than its block",
        ),
        (
            enhanced(FRAME, 0, options=option(99, b"") * (OPTIONS_MAX + 1)),
            "a block with more than 1,000 options",
        ),
        (
            enhanced(FRAME, 0, options=option(1, bytes(COMMENT_OCTETS_MAX // 2 + 1)) * 2),
            "comments of more than 65,536 octets",
        ),
    ],
)
def test_what_is_wrong_with_a_block_is_told_with_its_place(blocks: bytes, what: str) -> None:
    before = section() + interface()
    with pytest.raises(CaptureError, match=f"frame 1 at octet {len(before)}: {what}"):
        read(before + blocks)


def test_packets_and_interfaces_above_their_limits_end_the_reading() -> None:
    data = section() + interface() + enhanced(FRAME, 0) * 3
    with pytest.raises(CaptureError, match=r"frame 3 at octet \d+: more than 2 packets"):
        read(data, limits=ReadLimits(packets=2))
    with pytest.raises(CaptureError, match="more than 10,000 interfaces"):
        read(section() + interface() * 10_001)
