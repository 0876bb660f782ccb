"""TCP and TLS over loopback: dialling, re-use, limits, ends."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import ssl
from asyncio.sslproto import SSLProtocol
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from helpers.loops import Party, on_each_loop, party
from helpers.sip_text import OPTIONS, octets
from sipstack.io.endpoint import TLS_BUFFER, Listener
from sipstack.io.stream import StreamLimits
from sipstack.transport.flow import CloseFlow, Flow, FlowClosed, Send

pytestmark = [pytest.mark.anyio, on_each_loop]
MESSAGE = octets(OPTIONS)
HOST = "127.0.0.1"
TCP = Listener("TCP", HOST)
QUICK = StreamLimits(half_closed_s=0.2)


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server context with a certificate for 127.0.0.1, and a client context that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path: Path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.minimum_version = ssl.TLSVersion.TLSv1_2
    server.load_cert_chain(path)
    client = ssl.create_default_context(cafile=str(path))
    client.minimum_version = ssl.TLSVersion.TLSv1_2
    return server, client


def to(alice: Party, bob: Party, transport: str = "TCP") -> Flow:
    """The flow by which alice reaches bob, without a connection yet."""
    return alice.endpoint.flow_to(transport, HOST, bob.endpoint.listeners[0].port)


async def dialled_in(bob: Party) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(HOST, bob.endpoint.listeners[0].port)


async def test_message_is_dialled_and_the_answer_takes_the_same_connection() -> None:
    async with party(TCP, limits=QUICK) as alice, party(TCP, limits=QUICK) as bob:
        alice.endpoint.perform(Send(to(alice, bob), MESSAGE))
        alice.endpoint.perform(Send(to(alice, bob), MESSAGE))
        await bob.until(lambda: bob.octets() == MESSAGE * 2)
        flow = bob.received[0].flow
        assert flow.connection > 0
        assert flow.local_port == bob.endpoint.listeners[0].port
        bob.endpoint.perform(Send(flow, b"back"))
        await alice.until(lambda: alice.octets() == b"back")
        known_as = alice.received[0].flow
        assert known_as._replace(connection=0) == to(alice, bob)
        assert alice.endpoint.counts()["connections"] == 1


async def test_connection_the_peer_opened_is_used_by_its_address_and_port_only() -> None:
    async with party(TCP, limits=QUICK) as alice, party(TCP, limits=QUICK) as bob:
        alice.endpoint.perform(Send(to(alice, bob), MESSAGE))
        await bob.until(lambda: bob.octets() == MESSAGE)
        flow = bob.received[0].flow
        bob.endpoint.perform(Send(flow._replace(connection=0), b"same"))
        await alice.until(lambda: alice.octets() == b"same")
        bob.endpoint.perform(Send(to(bob, alice), b"dialled"))
        await alice.until(lambda: alice.octets() == b"samedialled")
        assert len({event.flow.connection for event in alice.received}) == 2


async def test_refused_dial_is_told_once_with_the_flow_as_asked() -> None:
    with socket.create_server((HOST, 0)) as closed:
        port = closed.getsockname()[1]
    async with party(TCP) as alice:
        flow = alice.endpoint.flow_to("TCP", HOST, port)
        alice.endpoint.perform(Send(flow, MESSAGE))
        alice.endpoint.perform(Send(flow, MESSAGE))
        assert alice.events == []  # never from inside perform()
        await alice.until(lambda: bool(alice.events))
        await asyncio.sleep(0.05)
        assert [event.flow for event in alice.closed] == [flow]


async def test_dial_that_nobody_answers_ends_at_the_connect_timeout() -> None:
    limits = StreamLimits(connect_s=0.1)
    with socket.create_server((HOST, 0), backlog=0) as deaf:
        address = deaf.getsockname()
        fillers = []
        for _ in range(3):  # a full accept queue drops further SYNs
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(address)
            fillers.append(filler)
        async with party(TCP, limits=limits) as alice:
            flow = alice.endpoint.flow_to("TCP", HOST, address[1])
            alice.endpoint.perform(Send(flow, MESSAGE))
            await alice.until(lambda: bool(alice.events))
            assert alice.events == [FlowClosed(flow, "connect timeout")]
        for filler in fillers:
            filler.close()


async def test_send_to_a_connection_that_never_was_is_answered_with_its_end() -> None:
    async with party(TCP) as alice:
        flow = alice.endpoint.flow_to("TCP", HOST, 9)._replace(connection=77)
        alice.endpoint.perform(Send(flow, MESSAGE))
        await alice.until(lambda: bool(alice.events))
        assert alice.events == [FlowClosed(flow, "no such connection")]


async def test_end_is_told_once_for_the_connection_and_once_for_the_flow_it_was_asked_by() -> None:
    async with party(TCP, limits=QUICK) as alice, party(TCP, limits=QUICK) as bob:
        alice.endpoint.perform(Send(to(alice, bob), MESSAGE))
        await bob.until(lambda: bob.octets() == MESSAGE)
        bob.endpoint.perform(Send(bob.received[0].flow, b"last"))
        bob.endpoint.perform(CloseFlow(bob.received[0].flow))
        bob.endpoint.perform(CloseFlow(bob.received[0].flow))
        await alice.until(lambda: len(alice.closed) == 2)
        await bob.until(lambda: len(bob.closed) == 1)
        assert alice.octets() == b"last"  # sent before the close
        assert {event.flow for event in alice.closed} == {alice.received[0].flow, to(alice, bob)}
        await asyncio.sleep(0.05)
        assert len(alice.closed) == 2
        assert len(bob.closed) == 1
        # And the next message dials anew.
        alice.endpoint.perform(Send(to(alice, bob), MESSAGE))
        await bob.until(lambda: bob.octets() == MESSAGE * 2)


async def test_end_of_a_connection_spares_what_a_newer_one_to_the_same_peer_carries() -> None:
    async with party(TCP, limits=QUICK) as alice, party(TCP, limits=QUICK) as bob:
        alice.endpoint.perform(Send(to(alice, bob), MESSAGE))
        await bob.until(lambda: bool(bob.received))
        bob.endpoint.perform(Send(bob.received[0].flow, b"back"))
        await alice.until(lambda: bool(alice.received))
        first = alice.received[0].flow
        alice.endpoint.perform(CloseFlow(first))
        alice.endpoint.perform(Send(to(alice, bob), MESSAGE))  # dials, while the first one ends
        await alice.until(lambda: bool(alice.closed))
        await bob.until(lambda: bob.octets() == MESSAGE * 2)
        bob.endpoint.perform(Send(bob.received[-1].flow, b"again"))
        await alice.until(lambda: alice.octets() == b"backagain")
        assert [event.flow for event in alice.closed] == [first]


async def test_peer_that_resets_is_told_once() -> None:
    async with party(TCP, limits=QUICK) as bob:
        _, writer = await dialled_in(bob)
        writer.write(MESSAGE)
        await bob.until(lambda: bob.octets() == MESSAGE)
        writer.transport.abort()
        await bob.until(lambda: bool(bob.closed))
        await asyncio.sleep(0.05)
        assert [event.flow for event in bob.closed] == [bob.received[0].flow]


async def test_answer_still_reaches_a_peer_that_has_closed_its_half() -> None:
    async with party(TCP, limits=QUICK) as bob:
        reader, writer = await dialled_in(bob)
        writer.write(MESSAGE)
        writer.write_eof()
        await bob.until(lambda: bob.octets() == MESSAGE)
        await asyncio.sleep(0.05)
        bob.endpoint.perform(Send(bob.received[0].flow, b"late"))
        assert await reader.read(4) == b"late"
        await bob.until(lambda: len(bob.closed) == 1)
        writer.close()


async def test_peer_that_ends_after_a_quiet_time_is_gone_at_once() -> None:
    """So it is gone before one that ended earlier, but has just said something."""
    limits = StreamLimits(half_closed_s=0.5)
    async with party(TCP, limits=limits) as bob:
        _, quiet = await dialled_in(bob)
        quiet.write(MESSAGE)
        await bob.until(lambda: bob.octets() == MESSAGE)
        bob.endpoint.perform(Send(bob.received[0].flow, b"ok"))
        await asyncio.sleep(0.6)
        _, talking = await dialled_in(bob)
        talking.write(MESSAGE)
        talking.write_eof()
        await bob.until(lambda: bob.octets() == MESSAGE * 2)
        quiet.close()
        await bob.until(lambda: len(bob.closed) == 2)
        assert [event.flow for event in bob.closed] == [event.flow for event in bob.received]
        talking.close()


async def test_peer_that_does_not_read_is_given_up() -> None:
    limits = StreamLimits(queue_max=100_000)
    async with party(TCP, limits=limits) as bob:
        _, writer = await dialled_in(bob)
        cast(asyncio.Transport, writer.transport).pause_reading()
        writer.write(MESSAGE)
        await bob.until(lambda: bob.octets() == MESSAGE)
        flow = bob.received[0].flow
        for _ in range(400):
            bob.endpoint.perform(Send(flow, b"x" * 50_000))
        await bob.until(lambda: bool(bob.closed))
        assert bob.closed == [FlowClosed(flow, "peer does not read")]
        writer.transport.abort()


async def test_what_waits_for_a_dial_is_bounded() -> None:
    async with party(TCP, limits=StreamLimits(queue_max=1_000)) as alice, party(TCP) as bob:
        alice.endpoint.perform(Send(to(alice, bob), b"x" * 900))
        alice.endpoint.perform(Send(to(alice, bob), b"y" * 900))
        await alice.until(lambda: bool(alice.closed))
        await bob.until(lambda: len(bob.octets()) == 900)


async def test_connection_that_says_nothing_is_closed() -> None:
    async with party(TCP, limits=StreamLimits(unanswered_s=0.1)) as bob:
        reader, writer = await dialled_in(bob)
        with contextlib.suppress(ConnectionResetError):
            async with asyncio.timeout(2):
                assert await reader.read() == b""
        await bob.until(lambda: bob.endpoint.counts()["connections"] == 0)
        writer.close()


async def test_thousand_silent_and_thousand_trickling_connections_stop_nobody() -> None:
    """R7: a new honest connection, even from the same address, is served within a second."""
    limits = StreamLimits(unanswered_grace_s=0.05, connections_max=400)
    async with party(TCP, limits=limits) as bob:
        bob.act = lambda event: (
            bob.endpoint.perform(Send(event.flow, b"served"))
            if event.flow.remote_port in honest
            else None
        )
        honest: set[int] = set()
        address = (HOST, bob.endpoint.listeners[0].port)
        crowd = []
        for number in range(2_000 if _files_allow(4_200) else 400):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(address)
            crowd.append(sock)
            if number % 50 == 0:
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.1)
        for sock in crowd[1::2]:
            try:
                sock.send(b"O")
            except OSError:
                continue
        async with asyncio.timeout(1):
            me = socket.socket()
            me.setblocking(False)
            me.bind((HOST, 0))
            honest.add(me.getsockname()[1])
            loop = asyncio.get_running_loop()
            await loop.sock_connect(me, address)
            await loop.sock_sendall(me, MESSAGE)
            assert await loop.sock_recv(me, 100) == b"served"
        assert bob.endpoint.counts()["connections"] <= 400
        assert bob.endpoint.counts()["connections_refused"] > 0
        for sock in (me, *crowd):
            sock.close()


def _files_allow(count: int) -> bool:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft == resource.RLIM_INFINITY or soft > count


async def test_tls_both_ways(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    server, client = contexts
    listener = Listener("TLS", HOST, 0, server)
    async with party(listener, client_tls=client) as alice, party(listener) as bob:
        alice.endpoint.perform(Send(to(alice, bob, "TLS"), MESSAGE))
        await bob.until(lambda: bob.octets() == MESSAGE)
        bob.endpoint.perform(Send(bob.received[0].flow, b"back" * 50_000))
        await alice.until(lambda: alice.octets() == b"back" * 50_000)
        bob.endpoint.perform(CloseFlow(bob.received[0].flow))
        await alice.until(lambda: len(alice.closed) == 2)
        await bob.until(lambda: len(bob.closed) == 1)


async def test_sleeping_tls_phone_costs_little_memory(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    async with party(Listener("TLS", HOST, 0, contexts[0])):
        assert SSLProtocol.max_size == TLS_BUFFER


async def test_certificate_that_is_not_trusted_ends_the_dial(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    listener = Listener("TLS", HOST, 0, contexts[0])
    stranger = ssl.create_default_context()
    stranger.minimum_version = ssl.TLSVersion.TLSv1_2
    async with party(listener, client_tls=stranger) as alice, party(listener) as bob:
        alice.endpoint.perform(Send(to(alice, bob, "TLS"), MESSAGE))
        await alice.until(lambda: bool(alice.events))
        (event,) = alice.closed
        assert event.flow == to(alice, bob, "TLS")
        assert "CERTIFICATE_VERIFY_FAILED" in event.reason
        assert bob.events == []


async def test_tls_needs_a_context_of_at_least_1_2(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    weak = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    weak.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    for listener in (Listener("TLS", HOST), Listener("TLS", HOST, 0, weak)):
        with pytest.raises(ValueError, match="TLS"):
            async with party(listener):
                raise AssertionError("has started")
    async with party(Listener("TLS", HOST, 0, contexts[0])) as alice:
        flow = alice.endpoint.flow_to("TLS", HOST, 9)
        alice.endpoint.perform(Send(flow, MESSAGE))
        await alice.until(lambda: bool(alice.events))
        assert alice.events == [FlowClosed(flow, "no TLS context to dial with")]


async def test_close_in_the_middle_of_everything_leaves_nothing() -> None:
    async with party(TCP, limits=QUICK) as bob:
        async with party(TCP, limits=QUICK) as alice:
            alice.endpoint.perform(Send(to(alice, bob), MESSAGE))
            await bob.until(lambda: bob.octets() == MESSAGE)
            alice.endpoint.perform(Send(alice.endpoint.flow_to("TCP", "192.0.2.1", 9), MESSAGE))
        assert alice.events == []
        await bob.until(lambda: bool(bob.closed))
