"""SIP over WebSocket on loopback, against a client made of octets: handshake, frames, limits."""

from __future__ import annotations

import asyncio
import resource
import zlib
from dataclasses import replace

import pytest

from callctl.io.pki import CertificateAuthority
from helpers.loops import Party, on_each_loop, party
from helpers.sip_text import OPTIONS, octets
from helpers.websocket_wire import (
    BINARY,
    CLOSE,
    CONTINUATION,
    HOST,
    PING,
    PONG,
    TEXT,
    frame,
    opened,
    upgrade,
    wire,
)
from sipstack.io.endpoint import Listener
from sipstack.io.stream import StreamLimits
from sipstack.limits import WEBSOCKET_MESSAGE_OCTETS_MAX
from sipstack.transport.flow import CloseFlow, Flow, FlowClosed, Send
from sipstack.transport.websocket import OriginPolicy

pytestmark = [pytest.mark.anyio, on_each_loop]

PAGE = "http://127.0.0.1:8000"
WS = Listener("WS", HOST, origins=OriginPolicy((PAGE,)))
MESSAGE = octets(OPTIONS)


def port_of(server: Party) -> int:
    return server.endpoint.listeners[0].port


# Handshake: reliability 28 and 30.


@pytest.mark.parametrize("protocol", [None, "chat", "sipp"])
async def test_client_that_does_not_speak_sip_gets_400_before_any_upgrade(
    protocol: str | None,
) -> None:
    async with party(WS) as server, wire(port_of(server)) as client:
        await client.send(upgrade(protocol=protocol))
        status, headers = await client.answer()
        assert status == 400
        assert "upgrade" not in headers
        await client.at_end()
        await server.until(lambda: bool(server.closed))
        assert server.received == []
        assert server.endpoint.counts()["connections_refused"] == 1


@pytest.mark.parametrize("origin", ["https://attacker.example", "http://127.0.0.1:8001", "null"])
async def test_page_of_a_wrong_origin_gets_403_before_any_upgrade(origin: str) -> None:
    async with party(WS) as server, wire(port_of(server)) as client:
        await client.send(upgrade(f"Origin: {origin}"))
        status, headers = await client.answer()
        assert status == 403
        assert "upgrade" not in headers
        await client.at_end()
        await server.until(lambda: bool(server.closed))
        assert server.endpoint.counts()["connections_refused"] == 1


async def test_two_origins_are_one_too_many() -> None:
    async with party(WS) as server, wire(port_of(server)) as client:
        await client.send(upgrade(f"Origin: {PAGE}", f"Origin: {PAGE}"))
        assert (await client.answer())[0] == 403


async def test_right_origin_or_none_at_all_is_let_in_and_sip_is_chosen_among_others() -> None:
    async with party(WS) as server:
        async with opened(port_of(server), f"Origin: {PAGE}"):
            pass
        async with wire(port_of(server)) as client:
            await client.send(upgrade(protocol="chat, sip"))
            status, headers = await client.answer()
            assert status == 101
            assert headers["sec-websocket-protocol"] == "sip"


async def test_where_an_origin_is_required_one_without_gets_403() -> None:
    strict = replace(WS, origins=OriginPolicy((PAGE,), required=True))
    async with party(strict) as server, wire(port_of(server)) as client:
        await client.send(upgrade())
        assert (await client.answer())[0] == 403


async def test_compression_is_never_agreed_on_so_a_bomb_is_no_message() -> None:
    """Reliability 30: a compressed frame is a breach of protocol, not something to inflate."""
    async with party(WS) as server, wire(port_of(server)) as client:
        await client.send(upgrade("Sec-WebSocket-Extensions: permessage-deflate"))
        status, headers = await client.answer()
        assert status == 101
        assert "sec-websocket-extensions" not in headers
        packed = zlib.compressobj(9, zlib.DEFLATED, -15)
        bomb = packed.compress(bytes(16_000_000)) + packed.flush(zlib.Z_SYNC_FLUSH)
        assert len(bomb) < WEBSOCKET_MESSAGE_OCTETS_MAX
        compressed = bytearray(frame(TEXT, bomb))
        compressed[0] |= 0x40  # RSV1
        await client.send(bytes(compressed))
        assert await client.closed_with() == 1002
        assert server.received == []


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n",  # the start of TLS
        MESSAGE,
        b"GET / HTTP/1.0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
        upgrade(protocol=None) + frame(9, b"x" * 200),
        upgrade() + frame(CLOSE),
        upgrade() + frame(TEXT, MESSAGE),
        upgrade(f"Origin: {PAGE}1") + b"\xff" * 100,
    ],
    ids=lambda said: repr(said[:12]) if isinstance(said, bytes) else None,
)
async def test_what_is_no_handshake_is_refused_and_the_next_client_served(said: bytes) -> None:
    async with party(WS) as server:
        async with wire(port_of(server)) as client:
            await client.send(said)
            answered = await client.at_end()
            assert b" 101 " not in answered
        assert server.received == []
        async with opened(port_of(server)) as client:
            await client.send(frame(TEXT, MESSAGE))
            await server.until(lambda: server.octets() == MESSAGE)


async def test_handshake_that_takes_too_long_is_cut_off() -> None:
    limits = StreamLimits(handshake_s=0.1)
    async with party(WS, limits=limits) as server, wire(port_of(server)) as client:
        await client.send(b"GET / HTTP/1.1\r\nX-Slow: ")
        await server.until(lambda: bool(server.closed))
        assert server.closed[0].reason == "handshake too slow"


# Messages.


async def test_message_over_wss_comes_with_its_flow_and_is_answered_in_the_kind_it_has() -> None:
    authority = CertificateAuthority()
    wss = Listener("WSS", HOST, tls=authority.server_context())
    trust = authority.client_context()
    async with party(wss) as server, opened(port_of(server), tls=trust) as client:
        for kind in (TEXT, BINARY):
            await client.send(frame(kind, MESSAGE))
            await server.until(lambda: bool(server.received))
            (received,) = server.received
            server.events.clear()
            assert received.data == MESSAGE
            flow = received.flow
            assert (flow.transport, flow.local_host, flow.local_port) == (
                "WSS",
                HOST,
                port_of(server),
            )
            assert flow.connection > 0
            server.endpoint.perform(Send(flow, b"answer"))
            assert await client.frame() == (kind, b"answer")
            server.endpoint.perform(Send(flow, b"\xff"))
            assert await client.frame() == (BINARY, b"\xff")


async def test_two_messages_in_one_segment_are_two_and_one_in_three_frames_is_one() -> None:
    async with party(WS) as server, opened(port_of(server)) as client:
        await client.send(frame(TEXT, MESSAGE) + frame(TEXT, b"\r\n\r\n"))
        await client.send(
            frame(BINARY, MESSAGE[:5], final=False),
            frame(PING, b"between"),
            frame(CONTINUATION, MESSAGE[5:8], final=False),
            frame(CONTINUATION, MESSAGE[8:]),
        )
        await server.until(lambda: len(server.received) == 3)
        assert [event.data for event in server.received] == [MESSAGE, b"\r\n\r\n", MESSAGE]
        assert await client.frame() == (PONG, b"between")


async def test_message_may_come_octet_by_octet() -> None:
    async with party(WS) as server, opened(port_of(server)) as client:
        for octet in frame(TEXT, b"\r\n\r\n"):
            await client.send(bytes([octet]))
            await asyncio.sleep(0)
        await server.until(lambda: server.octets() == b"\r\n\r\n")


# Limits: reliability 29.


async def test_frame_of_10_mb_is_refused_by_its_head_with_1009() -> None:
    async with party(WS) as server, opened(port_of(server)) as client:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await client.send(frame(BINARY, bytes(100_000), length=10_000_000))
        for _ in range(99):
            # All of it is taken, and thrown away: a reset would cost the peer our Close frame.
            await client.send(bytes(100_000))
        assert await client.closed_with() == 1009
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000  # kB
        assert server.received == []


async def test_message_of_too_many_fragments_is_refused_with_1009_however_they_are_cut() -> None:
    async with party(WS) as server, opened(port_of(server)) as client:
        piece = bytes(WEBSOCKET_MESSAGE_OCTETS_MAX // 4)
        await client.send(frame(TEXT, piece, final=False))
        for _ in range(4):
            await client.send(frame(CONTINUATION, piece, final=False))
        assert await client.closed_with() == 1009
        assert server.received == []


@pytest.mark.parametrize("octets_each", [0, 1])
async def test_100_000_fragments_of_an_octet_are_refused_with_1008(octets_each: int) -> None:
    limits = StreamLimits(close_s=0.1)
    async with party(WS, limits=limits) as server, opened(port_of(server)) as client:
        await client.send(frame(TEXT, b"O", final=False))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        client.writer.write(frame(CONTINUATION, b"x" * octets_each, final=False) * 100_000)
        assert await client.closed_with() == 1008
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000  # kB
        assert server.received == []
        await server.until(lambda: bool(server.closed))
        assert server.closed[0].reason == "message in too many frames"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (frame(TEXT, b"\xff"), 1007),
        (frame(CONTINUATION, b"of nothing"), 1002),
        (frame(3), 1002),
        (frame(PING, bytes(126)), 1002),
        (frame(TEXT, MESSAGE, final=False) + frame(TEXT, MESSAGE), 1002),
        (b"\x81\x03abc", 1002),  # a client has to mask
        (frame(CLOSE, b"\x00\x01"), 1002),
    ],
)
async def test_breach_of_the_protocol_closes_with_its_code(said: bytes, code: int) -> None:
    async with party(WS) as server, opened(port_of(server)) as client:
        await client.send(said)
        assert await client.closed_with() == code
        assert server.received == []


async def test_peer_that_does_not_read_is_given_up_before_much_waits_for_it() -> None:
    limits = StreamLimits(queue_max=65_536)
    async with party(WS, limits=limits) as server, opened(port_of(server)) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await client.send(frame(TEXT, MESSAGE))
        await server.until(lambda: bool(server.received))
        flow = server.received[0].flow
        for _ in range(2_000):
            server.endpoint.perform(Send(flow, MESSAGE * 50))
        await server.until(lambda: bool(server.closed))
        assert server.closed == [FlowClosed(flow, "peer does not read")]


async def test_one_connection_too_many_is_refused() -> None:
    limits = StreamLimits(per_address_max=1, unanswered_per_address_max=1)
    async with party(WS, limits=limits) as server, opened(port_of(server)) as first:
        await first.send(frame(TEXT, MESSAGE))
        await server.until(lambda: bool(server.received))
        server.endpoint.perform(Send(server.received[0].flow, b"known"))
        await first.frame()
        async with wire(port_of(server)) as second:
            assert await second.at_end() == b""


# Ends.


async def test_close_of_the_client_is_answered_and_told_at_once() -> None:
    async with party(WS) as server, opened(port_of(server)) as client:
        await client.send(frame(TEXT, MESSAGE), frame(CLOSE, b"\x03\xe9"))
        assert await client.closed_with() == 1001
        await server.until(lambda: bool(server.closed))
        assert server.closed == [FlowClosed(server.received[0].flow, "closed by peer")]
        assert await client.at_end() == b""


async def test_client_that_vanishes_without_a_word_is_told() -> None:
    async with party(WS) as server:
        async with opened(port_of(server)) as client:
            await client.send(frame(TEXT, MESSAGE))
            await server.until(lambda: bool(server.received))
        await server.until(lambda: bool(server.closed))
        assert server.closed[0].flow == server.received[0].flow


async def test_flow_that_is_closed_says_so_and_waits_for_the_client() -> None:
    async with party(WS) as server, opened(port_of(server)) as client:
        await client.send(frame(TEXT, MESSAGE))
        await server.until(lambda: bool(server.received))
        flow = server.received[0].flow
        server.endpoint.perform(Send(flow, b"last"))
        server.endpoint.perform(CloseFlow(flow))
        server.endpoint.perform(Send(flow, b"too late"))
        assert await client.frame() == (TEXT, b"last")
        assert await client.closed_with() == 1001
        await client.send(frame(CLOSE, b"\x03\xe9"))
        assert await client.at_end() == b""
        await server.until(lambda: bool(server.closed))
        assert server.closed == [FlowClosed(flow, "closed by us")]


async def test_endpoint_that_closes_does_not_wait_for_a_client_that_says_nothing() -> None:
    limits = StreamLimits(close_s=0.1)
    async with party(WS, limits=limits) as server, opened(port_of(server)) as client:
        await client.send(frame(TEXT, MESSAGE))
        await server.until(lambda: bool(server.received))
        await server.endpoint.aclose()
        assert await client.closed_with() == 1001
        assert server.closed == []


async def test_half_open_connection_is_found_out_by_a_ping_and_a_live_one_answers_it() -> None:
    limits = StreamLimits(ping_after_s=0.1, ping_answer_s=1.0)
    async with party(WS, limits=limits) as server, opened(port_of(server)) as client:
        await client.send(frame(TEXT, MESSAGE))
        await server.until(lambda: bool(server.received))
        server.endpoint.perform(Send(server.received[0].flow, b"known"))
        await client.frame()
        for _ in range(2):
            assert await client.frame() == (PING, b"")
            await client.send(frame(PONG))
        assert await client.frame() == (PING, b"")
        assert server.closed == []
        await server.until(lambda: bool(server.closed))
        assert server.closed[0].reason == "does not answer pings"


# The end that dials.


async def test_message_is_dialled_over_wss_and_the_answer_takes_the_same_connection() -> None:
    authority = CertificateAuthority()
    wss = Listener("WSS", HOST, tls=authority.server_context())
    trust = authority.client_context()
    async with party(wss) as server, party(client_tls=trust) as client:
        to = Flow("WSS", HOST, 50_000, HOST, port_of(server))
        client.endpoint.perform(Send(to, MESSAGE))
        client.endpoint.perform(Send(to, b"\r\n\r\n"))
        await server.until(lambda: len(server.received) == 2)
        assert [event.data for event in server.received] == [MESSAGE, b"\r\n\r\n"]
        server.endpoint.perform(Send(server.received[0].flow, b"back"))
        await client.until(lambda: client.octets() == b"back")
        assert client.received[0].flow._replace(connection=0) == to
        server.endpoint.perform(CloseFlow(server.received[0].flow))
        await client.until(lambda: len(client.closed) == 2)
        assert client.closed[1] == FlowClosed(to, "closed by peer")


async def test_dial_is_told_of_a_server_that_refuses_the_handshake() -> None:
    strict = replace(WS, origins=OriginPolicy(required=True))
    async with party(strict) as server, party() as client:
        to = Flow("WS", HOST, 50_000, HOST, port_of(server))
        client.endpoint.perform(Send(to, MESSAGE))
        await client.until(lambda: len(client.closed) == 2)
        assert client.closed[1].flow == to
        assert "handshake refused" in client.closed[1].reason
        assert "403" in client.closed[1].reason
