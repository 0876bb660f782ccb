"""Files of pcap and of Network Monitor: what is written in them, and what is wrong with them."""

from __future__ import annotations

from struct import pack

import pytest

from callctl.capture.captured import CaptureError, Ignored
from callctl.capture.limits import ReadLimits
from helpers.packets import EPOCH_NS, MS, NODE, PHONE, ethernet, pcap, pcap_file, read, udp
from helpers.sip_text import OPTIONS, octets

MESSAGE = octets(OPTIONS)
PACKET = udp(PHONE, NODE, MESSAGE)


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize("nanoseconds", [False, True], ids=["us", "ns"])
def test_message_has_the_number_time_and_ends_of_its_frame(order: str, nanoseconds: bool) -> None:
    packets = [ethernet(udp(PHONE, NODE, b"\x80rtp")), ethernet(PACKET)]
    result = read(pcap_file(packets, order=order, nanoseconds=nanoseconds))
    (message,) = result.messages
    assert message.number == 2
    assert message.at_ns == EPOCH_NS + MS
    assert (message.transport, message.stream, message.opened_by_source) == ("UDP", 0, None)
    assert (message.source, message.target) == (PHONE, NODE)
    assert message.octets == MESSAGE
    assert (message.interface, message.direction, message.comments) == ("", None, ())
    assert result.counts.packets == 2
    assert result.counts.messages == 1
    assert result.counts.ignored == {Ignored.OTHER_UDP: 1}


def test_nanoseconds_are_kept() -> None:
    data = pcap_file([], nanoseconds=True)
    frame = ethernet(PACKET)
    data += pack("<IIII", 1_700_000_000, 999_999_999, len(frame), len(frame)) + frame
    assert read(data).messages[0].at_ns == 1_700_000_000_999_999_999


def test_frame_check_sequence_told_beside_the_link_type_does_not_disturb() -> None:
    data = bytearray(pcap([PACKET]))
    data[23] = 0x24  # two octets of it, as the upper bits tell
    assert len(read(bytes(data)).messages) == 1


def test_packet_too_short_to_hold_anything_is_counted_and_numbered() -> None:
    result = read(pcap_file([b"", b"\0" * 34, ethernet(PACKET)]))
    assert result.messages[0].number == 3
    assert result.counts.packets == 3
    assert result.counts.ignored == {Ignored.TOO_SHORT: 2}


def test_empty_capture_is_a_capture() -> None:
    assert read(pcap([])).messages == ()


@pytest.mark.parametrize("kept", [3, 15, 16, 17, 100])
def test_truncated_file_tells_frame_and_octet_and_gives_what_was_before(kept: int) -> None:
    whole = pcap([PACKET])
    with pytest.raises(CaptureError) as caught:
        read(whole + pcap([PACKET])[24 : 24 + kept])
    error = caught.value
    assert str(error).startswith(f"x.pcap: frame 2 at octet {len(whole)}: the file ends within ")
    assert (error.frame, error.offset) == (2, len(whole))
    assert error.read is not None
    assert [message.octets for message in error.read.messages] == [MESSAGE]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "octet 0: neither pcap nor pcapng: it begins with nothing"),
        (b"GET / HTTP/1.1", "octet 0: neither pcap nor pcapng: it begins with 47 45 54 20"),
        (b"\x1f\x8b\x08\0", "octet 0: compressed with gzip: unpack it first"),
        (pcap([])[:20], "octet 0: the file ends within its header"),
        (pcap_file([PACKET], link=147), "octet 0: packets of link type 147 cannot be read"),
        (
            pcap([]) + pack("<IIII", 0, 0, 2**32 - 1, 0),
            "frame 1 at octet 24: a packet of 4,294,967,295 octets, which is more than 262,144",
        ),
        (
            b"GMBU\0\x03\1\0" + bytes(120),
            "octet 0: Network Monitor 3.0 with packets of type 1 cannot be read: save it as pcapng",
        ),
        (b"GMBU\0\x02\1\0", "octet 0: the file ends within its header"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_in_a_line(data: bytes, what: str) -> None:
    with pytest.raises(CaptureError) as caught:
        read(data)
    assert str(caught.value) == f"x.pcap: {what}"


def test_packets_above_the_limit_end_the_reading() -> None:
    with pytest.raises(CaptureError, match=r"frame 3 at octet \d+: more than 2 packets") as caught:
        read(pcap([PACKET] * 3), limits=ReadLimits(packets=2))
    assert caught.value.read is not None
    assert len(caught.value.read.messages) == 2
    assert len(read(pcap([PACKET] * 2), limits=ReadLimits(packets=2)).messages) == 2


def netmon(packets: list[bytes]) -> bytes:
    """A file of Network Monitor 2.0, its packets 5 us apart."""
    frames = b"".join(
        pack("<QII", at * 5, len(packet), len(packet)) + packet for at, packet in enumerate(packets)
    )
    date = pack("<8H", 2026, 3, 2, 10, 9, 8, 7, 654)
    head = b"GMBU\0\x02" + pack("<H", 1) + date
    return (head + pack("<II", 128 + len(frames), 4)).ljust(128, b"\0") + frames + bytes(4)


def test_network_monitor_is_read() -> None:
    result = read(netmon([b"", ethernet(PACKET)]))
    (message,) = result.messages
    assert message.octets == MESSAGE
    assert message.number == 2
    assert message.at_ns == 1_773_133_687_654_005_000  # 2026-03-10 09:08:07.654005
    assert result.counts.ignored == {Ignored.TOO_SHORT: 1}


def test_date_of_network_monitor_that_is_none_counts_from_1970() -> None:
    data = bytearray(netmon([ethernet(PACKET)]))
    data[10:12] = b"\x0d\0"  # month 13
    assert read(bytes(data)).messages[0].at_ns == 0


def test_truncated_file_of_network_monitor_is_told() -> None:
    whole = netmon([ethernet(PACKET)])
    for kept, what in ((140, "the header of a packet"), (200, "a packet")):
        with pytest.raises(
            CaptureError, match=f"frame 1 at octet 128: the file ends within {what}"
        ):
            read(whole[:kept])
    with pytest.raises(CaptureError, match="more than 0 packets"):
        read(whole, limits=ReadLimits(packets=0))
    large = bytearray(whole)
    large[140:144] = b"\xff" * 4
    with pytest.raises(CaptureError, match="a packet of 4,294,967,295 octets"):
        read(bytes(large))
