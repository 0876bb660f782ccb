"""Offers and answers of a phone with one stream of G.711 (RFC 3264)."""

from __future__ import annotations

import pytest

from callctl.phone.sdp_offer import AudioPeer, answer, audio_peer, offer
from sipstack.errors import SipSyntaxError
from sipstack.message.sdp import SessionDescription

HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n"


def answered(*media: str) -> str:
    body = answer((HEAD + "".join(media)).encode(), "192.0.2.8", 6000, 5)
    assert body is not None
    return body.decode()


def test_an_offer_names_both_codecs_and_where_audio_is_taken() -> None:
    text = offer("192.0.2.8", 6000, 5)
    assert b"m=audio 6000 RTP/AVP 0 8\r\n" in text
    assert audio_peer(text) == AudioPeer("192.0.2.8", 6000, 0)
    assert len(SessionDescription.parse(text.decode()).media) == 1


def test_an_ipv6_address_is_written_as_such() -> None:
    text = offer("2001:db8::8", 6000, 5)
    assert b"c=IN IP6 2001:db8::8\r\n" in text
    assert audio_peer(text) == AudioPeer("2001:db8::8", 6000, 0)


def test_the_first_known_codec_of_the_first_audio_stream_is_taken() -> None:
    text = answered("m=audio 4000 RTP/AVP 96 8 0\r\n")
    assert "m=audio 6000 RTP/AVP 8\r\n" in text


def test_streams_beside_it_are_declined_in_their_place() -> None:
    text = answered(
        "m=video 4002 RTP/AVP 97\r\n", "m=audio 4000 RTP/AVP 0\r\n", "m=audio 4004 RTP/AVP 0\r\n"
    )
    lines = [line for line in text.split("\r\n") if line.startswith("m=")]
    assert lines == ["m=video 0 RTP/AVP 97", "m=audio 6000 RTP/AVP 0", "m=audio 0 RTP/AVP 0"]


@pytest.mark.parametrize(
    ("offered", "mirrored"),
    [
        ("sendonly", "recvonly"),
        ("recvonly", "sendonly"),
        ("inactive", "inactive"),
        ("sendrecv", "sendrecv"),
    ],
)
def test_the_direction_is_mirrored(offered: str, mirrored: str) -> None:
    assert f"a={mirrored}\r\n" in answered(f"m=audio 4000 RTP/AVP 0\r\na={offered}\r\n")


@pytest.mark.parametrize(
    "media",
    [
        "m=audio 4000 UDP/TLS/RTP/SAVPF 0\r\n",
        "m=audio 0 RTP/AVP 0\r\n",
        "m=audio 4000 RTP/AVP 96\r\n",
        "m=audio x RTP/AVP 0\r\n",
        "m=audio 4000\r\n",
        "",
    ],
)
def test_an_offer_that_has_nothing_for_us_has_no_answer(media: str) -> None:
    assert answer((HEAD + media).encode(), "192.0.2.8", 6000, 5) is None


def test_what_is_no_description_at_all_is_a_syntax_error() -> None:
    with pytest.raises(SipSyntaxError):
        answer(b"hello", "192.0.2.8", 6000, 5)
    assert audio_peer(b"hello") is None
