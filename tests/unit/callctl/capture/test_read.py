"""Reading a capture by its path: key logs beside it, limits, errors that carry what was read."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest

from callctl.capture import limits as bounds
from callctl.capture.captured import CapturedMessage, Ignored
from callctl.capture.packet import Address
from callctl.capture.read import CaptureError, CaptureReader, ReadLimits, read_capture
from helpers.packets import (
    NODE,
    PHONE,
    Conversation,
    enhanced,
    interface,
    octets_of,
    option,
    pcap,
    read,
    section,
    udp,
)
from helpers.sip_text import INVITE, OPTIONS, octets
from helpers.tls_wire import TlsRoom

ONE = octets(OPTIONS)
TWO = octets(INVITE)
PACKET = udp(PHONE, NODE, ONE)


def test_key_log_is_the_one_that_is_named_or_lies_beside_the_capture(tmp_path: Path) -> None:
    room = TlsRoom(tmp_path)
    path = tmp_path / "call.pcap"
    path.write_bytes(pcap(room.talk().sent(ONE).packets))
    assert read_capture(path).messages == ()
    assert octets_of(read_capture(path, key_log=room.keys).messages) == [ONE]
    room.keys.rename(tmp_path / "call.keylog")
    assert octets_of(read_capture(path).messages) == [ONE]


def test_files_that_cannot_be_opened_are_named(tmp_path: Path) -> None:
    path = tmp_path / "call.pcap"
    with pytest.raises(CaptureError) as caught:
        read_capture(path)
    assert str(caught.value) == f"{path}: No such file or directory"
    path.write_bytes(pcap([PACKET]))
    with pytest.raises(CaptureError, match=r"call\.keys: No such file or directory"):
        read_capture(path, key_log=tmp_path / "call.keys")
    with pytest.raises(CaptureError, match=f"{tmp_path}: Is a directory"):
        read_capture(tmp_path)


def test_error_in_a_file_names_it_and_carries_what_was_read(tmp_path: Path) -> None:
    path = tmp_path / "call.pcap"
    data = pcap([PACKET, PACKET])
    path.write_bytes(data[:-1])
    with pytest.raises(CaptureError) as caught:
        read_capture(path)
    at = 24 + (len(data) - 24) // 2
    assert str(caught.value) == f"{path}: frame 2 at octet {at}: the file ends within a packet"
    assert caught.value.read is not None
    assert octets_of(caught.value.read.messages) == [ONE]
    assert caught.value.read.counts.packets == 1


def test_stream_that_waits_for_more_is_given_out_when_the_file_is_truncated() -> None:
    talk = Conversation().opened()
    talk.client_at += 1
    data = pcap(talk.sent(ONE).sent(TWO).packets)
    with pytest.raises(CaptureError) as caught:
        read(data[:-1])
    assert caught.value.read is not None
    assert octets_of(caught.value.read.messages) == [ONE]


def test_messages_are_told_by_the_order_of_their_frames() -> None:
    gap = Conversation().opened()
    gap.client_at += 1
    gap.sent(ONE)
    data = pcap([*gap.packets, udp(PHONE, NODE, TWO)])
    assert [message.number for message in read(data).messages] == [4, 5]
    reader = CaptureReader(BytesIO(data), "x")
    streamed = [each.number for each in reader if isinstance(each, CapturedMessage)]
    assert streamed == [5, 4]
    assert reader.counts.messages == 2


def test_reader_gives_out_as_it_goes_and_counts_on() -> None:
    reader = CaptureReader(BytesIO(pcap([PACKET] * 3)), "x")
    counts = [(found.number, reader.counts.messages, reader.counts.packets) for found in reader]
    assert counts == [(1, 1, 1), (2, 2, 2), (3, 3, 3)]
    assert reader.problems == ()


def test_file_that_comes_in_drips_is_read() -> None:
    class Drips(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 0, 7))

    data = section() + interface(101) + enhanced(PACKET, 1) * 3
    assert CaptureReader(Drips(data), "x").collect().counts.messages == 3
    assert CaptureReader(Drips(pcap([PACKET] * 3)), "x").collect().counts.messages == 3


@pytest.mark.parametrize(
    ("limits", "what"),
    [
        (ReadLimits(messages=2), "frame 3: more than 2 messages, notes and connections"),
        (ReadLimits(octets_kept=800), "frame 3: more than 800 octets of messages and notes"),
        (ReadLimits(packets=2), "frame 3 at octet"),
    ],
)
def test_what_is_above_a_limit_ends_the_reading_with_what_was_kept(
    limits: ReadLimits, what: str
) -> None:
    assert 266 < len(ONE) < 400
    with pytest.raises(CaptureError, match=f"^x.pcap: {what}") as caught:
        read(pcap([PACKET] * 3), limits=limits)
    assert caught.value.read is not None
    assert len(caught.value.read.messages) >= 2


def test_comments_count_as_octets_that_are_kept() -> None:
    commented = enhanced(PACKET, 1, options=option(1, b"c" * 60_000))
    with pytest.raises(CaptureError, match="more than 100,000 octets of messages and notes"):
        read(section() + interface(101) + commented * 2, limits=ReadLimits(octets_kept=100_000))


def test_connections_count_as_what_takes_longer_than_a_packet() -> None:
    talks = [Conversation(Address("192.0.2.9", port)).opened().packets[0] for port in range(4)]
    with pytest.raises(CaptureError, match="frame 4: more than 3 connections, fragments"):
        read(pcap(talks), limits=ReadLimits(pieces=3))


def test_problems_above_their_limit_are_counted_only() -> None:
    packets = []
    for port in range(5):
        packets += Conversation(Address("192.0.2.9", port)).opened().sent(ONE[:-1]).packets
    result = read(pcap(packets), limits=ReadLimits(problems=2))
    assert len(result.problems) == 2
    assert result.counts.problems == 5


def test_key_logs_are_bounded(tmp_path: Path) -> None:
    room = TlsRoom(tmp_path)
    talk = room.talk().sent(ONE)
    filler = b"# nothing\n" * bounds.KEY_LOG_LINES_MAX
    result = read(pcap(talk.packets), key_log=filler + room.key_log)
    assert result.counts.ignored == {Ignored.UNREAD_TLS: 1}
    assert result.problems == ("key logs have more than 100,000 lines",)
    log = tmp_path / "large.keys"
    with log.open("wb") as file:
        file.truncate(bounds.KEY_LOG_OCTETS_MAX + 1)
    path = tmp_path / "call.pcap"
    path.write_bytes(pcap([PACKET]))
    with pytest.raises(CaptureError, match=r"large\.keys: more than 33,554,432 octets"):
        read_capture(path, key_log=log)


def test_key_log_lines_that_are_wrong_are_told() -> None:
    lines = [
        b"CLIENT_RANDOM 00 00",
        b"CLIENT_RANDOM 0 00",
        b"CLIENT_RANDOM 00 ",
        b"CLIENT_RANDOM 00 " + b"00" * 65,
        b"CLIENT_RANDOM 00 0\xff",
        b"EXPORTER_SECRET whatever there is",
        b"EXPORTER_SECRET 00 00",
        b"RSA 0123 4567",
        b"RSA Session-ID:00 Master-Key:00",
        b"# comment",
        b"\r",
    ]
    result = read(pcap([PACKET]), key_log=b"\r\n".join(lines))
    assert result.problems == ("5 lines of the key log are malformed",)
