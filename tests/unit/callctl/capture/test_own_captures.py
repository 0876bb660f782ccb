"""What `Capture` writes is read back as it was: messages, transports, ports, notes, ends."""

from __future__ import annotations

import pytest

from callctl.capture.capture import Capture
from callctl.capture.captured import CapturedNote, CapturedStream, Ignored
from callctl.capture.packet import Address, udp_packet
from callctl.capture.pcapng import Direction, enhanced_packet
from helpers.packets import octets_of, read
from helpers.sip_text import INVITE, OPTIONS, octets
from sipstack.timing import MS, Instant
from sipstack.transport.flow import Flow

EPOCH = 1_700_000_000_000_000_000
ONE = octets(OPTIONS)
TWO = octets(INVITE)

NODE = Address("192.0.2.1", 5061)
PHONE = Address("192.0.2.103", 40_002)
TLS = Flow("TLS", *NODE, *PHONE, 9)
RECEIVED, SENT = Direction.RECEIVED, Direction.SENT


def at(ms: int) -> Instant:
    return Instant(ms * MS)


def capture() -> Capture:
    return Capture(EPOCH, mask_secrets=False)


@pytest.mark.parametrize("transport", ["TLS", "WS", "WSS"])
def test_transport_and_port_are_those_that_were_used(transport: str) -> None:
    it = capture()
    flow = TLS._replace(transport=transport)
    data = it.begin()
    data += it.message(at(1), "node1", flow, RECEIVED, ONE, comment="first")
    data += it.message(at(2), "node1", flow, SENT, TWO)
    first, second = read(data).messages
    assert (first.transport, first.source, first.target) == (transport, PHONE, NODE)
    assert (second.transport, second.source, second.target) == (transport, NODE, PHONE)
    assert (first.direction, second.direction) == (RECEIVED, SENT)
    assert (first.comments, second.comments) == (("first",), ())
    assert (first.at_ns, second.at_ns) == (EPOCH + MS, EPOCH + 2 * MS)
    assert (first.stream, second.stream) == (1, 1)
    assert (first.interface, first.opened_by_source) == ("node1", None)
    assert [first.octets, second.octets] == [ONE, TWO]


def test_node_that_dialled_the_port_of_tls_is_shown_to_have_done_so() -> None:
    it = capture()
    flow = Flow("TLS", "192.0.2.1", 40_000, "192.0.2.2", 5061)
    data = it.begin() + it.message(at(1), "n", flow, SENT, ONE)
    data += it.message(at(1), "n", flow, RECEIVED, TWO)
    first, second = read(data).messages
    assert (first.source.port, first.target.port) == (40_000, 5061)
    assert (second.source.port, second.target.port) == (5061, 40_000)


def test_both_views_of_a_connection_have_all_messages() -> None:
    it = capture()
    phone = Flow("TLS", *PHONE, *NODE, 3)
    data = it.begin()
    for message in (ONE, TWO):
        data += it.message(at(1), "phone", phone, SENT, message)
        data += it.message(at(2), "node1", TLS, RECEIVED, message)
    result = read(data)
    seen = [(message.interface, message.stream, message.source) for message in result.messages]
    assert seen == [("phone", 1, PHONE), ("node1", 2, PHONE)] * 2
    assert result.problems == ()


def test_flows_that_look_alike_once_tls_is_shown_as_tcp_are_kept_apart() -> None:
    it = capture()
    plain = Flow("TCP", "192.0.2.1", 5060, *PHONE, 4)
    data = it.begin()
    for flow in (TLS, plain, TLS, plain):
        data += it.message(at(1), "node1", flow, SENT, ONE)
    result = read(data)
    assert [message.transport for message in result.messages] == ["TLS", "TCP"] * 2
    assert [message.source.port for message in result.messages] == [5061, 5060] * 2


def test_message_larger_than_a_packet_is_one() -> None:
    large = ONE.replace(b"Content-Length: 0", b"Content-Length: 150000") + bytes(150_000)
    it = capture()
    data = it.begin() + it.message(at(1), "n", TLS, SENT, large, comment="large")
    data += it.message(at(2), "n", TLS, SENT, ONE)
    result = read(data)
    assert octets_of(result.messages) == [large, ONE]
    assert [message.number for message in result.messages] == [3, 4]
    assert result.messages[0].comments == ("large",)


def test_stream_that_closed_has_its_end_and_another_may_follow() -> None:
    it = capture()
    data = it.begin() + it.message(at(1), "n", TLS, RECEIVED, ONE)
    data += it.closed(at(5), "n", TLS, SENT)
    data += it.message(at(6), "n", TLS, RECEIVED, ONE)
    data += it.closed(at(7), "n", TLS, RECEIVED)
    result = read(data)
    assert [message.stream for message in result.messages] == [1, 2]
    assert result.streams == (
        CapturedStream(1, "TLS", PHONE, NODE, False, "n", 2, EPOCH + 5 * MS, False),
        CapturedStream(2, "TLS", PHONE, NODE, False, "n", 4, EPOCH + 7 * MS, True),
    )


def test_notes_come_back_whole_and_are_no_messages() -> None:
    it = capture()
    text = "ring push to TCTALICE\nactive node node2"
    data = it.begin()
    data += it.note(at(1), "node1", text)
    data += it.note(at(2), "node2", "out", source="2001:db8::1")
    data += it.note(at(3), "node2", "in", source="192.0.2.1", target="192.0.2.9")
    data += it.note(at(4), "node2", ONE.decode())
    result = read(data)
    assert result.messages == ()
    assert result.notes == (
        CapturedNote(1, EPOCH + MS, "node1", None, None, text),
        CapturedNote(2, EPOCH + 2 * MS, "node2", "2001:db8::1", None, "out"),
        CapturedNote(3, EPOCH + 3 * MS, "node2", "192.0.2.1", "192.0.2.9", "in"),
        CapturedNote(4, EPOCH + 4 * MS, "node2", None, None, ONE.decode()),
    )
    assert result.counts.notes == 4
    assert result.counts.ignored == {}


def test_syslog_of_others_is_no_note() -> None:
    it = capture()
    line = b"<133>node1: something"
    log = Address("192.0.2.1", 514)
    begin = it.begin() + it.note(at(1), "node1", "x")
    for packet, comments in (
        (udp_packet(log, log, line), []),
        (udp_packet(log, log, b"<134>node1: something"), ["comment"]),
        (udp_packet(log, Address("192.0.2.1", 515), line), ["comment"]),
    ):
        result = read(begin + enhanced_packet(0, 1, packet, None, comments))
        assert len(result.notes) == 1
        assert result.counts.ignored == {Ignored.OTHER_UDP: 1}


def test_keep_alives_are_counted() -> None:
    it = capture()
    data = it.begin() + it.message(at(1), "n", TLS, RECEIVED, b"\r\n\r\n")
    data += it.message(at(1), "n", TLS, SENT, b"\r\n")
    data += it.message(at(1), "n", TLS._replace(transport="UDP"), SENT, b"\r\n\r\n")
    assert read(data).counts.ignored == {Ignored.KEEP_ALIVE: 3}


def test_comment_that_only_mentions_a_transport_changes_nothing() -> None:
    it = capture()
    comment = "carried over TLS, port 5061, shown as TCP, said somebody"
    flow = TLS._replace(transport="TCP")
    data = it.begin() + it.message(at(1), "n", flow, SENT, ONE, comment=comment)
    (message,) = read(data).messages
    assert (message.transport, message.source, message.comments) == ("TCP", NODE, (comment,))


def test_picture_without_direction_keeps_its_ports() -> None:
    it = capture()
    data = it.begin() + it.message(at(1), "n", TLS, SENT, ONE)
    without_flags = data.replace(b"\x02\0\x04\0\x02\0\0\0", b"\x63\0\x04\0\x02\0\0\0")
    assert without_flags != data
    (message,) = read(without_flags).messages
    assert (message.transport, message.source.port, message.direction) == ("TLS", 5060, None)
