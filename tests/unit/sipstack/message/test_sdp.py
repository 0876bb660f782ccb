"""Session descriptions without losing an octet."""

from __future__ import annotations

import pytest

from sipstack.errors import SipSyntaxError
from sipstack.message.sdp import SessionDescription
from torture.literals import SDP

TWO = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\na=sendonly\n"
    "m=audio 6000 RTP/AVP 0\r\nc=IN IP6 ::1\r\na=rtpmap:0 PCMU/8000\r\n"
    "m=video 6002 RTP/AVP 31\r\na=recvonly"
)


@pytest.mark.parametrize("text", [SDP.decode(), TWO, "v=0", "v=\r\nx=\r\n"])
def test_what_goes_in_comes_out(text: str) -> None:
    assert str(SessionDescription.parse(text)) == text


def test_blocks_and_what_holds_for_them() -> None:
    sdp = SessionDescription.parse(TWO)
    audio, video = sdp.media
    assert sdp.session.get("c") == "IN IP4 192.0.2.1"
    assert (audio.get("m"), video.get("m")) == ("audio 6000 RTP/AVP 0", "video 6002 RTP/AVP 31")
    assert sdp.connection_of(audio) == "IN IP6 ::1"
    assert sdp.connection_of(video) == "IN IP4 192.0.2.1"
    assert (sdp.direction_of(audio), sdp.direction_of(video)) == ("sendonly", "recvonly")


def test_edits_touch_their_line_only() -> None:
    sdp = SessionDescription.parse(TWO)
    sdp.media[0].replace("c", "IN IP6 ::2")
    sdp.media[1].set_direction("inactive")
    sdp.media[0].set_direction("sendrecv")
    assert str(sdp) == TWO.replace("IN IP6 ::1", "IN IP6 ::2").replace(
        "a=recvonly", "a=inactive"
    ).replace("PCMU/8000\r\n", "PCMU/8000\r\na=sendrecv\r\n")
    with pytest.raises(KeyError):
        sdp.media[1].replace("b", "AS:1")


def test_a_direction_goes_after_a_last_line_without_an_end() -> None:
    sdp = SessionDescription.parse("v=0")
    sdp.session.set_direction("inactive")
    assert str(sdp) == "v=0\r\na=inactive\r\n"


@pytest.mark.parametrize("text", ["", "m=audio", "v", "v=0\r\n\r\n", "V=0", "v=0\r\nx", "é=1"])
def test_what_is_no_description_is_refused(text: str) -> None:
    with pytest.raises(SipSyntaxError):
        SessionDescription.parse(text)
