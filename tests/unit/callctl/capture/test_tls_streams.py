"""TLS is opened with the secrets of a key log, and counted where there are none."""

from __future__ import annotations

import ssl
from itertools import zip_longest
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from callctl.capture.captured import CaptureRead, Ignored
from callctl.capture.tls.hello import RETRY, read_server_hello
from callctl.capture.tls.opener import Opener13, Unreadable, expand_label
from callctl.capture.tls.suite import SUITES_1_2, SUITES_1_3
from helpers.packets import (
    NODE,
    NODE6,
    PHONE,
    PHONE6,
    Conversation,
    enhanced,
    ethernet,
    interface,
    octets_of,
    read,
    read_packets,
    secrets,
    section,
    tcp,
)
from helpers.sip_text import INVITE, OPTIONS, octets, request, response
from helpers.tls_wire import NO_ENCRYPT_THEN_MAC, TlsRoom, TlsTalk
from helpers.websocket_wire import TEXT, frame, upgrade

ONE = octets(OPTIONS)
TWO = octets(INVITE)
OK = response(request(OPTIONS), 200).to_bytes()
V1_2, V1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3

SERVER_HELLO = b"\x16\x03\x03\x00\x2a\x02\x00\x00\x26\x03\x03" + bytes(33) + b"\x00\x9c\x00"
CLIENT_HELLO = b"\x16\x03\x03\x00\x2d\x01\x00\x00\x29\x03\x03" + b"r" * 32 + bytes(7)
HELLOS = SERVER_HELLO + CLIENT_HELLO
"""Both in one direction: what nobody would send."""

versions = pytest.mark.parametrize("version", [V1_2, V1_3], ids=["1.2", "1.3"])


@pytest.fixture
def room(tmp_path: Path) -> TlsRoom:
    return TlsRoom(tmp_path)


def told(result: CaptureRead) -> list[str]:
    return [problem.split(": ", 2)[2] for problem in result.problems]


@versions
@pytest.mark.parametrize("cut", [1, 100, 1_400])
def test_messages_of_both_sides_are_read(room: TlsRoom, version: ssl.TLSVersion, cut: int) -> None:
    talk = room.talk(version, cut=cut).sent(ONE).answered(OK).sent(TWO).ended()
    result = read_packets(talk.packets, room.key_log)
    assert octets_of(result.messages) == [ONE, OK, TWO]
    assert {message.transport for message in result.messages} == {"TLS"}
    assert [message.opened_by_source for message in result.messages] == [True, False, True]
    assert [message.source for message in result.messages] == [PHONE, NODE, PHONE]
    assert [stream.transport for stream in result.streams] == ["TLS"]
    assert result.counts.ignored == {}
    assert result.problems == ()


def suites() -> list[tuple[str, bool]]:
    """What OpenSSL calls the suites that are read, and each way to put a MAC into the record."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:@SECLEVEL=0")
    known = {cipher["id"] & 0xFFFF: str(cipher["name"]) for cipher in context.get_ciphers()}
    return [
        (known[number], inside)
        for number, suite in SUITES_1_2.items()
        for inside in ((False, True) if suite.mac else (False,))
    ]


@pytest.mark.parametrize(("suite", "mac_inside"), suites())
def test_every_cipher_suite_of_1_2_is_opened(room: TlsRoom, suite: str, mac_inside: bool) -> None:
    client = room.client(V1_2, suite)
    if mac_inside:
        client.options |= NO_ENCRYPT_THEN_MAC
    talk = TlsTalk(client, room.server(with_rsa="ECDSA" not in suite))
    cipher = talk.client.cipher()
    assert cipher is not None
    assert cipher[0] == suite
    long = ONE.replace(b"Content-Length: 0", b"Content-Length: 20000") + bytes(20_000)
    talk.sent(ONE).answered(OK).sent(long)
    result = read_packets(talk.packets, room.key_log)
    assert octets_of(result.messages) == [ONE, OK, long]
    assert result.problems == ()


@versions
def test_resumed_connections_are_opened(room: TlsRoom, version: ssl.TLSVersion) -> None:
    client, server = room.client(version), room.server()
    first = TlsTalk(client, server).sent(ONE).answered(OK)
    second = TlsTalk(
        client, server, Conversation(PHONE6, NODE6).opened(), session=first.client.session
    )
    assert second.client.session_reused
    second.sent(TWO).answered(OK)
    result = read_packets([*first.packets, *second.packets], room.key_log)
    assert octets_of(result.messages) == [ONE, OK, TWO, OK]
    assert [message.stream for message in result.messages] == [1, 1, 2, 2]


def test_hello_that_had_to_be_repeated_is_followed(room: TlsRoom) -> None:
    """HelloRetryRequest, RFC 8446 §4.1.4."""
    server = room.server()
    server.set_ecdh_curve("secp521r1")  # of which the client has sent no share
    talk = TlsTalk(room.client(), server).sent(ONE).answered(OK)
    assert RETRY in b"".join(talk.packets)
    assert octets_of(read_packets(talk.packets, room.key_log).messages) == [ONE, OK]


@versions
def test_secrets_in_the_file_are_taken(room: TlsRoom, version: ssl.TLSVersion) -> None:
    talk = room.talk(version).sent(ONE)
    packets = b"".join(enhanced(ethernet(packet), 0) for packet in talk.packets)
    result = read(section() + secrets(room.key_log) + interface() + packets)
    assert octets_of(result.messages) == [ONE]
    assert read(section() + interface() + packets + secrets(room.key_log)).messages == ()


@versions
def test_connection_without_secrets_is_counted_once(room: TlsRoom, version: ssl.TLSVersion) -> None:
    result = read_packets(room.talk(version).sent(ONE).answered(OK).packets)
    assert result.messages == ()
    assert result.streams == ()
    assert result.counts.ignored == {Ignored.UNREAD_TLS: 1}
    assert result.problems == ()


@versions
def test_connection_that_began_before_the_capture_is_counted(
    room: TlsRoom, version: ssl.TLSVersion
) -> None:
    talk = room.talk(version)
    handshake = len(talk.packets)
    talk.sent(ONE).answered(OK)
    for cut in (handshake, 4, 5):
        result = read_packets(talk.packets[cut:], room.key_log)
        assert result.messages == ()
        assert result.counts.ignored == {Ignored.UNREAD_TLS: 1}


@versions
def test_answer_of_the_server_that_was_captured_late_is_waited_for(
    room: TlsRoom, version: ssl.TLSVersion
) -> None:
    talk = room.talk(version).sent(ONE).sent(TWO)
    of_client = [packet for packet in talk.packets[3:] if packet[12:16] == talk.packets[0][12:16]]
    of_server = [packet for packet in talk.packets[3:] if packet not in of_client]
    result = read_packets([*talk.packets[:3], *of_client, *of_server], room.key_log)
    assert octets_of(result.messages) == [ONE, TWO]
    assert {message.number for message in result.messages} == {3 + len(of_client) + 1}
    alone = read_packets([*talk.packets[:3], *of_client], room.key_log)
    assert alone.counts.ignored == {Ignored.UNREAD_TLS: 1}


@versions
def test_gap_ends_the_reading_of_the_connection_and_is_told(
    room: TlsRoom, version: ssl.TLSVersion
) -> None:
    talk = room.talk(version).sent(ONE).sent(TWO).sent(ONE)
    result = read_packets([*talk.packets[:-2], talk.packets[-1]], room.key_log)
    assert octets_of(result.messages) == [ONE]
    assert result.counts.ignored == {Ignored.UNREAD_TLS: 1}
    assert told(result)[1:] == ["the rest of this TLS connection cannot be read"]


@versions
def test_record_that_does_not_open_is_told(room: TlsRoom, version: ssl.TLSVersion) -> None:
    talk = room.talk(version).sent(ONE)
    packets = list(talk.packets)
    wrong = bytearray(packets[-1])
    wrong[-1] ^= 1
    result = read_packets([*packets[:-1], bytes(wrong)], room.key_log)
    assert result.messages == ()
    assert told(result) == ["a TLS record does not open with the secrets of the key log"]


@pytest.mark.parametrize(
    ("suite", "mac_inside"),
    [("AES128-SHA", False), ("AES128-SHA", True), ("AES128-GCM-SHA256", False)],
)
@pytest.mark.parametrize("record", [b"\0" * 4, b"\0" * 20, b"\0" * 63, b"\0" * 64, b"\0" * 400])
def test_record_of_1_2_that_is_too_short_or_false_is_told(
    room: TlsRoom, suite: str, mac_inside: bool, record: bytes
) -> None:
    client = room.client(V1_2, suite)
    if mac_inside:
        client.options |= NO_ENCRYPT_THEN_MAC
    talk = TlsTalk(client, room.server(with_rsa=True)).sent(ONE)
    talk.conversation.sent(b"\x17\x03\x03" + len(record).to_bytes(2) + record)
    result = read_packets(talk.packets, room.key_log)
    assert octets_of(result.messages) == [ONE]
    assert told(result)[0] in (
        "a TLS record is too short",
        "a TLS record does not open with the secrets of the key log",
    )


def test_extension_without_octets_at_the_end_of_a_hello_is_seen() -> None:
    hello = b"\x03\x03" + bytes(33) + b"\x00\x2f\x00" + b"\x00\x04\x00\x16\x00\x00"
    assert read_server_hello(hello).encrypt_then_mac
    assert not read_server_hello(hello[:-6]).encrypt_then_mac


def test_record_of_1_3_that_is_all_padding_is_told() -> None:
    suite, secret = SUITES_1_3[0x1301], bytes(32)
    key, iv = expand_label("sha256", secret, b"key", 16), expand_label("sha256", secret, b"iv", 12)
    header = b"\x17\x03\x03\x00\x20"
    body = AESGCM(key).encrypt(iv, bytes(16), header)
    with pytest.raises(Unreadable, match="nothing but padding"):
        Opener13(suite, secret).open(header, body)


def test_wrong_secrets_are_told(room: TlsRoom) -> None:
    talk = room.talk().sent(ONE)
    lines = [line[:-4] + b"0000" for line in room.key_log.splitlines() if line[:1] != b"#"]
    result = read_packets(talk.packets, b"\n".join(lines))
    assert told(result) == ["a TLS record does not open with the secrets of the key log"]
    assert result.counts.ignored == {Ignored.UNREAD_TLS: 1}


@pytest.mark.parametrize(
    ("version", "suite", "what"),
    [
        (V1_2, "ECDHE-ECDSA-AES128-CCM", "TLS with cipher suite 0xc0ac is not read"),
        (ssl.TLSVersion.TLSv1_1, "ALL", "TLS of version 0x0302 is not read"),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_is_not_read_of_tls_is_named(
    room: TlsRoom, version: ssl.TLSVersion, suite: str, what: str
) -> None:
    client, server = room.client(version, suite), room.server()
    server.minimum_version = version
    result = read_packets(TlsTalk(client, server).sent(ONE).packets, room.key_log)
    assert told(result) == [what]
    assert result.counts.ignored == {Ignored.UNREAD_TLS: 1}


@pytest.mark.parametrize(
    "wrong",
    [
        b"\x16\x03\x01\xff\xff" + bytes(100),  # longer than a record may be
        b"\x16\x03\x01\x00\x04\x01\xff\xff\xff",  # a message longer than any
        b"\x16\x03\x01\x00\x06\x01\x00\x00\x02\x03\x03",  # a hello of two octets
        b"\x16\x03\x01\x00\x06\x02\x00\x00\x02\x03\x03",
        b"\x16\x03\x01\x00\x2a\x02\x00\x00\x26" + bytes(38),
        b"\x16\x03\x01\x00\x00\x99",
        b"\x17\x03\x03\x00\x04abcd",
        b"\x14\x03\x03\x00\x01\x01",
        b"\x14\x03\x03\x00\x01\x01" * 3,
        b"\x16\x03\x03\x00\x28\x02\x00\x00\x24\x03\x03" + bytes(33) + b"\x00",
        HELLOS + b"\x17\x03\x03\x00\x04abcd",
    ],
)
def test_what_only_begins_like_tls_is_unread(wrong: bytes) -> None:
    result = read_packets(Conversation().opened().sent(wrong).answered(wrong).packets)
    assert result.messages == ()
    assert result.counts.ignored == {Ignored.UNREAD_TLS: 1}


def test_client_that_never_gets_an_answer_does_not_fill_the_memory() -> None:
    hello = b"\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x03" + bytes(39)
    record = b"\x17\x03\x03\x40\x00" + bytes(1 << 14)
    talk = Conversation().opened().sent(hello)
    for _ in range(20):
        talk.sent(record, cut=60_000)
    assert read_packets(talk.packets).counts.ignored == {Ignored.UNREAD_TLS: 1}


def test_hellos_over_and_over_are_no_recursion(room: TlsRoom) -> None:
    talk = Conversation().opened()
    for _ in range(2):
        talk.sent(HELLOS * 600, cut=60_000).answered(HELLOS * 600, cut=60_000)
    result = read_packets(talk.packets)
    assert result.messages == ()
    assert result.counts.ignored == {Ignored.OTHER_TCP: 1}  # nothing in it is sealed


def test_side_that_says_hello_for_both_opens_nothing() -> None:
    sealed = b"\x17\x03\x03\x00\x04abcd"
    talk = Conversation().opened().sent(HELLOS).answered(CLIENT_HELLO + sealed)
    assert read_packets(talk.packets).counts.ignored == {Ignored.UNREAD_TLS: 1}
    changed = b"\x14\x03\x03\x00\x01\x01"
    talk = Conversation().opened().sent(HELLOS).answered(changed + sealed)
    assert read_packets(talk.packets).counts.ignored == {Ignored.UNREAD_TLS: 1}


@versions
def test_websocket_over_tls_is_read(room: TlsRoom, version: ssl.TLSVersion) -> None:
    switched = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
    talk = room.talk(version).sent(upgrade()).answered(switched)
    talk.sent(frame(TEXT, ONE)).answered(b"\x81\x7e" + len(OK).to_bytes(2) + OK)
    result = read_packets(talk.packets, room.key_log)
    assert octets_of(result.messages) == [ONE, OK]
    assert {message.transport for message in result.messages} == {"WSS"}


@versions
def test_other_protocols_inside_tls_are_other_tcp(room: TlsRoom, version: ssl.TLSVersion) -> None:
    talk = room.talk(version).sent(b"POST / HTTP/1.1\r\n\r\n" + ONE).sent(ONE)
    result = read_packets(talk.packets, room.key_log)
    assert result.messages == ()
    assert result.counts.ignored == {Ignored.OTHER_TCP: 1}


def test_tls_inside_tls_is_not_opened(room: TlsRoom) -> None:
    talk = room.talk().sent(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00")
    assert read_packets(talk.packets, room.key_log).counts.ignored == {Ignored.OTHER_TCP: 1}


@versions
def test_segments_in_any_order_give_the_same_messages(
    room: TlsRoom, version: ssl.TLSVersion
) -> None:
    talk = room.talk(version, cut=60).sent(ONE).sent(TWO).answered(OK)
    shaken = [*talk.packets[:3], *talk.packets[3:][::-1], *talk.packets[3:9]]
    result = read_packets(shaken, room.key_log)
    assert octets_of(result.messages) == [OK, ONE, TWO]  # the hello of the client came last
    assert result.counts.ignored == {}


def test_sessions_of_two_connections_are_kept_apart(room: TlsRoom) -> None:
    first = room.talk(V1_2)
    second = room.talk(V1_3, Conversation(PHONE6, NODE6).opened())
    first.sent(ONE)
    second.sent(TWO)
    packets = [
        packet
        for pair in zip_longest(first.packets, second.packets)
        for packet in pair
        if packet is not None
    ]
    assert sorted(octets_of(read_packets(packets, room.key_log).messages)) == sorted([ONE, TWO])


def test_reset_after_the_handshake_is_the_end_of_a_tls_stream(room: TlsRoom) -> None:
    talk = room.talk().sent(ONE)
    reset = tcp(NODE, PHONE, b"", talk.conversation.server_at, 4)
    (stream,) = read_packets([*talk.packets, reset], room.key_log).streams
    assert (stream.transport, stream.ended_by_source) == ("TLS", False)
