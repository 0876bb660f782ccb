"""Anonymised captures: nothing personal is left, and they play as before."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callctl.capture.captured import CaptureError
from callctl.capture.read import read_capture
from callctl.replay.anonymise import Anonymiser
from callctl.replay.anonymise_files import NotAnonymous, anonymise_files
from callctl.replay.notes import read_notes
from callctl.replay.pseudonyms import Pseudonyms
from callctl.replay.replay import read, replay
from callctl.sim.stories import STORIES
from helpers.replayed import recorded
from helpers.shared import shared_dir
from sipstack.errors import SipSyntaxError
from sipstack.message.parser import parse_message

KEY = bytes(range(32))

INVITE = (
    b"INVITE sip:0049891234@pbx.firm.com SIP/2.0\r\n"
    b"Via: SIP/2.0/TLS 10.1.2.3:5061;branch=z9hG4bKa;rport\r\n"
    b'From: "Ada Byron" <sip:ada@firm.com>;tag=1\r\n'
    b"To: <sip:0049891234@pbx.firm.com>\r\n"
    b"Call-ID: 77f@10.1.2.3\r\n"
    b"CSeq: 1 INVITE\r\n"
    b"P-Asserted-Identity: tel:+49891234\r\n"
    b'Contact: <sip:ada@10.1.2.3:5061>;+sip.instance="<urn:uuid:0e1f-22>"\r\n'
    b"Subject: for Ada Byron, +49891234, from ADA\r\n"
    b"Content-Type: application/sdp\r\n"
    b"Content-Length: 88\r\n\r\n"
    b"v=0\r\no=ada 1 1 IN IP4 10.1.2.3\r\ns=Ada's call\r\nc=IN IP4 10.1.2.3\r\n"
    b"m=audio 4000 RTP/SAVP 0\r\n"
)


def anonymised(*messages: bytes) -> tuple[list[str], Anonymiser]:
    anonymiser = Anonymiser(KEY)
    for octets in messages:
        anonymiser.learn(octets)
    return [anonymiser.anonymised(octets).decode() for octets in messages], anonymiser


def test_nothing_personal_is_left_in_a_message_wherever_it_stood() -> None:
    (text,), anonymiser = anonymised(INVITE)
    for personal in ("Ada", "ada", "ADA", "Byron", "891234", "firm.com", "10.1.2.3", "0e1f"):
        assert personal not in text
    assert list(anonymiser.left(text.encode())) == []
    assert "RTP/SAVP" in text
    assert "branch=z9hG4bKa" in text


def test_content_length_that_was_true_stays_true_and_a_wrong_one_stays_wrong() -> None:
    right = INVITE.replace(b"Content-Length: 88", b"Content-Length: 89")
    body = right.partition(b"\r\n\r\n")[2]
    right = right.replace(b"Content-Length: 89", b"Content-Length: %d" % len(body))
    (text,), _ = anonymised(right)
    head, _, made = text.partition("\r\n\r\n")
    assert f"Content-Length: {len(made)}" in head
    (text,), _ = anonymised(right.replace(b"Content-Length: ", b"Content-Length: 9"))
    assert f"Content-Length: 9{len(body)}" in text


def test_same_number_in_two_forms_stays_one_number() -> None:
    names = Pseudonyms(KEY)
    assert names.number("0049891234").removeprefix("00") == names.number("+49891234")[1:]
    assert names.number("+49891234") != Pseudonyms(bytes(32)).number("+49891234")


def test_user_called_as_a_word_of_sip_is_replaced_in_uris_and_the_word_stays() -> None:
    (text,), _ = anonymised(INVITE.replace(b"sip:ada@", b"sip:invite@"))
    assert "sip:invite@" not in text
    assert text.startswith("INVITE sip:")
    assert "CSeq: 1 INVITE" in text


@given(st.text("+0123456789", min_size=3, max_size=15))
def test_number_keeps_length_and_beginning(number: str) -> None:
    made = Pseudonyms(KEY).number(number)
    assert len(made) == len(number)
    assert len(made) - len(made.lstrip("+0")) == len(number) - len(number.lstrip("+0"))


@given(st.text("0123456789abcdefABCDEFxyz-._", max_size=80))
def test_token_keeps_its_length_and_kind_of_characters(token: str) -> None:
    made = Pseudonyms(KEY).token(token)
    assert len(made) == len(token)
    assert [it.isalnum() for it in made] == [it.isalnum() for it in token]


@pytest.mark.parametrize("name", STORIES)
def test_story_plays_as_before_under_other_names(name: str, tmp_path: Path) -> None:
    notes = read_notes(recorded(name).write(tmp_path / "plain"))
    path = anonymise_files(notes, read(notes), tmp_path / "other", KEY)
    assert replay(read_notes(path))[2].differences == ()
    for file in path.parent.iterdir():
        octets = file.read_bytes()
        for personal in (b"2001@", b"sip:1001", b"Front Desk", b"TCT2001"):
            assert personal not in octets, file.name


def test_what_could_not_be_replaced_everywhere_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = read_notes(recorded("ios_13").write(tmp_path / "plain"))
    monkeypatch.setattr(Anonymiser, "text", lambda _, text: text)
    with pytest.raises(NotAnonymous, match=r"\d+ names, numbers or tokens would be left"):
        anonymise_files(notes, read(notes), tmp_path / "other", KEY)
    assert not (tmp_path / "other").exists()


def test_every_message_of_other_peoples_captures_stays_readable() -> None:
    for path in sorted(shared_dir("pcaps/third-party").glob("*.*cap*")):
        try:
            found = read_capture(path).messages
        except CaptureError:
            continue
        anonymiser = Anonymiser(KEY)
        for message in found[:300]:
            anonymiser.learn(message.octets)
        for message in found[:300]:
            made = anonymiser.anonymised(message.octets)
            assert list(anonymiser.left(made)) == []
            if readable(message.octets):
                assert readable(made), made


def readable(octets: bytes) -> bool:
    try:
        message = parse_message(octets)
        _ = message.from_, message.to, message.cseq, message.top_via
    except SipSyntaxError:
        return False
    return True
