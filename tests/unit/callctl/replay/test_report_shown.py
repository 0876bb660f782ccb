"""Messages as people may see them, and two of them side by side."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from callctl.replay.shown import Lines, Mark, shown, shown_text, side_by_side

CAPTURED = (
    b"INVITE sip:2001@198.51.100.1 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
    b'f: "Front Desk" <sip:1001@lab.example>;tag=1\r\n'
    b"Subject: old\r\n"
    b"Content-Length: 24\r\n"
    b"\r\n"
    b"v=0\r\ns=-\r\na=ptime:20\r\n"
)
NOW = (
    b"INVITE sip:2001@198.51.100.1 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK2\r\n"
    b'From: "Reception" <sip:1001@lab.example>;tag=1\r\n'
    b"Content-Length: 24\r\n"
    b"X-New: yes\r\n"
    b"\r\n"
    b"v=0\r\ns=callctl\r\na=ptime:20\r\n"
)


def test_lines_stand_beside_those_of_the_same_header_and_say_what_differs() -> None:
    found = {
        (each.captured or "").partition(":")[0]: each
        for each in side_by_side(CAPTURED, NOW, {"from", "subject"})
    }
    assert found["Via"].mark is Mark.ANEW
    assert found["f"] == Lines(
        'f: "Front Desk" <sip:1001@lab.example>;tag=1',
        'From: "Reception" <sip:1001@lab.example>;tag=1',
        Mark.DIFFERS,
    )
    assert found["Subject"] == Lines("Subject: old", None, Mark.DIFFERS)
    assert found["Content-Length"].mark is Mark.SAME
    assert Lines(None, "X-New: yes", Mark.ANEW) in side_by_side(CAPTURED, NOW, ())


def test_lines_of_a_body_are_what_a_difference_of_the_body_is_about() -> None:
    marks = {each.captured: each.mark for each in side_by_side(CAPTURED, NOW, {"body"})}
    assert marks["s=-"] is Mark.DIFFERS
    assert marks["v=0"] is Mark.SAME


def test_start_lines_stand_side_by_side_whatever_they_are() -> None:
    busy = b"SIP/2.0 486 Busy Here\r\nCSeq: 1 INVITE\r\n\r\n"
    gone = b"SIP/2.0 480 Temporarily Unavailable\r\nCSeq: 1 INVITE\r\n\r\n"
    first, second = side_by_side(busy, gone, {"start-line"})
    assert first == Lines(
        "SIP/2.0 486 Busy Here", "SIP/2.0 480 Temporarily Unavailable", Mark.DIFFERS
    )
    assert second.mark is Mark.SAME


def test_folded_line_belongs_to_its_header() -> None:
    captured = b"BYE sip:a@b SIP/2.0\r\nSubject: one\r\n two\r\n\r\n"
    now = b"BYE sip:a@b SIP/2.0\r\nSubject: one\r\n three\r\n\r\n"
    assert side_by_side(captured, now, {"subject"})[-1] == Lines(" two", " three", Mark.DIFFERS)


def test_what_would_steer_a_terminal_is_shown_as_text() -> None:
    text = shown_text("a\x1b[2J\x00\x9b\N{RIGHT-TO-LEFT OVERRIDE}\N{LINE SEPARATOR}\ttab\nline")
    assert text == "a\\x1b[2J\\x00\\x9b\\u202e\\u2028\ttab\nline"


def test_secrets_are_masked_and_octets_that_are_no_text_are_shown() -> None:
    text = shown(
        b"REGISTER sip:lab.example SIP/2.0\r\n"
        b'Authorization: Digest username="1001", nonce="abcdef", response="0123456789abcdef"\r\n'
        b"Contact: <sip:1001@192.0.2.9;pn-prid=secret>\r\n"
        b"\r\n\xff\x00"
    )
    assert "0123456789abcdef" not in text
    assert "pn-prid=xxxxxx" in text
    assert text.endswith("\n\n\\xff\\x00")


@given(st.binary(max_size=200), st.binary(max_size=200), st.sets(st.sampled_from(["body", "via"])))
def test_both_messages_are_shown_whole_whatever_they_are(
    captured: bytes, now: bytes, about: set[str]
) -> None:
    lines = side_by_side(captured, now, about)
    there = [each.captured for each in lines if each.captured is not None]
    here = [each.now for each in lines if each.now is not None]
    assert [line for line in there if line] == [it for it in shown(captured).split("\n") if it]
    assert [line for line in here if line] == [it for it in shown(now).split("\n") if it]
    assert shown_text("\n".join(there)) == "\n".join(there)
