"""Which message stands in whose view of a capture, when, and with what comment."""

from __future__ import annotations

from pathlib import Path
from struct import pack

import pytest

from callctl.testing.pcapng_file import blocks, write_pcapng
from callctl.testing.recording import CLOUD, Message, Recording
from sipstack.transport.flow import Flow

EPOCH = 1_720_602_000_000_000_000
CALLER_SIDE = Flow("TCP", "203.0.113.1", 40001, "192.0.2.1", 5060, 1)
NODE_SIDE = Flow("TCP", "192.0.2.1", 5060, "203.0.113.1", 40001, 1)
OCTETS = (
    b"REGISTER sip:lab.example SIP/2.0\r\nCSeq: 1 REGISTER\r\n"
    b'Authorization: Digest username="u", response="0123456789abcdef"\r\n\r\n'
)


def interfaces(recording: Recording) -> list[str]:
    """Names of the interfaces, in the order of the file."""
    names = ("SEP1001", "ucm1", "ucm2", "TCT2001", "network")
    options = {name: b"\x02\x00" + pack("<H", len(name)) + name.encode() for name in names}
    return [
        name for block in blocks(recording) for name, option in options.items() if option in block
    ]


def recording(*messages: Message) -> Recording:
    addresses = {"SEP1001": "203.0.113.1", "ucm1": "192.0.2.1"}
    made = Recording(("ucm1", "ucm2"), ("SEP1001",), ("TCT2001",), addresses, EPOCH)
    made.entries.extend(messages)
    return made


@pytest.mark.parametrize(
    ("message", "seen_by"),
    [
        (Message(0, "SEP1001", "ucm1", OCTETS, CALLER_SIDE, 5, NODE_SIDE), "ucm1"),
        (Message(0, "SEP1001", "ucm1", OCTETS, None, 5, NODE_SIDE), "ucm1"),
        (Message(0, "ucm1", "SEP1001", OCTETS, NODE_SIDE, 5, CALLER_SIDE), "ucm1"),
        (Message(0, "ucm1", "ucm2", OCTETS, NODE_SIDE, 5, CALLER_SIDE), "ucm1"),
        (Message(0, "SEP1001", "ucm1", OCTETS, CALLER_SIDE), "SEP1001"),
        (Message(0, "SEP1001", "TCT2001", OCTETS, CALLER_SIDE, 5, NODE_SIDE), "SEP1001"),
    ],
)
def test_a_message_is_seen_by_the_node_it_concerns(message: Message, seen_by: str) -> None:
    assert interfaces(recording(message)) == [seen_by]


def test_what_never_arrived_says_so_and_what_did_does_not() -> None:
    lost = b"".join(blocks(recording(Message(0, "SEP1001", "ucm1", OCTETS, CALLER_SIDE))))
    arrived = b"".join(
        blocks(recording(Message(0, "SEP1001", "ucm1", OCTETS, CALLER_SIDE, 5, NODE_SIDE)))
    )
    assert b"never arrived" in lost
    assert b"never arrived" not in arrived


def test_packets_are_in_the_order_of_their_times() -> None:
    late = Message(0, "SEP1001", "ucm1", OCTETS, CALLER_SIDE, 2_000_000_000, NODE_SIDE)
    made = recording(late)
    made.note(1_000_000_000, "ucm2", "dies")
    made.push(3_000_000_000, "ucm1", CLOUD, "ring push ucm1")
    assert interfaces(made) == ["ucm2", "ucm1"]  # the note of ucm2 comes first
    whole = b"".join(blocks(made))
    assert whole.index(b"dies") < whole.index(b"REGISTER") < whole.index(b"ring push ucm1, from")


def test_digests_are_masked() -> None:
    whole = b"".join(
        blocks(recording(Message(0, "SEP1001", "ucm1", OCTETS, CALLER_SIDE, 5, NODE_SIDE)))
    )
    assert b"REGISTER" in whole
    assert b"0123456789abcdef" not in whole


def test_a_test_that_has_not_begun_is_an_empty_capture(tmp_path: Path) -> None:
    path = tmp_path / "empty.pcapng"
    write_pcapng(path, None)
    assert path.read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"
