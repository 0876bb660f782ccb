"""The handshake with a proxy survives every octet, and however they are cut says the same."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as some

from callctl.egress.connect_handshake import (
    ASKED_MAX,
    ConnectHandshake,
    OpenAgain,
    SendOctets,
    TunnelOpened,
    TunnelRefused,
)
from callctl.egress.proxy_auth import ProxyAuthentication
from callctl.model.cloud import ProxySettings
from callctl.model.user import Secret
from helpers.pushes import CountedEntropy

PIECES = [
    b"HTTP/1.1 ",
    b"HTTP/1.0 ",
    b"200 OK",
    b"407 Who",
    b"103 Hints",
    b"502 Bad",
    b"\r\n",
    b"\r\n\r\n",
    b"Proxy-Authenticate: Basic realm=x",
    b'Proxy-Authenticate: Digest realm="x", nonce="y", qop="auth"',
    b'Proxy-Authenticate: Digest realm="x", nonce="y", algorithm=SHA-256, stale=true',
    b"Proxy-Authentication-Info: nextnonce=",
    b"Content-Length: 5",
    b"Content-Length: -5",
    b"Connection: close",
    b"12345",
    b"\x00",
]
STREAMS = some.lists(
    some.one_of(some.sampled_from(PIECES), some.binary(max_size=8)), max_size=30
).map(b"".join)


def play(octets: bytes, cuts: list[int]) -> list[object]:
    """All that a handshake does with `octets`, cut at `cuts`; it gets a connection when it asks."""
    proxy = ProxySettings("https", "p", 1, user="u", password=Secret("s"))
    handshake = ConnectHandshake("h:443", ProxyAuthentication(proxy, CountedEntropy()))
    actions: list[object] = [*handshake.start()]
    places = sorted({min(cut, len(octets)) for cut in cuts} | {0, len(octets)})
    for start, end in pairwise(places):
        actions += handshake.receive(octets[start:end])
    actions += handshake.closed()
    while actions[-1] == OpenAgain():
        actions += handshake.start()
        actions += handshake.closed()
    return actions


@given(STREAMS, some.lists(some.integers(0, 300), max_size=10))
def test_every_stream_ends_with_one_verdict_after_a_few_questions(
    octets: bytes, cuts: list[int]
) -> None:
    actions = play(octets, cuts)
    assert isinstance(actions[-1], TunnelOpened | TunnelRefused)
    assert sum(isinstance(each, TunnelOpened | TunnelRefused) for each in actions) == 1
    assert sum(isinstance(each, SendOctets) for each in actions) <= ASKED_MAX


@given(some.binary(max_size=40).filter(lambda each: b"\r" not in each and b"\0" not in each))
def test_body_of_407_is_skipped_whatever_it_holds(body: bytes) -> None:
    head = b'HTTP/1.1 407 X\r\nProxy-Authenticate: Digest realm="x", nonce="y", qop="auth"\r\n'
    octets = head + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
    actions = play(octets, list(range(len(octets))))
    assert [type(each) for each in actions[:2]] == [SendOctets, SendOctets]
