"""However a stream is cut, the same messages come out, and nothing raises."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.sip_text import OPTIONS, octets
from sipstack.transport.framer import Frame, KeepAlive, StreamFramer

MESSAGE = octets(OPTIONS)


def sip_message(body: bytes) -> bytes:
    return MESSAGE.replace(b"Content-Length: 0", b"Content-Length: %d" % len(body)) + body


bodies = st.binary(max_size=60) | st.sampled_from([b"\r\n\r\n", b"\n\n", b"\r"])
pieces = st.lists(
    bodies.map(sip_message)
    | st.sampled_from([b"\r\n\r\n", b"\r\n"])
    | st.binary(max_size=30)
    | st.sampled_from([b"A: b\n\n", b"A: b\r\n\r\n", b"Content-Length: 3\r\n\r\nabc"]),
    max_size=6,
)


def fed(data: bytes, cuts: list[int]) -> list[Frame]:
    """All frames of `data` fed in pieces; a pong is left out, for it depends on the cut."""
    framer = StreamFramer()
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    chunks = [data[a:b] for a, b in pairwise(edges)]
    return [f for chunk in chunks for f in framer.feed(chunk) if f is not KeepAlive.PONG]


@given(pieces, st.lists(st.integers(0, 10_000), max_size=12))
@settings(max_examples=150, deadline=None)
def test_frames_do_not_depend_on_how_the_stream_is_cut(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts)
    assert fed(data, cuts) == fed(data, [])


@given(pieces)
@settings(max_examples=40, deadline=None)
def test_byte_by_byte_gives_the_same_frames(parts: list[bytes]) -> None:
    data = b"".join(parts)
    assert fed(data, list(range(len(data)))) == fed(data, [])


@given(st.lists(bodies, max_size=8))
@settings(max_examples=40, deadline=None)
def test_good_messages_come_out_as_they_went_in(contents: list[bytes]) -> None:
    messages = [sip_message(body) for body in contents]
    assert StreamFramer().feed(b"".join(messages)) == messages
