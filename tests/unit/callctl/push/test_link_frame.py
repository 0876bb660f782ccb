"""The frames between CallManager and its push service: what they look like, and what is none."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callctl.push.events import Outcome
from callctl.push.kind import PushKind
from callctl.push.link_frame import (
    FRAME_MAX,
    Ended,
    Frame,
    FrameReader,
    Heartbeat,
    HeartbeatAck,
    Hello,
    LinkError,
    Push,
    Refused,
    Sent,
    TokenState,
    Welcome,
    Withdraw,
    octets_of,
)
from helpers.push_link import framed
from helpers.pushes import at, content

SECRET = "+498912345678"
"""A number that no error may repeat."""

TEXTS: dict[str, Frame] = {
    '{"type":"hello","node":"ucm1"}': Hello("ucm1"),
    '{"type":"heartbeat","number":7}': Heartbeat(7),
    '{"type":"withdraw","call_uuid":"c1","device_name":"TCTALICE"}': Withdraw("c1", "TCTALICE"),
    '{"type":"welcome","node":"ucm1"}': Welcome("ucm1"),
    '{"type":"refused","reason":"push before hello"}': Refused("push before hello"),
    '{"type":"heartbeatAck","number":7}': HeartbeatAck(7),
    '{"type":"sent","intent_id":"i1"}': Sent("i1"),
    '{"type":"ended","intent_id":"i1","outcome":"failed"}': Ended("i1", Outcome.FAILED),
    '{"type":"ended","intent_id":"i1","outcome":"refused token","status":410,"reason":"Gone",'
    '"tracking_id":"CPNS_1","target_mark":"0123456789abcdef"}': Ended(
        "i1", Outcome.REFUSED_TOKEN, 410, "Gone", "CPNS_1", "0123456789abcdef"
    ),
    '{"type":"tokenState","available":false,"reason":"invalid_grant"}': TokenState(
        available=False, reason="invalid_grant"
    ),
}
PUSH = Push("i1", "TCTALICE", PushKind.INCOMING, "c1", content(), at(13_000), at(1))
PUSH_TEXT = (
    '{"type":"push","intent_id":"i1","device_name":"TCTALICE","kind":"incoming","call_uuid":"c1",'
    '"content":{"event":"incoming","call_uuid":"c1","display_name":"Büro Süd",'
    '"display_number":"+498912345678","hunt_pilot_dn":"555800099","video":true,'
    '"active_node":{"fqdn":"cm2.example.com","ip":"192.0.2.12","port":5061,"transport":"tls",'
    '"role":"backup"}},"deadline":13000000000,"asked_at":1000000}'
)
ALL: dict[str, Frame] = {**TEXTS, PUSH_TEXT: PUSH}

GARBAGE = {
    "no JSON": b"GET / HTTP/1.1",
    "nothing": b"",
    "no UTF-8": b'{"type":"hello","node":"' + b"\xff" + b'"}',
    "an array": b"[]",
    "no type": b'{"node":"ucm1"}',
    "unknown type": f'{{"type":"{SECRET}"}}'.encode(),
    "field missing": b'{"type":"push","intent_id":"i1"}',
    "wrong type of field": f'{{"type":"heartbeat","number":"{SECRET}"}}'.encode(),
    "unknown kind": PUSH_TEXT.replace('"incoming"', f'"{SECRET}"').encode(),
    "number of 5,000 digits": b'{"type":"heartbeat","number":' + b"9" * 5_000 + b"}",
    "number beyond all": b'{"type":"heartbeat","number":1e400}',
    "half a surrogate": b'{"type":"hello","node":"\\ud800"}',
    "two values": b'{"type":"sent","intent_id":"i1"}{}',
    "deep array": b"[" * FRAME_MAX,
    "deep field": b'{"type":"heartbeat","number":1,"x":' + b"[" * 60_000,
    "deep content": PUSH_TEXT.replace('"Büro Süd"', "[" * 60_000).encode(),
}


def read(octets: bytes) -> list[Frame]:
    return list(FrameReader().feed(octets))


@pytest.mark.req("CPNS-04")
@pytest.mark.parametrize("text", ALL, ids=lambda text: text[9:30])
def test_each_frame_is_its_length_and_its_json(text: str) -> None:
    """OP-34."""
    assert octets_of(ALL[text]) == framed(text)
    assert read(framed(text)) == [ALL[text]]


def test_fields_that_are_not_known_are_passed_over() -> None:
    assert read(framed('{"type":"sent","intent_id":"i1","since":"16"}')) == [Sent("i1")]


@given(st.lists(st.sampled_from(sorted(ALL)), max_size=8), st.data())
def test_stream_may_be_cut_anywhere(texts: list[str], data: st.DataObject) -> None:
    octets = framed(*texts)
    cuts = data.draw(st.lists(st.integers(0, len(octets)), max_size=20).map(sorted))
    reader = FrameReader()
    frames: list[Frame] = []
    for start, end in pairwise([0, *cuts, len(octets)]):
        frames += reader.feed(octets[start:end])
    assert frames == [ALL[text] for text in texts]


@pytest.mark.parametrize("what", GARBAGE)
def test_what_is_no_frame_is_an_error_that_repeats_none_of_it(what: str) -> None:
    body = GARBAGE[what]
    with pytest.raises(LinkError) as caught:
        read(len(body).to_bytes(4, "big") + body)
    error = caught.value
    assert str(error) == "a frame that is none"
    assert (error.__cause__, error.__suppress_context__) == (None, True)


def test_frame_that_is_too_long_is_refused_by_its_length_before_it_has_come() -> None:
    with pytest.raises(LinkError, match="a frame of 65537 octets, at most 65536 are taken"):
        read((FRAME_MAX + 1).to_bytes(4, "big"))
    with pytest.raises(LinkError, match="a frame of 1195725856 octets"):
        read(b"GET / HTTP/1.1\r\n")
    longest = framed('{"type":"refused","reason":"' + "x" * (FRAME_MAX - 30) + '"}')
    assert len(longest) == FRAME_MAX + 4
    assert read(longest) == [Refused("x" * (FRAME_MAX - 30))]


def test_frames_before_one_that_is_none_are_taken_however_the_stream_is_cut() -> None:
    good, bad = framed('{"type":"sent","intent_id":"i1"}'), framed("[]")
    for cut in range(len(good) + len(bad)):
        reader = FrameReader()
        frames: list[Frame] = []
        pieces = ((good + bad)[:cut], (good + bad)[cut:])
        with pytest.raises(LinkError):
            frames.extend(frame for piece in pieces for frame in reader.feed(piece))
        assert frames == [Sent("i1")]


@given(st.lists(st.binary(max_size=64), max_size=8))
def test_no_octets_do_worse_than_a_link_error(pieces: list[bytes]) -> None:
    reader = FrameReader()
    with suppress(LinkError):
        for piece in pieces:
            list(reader.feed(piece))


def test_heartbeat_of_a_number_beyond_64_bits_can_be_answered_or_is_refused() -> None:
    for digits in (19, 20, 100, 400, 4_299):
        (frame,) = read(framed('{"type":"heartbeat","number":' + "9" * digits + "}"))
        assert isinstance(frame, Heartbeat)
        assert read(octets_of(HeartbeatAck(frame.number))) == [HeartbeatAck(frame.number)]
