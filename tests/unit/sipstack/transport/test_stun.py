"""RFC 5389 §6, §7.3, §15.2, with the sample values of RFC 5769 §2."""

from __future__ import annotations

import pytest

from sipstack.transport.flow import Flow
from sipstack.transport.stun import answer, binding_request, is_stun

ID = bytes.fromhex("b7e7a701bc34d686fa87dfae")  # the transaction of RFC 5769
V4 = Flow("UDP", "198.51.100.1", 5060, "192.0.2.1", 32_853)
V6 = Flow("UDP", "2001:db8::1", 5060, "2001:db8:1234:5678:11:2233:4455:6677", 32_853)


def request(*attributes: bytes) -> bytes:
    body = b"".join(attributes)
    return bytes.fromhex("0001") + len(body).to_bytes(2) + bytes.fromhex("2112a442") + ID + body


def test_binding_request_is_recognised() -> None:
    assert binding_request(ID) == request()
    assert is_stun(request())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0\0\0",
        request()[:-1],
        request() + b"\0\0\0\0",
        b"\x40" + request()[1:],
        request().replace(b"\x21\x12\xa4\x42", b"\0\0\0\0"),
        b"\0\0" * 30,
    ],
)
def test_what_only_looks_like_stun_is_not(data: bytes) -> None:
    assert not is_stun(data)


def test_answer_over_ipv4_holds_the_address_of_the_sample() -> None:
    expected = bytes.fromhex("0101000c2112a442") + ID + bytes.fromhex("002000080001a147e112a643")
    assert answer(request(), V4) == expected


def test_answer_over_ipv6_holds_the_address_of_the_sample() -> None:
    address = "0113a9faa5d3f179bc25f4b5bed2b9d9"
    expected = bytes.fromhex("010100182112a442") + ID + bytes.fromhex("002000140002a147" + address)
    assert answer(request(), V6) == expected


def test_optional_attributes_and_padding_are_skipped() -> None:
    software = bytes.fromhex("80220005") + b"agent" + b"\0\0\0"
    reply = answer(request(software), V4)
    assert reply is not None
    assert reply[:2] == b"\x01\x01"


def test_unknown_attribute_that_must_be_understood_gets_420_that_names_it() -> None:
    change_request = bytes.fromhex("0003000400000006")
    reply = answer(request(change_request), V4)
    assert reply is not None
    assert is_stun(reply)
    assert reply[:2] == b"\x01\x11"
    assert b"\0\0\x04\x14Unknown Attribute" in reply
    assert reply.endswith(bytes.fromhex("000a000200030000"))


@pytest.mark.parametrize("kind", [b"\x01\x01", b"\x00\x11", b"\x01\x11"])
def test_responses_and_indications_are_not_answered(kind: bytes) -> None:
    assert answer(kind + request()[2:], V4) is None


def test_attribute_longer_than_the_message_is_not_answered() -> None:
    assert answer(request(bytes.fromhex("00060040")), V4) is None
