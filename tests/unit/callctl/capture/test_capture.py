"""The file opens in Wireshark, and each SIP message in it is whole."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from struct import unpack_from
from typing import Any

import pytest

from callctl.capture.capture import Capture
from callctl.capture.mask import masked
from callctl.capture.packet import Address, tcp_packet, udp_packet
from callctl.capture.pcapng import Direction
from helpers.sip_text import INVITE, OPTIONS, octets, request, response
from sipstack.timing import MS, Instant
from sipstack.transport.flow import Flow

EPOCH = 1_700_000_000_000_000_000
UDP = Flow("UDP", "192.0.2.1", 5060, "192.0.2.101", 5060)
UDP6 = Flow("UDP", "2001:db8::1", 5060, "2001:db8::101", 5060)
TCP = Flow("TCP", "192.0.2.1", 5060, "192.0.2.102", 40_001, 7)
TCP6 = Flow("TCP", "2001:db8::1", 15_060, "2001:db8::102", 40_001, 8)
TLS = Flow("TLS", "192.0.2.1", 5061, "192.0.2.103", 40_002, 9)

Read = Callable[..., list[dict[str, Any]]]


def at(ms: int) -> Instant:
    return Instant(ms * MS)


@pytest.fixture
def tshark(tmp_path: Path) -> Read:
    """Runs tshark over a capture. Returns: the asked fields of each packet."""
    program = shutil.which("tshark")
    if program is None:
        pytest.skip("tshark is not installed")

    def read(capture: bytes, *fields: str, options: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        path = tmp_path / "capture.pcapng"
        path.write_bytes(capture)
        asked = [word for field in fields for word in ("-e", field)]
        done = subprocess.run(
            [program, "-r", str(path), "-T", "json", *asked, *options],
            capture_output=True,
            check=True,
            timeout=60,
        )
        layers = [packet["_source"]["layers"] for packet in json.loads(done.stdout or b"[]")]
        return [{name: values[0] for name, values in each.items()} for each in layers]

    return read


@pytest.mark.parametrize("flow", [UDP, UDP6, TCP, TCP6, TLS], ids=str)
def test_both_sides_of_a_dialogue_are_well_formed_sip(flow: Flow, tshark: Read) -> None:
    capture = Capture(EPOCH)
    data = capture.begin()
    invite = request(INVITE)
    answers = [response(invite, status).to_bytes() for status in (100, 200)]
    for step, message in enumerate([invite.to_bytes(), *answers]):
        way = Direction.SENT if step else Direction.RECEIVED
        data += capture.message(at(step), "node1", flow, way, message)
    packets = tshark(
        data,
        "sip.CSeq",
        "sip.Status-Code",
        "_ws.malformed",
        "_ws.expert.message",
        "frame.protocols",
    )
    assert [packet.get("sip.CSeq") for packet in packets] == ["1 INVITE"] * 3
    assert [packet.get("sip.Status-Code") for packet in packets] == [None, "100", "200"]
    assert not any("_ws.malformed" in packet for packet in packets)
    assert not any("etransmission" in packet.get("_ws.expert.message", "") for packet in packets)


def test_time_party_direction_and_addresses_show(tshark: Read) -> None:
    capture = Capture(EPOCH)
    data = capture.begin()
    message = octets(OPTIONS)
    data += capture.message(at(1), "node1", UDP, Direction.RECEIVED, message)
    data += capture.message(at(2), "node2", UDP6, Direction.SENT, message)
    first, second = tshark(
        data,
        "frame.time_epoch",
        "frame.interface_name",
        "frame.packet_flags_direction",
        "ip.src",
        "ipv6.src",
        "udp.srcport",
    )
    assert first["frame.time_epoch"] == "1700000000.001000000"
    assert first["frame.interface_name"] == "node1"
    assert int(first["frame.packet_flags_direction"], 16) == 1
    assert (first["ip.src"], first["udp.srcport"]) == ("192.0.2.101", "5060")
    assert second["frame.interface_name"] == "node2"
    assert int(second["frame.packet_flags_direction"], 16) == 2
    assert second["ipv6.src"] == "2001:db8::1"


def test_checksums_are_right(tshark: Read) -> None:
    capture = Capture(EPOCH)
    data = capture.begin()
    for flow in (UDP, UDP6, TCP, TCP6):
        for way in Direction:
            data += capture.message(at(1), "n", flow, way, octets(OPTIONS) + b"odd")
    packets = tshark(
        data,
        "ip.checksum.status",
        "udp.checksum.status",
        "tcp.checksum.status",
        options=(
            *("-o", "ip.check_checksum:TRUE"),
            *("-o", "udp.check_checksum:TRUE"),
            *("-o", "tcp.check_checksum:TRUE"),
        ),
    )
    assert len(packets) == 8
    assert {status for packet in packets for status in packet.values()} == {"1"}


def test_names_and_comments_show(tshark: Read) -> None:
    capture = Capture(EPOCH)
    data = capture.begin([("192.0.2.1", "node1"), ("2001:db8::1", "node1-v6")])
    data += capture.message(
        at(1), "node1", UDP, Direction.SENT, octets(OPTIONS), comment="branch 2 of 3"
    )
    data += capture.message(at(1), "node1", UDP6, Direction.SENT, octets(OPTIONS))
    first, second = tshark(
        data, "ip.src_host", "ipv6.src_host", "frame.comment", options=("-N", "n")
    )
    assert first["ip.src_host"] == "node1"
    assert first["frame.comment"] == "branch 2 of 3"
    assert second["ipv6.src_host"] == "node1-v6"


def test_notes_stand_in_line_with_the_messages(tshark: Read) -> None:
    capture = Capture(EPOCH)
    data = capture.begin()
    data += capture.note(at(1), "node1", "ring push to TCTALICE\nactive node node2")
    data += capture.note(at(2), "node2", "out of service", source="2001:db8::1")
    first, second = tshark(data, "syslog.msg", "frame.comment", "_ws.malformed", "ipv6.src")
    assert first["syslog.msg"] == "node1: ring push to TCTALICE active node node2"
    assert first["frame.comment"].replace("\\n", "\n") == "ring push to TCTALICE\nactive node node2"
    assert second["syslog.msg"] == "node2: out of service"
    assert second["ipv6.src"] == "2001:db8::1"


def test_message_larger_than_a_packet_is_put_together_again(tshark: Read) -> None:
    body = b"x" * 150_000
    invite = octets(INVITE).replace(b"Content-Length: 0", b"Content-Length: %d" % len(body)) + body
    capture = Capture(EPOCH)
    data = capture.begin() + capture.message(at(1), "node1", TCP, Direction.RECEIVED, invite)
    data += capture.message(at(2), "node1", TCP, Direction.RECEIVED, octets(OPTIONS))
    packets = tshark(data, "sip.CSeq.method", "sip.Content-Length")
    seen = [packet["sip.CSeq.method"] for packet in packets if packet]
    assert seen == ["INVITE", "OPTIONS"]


def test_each_block_has_its_length_at_both_ends() -> None:
    capture = Capture(EPOCH)
    data = capture.begin([("192.0.2.1", "node1")])
    data += capture.message(at(1), "node1", UDP, Direction.SENT, octets(OPTIONS), comment="\udcff")
    data += capture.note(at(2), "node1", "x" * 100_000)
    kinds = []
    start = 0
    while start < len(data):
        kind, size = unpack_from("<II", data, start)
        assert size % 4 == 0
        assert unpack_from("<I", data, start + size - 4) == (size,)
        kinds.append(kind)
        start += size
    assert kinds == [0x0A0D0D0A, 4, 1, 6, 6]


def test_packets_of_two_address_families_cannot_be() -> None:
    with pytest.raises(ValueError, match="two families"):
        udp_packet(Address("192.0.2.1", 1), Address("::1", 1), b"")
    with pytest.raises(ValueError, match="not appear to be"):
        tcp_packet(Address("node1", 1), Address("::1", 1), b"", 0, 0)


def test_secrets_are_masked_octet_for_octet() -> None:
    message = octets(OPTIONS).replace(
        b"Content-Length: 0",
        b'Authorization: Digest username="a", nonce="abc", response="0123456789abcdef",\r\n'
        b' cnonce="cn", nc=00000001\r\n'
        b"Proxy-Authorization: Bearer eyJhbGciOi.J9\r\n"
        b"Contact: <sip:a@b;pn-provider=apns;pn-prid=00fc13ad:voip&11ab:remote>\r\n"
        b"Content-Length: 0",
    )
    hidden = masked(message)
    assert len(hidden) == len(message)
    for secret in (b'abc"', b"0123456789abcdef", b'"cn"', b"eyJhbGciOi", b"00fc13ad", b"11ab"):
        assert secret not in hidden
    for kept in (b'username="a"', b"nc=00000001", b"pn-provider=apns;", b"Bearer xxx"):
        assert kept in hidden
    assert octets(OPTIONS) == masked(octets(OPTIONS))


def test_media_keys_are_masked() -> None:
    sdp = b"v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0|2^20\r\na=ice-pwd:hush\r\n"
    hidden = masked(sdp)
    assert b"inline:xxxxxxxx|2^20" in hidden
    assert b"a=ice-pwd:xxxx\r\n" in hidden


@pytest.mark.parametrize("mask", [True, False])
def test_masking_can_be_switched_off(mask: bool) -> None:
    message = octets(OPTIONS).replace(b"Max-Forwards: 70", b"Authorization: Bearer secret")
    data = Capture(EPOCH, mask_secrets=mask).message(at(0), "n", UDP, Direction.SENT, message)
    assert (b"secret" in data) is not mask
