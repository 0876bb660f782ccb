"""Who may connect over WebSocket, and what its frames add up to."""

from __future__ import annotations

import pytest

from helpers.sip_text import OPTIONS, octets
from sipstack.limits import WEBSOCKET_FRAMES_MAX
from sipstack.transport.websocket import FrameKind, MessageAssembler, OriginPolicy, Refusal

MESSAGE = octets(OPTIONS)
TEXT, BINARY, MORE = FrameKind.TEXT, FrameKind.BINARY, FrameKind.CONTINUATION

LISTED = OriginPolicy(("https://phone.example", "http://127.0.0.1:*", "https://[::1]:8443"))


@pytest.mark.parametrize(
    ("origin", "admitted"),
    [
        ("https://phone.example", True),
        ("HTTPS://Phone.example", True),
        ("https://phone.example:8443", False),
        ("http://phone.example", False),
        ("https://phone.example.attacker.example", False),
        ("https://attacker.example", False),
        ("http://127.0.0.1", True),
        ("http://127.0.0.1:8000", True),
        ("http://127.0.0.1:8000.attacker.example", False),
        ("http://127.0.0.1.attacker.example:80", False),
        ("https://127.0.0.1:8000", False),
        ("https://[::1]:8443", True),
        ("https://[::1]", False),
        ("null", False),
        ("", False),
        ("any", False),
    ],
)
def test_a_page_may_connect_if_its_origin_is_listed(origin: str, admitted: bool) -> None:
    assert LISTED.admits(origin) is admitted


def test_no_page_may_connect_where_none_is_listed_and_each_where_any_is() -> None:
    assert not OriginPolicy().admits("https://phone.example")
    assert OriginPolicy(("any",)).admits("https://phone.example")
    assert OriginPolicy(("any",)).admits("null")


def test_who_sends_no_origin_is_no_browser_and_may_connect_unless_one_is_required() -> None:
    assert OriginPolicy().admits(None)
    assert not OriginPolicy(("any",), required=True).admits(None)


def test_one_frame_is_one_message_and_answers_are_of_its_kind() -> None:
    """Lesson 14: some clients read text only, others binary only."""
    frames = MessageAssembler()
    assert frames.kind_for(MESSAGE) is TEXT  # before the peer has said anything
    assert frames.add(BINARY, MESSAGE, final=True) == MESSAGE
    assert frames.kind_for(MESSAGE) is BINARY
    assert frames.add(TEXT, MESSAGE, final=True) == MESSAGE
    assert frames.kind_for(MESSAGE) is TEXT


def test_fragments_are_put_together_and_the_next_message_begins_anew() -> None:
    frames = MessageAssembler()
    assert frames.add(BINARY, MESSAGE[:9], final=False) is None
    assert frames.add(MORE, b"", final=False) is None
    assert frames.add(MORE, MESSAGE[9:], final=True) == MESSAGE
    assert frames.kind_for(MESSAGE) is BINARY
    assert frames.add(TEXT, b"\r\n\r\n", final=True) == b"\r\n\r\n"


def test_character_that_is_cut_between_two_frames_is_whole_in_the_message() -> None:
    frames = MessageAssembler()
    text = 'From: "Empfänger"'.encode()
    cut = text.index(b"\xa4")
    assert frames.add(TEXT, text[:cut], final=False) is None
    assert frames.add(MORE, text[cut:], final=True) == text


def test_text_that_is_not_utf_8_is_refused_and_never_sent() -> None:
    """RFC 6455 §8.1, RFC 7118 §4.2."""
    frames = MessageAssembler()
    refusal = frames.add(TEXT, b"\xff", final=True)
    assert isinstance(refusal, Refusal)
    assert refusal.code == 1007
    assert frames.kind_for("ä".encode()) is TEXT
    assert frames.kind_for(b"\xff") is BINARY


def test_message_in_too_many_frames_is_refused_however_small_they_are() -> None:
    frames = MessageAssembler()
    assert frames.add(TEXT, b"", final=False) is None
    for _ in range(WEBSOCKET_FRAMES_MAX - 1):
        assert frames.add(MORE, b"", final=False) is None
    refusal = frames.add(MORE, b"", final=False)
    assert isinstance(refusal, Refusal)
    assert refusal.code == 1008
