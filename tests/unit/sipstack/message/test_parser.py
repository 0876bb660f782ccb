"""One message out of its octets: what is taken, what is refused, and with which answer."""

from __future__ import annotations

import pytest

from sipstack.errors import SipSyntaxError
from sipstack.limits import HEADER_LINES_MAX, VIAS_MAX
from sipstack.message import CSeq, Request, Response, parse_message, respond
from torture.checks import check
from torture.literals import INVITE, MESSAGES, REGISTER, RINGING, SDP, UNREGISTER, wire

PLAIN = """
OPTIONS sip:bob@example.com SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1
From: <sip:alice@example.com>;tag=1
To: <sip:bob@example.com>
Call-ID: c1
CSeq: 7 OPTIONS
Max-Forwards: 70
"""


def plain(old: str = "", new: str = "") -> bytes:
    """The plain OPTIONS with one text in place of another."""
    assert old in PLAIN
    return wire(PLAIN.replace(old, new, 1))


def refusal(data: bytes) -> SipSyntaxError:
    result = check(data)
    assert isinstance(result, SipSyntaxError), result
    return result


@pytest.mark.parametrize("data", MESSAGES)
def test_what_real_phones_send_comes_out_as_it_went_in(data: bytes) -> None:
    message = check(data)
    assert isinstance(message, Request | Response)
    assert message.to_bytes() == data


def test_a_request_is_read() -> None:
    invite = parse_message(INVITE)
    assert isinstance(invite, Request)
    assert (invite.method, invite.uri_text) == ("INVITE", "sip:2001@example.com")
    assert invite.cseq == CSeq(1, "INVITE")
    assert invite.top_via.branch == "z9hG4bK-524287-1---d8754z"
    assert invite.top_via.rport == ""
    assert invite.vias[1].received == "2001:db8::9:255"
    assert (invite.from_tag, invite.to_tag) == ("8f7e6d5c", None)
    assert invite.from_.display_name == 'Alice "A." Liddell'
    assert invite.call_id == "89nhQ3mQdF5ZCgm3@192.0.2.1"
    assert [route.uri.host for route in invite.routes] == ["192.0.2.10", "192.0.2.11"]
    assert invite.supported == ["replaces", "outbound", "gruu"]
    assert invite.max_forwards == 70
    assert invite.expires is None
    assert invite.body == SDP


def test_a_response_is_read() -> None:
    ringing = parse_message(RINGING)
    assert isinstance(ringing, Response)
    assert (ringing.status, ringing.reason) == (180, "Ringing")
    assert [via.branch for via in ringing.vias] == ["z9hG4bK776", "z9hG4bK775"]
    assert ringing.to_tag == "a6c85cf"


def test_star_contact_of_a_sign_out_is_read() -> None:
    register = parse_message(UNREGISTER)
    assert register.contact_is_star
    assert register.contacts == []
    assert register.expires == 0


def test_linphone_register_without_content_length_and_with_bare_to_is_read() -> None:
    register = parse_message(REGISTER)
    assert register.to.uri.user == "1002"
    assert register.headers.all("accept") == ["application/sdp", "text/plain"]
    assert register.contacts[0].display_name == "Bob"
    assert register.paths[0].uri.params.has("ob")


# What the lower layers and the transport bring along.


def test_line_breaks_before_the_start_line_are_skipped() -> None:
    message = parse_message(b"\r\n\r\n\r\n" + plain())
    assert message.to_bytes() == plain()


def test_octets_after_content_length_are_dropped() -> None:
    data = wire(PLAIN + "Content-Length: 3", b"abcREST")
    assert parse_message(data).body == b"abc"


def test_without_content_length_the_body_is_the_rest_of_the_datagram() -> None:
    assert parse_message(wire(PLAIN, b"abc")).body == b"abc"


@pytest.mark.parametrize("data", [b"", b"\0\0\0\0", b"\r\n\r\n", b"jaK", b"\r", b"SIP", b" "])
def test_what_is_no_message_is_refused_and_cannot_be_answered(data: bytes) -> None:
    assert refusal(data).request is None


def test_a_head_without_its_empty_line_is_refused() -> None:
    error = refusal(plain()[:-2])
    assert error.request is not None


def test_bare_line_feeds_are_refused_not_mended() -> None:
    """A reader that takes LF for a line break sees other headers than one that does not."""
    error = refusal(
        plain("Call-ID: c1\n", "Call-ID: c1\nX: a\\nTo: <sip:x@y>\n").replace(b"\\n", b"\n")
    )
    assert error.status == 400
    assert refusal(plain().replace(b"\r\n", b"\n")).status == 400
    assert refusal(plain("c1", "c1\rX: a")).status == 400


# Start line.


def test_version_is_compared_without_case_and_written_in_capitals() -> None:
    message = parse_message(plain("SIP/2.0\n", "sip/2.0\n"))
    assert message.to_bytes() == plain()


@pytest.mark.parametrize(
    ("start", "status"),
    [
        ("OPTIONS sip:b@example.com SIP/3.0", 505),
        ("OPTIONS sip:b@example.com SIP/2.1", 505),
        ("OPTIONS sip:b@example.com HTTP/1.1", 400),
        ("OPTIONS sip:b@example.com", 400),
        ("OPTIONS  sip:b@example.com SIP/2.0", 400),
        ("OPTIONS sip:b@example.com  SIP/2.0", 400),
        ("OPTIONS sip:b@example.com SIP/2.0 ", 400),
        ("OPTIONS <sip:b@example.com> SIP/2.0", 400),
        ("OPTIONS sip:b@example.com; lr SIP/2.0", 400),
        ("OPTIONS sip:b@example.com?Route=%3Csip:c%3E SIP/2.0", 400),
        ("OPTIONS sip:b@ SIP/2.0", 400),
        ("OPTIONS sip:2001:db8::10 SIP/2.0", 400),
        ("OPTIONS b@example.com SIP/2.0", 400),
        ("OPTIONS sip:b@example.com:65536 SIP/2.0", 400),
        ("OPT(IONS) sip:b@example.com SIP/2.0", 400),
        (f"OPTIONS sip:{'b' * 20_000}@example.com SIP/2.0", 414),
    ],
)
def test_malformed_start_line_is_refused_with_its_status(start: str, status: int) -> None:
    error = refusal(plain("OPTIONS sip:bob@example.com SIP/2.0", start))
    assert error.status == status


@pytest.mark.parametrize(
    "uri",
    ["urn:service:sos", "tel:+12125551212", "http://example.com/a?b=c", "SIP:bob@example.com",
     "sip:my_host", "unknown:x", "sip:*21#@example.com", "sip:[::1]:5070;transport=tcp"],
)  # fmt: skip
def test_other_forms_of_request_uri_are_taken(uri: str) -> None:
    message = parse_message(plain("sip:bob@example.com", uri))
    assert isinstance(message, Request)
    assert message.uri_text == uri == str(message.uri)


@pytest.mark.parametrize("code", ["99", "099", "700", "4294967301", "2xx", "٢٠٠", "20", "-20"])
def test_status_other_than_100_to_699_is_refused_without_an_answer(code: str) -> None:
    error = refusal(RINGING.replace(b"180", code.encode()))
    assert error.request is None


# Header lines.


def test_blanks_before_the_colon_are_allowed_and_control_octets_are_not() -> None:
    assert parse_message(plain("To:", "To \t:")).headers.count("to") == 1
    for octet in ("\x01", "\x0b", "\x7f", "\x00", "é"):
        assert refusal(plain("To:", f"To{octet}:")).status == 400


def test_a_name_that_only_looks_like_to_is_not_taken_for_it() -> None:
    """AST-2016-009: behind a proxy an unknown header must not become the To."""
    error = refusal(plain("To:", "To\x01: <sip:evil@example.com>\nTo:"))
    assert error.request is not None
    assert error.request.to.uri.user == "bob"


@pytest.mark.parametrize("line", ["no colon", "From", ": empty", " : x", "a b: c", "\u2003x: y"])
def test_a_line_that_is_no_header_is_refused(line: str) -> None:
    assert refusal(plain("Max-Forwards: 70", f"Max-Forwards: 70\n{line}")).status == 400


def test_folded_lines_are_one_header_and_stay_folded() -> None:
    data = plain("To: <sip:bob@example.com>", "To:\n \t<sip:bob@example.com>\n ;tag=9")
    message = parse_message(data)
    assert message.to_tag == "9"
    assert message.to_bytes() == data


def test_a_fold_before_the_first_header_is_refused() -> None:
    assert refusal(plain("Via:", " Via:")).status == 400


@pytest.mark.parametrize(
    ("line", "header"),
    [
        ("t: <sip:x@y>", "To"),
        ("f: <sip:x@y>;tag=1", "From"),
        ("i: c1", "Call-ID"),
        ("CSEQ: 7 OPTIONS", "CSeq"),
        ("max-forwards: 70", "Max-Forwards"),
        ("l: 0\nContent-Length: 0", "Content-Length"),
        ("Expires: 1\nExpires: 1", "Expires"),
        ("c: a/b\nContent-Type: a/b", "Content-Type"),
    ],
)
def test_a_header_that_decides_something_must_not_come_twice(line: str, header: str) -> None:
    error = refusal(plain("Max-Forwards: 70", f"Max-Forwards: 70\n{line}"))
    assert (error.status, error.header) == (400, header)


def test_a_second_subject_decides_nothing_and_passes() -> None:
    parse_message(plain("Max-Forwards: 70", "Subject: a\ns: b"))


@pytest.mark.parametrize("name", ["Via", "From", "To", "Call-ID", "CSeq"])
def test_a_missing_mandatory_header_is_refused_without_an_answer(name: str) -> None:
    error = refusal(plain(f"\n{name}:", "\nX:"))
    assert (error.status, error.header, error.request) == (400, name, None)


@pytest.mark.parametrize(
    "value",
    ["4294967296 OPTIONS", "2147483648 OPTIONS", "-1 OPTIONS", "9223372036854775808 OPTIONS", "7",
     "7 INVITE", "7 options", "OPTIONS 7", "٣ OPTIONS", "1_0 OPTIONS", "+7 OPTIONS", "7 OPTIONS x"],
)  # fmt: skip
def test_bad_cseq_is_refused(value: str) -> None:
    error = refusal(plain("7 OPTIONS", value))
    assert (error.status, error.header) == (400, "CSeq")


def test_cseq_0_and_the_highest_are_taken() -> None:
    for number in (0, 2**31 - 1):
        message = parse_message(plain("7 OPTIONS", f"{number} OPTIONS"))
        assert message.cseq.number == number


@pytest.mark.parametrize("value", ["256", "-1", "", "x", "7 0", "0x10", "\u0667", "9" * 5_000])
def test_bad_max_forwards_is_refused(value: str) -> None:
    error = refusal(plain("70", value))
    assert (error.status, error.header) == (400, "Max-Forwards")


@pytest.mark.parametrize("value", ["+5", "0x5", "5 5", "\uff15", "9" * 30, "-1", "", "5,5", "99"])
def test_bad_content_length_is_refused(value: str) -> None:
    error = refusal(wire(f"{PLAIN}Content-Length: {value}", b"12345"))
    assert (error.status, error.header) == (400, "Content-Length")


def test_two_equal_content_lengths_are_refused() -> None:
    error = refusal(wire(PLAIN + "Content-Length: 5\nContent-Length: 5", b"12345"))
    assert (error.status, error.header) == (400, "Content-Length")


def test_nul_is_allowed_in_a_quoted_pair_only() -> None:
    assert refusal(plain("c1", "c\0")).status == 400
    assert refusal(plain("Max-Forwards: 70", "Subject: a\0b")).status == 400
    assert refusal(plain("Max-Forwards: 70", 'Subject: "a\0b"')).status == 400
    parse_message(plain("Max-Forwards: 70", 'Subject: "a\\\0b"'))


def test_octets_that_are_no_utf_8_pass_unchanged_and_show_as_replacements() -> None:
    data = plain("From: <", 'From: "J\xf6rg" <').decode().encode("latin-1")
    message = parse_message(data)
    assert message.to_bytes() == data
    assert message.from_.display_name == "J\ufffdrg"


def test_display_names_in_utf_8_are_read_with_and_without_quotes() -> None:
    for written in ('"Jörg 日本"', "Jörg 日本"):
        message = parse_message(plain("From: <", f"From: {written} <"))
        assert message.from_.display_name == "Jörg 日本"


@pytest.mark.parametrize(
    ("header", "count"),
    [("Subject: x\n", HEADER_LINES_MAX), ("Route: <sip:a;lr>\n", 2_000), ("x: y\n", 2_000)],
)
def test_too_many_headers_are_refused_with_513(header: str, count: int) -> None:
    assert refusal(plain("Max-Forwards: 70\n", header * count)).status == 513


def test_more_vias_than_hops_can_be_are_refused() -> None:
    error = refusal(plain("Via:", "Via: SIP/2.0/UDP a\n" * VIAS_MAX + "Via:"))
    assert (error.status, error.header) == (400, "Via")


@pytest.mark.parametrize(
    "via",
    ["SIP/2.0/UDP", "SIP/2.0/UDP a;;", "SIP/2.0/UDP a:0;branch=x", "SIP/2.0/UDP a:99999",
     "SIP/2.0/UDP a;branch=", "SIP/2.0/UDP a;branch=x;Branch=y", "SIP/2.0 a", "SIP/2.0/UDP [::1",
     "SIP/2.0/UDP a:8080x", ";,;,,", "SIP/2.0/UDP a b"],
)  # fmt: skip
def test_bad_top_via_is_refused(via: str) -> None:
    error = refusal(plain("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1", via))
    assert (error.status, error.header) == (400, "Via")


@pytest.mark.parametrize(
    "address",
    ['"Bob <sip:b@c>', "<sip:b@c", "sip:b@c>", "Bob, Mr <sip:b@c>", "< sip:b@c >", "<>", "",
     "<sip:b@c>;tag=", "<sip:b@c>;tag=1;tag=2", '<sip:b@c>;tag="1"', "<sip:b@c>;;", "sip:b@c?x=y",
     "<sip:b@c> x", "<sip:b@c>;tag=1;TAG=2", "<sip:b@c>;tag", "<nothing>", 'a;a="T\\\\'],
)  # fmt: skip
def test_bad_to_is_refused_and_answered_with_one_that_can_be_read(address: str) -> None:
    error = refusal(plain("To: <sip:bob@example.com>", f"To: {address}"))
    assert (error.status, error.header) == (400, "To")
    assert error.request is not None
    answer = parse_message(respond(error.request, 400, to_tag="x").to_bytes())
    assert answer.call_id == "c1"


def test_the_answer_to_a_mangled_via_keeps_what_tells_its_transaction() -> None:
    error = refusal(plain("z9hG4bK1", "z9hG4bK1;;,;,,"))
    assert error.request is not None
    assert str(error.request.top_via) == "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"


def test_the_answer_to_a_cseq_out_of_range_names_the_method() -> None:
    error = refusal(plain("7 OPTIONS", "36893488147419103232 OPTIONS"))
    assert error.request is not None
    assert error.request.cseq == CSeq(0, "OPTIONS")


def test_an_ack_that_is_refused_shows_its_method_so_that_nobody_answers_it() -> None:
    error = refusal(plain("OPTIONS sip", "ACK sip").replace(b"7 OPTIONS", b"x ACK"))
    assert error.request is not None
    assert error.request.method == "ACK"
