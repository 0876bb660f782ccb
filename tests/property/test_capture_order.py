"""However packets are cut, shuffled, doubled and laid over one another: the same messages."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from callctl.capture.capture import Capture
from callctl.capture.captured import CapturedMessage
from callctl.capture.packet import Address
from callctl.capture.pcapng import Direction
from helpers.packets import (
    NODE,
    NODE6,
    PHONE,
    PHONE6,
    SYN,
    UDP,
    Conversation,
    ipv4,
    octets_of,
    read,
    read_packets,
    tcp,
    udp_header,
)
from helpers.sip_text import INVITE, OPTIONS, octets
from helpers.websocket_wire import BINARY, CONTINUATION, PING, TEXT, frame, upgrade
from sipstack.timing import Instant
from sipstack.transport.flow import Flow

POOL = [octets(OPTIONS), octets(INVITE)]


def with_body(message: bytes, body: bytes) -> bytes:
    return message.replace(b"Content-Length: 0", b"Content-Length: %d" % len(body)) + body


bodies = st.binary(max_size=60) | st.sampled_from([b"\r\n\r\n", b"INVITE sip:a SIP/2.0\r\nA: b"])
messages = st.builds(with_body, st.sampled_from(POOL), bodies)
streams = st.lists(messages, min_size=1, max_size=4)


def cuts(data: bytes, at: list[int]) -> list[tuple[int, int]]:
    """Beginnings and ends of pieces that are all of `data`."""
    edges = sorted({0, len(data), *(each % (len(data) + 1) for each in at)})
    return list(pairwise(edges))


@given(streams, st.data(), st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=200, deadline=None)
def test_segments_in_any_order_give_the_messages_in_theirs(
    said: list[bytes], data: st.DataObject, begin: int, six: bool
) -> None:
    source, target = (PHONE6, NODE6) if six else (PHONE, NODE)
    octets_ = b"".join(said)
    pieces = cuts(octets_, data.draw(st.lists(st.integers(0, 5_000), max_size=12)))
    reach = st.integers(0, 100)
    wide = [(max(at - data.draw(reach), 0), end + data.draw(reach)) for at, end in pieces]
    order = data.draw(st.permutations(pieces + data.draw(st.lists(st.sampled_from(wide)))))
    segments = [tcp(source, target, octets_[at:end], begin + 1 + at) for at, end in order]
    result = read_packets([tcp(source, target, b"", begin, SYN), *segments])
    assert octets_of(result.messages) == said
    assert result.problems == ()
    assert {message.stream for message in result.messages} == {1}


@given(messages, st.data())
@settings(max_examples=100, deadline=None)
def test_fragments_in_any_order_give_the_message(message: bytes, data: st.DataObject) -> None:
    whole = udp_header(PHONE, NODE, message) + message
    units = [at * 8 for at in data.draw(st.lists(st.integers(1, len(whole) // 8), max_size=8))]
    pieces = cuts(whole, units)
    extra = data.draw(st.lists(st.sampled_from(pieces), max_size=4))
    wide = [(max(at - 16, 0), min(end + 16, len(whole))) for at, end in extra]
    wide = [(at, end) for at, end in wide if end == len(whole) or (end - at) % 8 == 0]
    order = data.draw(st.permutations([*pieces, *wide]))
    packets = [
        ipv4(PHONE.host, NODE.host, UDP, whole[at:end], offset=at, more=end < len(whole))
        for at, end in order
    ]
    # What comes after the last piece that was needed may be all of another datagram.
    assert set(octets_of(read_packets(packets).messages)) == {message}


@given(streams, st.data())
@settings(max_examples=100, deadline=None)
def test_websocket_frames_however_cut_give_the_messages(
    said: list[bytes], data: st.DataObject
) -> None:
    stream = upgrade()
    for message in said:
        pieces = cuts(message, data.draw(st.lists(st.integers(0, 500), max_size=3)))
        for number, (at, end) in enumerate(pieces):
            kind = CONTINUATION if number else data.draw(st.sampled_from([TEXT, BINARY]))
            stream += frame(kind, message[at:end], final=end == len(message))
            stream += data.draw(st.sampled_from([b"", b"", frame(PING, b"?")]))
    cut = data.draw(st.integers(1, 300))
    result = read_packets(Conversation().opened().sent(stream, cut=cut).packets)
    assert octets_of(result.messages) == said
    assert result.problems == ()


@given(streams, st.binary(max_size=200), st.integers(1, 200))
@settings(max_examples=100, deadline=None)
def test_messages_after_garbage_do_not_depend_on_how_the_stream_is_cut(
    said: list[bytes], garbage: bytes, cut: int
) -> None:
    data = POOL[0] + garbage + b"\r\n".join(said)
    once = read_packets(Conversation().opened().sent(data, cut=60_000).packets)
    again = read_packets(Conversation().opened().sent(data, cut=cut).packets)
    assert octets_of(again.messages) == octets_of(once.messages)


# What our own capture holds.

hosts = st.sampled_from([("192.0.2.1", "192.0.2.101"), ("2001:db8::1", "2001:db8::101")])
ports = st.sampled_from([5061, 8080, 40_001, 40_002])
# Port 5060 of TLS at the far end is the one thing that the picture does not tell from 5061.
flows = st.builds(
    lambda transport, ends, local, remote: Flow(transport, ends[0], local, ends[1], remote, 3),
    st.sampled_from(["UDP", "TCP", "TLS", "WS", "WSS"]),
    hosts,
    ports | st.just(5060),
    ports,
)
parties = st.sampled_from(["node1", "node2", "phone"])
texts = st.text(max_size=50)
sent = st.tuples(st.just("message"), parties, flows, st.sampled_from(Direction), messages, texts)
noted = st.tuples(
    st.just("note"),
    parties,
    st.none() | st.just("192.0.2.7"),
    st.none() | st.just("192.0.2.8"),
    texts,
)
connections = flows.filter(lambda flow: flow.transport != "UDP")
ended = st.tuples(st.just("closed"), parties, connections, st.sampled_from(Direction))


def written(steps: list[tuple[object, ...]]) -> bytes:
    """The capture of these steps, 5 ns apart."""
    capture = Capture(1_000, mask_secrets=False)
    data = capture.begin([("192.0.2.1", "node1")])
    for number, step in enumerate(steps):
        now = Instant(5 * number)
        match step:
            case (
                "message",
                str(party),
                Flow() as flow,
                Direction() as way,
                bytes(said),
                str(text),
            ):
                data += capture.message(now, party, flow, way, said, comment=text or None)
            case ("note", str(party), source, target, str(text)):
                assert source is None or isinstance(source, str)
                assert target is None or isinstance(target, str)
                data += capture.note(now, party, text, source=source, target=target)
            case ("closed", str(party), Flow() as flow, Direction() as way):
                data += capture.closed(now, party, flow, way)
    return data


@given(st.lists(sent | noted | ended, max_size=12))
@settings(max_examples=200, deadline=None)
def test_what_a_capture_was_given_is_what_it_gives_back(steps: list[tuple[object, ...]]) -> None:
    result = read(written(steps))
    expected, notes = [], []
    for number, step in enumerate(steps):
        match step:
            case ("message", party, Flow() as flow, way, said, text):
                local = Address(flow.local_host, flow.local_port)
                remote = Address(flow.remote_host, flow.remote_port)
                source, target = (local, remote) if way is Direction.SENT else (remote, local)
                comments = (text,) if text else ()
                at_ns = 1_000 + 5 * number
                expected.append((at_ns, party, flow.transport, source, target, way, said, comments))
            case ("note", party, from_, to, text):
                notes.append((1_000 + 5 * number, party, from_, to, text))
    assert [_plain(message) for message in result.messages] == expected
    assert [(n.at_ns, n.interface, n.source, n.target, n.text) for n in result.notes] == notes
    assert result.problems == ()


def _plain(message: CapturedMessage) -> tuple[object, ...]:
    return (
        message.at_ns,
        message.interface,
        message.transport,
        message.source,
        message.target,
        message.direction,
        message.octets,
        message.comments,
    )
