"""Link layers, IP and what lies between them: the message comes out whatever it was wrapped in."""

from __future__ import annotations

from struct import pack

import pytest

from callctl.capture.captured import CapturedMessage, Ignored
from helpers.packets import (
    NODE,
    NODE6,
    PHONE,
    PHONE6,
    UDP,
    ethernet,
    ipv4,
    ipv6,
    pcap,
    pcap_file,
    read,
    read_packets,
    udp,
    udp_header,
)
from helpers.sip_text import OPTIONS, octets

MESSAGE = octets(OPTIONS)
FOUR = udp(PHONE, NODE, MESSAGE)
SIX = udp(PHONE6, NODE6, MESSAGE)
DATAGRAM = udp_header(PHONE, NODE, MESSAGE) + MESSAGE


def only(result_of: bytes) -> CapturedMessage:
    (message,) = read(result_of).messages
    assert message.octets == MESSAGE
    return message


@pytest.mark.parametrize(
    ("link", "header4", "header6"),
    [
        (0, b"\x02\0\0\0", b"\x1e\0\0\0"),
        (0, b"\0\0\0\x02", b"\0\0\0\x18"),
        (0, b"\x02\0\0\0", b"\0\0\0\x1c"),
        (1, bytes(12) + b"\x08\0", bytes(12) + b"\x86\xdd"),
        (12, b"", b""),
        (14, b"", b""),
        (101, b"", b""),
        (108, b"\0\0\0\x02", b"\0\0\0\x1e"),
        (113, bytes(14) + b"\x08\0", bytes(14) + b"\x86\xdd"),
        (228, b"", b""),
        (229, b"", b""),
        (276, b"\x08\0" + bytes(18), b"\x86\xdd" + bytes(18)),
    ],
)
def test_each_link_type_is_read(link: int, header4: bytes, header6: bytes) -> None:
    result = read(pcap_file([header4 + FOUR, header6 + SIX], link=link))
    assert [message.octets for message in result.messages] == [MESSAGE] * 2
    four, six = result.messages
    assert (four.source, four.target) == (PHONE, NODE)
    assert (six.source, six.target) == (PHONE6, NODE6)
    assert result.counts.ignored == {}


@pytest.mark.parametrize("tags", [(0x8100,), (0x88A8, 0x8100), (0x9100, 0x8100, 0x8100)])
@pytest.mark.parametrize("packet", [FOUR, SIX], ids=["IPv4", "IPv6"])
def test_tags_of_vlans_are_stepped_over(packet: bytes, tags: tuple[int, ...]) -> None:
    only(pcap_file([ethernet(packet, tags=tags)]))
    only(pcap_file([bytes(14) + ethernet(packet, tags=tags)[12:]], link=113))


def test_tags_after_the_header_of_linux_cooked_capture_are_stepped_over() -> None:
    only(pcap_file([b"\x81\0" + bytes(18) + b"\0\x2a\x08\0" + FOUR], link=276))


@pytest.mark.parametrize(("number", "packet"), [(0x0021, FOUR), (0x0057, SIX)])
def test_session_of_a_telephone_line_is_stepped_over(number: int, packet: bytes) -> None:
    """PPPoE, RFC 2516."""
    head = bytes(12) + pack("!HBBHHH", 0x8864, 0x11, 0, 1, len(packet) + 2, number)
    only(pcap_file([head + packet]))


def test_what_follows_the_ip_packet_in_its_frame_is_no_part_of_it() -> None:
    only(pcap_file([ethernet(FOUR) + b"padding"]))
    only(pcap_file([ethernet(SIX) + b"padding"]))


def test_frames_without_ip_are_counted() -> None:
    arp = bytes(12) + b"\x08\x06" + bytes(46)
    result = read(pcap_file([arp, bytes(60)]))
    assert result.counts.ignored == {Ignored.NOT_IP: 2}
    assert read(pcap_file([bytes(60)], link=101)).counts.ignored == {Ignored.NOT_IP: 1}
    assert read(pcap_file([bytes(60)], link=0)).counts.ignored == {Ignored.NOT_IP: 1}


def test_ip_options_and_the_segmentation_of_network_cards_do_not_disturb() -> None:
    only(pcap([ipv4(PHONE.host, NODE.host, UDP, DATAGRAM, options=bytes(8))]))
    without_length = FOUR[:2] + b"\0\0" + FOUR[4:]
    only(pcap([without_length]))
    only(pcap([SIX[:4] + b"\0\0" + SIX[6:]]))


EXTENSIONS = [
    (0, bytes(7)),  # hop by hop
    (43, b"\x01" + bytes(14)),  # routing, two units
    (60, bytes(7)),  # destination options
    (51, b"\x04" + bytes(22)),  # authentication, counted in other units
    (44, bytes(7)),  # a fragment header of a datagram in one piece
    (135, bytes(7)),
]


def chained(headers: list[tuple[int, bytes]], last: int, payload: bytes) -> bytes:
    """An IPv6 packet with these extension headers: number, and all of it but the next one's."""
    following = last
    for number, rest in reversed(headers):
        payload = bytes((following,)) + rest + payload
        following = number
    return ipv6(PHONE6.host, NODE6.host, following, payload)


def test_ipv6_extension_headers_are_stepped_over() -> None:
    only(pcap([chained(EXTENSIONS, UDP, DATAGRAM)]))


def test_endless_extension_headers_are_malformed() -> None:
    result = read_packets([chained([(60, bytes(7))] * 17, UDP, DATAGRAM)])
    assert result.counts.ignored == {Ignored.MALFORMED: 1}


@pytest.mark.parametrize("outer", ["four", "six"])
@pytest.mark.parametrize("inner", [FOUR, SIX], ids=["IPv4", "IPv6"])
def test_ip_tunnels_are_entered(outer: str, inner: bytes) -> None:
    number = 4 if inner[0] >> 4 == 4 else 41
    tunnel = (
        ipv4("198.51.100.1", "198.51.100.2", number, inner)
        if outer == "four"
        else ipv6("2001:db8::8", "2001:db8::9", number, inner)
    )
    message = only(pcap([tunnel]))
    assert message.source in (PHONE, PHONE6)


def test_tunnels_in_tunnels_end_somewhere() -> None:
    packet = FOUR
    for _ in range(3):
        packet = ipv4("198.51.100.1", "198.51.100.2", 4, packet)
    only(pcap([packet]))
    packet = ipv4("198.51.100.1", "198.51.100.2", 4, packet)
    assert read_packets([packet]).counts.ignored == {Ignored.MALFORMED: 1}


def test_other_protocols_are_counted() -> None:
    result = read_packets([ipv4(PHONE.host, NODE.host, 1, b"ping")])
    assert result.counts.ignored == {Ignored.OTHER_IP: 1}


@pytest.mark.parametrize(
    "packet",
    [
        b"\x45" + bytes(30),  # a total length of 0, and protocol 0 is nothing
        b"\x44" + FOUR[1:],
        FOUR[:2] + b"\0\x13" + FOUR[4:],
        b"\x75" + FOUR[1:],
        ipv4(PHONE.host, NODE.host, UDP, b"123"),
        ipv4(PHONE.host, NODE.host, 6, b"123"),
        ipv4(PHONE.host, NODE.host, UDP, DATAGRAM[:-4]),
        SIX[:39],
        chained([(60, b"\xff" + bytes(6))], UDP, DATAGRAM),
        chained([(44, b"")], UDP, b""),
        ipv6(PHONE6.host, NODE6.host, 60, b""),
    ],
)
def test_malformed_packets_are_counted_and_disturb_nothing(packet: bytes) -> None:
    frame = bytes(12) + (b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\0") + packet
    result = read(pcap_file([frame, ethernet(FOUR)]))
    assert [message.octets for message in result.messages] == [MESSAGE]
    assert sum(result.counts.ignored.values()) == 1


def test_snapshot_length_that_cuts_a_message_is_told() -> None:
    cut = bytearray(pcap_file([ethernet(FOUR)[:100]]))
    result = read(bytes(cut))
    assert result.messages == ()
    assert result.counts.ignored == {Ignored.CUT_SHORT: 1}
    assert result.problems == ("frame 1: a SIP message is cut short by the snapshot length",)
    result = read(pcap_file([ethernet(FOUR)[:38]]))
    assert result.counts.ignored == {Ignored.CUT_SHORT: 1}
