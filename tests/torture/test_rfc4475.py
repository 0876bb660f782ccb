"""RFC 4475, the parser's side: each of the 49 messages against its row of the table."""

from __future__ import annotations

import pytest

from helpers.shared import shared_dir
from sipstack.errors import SipSyntaxError
from sipstack.message import Request, Response, parse_message
from torture.checks import check
from torture.rfc4475 import CASES, Case


def octets(name: str) -> bytes:
    return (shared_dir("torture/rfc4475") / f"{name}.dat").read_bytes()


def test_the_table_has_each_message_of_the_rfc_once() -> None:
    present = {path.stem for path in shared_dir("torture/rfc4475").glob("*.dat")}
    assert {case.name for case in CASES} == present - {"test", "baddn-with-final-crlf"}
    assert len(CASES) == 49


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_parser_gives_the_verdict_of_the_table(case: Case) -> None:
    result = check(octets(case.name))
    if case.refused is None:
        assert not isinstance(result, SipSyntaxError), result
    else:
        assert isinstance(result, SipSyntaxError)
        assert (result.status, result.header) == case.refused


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_refused_request_can_be_answered_if_its_row_wants_an_answer(case: Case) -> None:
    result = check(octets(case.name))
    if isinstance(result, SipSyntaxError):
        answered = result.request is not None
        wanted = result.status in case.wire
        # insuf may be answered, but is not: see its row.
        assert answered == (wanted and case.name != "insuf")


def request(name: str) -> Request:
    message = parse_message(octets(name))
    assert isinstance(message, Request)
    return message


def test_wsinv_shows_what_its_folds_and_blanks_hide() -> None:
    invite = request("wsinv")
    assert invite.to_tag == "1918181833n"
    assert invite.from_tag == "98asjd8"
    assert invite.from_.display_name == 'J Rosenberg \\"'
    assert invite.max_forwards == 68
    assert str(invite.cseq) == "9 INVITE"
    assert [str(via) for via in invite.vias] == [
        "SIP/2.0/UDP 192.0.2.2;branch=390skdjuw",
        "SIP/2.0/TCP spindle.example.com;branch=z9hG4bK9ikj8",
        "SIP/2.0/UDP 192.168.255.111;branch=z9hG4bK30239",
    ]
    (contact,) = invite.contacts
    assert contact.display_name == 'Quoted string ""'
    assert contact.params.items() == (
        ("newparam", "newvalue"),
        ("secondparam", None),
        ("q", "0.33"),
    )
    assert len(invite.body) == 150


def test_intmeth_keeps_an_exotic_method_and_control_octets_in_quoted_pairs() -> None:
    odd = request("intmeth")
    assert odd.method == "!interesting-Method0123456789_*+`.%indeed'~" == odd.cseq.method
    assert odd.to.display_name == "BEL:\x07 NUL:\x00 DEL:\x7f"
    assert odd.uri.user == "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
    assert odd.uri.password == "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
    assert odd.from_tag == "_token~1'+`*%!-."


def test_esc01_is_a_user_and_no_nested_uri() -> None:
    uri = request("esc01").uri
    assert (uri.user, uri.host) == ("sips%3Auser%40example.com", "example.net")
    assert uri.user_unescaped == "sips:user@example.com"


def test_escnull_has_two_contacts_whose_nul_stays_escaped() -> None:
    contacts = request("escnull").contacts
    assert [contact.uri.user_unescaped for contact in contacts] == ["%00", "%00%00"]


def test_esc02_does_not_unescape_methods_and_header_names() -> None:
    odd = request("esc02")
    assert odd.method == "RE%47IST%45R"
    assert odd.headers.has("c%6fntact")
    assert len(odd.contacts) == 2  # the third is in C%6Fntact


def test_dblreq_drops_the_second_request() -> None:
    assert request("dblreq").body == b""


def test_semiuri_takes_the_semicolon_for_a_part_of_the_user() -> None:
    uri = request("semiuri").uri
    assert (uri.user, uri.params.text) == ("user;par=u%40example.net", "")


def test_transports_are_kept_even_if_unknown() -> None:
    vias = request("transports").vias
    assert [via.transport for via in vias] == ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]


def test_mpart01_keeps_its_binary_body() -> None:
    assert len(request("mpart01").body) == 553


def test_unreason_and_noreason_keep_their_reason_phrase() -> None:
    for name, reason in (
        ("unreason", "= 2**3 * 5**2 но сто девяносто девять - простое"),
        ("noreason", ""),
    ):
        response = parse_message(octets(name))
        assert isinstance(response, Response)
        assert response.reason == reason


def test_regbadct_is_refused_by_whoever_reads_its_contact() -> None:
    register = request("regbadct")
    with pytest.raises(SipSyntaxError) as caught:
        _ = register.contacts
    assert (caught.value.status, caught.value.header) == (400, "Contact")


def test_cparam01_is_a_header_parameter_and_cparam02_one_of_the_uri() -> None:
    (outside,) = request("cparam01").contacts
    (inside,) = request("cparam02").contacts
    assert outside.params.has("unknownparam")
    assert not outside.uri.params.has("unknownparam")
    assert inside.uri.params.has("unknownparam")
    assert not inside.params.has("unknownparam")


def test_regescrt_loses_its_route_where_it_becomes_a_request_uri() -> None:
    (contact,) = request("regescrt").contacts
    assert contact.uri.headers == "Route=%3Csip:sip.example.com%3E"
    assert str(contact.uri.without_headers()) == "sip:user@example.com"


def test_inv2543_has_neither_branch_nor_from_tag() -> None:
    invite = request("inv2543")
    assert invite.top_via.branch is None
    assert invite.from_tag is None


def test_badbranch_has_the_bare_cookie() -> None:
    assert request("badbranch").top_via.branch == "z9hG4bK"
