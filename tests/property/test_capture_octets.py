"""Whatever octets a file holds, reading it ends with what it holds or with a CaptureError."""

from __future__ import annotations

import random
import ssl
from pathlib import Path
from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callctl.capture.captured import CaptureError, CaptureRead
from callctl.capture.network.link import NETWORK
from callctl.capture.read import read_capture
from helpers.packets import (
    NODE,
    NODE6,
    PHONE,
    PHONE6,
    Conversation,
    enhanced,
    ethernet,
    fragments,
    fragments6,
    interface,
    ipv4,
    ipv6,
    option,
    pcap,
    pcap_file,
    read,
    secrets,
    section,
    udp,
)
from helpers.sip_text import INVITE, OPTIONS, octets
from helpers.tls_wire import TlsRoom
from helpers.websocket_wire import PING, TEXT, frame, upgrade

ONE = octets(OPTIONS)
TWO = octets(INVITE)


def read_or_error(data: bytes) -> CaptureRead | CaptureError:
    """What is in a file, or what is wrong with it."""
    try:
        return read(data)
    except CaptureError as error:
        return error


def is_read(data: bytes) -> bool:
    """Whether a file has no error; one that has says so as it should."""
    result = read_or_error(data)
    if isinstance(result, CaptureRead):
        return True
    assert "\n" not in str(result)
    assert str(result).startswith("x.pcap: ")
    assert result.read is not None
    return False


heads = st.sampled_from(
    [b"", pcap([])] + [pcap_file([], link=link) for link in NETWORK] + [section() + interface()]
)


@given(heads, st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_octets_end_in_a_capture_or_an_error(head: bytes, data: bytes) -> None:
    is_read(head + data)


@given(st.sampled_from(sorted(NETWORK)), st.lists(st.binary(max_size=120), max_size=5))
@settings(max_examples=200, deadline=None)
def test_any_packets_of_any_link_type_are_read(link: int, packets: list[bytes]) -> None:
    assert read(pcap_file(packets, link=link)).counts.packets == len(packets)


@given(st.sampled_from([4, 6, 17, 41, 44, 50, 60]), st.lists(st.binary(max_size=200), max_size=5))
@settings(max_examples=200, deadline=None)
def test_any_content_of_ip_is_read(protocol: int, payloads: list[bytes]) -> None:
    four = [
        ipv4(PHONE.host, NODE.host, protocol, each, more=len(each) % 2 > 0) for each in payloads
    ]
    six = [ipv6(PHONE6.host, NODE6.host, protocol, each) for each in payloads]
    assert read(pcap([*four, *six])).counts.packets == 2 * len(payloads)


beginnings = st.sampled_from(
    [b"", ONE, upgrade(), b"\x16\x03\x01", b"\x17\x03\x03\0\x05", b"\0\x01"]
)


@given(beginnings, st.lists(st.binary(max_size=100), max_size=4), beginnings)
@settings(max_examples=200, deadline=None)
def test_any_octets_of_a_stream_are_read(begin: bytes, said: list[bytes], answer: bytes) -> None:
    talk = Conversation().opened().answered(answer)
    for each in (begin, *said):
        talk.sent(each)
    read(pcap(talk.packets))


@pytest.fixture(scope="module")
def good_files(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """A capture of each kind that can be read."""
    room = TlsRoom(tmp_path_factory.mktemp("tls"))
    told = room.talk().sent(ONE).answered(TWO).packets
    older = room.talk(ssl.TLSVersion.TLSv1_2).sent(ONE).packets
    web = Conversation().opened().sent(upgrade() + frame(TEXT, ONE) + frame(PING)).packets
    plain = Conversation(PHONE6, NODE6).opened().sent(ONE + TWO, cut=200).closed().packets
    pieces = fragments(udp(PHONE, NODE, ONE), 64) + fragments6(udp(PHONE6, NODE6, TWO), 64)
    tunnel = [ipv4("192.0.2.8", "192.0.2.9", 41, udp(PHONE6, NODE6, ONE))]
    files = []
    for order in ("<", ">"):
        described = option(2, b"n", order) + option(9, b"\x09", order)
        inside = secrets(room.key_log, order)
        data = section(order) + interface(options=described, order=order)
        for packet in [*told, *plain]:
            comment = option(1, b"carried over TLS, port 5061, shown as TCP", order)
            data += enhanced(ethernet(packet), 7, options=comment, order=order)
        files += [data, section(order) + inside + data[len(section(order)) :]]
    files += [pcap([*pieces, *tunnel, *web]), pcap(plain), pcap_file(web + older, link=101)]
    return files


def test_mutations_of_good_files_end_in_a_capture_or_an_error(
    good_files: list[bytes], seed: int, fuzz_inputs: int
) -> None:
    chance = random.Random(seed)
    whole = broken = 0
    for _ in range(fuzz_inputs // 10):
        data = bytearray(chance.choice(good_files))
        for _ in range(chance.randrange(1, 6)):
            mutate(data, chance)
        if is_read(bytes(data)):
            whole += 1
        else:
            broken += 1
    # Mutations that all end at the first block test nothing.
    assert whole > fuzz_inputs // 100
    assert broken > fuzz_inputs // 100


def mutate(data: bytearray, chance: random.Random) -> None:
    """One change somewhere."""
    at = chance.randrange(len(data))
    match chance.randrange(6):
        case 0:
            data[at] = chance.randrange(256)
        case 1:
            data[at] ^= 1 << chance.randrange(8)
        case 2:
            del data[at : at + chance.randrange(1, 9)]
        case 3:
            data[at:at] = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 9)))
        case 4:
            data[at : at + 4] = pack(
                "<I", chance.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000])
            )
        case _:
            end = min(at + chance.randrange(1, 200), len(data))
            data[at:at] = data[at:end]


def test_good_files_are_good(good_files: list[bytes]) -> None:
    assert [read(data).counts.messages for data in good_files] == [2, 4, 2, 4, 4, 2, 1]


def test_names_of_files_with_line_ends_stay_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a\nb.pcap"
    path.write_bytes(b"x")
    with pytest.raises(CaptureError) as caught:
        read_capture(path)
    assert "\n" not in str(caught.value)
