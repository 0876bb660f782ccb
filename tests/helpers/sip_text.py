"""Messages written as plain text in a test, and the few edits that tests make of them."""

from __future__ import annotations

from textwrap import dedent
from typing import Final

from sipstack.message.message import Request, Response
from sipstack.message.parser import parse_message
from sipstack.message.response import respond
from sipstack.transport.flow import Flow

UDP: Final = Flow("UDP", "192.0.2.1", 5060, "192.0.2.101", 5060)
TCP: Final = Flow("TCP", "192.0.2.1", 5060, "192.0.2.101", 40_001, connection=7)
WS: Final = Flow("WS", "192.0.2.1", 8080, "192.0.2.101", 40_002, connection=8)

INVITE: Final = """
    INVITE sip:bob@biloxi.example.com SIP/2.0
    Via: SIP/2.0/UDP 192.0.2.101:5060;branch=z9hG4bK74bf9
    Max-Forwards: 70
    Route: <sip:ss1.atlanta.example.com;lr>
    From: Alice <sip:alice@atlanta.example.com>;tag=9fxced76sl
    To: Bob <sip:bob@biloxi.example.com>
    Call-ID: 3848276298220188511@atlanta.example.com
    CSeq: 1 INVITE
    Contact: <sip:alice@192.0.2.101>
    Content-Length: 0
    """

OPTIONS: Final = """
    OPTIONS sip:bob@biloxi.example.com SIP/2.0
    Via: SIP/2.0/UDP 192.0.2.101:5060;branch=z9hG4bKhjhs8
    Max-Forwards: 70
    From: Alice <sip:alice@atlanta.example.com>;tag=1928301774
    To: Bob <sip:bob@biloxi.example.com>
    Call-ID: a84b4c76e66710@atlanta.example.com
    CSeq: 63104 OPTIONS
    Content-Length: 0
    """


def octets(text: str) -> bytes:
    """An indented literal without body as it is on the wire."""
    return dedent(text).strip().replace("\n", "\r\n").encode() + b"\r\n\r\n"


def request(text: str, *edits: tuple[str, str]) -> Request:
    """The request of a literal, after each edit (old text, new text) of it."""
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    message = parse_message(octets(text))
    assert isinstance(message, Request)
    return message


def of_same_call(invite: Request, method: str, to_tag: str | None = None) -> Request:
    """The ACK or CANCEL that shares branch, tags and number with this INVITE."""
    twin = Request(method, invite.uri_text, invite.headers.copy())
    twin.headers.set("CSeq", f"{invite.cseq.number} {method}")
    if to_tag is not None:
        twin.headers.set("To", f"{invite.headers.first('to')};tag={to_tag}")
    return twin


def response(to: Request, status: int, to_tag: str | None = "8321234356") -> Response:
    """A response of the other side; a 100 has no tag."""
    return respond(to, status, to_tag=None if status == 100 else to_tag)
