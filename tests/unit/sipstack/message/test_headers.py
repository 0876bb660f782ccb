"""Header lines: found by canonical name, kept byte for byte, edited line by line."""

from __future__ import annotations

import pytest

from sipstack.message import Headers, parse_message
from sipstack.message.grammar import split_list
from sipstack.message.names import key_of
from torture.literals import INVITE


def headers(*lines: str) -> Headers:
    made = Headers()
    for line in lines:
        name, _, value = line.partition(": ")
        made.append(name, value)
    return made


def test_names_are_canonical_whatever_their_spelling() -> None:
    for spelling in ("v", "V", "Via", "VIA", "via", "vIA"):
        assert key_of(spelling) == "via"
    assert key_of("X-Own") == "x-own"
    assert key_of("WWW-Authenticate") == "www-authenticate"


def test_values_are_unfolded_and_stripped_and_lines_are_not() -> None:
    made = Headers(["subject"], ["Subject:  a\r\n\t b \r\n c "])
    assert made.first("subject") == "a b c"
    assert made.all("subject") == ["a b c"]
    assert made.lines == ["Subject:  a\r\n\t b \r\n c "]


def test_absent_header_gives_none_or_nothing() -> None:
    made = headers("To: a")
    assert made.first("from") is None
    assert made.all("from") == made.values("from") == []
    assert not made.has("from")
    assert made.count("from") == 0


def test_values_split_comma_lists_outside_quotes_and_brackets() -> None:
    made = headers('Contact: "a, \\"b" <sip:c,d@e>;x=",", <sip:f>', "m: sip:g")
    assert made.values("contact") == ['"a, \\"b" <sip:c,d@e>;x=","', "<sip:f>", "sip:g"]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", []),
        (" , ,", []),
        ("a", ["a"]),
        (" a ,b,,c ", ["a", "b", "c"]),
        ('"open, a', ['"open, a']),
        ("<open, a", ["<open, a"]),
        ('a, "b', ["a", '"b']),
        ('"a",<b>', ['"a"', "<b>"]),
    ],
)
def test_comma_lists(text: str, values: list[str]) -> None:
    assert split_list(text) == values


def test_set_replaces_the_first_and_drops_the_others() -> None:
    made = headers("k: a", "To: t", "Supported: b")
    made.set("Supported", "c")
    assert made.lines == ["Supported: c", "To: t"]
    made.set("Require", "d")
    assert made.lines == ["Supported: c", "To: t", "Require: d"]


def test_prepend_append_and_remove() -> None:
    made = headers("To: t")
    made.prepend("Via", "v1")
    made.append("Route", "r")
    made.prepend("Via", "v2")
    assert made.keys == ["via", "via", "to", "route"]
    made.remove("via")
    made.remove("absent")
    assert made.lines == ["To: t", "Route: r"]


def test_replace_first_needs_one() -> None:
    made = headers("Via: a", "Via: b")
    made.replace_first("v", "c")
    assert made.lines == ["v: c", "Via: b"]
    with pytest.raises(KeyError):
        made.replace_first("To", "x")


def test_remove_first_value_takes_the_topmost_and_the_line_with_its_last() -> None:
    made = headers("v: a;x,b, c", "Via: d")
    assert [made.remove_first_value("via") for _ in range(5)] == ["a;x", "b", "c", "d", None]
    assert made.lines == []


def test_typed_values_never_show_what_an_edit_has_replaced() -> None:
    message = parse_message(INVITE)
    copy = message.copy()
    assert copy.top_via == message.top_via
    copy.headers.prepend("Via", "SIP/2.0/TCP proxy;branch=z9hG4bKnew")
    copy.headers.set("Max-Forwards", "69")
    copy.headers.set("To", "<sip:x@y>;tag=9")
    copy.headers.remove_first_value("route")
    copy.headers.replace_first("CSeq", "2 INVITE")
    assert copy.top_via.branch == "z9hG4bKnew"
    assert copy.max_forwards == 69
    assert (copy.to_tag, copy.to.uri.host) == ("9", "y")
    assert len(copy.routes) == 1
    assert copy.cseq.number == 2
    assert message.top_via.transport == "UDP"
    assert (message.max_forwards, message.to_tag, len(message.routes)) == (70, None, 2)
    copy.headers.remove_first_value("via")
    assert copy.top_via == message.top_via
