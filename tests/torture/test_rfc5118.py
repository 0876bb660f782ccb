"""RFC 5118: IPv6 in SIP, the parser's side."""

from __future__ import annotations

import pytest

from helpers.shared import shared_dir
from sipstack.errors import SipSyntaxError
from sipstack.message import Request, parse_message
from torture.checks import check

FOLDER = "torture/siprustserver/ipv6"

TAKEN = (
    "v41_basicIpv6",
    "v43_portAmbiguousInBrackets",
    "v44_portUnambiguous",
    "v45a_receivedBracketed",
    "v45b_receivedBare",
    "v46_ipv6InSdp",
    "v47_mixedIpv4Ipv6Vias",
    "v48_multipleIpInSdp",
    "v49_ipv4Mapped",
    "v410a_extraColon",  # written by an old grammar; may be taken, must never be made
    "v410b_correctIpv4InIpv6",
)


def request(name: str) -> Request:
    message = parse_message((shared_dir(FOLDER) / f"{name}.sip").read_bytes())
    assert isinstance(message, Request)
    return message


def test_twelve_messages_are_there() -> None:
    assert {path.stem for path in shared_dir(FOLDER).iterdir()} == {*TAKEN, "v42_ipv6NoBrackets"}


@pytest.mark.parametrize("name", TAKEN)
def test_the_parser_takes(name: str) -> None:
    result = check((shared_dir(FOLDER) / f"{name}.sip").read_bytes())
    assert isinstance(result, Request), result


def test_an_address_without_brackets_is_refused_with_400() -> None:
    result = check((shared_dir(FOLDER) / "v42_ipv6NoBrackets.sip").read_bytes())
    assert isinstance(result, SipSyntaxError)
    assert (result.status, result.header) == (400, "Request-URI")
    assert result.request is not None


def test_port_in_brackets_is_a_part_of_the_address() -> None:
    assert request("v43_portAmbiguousInBrackets").uri.host_port() == ("2001:db8::10:5070", None)
    assert request("v44_portUnambiguous").uri.host_port() == ("2001:db8::10", 5070)


def test_received_is_read_with_and_without_brackets() -> None:
    assert request("v45a_receivedBracketed").top_via.received == "[2001:db8::9:255]"
    assert request("v45b_receivedBare").top_via.received == "2001:db8::9:255"
