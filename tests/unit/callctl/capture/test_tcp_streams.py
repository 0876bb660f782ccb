"""TCP: segments in any order, connections that begin and end anywhere, gaps that are told."""

from __future__ import annotations

import pytest

from callctl.capture.captured import CapturedStream, Ignored
from callctl.capture.limits import ReadLimits
from callctl.capture.packet import Address
from helpers.packets import (
    ACK,
    EPOCH_NS,
    FIN,
    MS,
    NODE,
    NODE6,
    PHONE,
    PHONE6,
    RST,
    SYN,
    Conversation,
    enhanced,
    interface,
    octets_of,
    option,
    pcap,
    pcap_file,
    read,
    read_packets,
    section,
    tcp,
)
from helpers.sip_text import INVITE, OPTIONS, octets

ONE = octets(OPTIONS)
TWO = octets(INVITE)
THREE = ONE.replace(b"63104", b"63105")
FOUR = ONE.replace(b"63104", b"63106")


def test_message_has_its_connection_and_who_opened_it() -> None:
    first = Conversation().opened().sent(ONE).answered(TWO).closed()
    second = Conversation(PHONE6, NODE6).opened().sent(THREE)
    result = read_packets(first.packets + second.packets)
    assert [message.stream for message in result.messages] == [1, 1, 2]
    assert [message.opened_by_source for message in result.messages] == [True, False, True]
    assert [message.number for message in result.messages] == [4, 5, 12]
    asked, answered, other = result.messages
    assert (asked.transport, asked.source, asked.target) == ("TCP", PHONE, NODE)
    assert (answered.source, answered.target) == (NODE, PHONE)
    assert (other.source, other.target) == (PHONE6, NODE6)
    assert octets_of(result.messages) == [ONE, TWO, THREE]
    assert result.counts.ignored == {}
    assert result.problems == ()


def test_connection_tells_who_ended_it_and_when() -> None:
    packets = Conversation().opened().sent(ONE).closed().packets
    result = read_packets([*packets, *Conversation(PHONE6, NODE6).opened().sent(ONE).packets])
    assert result.streams == (
        CapturedStream(1, "TCP", PHONE, NODE, True, "", 5, EPOCH_NS + 4 * MS, True),
        CapturedStream(2, "TCP", PHONE6, NODE6, True, "", None, None, None),
    )


def test_connection_that_the_server_reset_says_so() -> None:
    talk = Conversation().opened().sent(ONE)
    reset = tcp(NODE, PHONE, b"", talk.server_at, RST)
    (stream,) = read_packets([*talk.packets, reset]).streams
    assert (stream.ended_number, stream.ended_by_source) == (5, False)


def test_message_in_many_segments_has_the_number_of_the_last() -> None:
    (message,) = read_packets(Conversation().opened().sent(ONE, cut=50).packets).messages
    assert message.octets == ONE
    assert message.number == 3 + -(-len(ONE) // 50)


def test_many_messages_in_one_segment_have_its_number() -> None:
    result = read_packets(Conversation().opened().sent(ONE + TWO + THREE).packets)
    assert octets_of(result.messages) == [ONE, TWO, THREE]
    assert {message.number for message in result.messages} == {4}


def test_segments_out_of_order_complete_with_the_one_that_was_missing() -> None:
    opened, (first, second, third) = cut_in_three()
    result = read_packets([*opened, third, second, first])
    assert octets_of(result.messages) == [ONE]
    assert result.messages[0].number == 6
    result = read_packets([*opened, first, third, second, first, third])
    assert octets_of(result.messages) == [ONE]
    assert result.messages[0].number == 6
    assert result.problems == ()


def cut_in_three() -> tuple[list[bytes], list[bytes]]:
    talk = Conversation().opened()
    opened = list(talk.packets)
    talk.sent(ONE, cut=-(-len(ONE) // 3))
    return opened, talk.packets[len(opened) :]


def test_segments_that_overlap_give_each_octet_once_and_the_first_counts() -> None:
    opened = Conversation().opened().packets
    data = ONE + TWO
    other = b"?" * len(data)
    result = read_packets(
        [
            *opened,
            tcp(PHONE, NODE, data[100:200], 1_101),
            tcp(PHONE, NODE, other[90:180], 1_091),  # 90 to 100 come first, and so they count
            tcp(PHONE, NODE, data[:180], 1_001),
            tcp(PHONE, NODE, other[150:190], 1_151),
            tcp(PHONE, NODE, data[190:], 1_191),
        ]
    )
    assert octets_of(result.messages) == [data[:90] + other[90:100] + data[100 : len(ONE)], TWO]
    result = read_packets(
        [*opened, tcp(PHONE, NODE, data[:300], 1_001), tcp(PHONE, NODE, other[:50] + data, 951)]
    )
    assert octets_of(result.messages) == [ONE, TWO]


def test_sequence_numbers_wrap() -> None:
    for at in (2**32 - 1, 2**32 - 2, 2**32 - len(ONE) - 1, 2**32 - 100):
        talk = Conversation(client_at=at, server_at=at).opened()
        opened = len(talk.packets)
        talk.sent(ONE, cut=40).answered(TWO, cut=40).sent(THREE)
        result = read_packets(talk.packets)
        assert sorted(octets_of(result.messages)) == sorted([ONE, TWO, THREE])
        backwards = [*talk.packets[:opened], *talk.packets[opened:][::-1]]
        assert sorted(octets_of(read_packets(backwards).messages)) == sorted([ONE, TWO, THREE])


def test_connection_that_began_before_the_capture_is_read_from_its_next_message() -> None:
    packets = Conversation().sent(TWO[200:] + ONE, cut=60).answered(THREE).packets
    result = read_packets(packets)
    assert octets_of(result.messages) == [ONE, THREE]
    assert [message.opened_by_source for message in result.messages] == [None, None]
    assert [message.stream for message in result.messages] == [1, 1]
    assert result.problems == (
        "frame 4: connection 1, 192.0.2.101:40001 to 192.0.2.1:5060: "
        f"{len(TWO[200:])} octets that are no SIP message left out",
    )
    assert not result.streams[0].opened


def test_gap_is_told_and_the_message_behind_it_is_read() -> None:
    talk = Conversation().opened().sent(ONE)
    talk.client_at += 300
    talk.sent(TWO[-100:] + THREE).sent(FOUR)
    result = read_packets(talk.packets)
    assert octets_of(result.messages) == [ONE, THREE, FOUR]
    assert [message.number for message in result.messages] == [4, 5, 6]
    where = "frame 5: connection 1, 192.0.2.101:40001 to 192.0.2.1:5060: "
    assert result.problems == (
        where + "300 octets are missing",
        where + "100 octets that are no SIP message left out",
    )


def test_gap_in_the_middle_of_a_message_costs_that_message_only() -> None:
    talk = Conversation().opened().sent(ONE[:100])
    talk.client_at += len(ONE) - 100
    talk.sent(TWO)
    result = read_packets(talk.packets)
    assert octets_of(result.messages) == [TWO]
    assert result.problems[0].endswith(f"{len(ONE) - 100} octets are missing")


def test_gap_that_is_long_open_is_given_up_when_too_much_waits_behind_it() -> None:
    talk = Conversation().opened()
    talk.client_at += 1
    for _ in range(1_030):
        talk.sent(ONE)
    result = read_packets(talk.packets)
    assert len(result.messages) == 1_030
    assert [message.number for message in result.messages] == list(range(4, 1_034))
    assert len(result.problems) == 1


def test_ports_used_again_are_another_connection() -> None:
    first = Conversation().opened().sent(ONE + TWO[:50])
    second = Conversation(client_at=5_000_000, server_at=7_000_000).opened().sent(THREE)
    result = read_packets([*first.packets, *second.packets])
    assert octets_of(result.messages) == [ONE, THREE]
    assert [message.stream for message in result.messages] == [1, 2]
    assert [stream.number for stream in result.streams] == [1, 2]
    assert result.problems == (
        "frame 4: connection 1, 192.0.2.101:40001 to 192.0.2.1:5060: the last message is not whole",
    )


def test_ports_used_again_by_the_other_side_are_another_connection() -> None:
    first = Conversation().opened().sent(ONE).answered(TWO)
    second = Conversation(NODE, PHONE, client_at=77, server_at=99).opened().sent(THREE)
    result = read_packets([*first.packets, *second.packets])
    assert [(each.stream, each.opened_by_source) for each in result.messages] == [
        (1, True),
        (1, False),
        (2, True),
    ]


def test_ports_used_again_without_a_syn_are_another_connection_after_a_fin() -> None:
    talk = Conversation().opened().sent(ONE).closed().sent(TWO)
    result = read_packets(talk.packets)
    assert [message.stream for message in result.messages] == [1, 2]
    assert octets_of(result.messages) == [ONE, TWO]


def test_side_that_did_not_close_goes_on_after_the_fin_of_the_other() -> None:
    talk = Conversation().opened().sent(ONE)
    talk.packets.append(tcp(PHONE, NODE, b"", talk.client_at, FIN | ACK))
    talk.answered(TWO)
    talk.packets.append(talk.packets[3])  # and what was sent before it may be repeated
    result = read_packets(talk.packets)
    assert [message.stream for message in result.messages] == [1, 1]


def test_syn_that_is_repeated_begins_no_other_connection() -> None:
    opened = Conversation().opened()
    packets = [opened.packets[0], *opened.packets, opened.packets[1]]
    result = read_packets([*packets, *opened.sent(ONE).packets[3:]])
    assert [(each.stream, each.opened_by_source) for each in result.messages] == [(1, True)]


def test_answer_that_is_captured_before_its_syn_tells_who_opened() -> None:
    talk = Conversation().opened().sent(ONE).answered(TWO)
    talk.packets[0], talk.packets[1] = talk.packets[1], talk.packets[0]
    result = read_packets(talk.packets)
    assert [each.opened_by_source for each in result.messages] == [True, False]
    only_answer = read_packets(talk.packets[:1] + talk.packets[2:])
    assert [each.opened_by_source for each in only_answer.messages] == [True, False]


def test_data_in_the_syn_is_read() -> None:
    """TCP Fast Open, RFC 7413."""
    packets = [tcp(PHONE, NODE, ONE, 1_000, SYN), tcp(PHONE, NODE, TWO, 1_001 + len(ONE))]
    assert octets_of(read_packets(packets).messages) == [ONE, TWO]


def test_reset_gives_out_what_waited_and_does_not_end_what_goes_on_all_the_same() -> None:
    talk = Conversation().opened()
    talk.client_at += 10
    talk.sent(ONE)
    talk.packets.append(tcp(NODE, PHONE, b"", talk.server_at, RST))
    talk.sent(TWO)
    result = read_packets(talk.packets)
    assert [(each.number, each.stream) for each in result.messages] == [(4, 1), (6, 1)]


def test_sequence_numbers_that_jump_are_told_and_followed() -> None:
    talk = Conversation().opened().sent(ONE)
    for jump in (1 << 27, -(1 << 28)):
        talk.client_at += jump
        talk.sent(TWO)
    result = read_packets(talk.packets)
    assert octets_of(result.messages) == [ONE, TWO, TWO]
    assert [problem.partition("5060: ")[2] for problem in result.problems] == [
        "sequence numbers jump, as if this were another connection"
    ] * 2


def test_keep_alive_probe_of_the_system_is_no_octet_more() -> None:
    talk = Conversation().opened().sent(ONE)
    probe = tcp(PHONE, NODE, b"\0", talk.client_at - 1)
    result = read_packets([*talk.packets, probe, *talk.sent(TWO).packets[4:]])
    assert octets_of(result.messages) == [ONE, TWO]


def test_each_interface_is_a_view_of_its_own() -> None:
    data = section() + interface(101, option(2, b"node1")) + interface(101, option(2, b"phone"))
    for packet in Conversation().opened().sent(ONE, cut=50).packets:
        data += enhanced(packet, 1) + enhanced(packet, 1, number=1)
    result = read(data)
    assert [(each.interface, each.stream) for each in result.messages] == [
        ("node1", 1),
        ("phone", 2),
    ]


def test_connection_without_sip_is_counted_once() -> None:
    talk = Conversation().opened().sent(b"SSH-2.0-x\r\n").answered(bytes(9_000)).closed()
    bare = Conversation(Address("192.0.2.9", 9), NODE).opened().closed()
    result = read_packets([*talk.packets, *bare.packets])
    assert result.messages == ()
    assert result.counts.ignored == {Ignored.OTHER_TCP: 1}
    assert result.streams == ()


def test_connection_without_sip_is_not_kept_in_memory() -> None:
    talk = Conversation().opened()
    for _ in range(30):
        talk.sent(b"x" * 14_000, cut=14_000)
    talk.client_at += 10  # and no gap in it is told
    talk.sent(b"x" * 100).sent(ONE)
    result = read(pcap(talk.packets), limits=ReadLimits(octets_waiting=100_000))
    assert result.counts.ignored == {Ignored.OTHER_TCP: 1}
    assert result.problems == ()


def test_oldest_connection_makes_room_and_is_counted_unless_it_is_closed() -> None:
    def phone(number: int) -> Conversation:
        return Conversation(Address("192.0.2.101", number)).opened()

    first, second, third = phone(1).sent(ONE), phone(2).sent(ONE).closed(), phone(3).sent(ONE)
    late = first.packets[:4], first.sent(TWO).packets[4:]
    packets = [*second.packets, *late[0], *third.packets, *late[1]]
    result = read(pcap(packets), limits=ReadLimits(connections=2))
    assert [each.stream for each in result.messages] == [1, 2, 3, 2]
    assert result.counts.ignored == {}
    result = read(pcap(packets), limits=ReadLimits(connections=1))
    assert [each.stream for each in result.messages] == [1, 2, 3, 4]
    assert result.counts.ignored == {Ignored.DROPPED: 2}


def test_what_waits_in_all_connections_together_is_bounded() -> None:
    packets = []
    for port in range(20):
        talk = Conversation(Address("192.0.2.101", 40_000 + port)).opened()
        talk.client_at += 5
        packets += talk.sent(ONE).packets
    result = read(pcap(packets), limits=ReadLimits(octets_waiting=5_000))
    assert len(result.messages) == 20
    told = [problem for problem in result.problems if "there is too much of it" in problem]
    assert 0 < len(told) < 20


@pytest.mark.parametrize("header", [0x00, 0x40, 0xF0])
def test_malformed_segments_are_counted(header: int) -> None:
    packet = bytearray(tcp(PHONE, NODE, b"", 1))
    packet[32] = header
    result = read_packets([bytes(packet), *Conversation().opened().sent(ONE).packets])
    assert result.counts.ignored == {Ignored.MALFORMED: 1}
    assert octets_of(result.messages) == [ONE]


def test_segment_cut_by_the_snapshot_length_leaves_a_gap_only() -> None:
    talk = Conversation().opened().sent(ONE).sent(TWO)
    frames = [bytes(12) + b"\x08\0" + packet for packet in talk.packets]
    frames[3] = frames[3][:100]
    result = read(pcap_file(frames))
    assert octets_of(result.messages) == [TWO]
    assert result.counts.ignored == {Ignored.CUT_SHORT: 1}
    assert len(result.problems) == 1
