"""The response to a request, and messages that are built and not parsed."""

from __future__ import annotations

from sipstack.message import (
    Headers,
    Request,
    Response,
    ensure_content_length,
    parse_message,
    respond,
)
from sipstack.message.status import REASONS, reason_of
from torture.literals import INVITE, wire


def invite() -> Request:
    message = parse_message(INVITE)
    assert isinstance(message, Request)
    return message


def test_a_response_copies_vias_from_to_call_id_and_cseq() -> None:
    response = respond(invite(), 180, to_tag="ours", headers=(("Contact", "<sip:c@d>"),))
    assert response.to_bytes() == wire(
        """
SIP/2.0 180 Ringing
Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK-524287-1---d8754z;rport
Via: SIP/2.0/TCP [2001:db8::9:1];branch=z9hG4bKas3-111;received=2001:db8::9:255
From: "Alice \\"A.\\" Liddell" <sip:1001@example.com>;tag=8f7e6d5c
To: <sip:2001@example.com>;tag=ours
Call-ID: 89nhQ3mQdF5ZCgm3@192.0.2.1
CSeq: 1 INVITE
Contact: <sip:c@d>
Content-Length: 0
"""
    )
    assert response.to_tag == "ours"
    assert response.top_via.branch == "z9hG4bK-524287-1---d8754z"


def test_a_to_tag_that_is_there_stays() -> None:
    request = invite()
    request.headers.set("To", "<sip:2001@example.com>;tag=theirs")
    assert respond(request, 200, to_tag="ours").to_tag == "theirs"


def test_no_tag_no_reason_of_ours_and_a_body() -> None:
    response = respond(invite(), 488, "Not Here", body=b"abc")
    assert (response.reason, response.to_tag, response.body) == ("Not Here", None, b"abc")
    assert response.headers.first("content-length") == "3"


def test_only_a_100_takes_the_timestamp_over() -> None:
    request = invite()
    request.headers.append("Timestamp", "54")
    assert respond(request, 100).headers.first("timestamp") == "54"
    assert respond(request, 180).headers.first("timestamp") is None


def test_reason_phrases_are_there_for_what_we_send() -> None:
    for status in (100, 199, 422, 423, 430, 439, 440, 470, 489, 494, 513, 555, 603, 608):
        assert reason_of(status) == REASONS[status]
    assert reason_of(555) == "Push Notification Service Not Supported"
    assert reason_of(499) == "Request Failure"


def test_content_length_is_set_where_it_is_missing_or_wrong() -> None:
    message = Request("MESSAGE", "sip:a@b", Headers(), b"abc")
    ensure_content_length(message)
    assert message.headers.lines == ["Content-Length: 3"]
    message.body = b""
    ensure_content_length(message)
    assert message.headers.lines == ["Content-Length: 0"]


def test_another_request_uri_is_seen_at_once() -> None:
    request = invite()
    copy = request.copy()
    copy.set_uri(request.uri.with_host_port("192.0.2.4", 5062))
    assert (copy.uri_text, copy.uri.port) == ("sip:2001@192.0.2.4:5062", 5062)
    copy.uri_text = "sip:x@y"
    assert copy.uri.host == "y"
    assert request.uri.host == "example.com"


def test_a_response_can_be_copied_and_shows_what_it_is() -> None:
    response = Response(200, "OK", Headers())
    copy = response.copy()
    copy.headers.append("To", "<sip:a@b>")
    assert response.headers.lines == []
    assert repr(response) == "<Response 200 OK>"
    assert repr(invite()) == "<Request INVITE sip:2001@example.com>"
    assert response.to_bytes() == b"SIP/2.0 200 OK\r\n\r\n"
