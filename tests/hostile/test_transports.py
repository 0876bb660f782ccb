"""B. Transports: octets that come in pieces, too many at once, or not at all. All over sockets.

Each test is one line of the list, in its order; the number stands in its docstring. Lines 28 to 30
are about WebSocket: see `test_sockets_websocket.py` beside the other tests of sockets.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import struct
import tempfile
from dataclasses import replace

import pytest

from callctl.io.pki import CertificateAuthority
from callctl.model.build import make_cluster, make_node, softphone
from callctl.model.node import Listener as NodeListener
from helpers.loops import on_each_loop, party
from helpers.node_rig import eventually, loopback_cluster, running
from hostile.wire import (
    HOST,
    OPEN,
    Datagrams,
    cluster,
    node_of,
    port_of,
    register,
    tcp,
    text,
    udp,
)
from sipstack.io.endpoint import Listener, SipEndpoint
from sipstack.limits import STREAM_READ_NS
from sipstack.message.message import Request, Response
from sipstack.message.parser import parse_message
from sipstack.message.response import respond
from sipstack.timing import MS, SECOND
from sipstack.transport.flow import BytesReceived, Send, TransportEvent

pytestmark = [pytest.mark.anyio, on_each_loop]


async def test_register_that_comes_octet_by_octet_is_answered_200() -> None:
    """20."""
    async with running(cluster()) as shell, tcp(shell) as phone:
        sock = phone.writer.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in register(phone.port, transport="TCP"):
            phone.writer.write(bytes((octet,)))
            await asyncio.sleep(0)
        assert await phone.until_statuses(1) == [200]


async def test_header_that_is_never_completed_costs_its_connection_at_the_read_deadline(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """21. The deadline is 10 s; for this test 0.2 s."""
    assert STREAM_READ_NS == 10 * SECOND
    monkeypatch.setattr("sipstack.stack.STREAM_READ_NS", 200 * MS)
    async with running(cluster()) as shell, tcp(shell) as attacker:
        attacker.writer.write(text("OPTIONS", attacker.port)[:40])
        assert await attacker.until_closed() == []
        node = node_of(shell)
        assert node.engine.ignored == {"read deadline": 1}
        await eventually(lambda: node.counts()["connections"] == 0)
        assert node.counts()["streams"] == 0
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


async def test_bad_message_between_two_good_ones_of_one_segment_costs_only_itself() -> None:
    """22, its length is known."""
    async with running(cluster()) as shell, tcp(shell) as phone:
        good = [text("OPTIONS", phone.port, user="", branch=name) for name in ("1", "3")]
        bad = text("OPTIONS", phone.port, user="", branch="2").replace(b"1 OPTIONS", b"x OPTIONS")
        phone.writer.write(good[0] + bad + good[1])
        assert await phone.until_statuses(3) == [200, 400, 200]


async def test_message_of_no_known_length_is_400_and_ends_its_connection() -> None:
    """22, where nobody knows any more where the third one begins."""
    async with running(cluster()) as shell, tcp(shell) as phone:
        good = [text("OPTIONS", phone.port, user="", branch=name) for name in ("1", "3")]
        bad = text("OPTIONS", phone.port, user="", branch="2").replace(b"Length: 0", b"Length: -1")
        phone.writer.write(good[0] + bad + good[1])
        assert await phone.until_closed() == [200, 400]


async def test_answer_to_a_caller_whose_connection_is_gone_takes_a_new_one() -> None:
    """23. To the port of sent-by (RFC 3261 §18.2.2). That no task is left is seen at the end."""
    came: list[bytes] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    async with running(cluster()) as shell, udp() as phone:
        phone.send(register(phone.port), port_of(shell))
        await phone.until(1)
        server = await asyncio.start_server(take, HOST, 0)
        listens = server.sockets[0].getsockname()[1]
        async with server, tcp(shell) as caller:
            caller.writer.write(text("INVITE", listens, transport="TCP"))
            assert await caller.until_statuses(1) == [100]
            vanish(caller.writer)
            await eventually(lambda: node_of(shell).counts()["connections"] == 0)
            await phone.until(2)
            busy = respond(phone.requests[0], 486, to_tag="b").to_bytes()
            phone.send(busy, port_of(shell))
            await eventually(lambda: bool(came))
            assert came[0].startswith(b"SIP/2.0 486 ")


def vanish(writer: asyncio.StreamWriter) -> None:
    """Reset the connection, as a machine that lost its power and came back."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_client_of_an_unknown_authority_says_nothing_to_the_parser(
    version: ssl.TLSVersion,
) -> None:
    """24. At the endpoint: which clients a context trusts is its owner's word.

    With TLS 1.3 the client believes the handshake done before the server has seen its certificate,
    and may write at once.
    """
    ours, stranger = CertificateAuthority("ours"), CertificateAuthority("a stranger")
    server = ours.server_context(alpn=())
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(cadata=ours.ca_pem)
    client = ours.client_context()
    client.minimum_version = client.maximum_version = version
    load(client, stranger)
    async with party(Listener("TLS", HOST, 0, server)) as bob:
        port = bob.endpoint.listeners[0].port
        try:
            reader, writer = await asyncio.open_connection(HOST, port, ssl=client)
            writer.write(text("OPTIONS", port, transport="TLS"))
            assert await reader.read() == b""
            writer.close()
        except (ssl.SSLError, ConnectionError):
            pass
        await eventually(lambda: bob.endpoint.counts()["connections"] == 0)
        assert bob.received == []


def load(context: ssl.SSLContext, authority: CertificateAuthority) -> None:
    """Give a client a certificate of an authority."""
    certificate, key = authority.issue()
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(key + certificate)
        file.flush()
        context.load_cert_chain(file.name)


async def test_node_that_listens_for_tcp_only_has_no_udp_socket() -> None:
    """25."""
    found = loopback_cluster(softphone("1001"), parameters=OPEN).nodes["ucm1"].listener("TCP")
    assert found is not None
    only = replace(make_node("ucm1", 1), listeners=(NodeListener("TCP", found.host, found.port),))
    made = make_cluster(nodes=[only], devices=[softphone("1001")], parameters=OPEN)
    async with running(made) as shell, tcp(shell) as phone:
        phone.writer.write(text("OPTIONS", phone.port, user="", transport="TCP"))
        assert await phone.until_statuses(1) == [200]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((HOST, found.port))
            probe.setblocking(False)
            probe.send(text("OPTIONS", 5060, user=""))
            with pytest.raises(ConnectionRefusedError):  # nobody has the port
                probe.recv(100)


LARGEST = 65_507  # octets that one datagram of IPv4 can carry


async def test_invite_as_large_as_a_datagram_can_be_is_passed_on_whole() -> None:
    """26. Over TCP, as RFC 3261 §18.1.1 wants it for what is over 1,300 octets."""
    async with running(cluster()) as shell, tcp(shell) as phone, udp() as caller:
        phone.writer.write(register(phone.port, transport="TCP"))
        assert await phone.until_statuses(1) == [200]
        head = len(text("INVITE", caller.port, body=b"x" * 60_000)) - 60_000
        body = bytes(range(256)) * 256
        invite = text("INVITE", caller.port, body=body[: LARGEST - head])
        assert len(invite) == LARGEST
        caller.send(invite, port_of(shell))
        arrived = await phone.until_request()
        assert arrived.body == body[: LARGEST - head]


async def test_invite_that_fits_no_datagram_any_more_with_our_via_is_answered() -> None:
    """26, where the phone has nothing but a UDP port: it cannot be sent, now or later."""
    async with running(cluster()) as shell, udp() as phone, udp() as caller:
        phone.send(register(phone.port), port_of(shell))
        await phone.until(1)
        head = len(text("INVITE", caller.port, body=b"x" * 60_000)) - 60_000
        caller.send(text("INVITE", caller.port, body=b"x" * (LARGEST - head)), port_of(shell))
        await caller.until(2)
        assert caller.statuses == [100, 513]
        caller.send(text("OPTIONS", caller.port, user="", branch="alive"), port_of(shell))
        await eventually(lambda: 200 in caller.statuses)


async def call_over_udp(port: int, caller: Datagrams, phone: Datagrams) -> Request:
    """The INVITE that reached the phone."""
    phone.send(register(phone.port), port)
    await phone.until(1)
    caller.send(text("INVITE", caller.port), port)
    await phone.until(2)
    return phone.requests[0]


@pytest.mark.parametrize("size", [1_400, 9_000, 60_000])
async def test_answer_above_the_mtu_goes_the_way_its_request_came_whole(size: int) -> None:
    """27. RFC 3261 §18.2.2: the limit of 1,300 octets is for requests."""
    async with running(cluster()) as shell, udp() as phone, udp() as caller:
        invite = await call_over_udp(port_of(shell), caller, phone)
        body = bytes(range(256)) * (size // 256)
        answer = respond(invite, 200, to_tag="b", headers=(("Contact", "<sip:x>"),), body=body)
        phone.send(answer.to_bytes(), port_of(shell))
        await eventually(lambda: 200 in caller.statuses)
        (final,) = [each for each in map(parse_message, caller.got) if ok(each)]
        assert final.body == body


def ok(message: Request | Response) -> bool:
    return isinstance(message, Response) and message.status == 200


async def test_answer_that_fits_no_datagram_is_not_cut_but_counted() -> None:
    """27. It came over TCP, and the caller speaks UDP."""
    async with running(cluster()) as shell, tcp(shell) as phone, udp() as caller:
        phone.writer.write(register(phone.port, transport="TCP"))
        assert await phone.until_statuses(1) == [200]
        caller.send(text("INVITE", caller.port), port_of(shell))
        invite = await phone.until_request()
        answer = respond(invite, 200, to_tag="b", body=b"x" * 100_000)
        phone.writer.write(answer.to_bytes())
        await eventually(lambda: node_of(shell).counts()["datagrams_not_sent"] == 1)
        assert caller.statuses == [100]


async def test_answer_to_a_former_life_of_a_node_is_nobodys() -> None:
    """31. Two nodes never share a port: there is no SO_REUSEPORT. What is under way while one is
    started again finds no transaction, and goes no further.
    """
    async with running(cluster()) as shell, udp() as phone, udp() as caller:
        port = port_of(shell)
        invite = await call_over_udp(port, caller, phone)
        shell.kill_node("ucm1")
        await shell.start_node("ucm1")
        taken = SipEndpoint([Listener("UDP", HOST, port)], lambda event: None)
        with pytest.raises(OSError, match="in use"):
            await taken.start()
        phone.send(register(phone.port).replace(b"reg2001", b"again"), port)
        await eventually(lambda: phone.statuses == [200, 200])
        caller.send(text("INVITE", caller.port, branch="second"), port)
        await eventually(lambda: len({each.call_id for each in phone.requests}) == 2)
        phone.send(respond(invite, 486, to_tag="late").to_bytes(), port)
        node = node_of(shell)
        await eventually(lambda: node.engine.ignored.get("stray response") == 1)
        caller.send(text("OPTIONS", caller.port, user="", branch="alive"), port)
        await eventually(lambda: 200 in caller.statuses)
        assert [status for status in caller.statuses if status > 200] == []


async def test_fault_over_one_message_does_not_cost_the_connection_it_came_by() -> None:
    """Last resort behind `test_fault_containment.py`: other calls share a connection of two nodes.
    For datagrams it is so already.
    """
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, what: told.append(what))
    for transport in ("UDP", "TCP"):
        told.clear()
        async with party(Listener(transport, HOST)) as bob, party(Listener(transport, HOST)) as ann:

            def fail(event: TransportEvent) -> None:
                if isinstance(event, BytesReceived) and event.data == b"first":
                    raise RuntimeError("planted")

            bob.act = fail
            flow = ann.endpoint.flow_to(transport, HOST, bob.endpoint.listeners[0].port)
            ann.endpoint.perform(Send(flow, b"first"))
            await bob.until(lambda: len(bob.received) == 1)
            await asyncio.sleep(0)
            ann.endpoint.perform(Send(flow, b"second"))
            await bob.until(lambda: len(bob.received) == 2)
            assert bob.received[0].flow == bob.received[1].flow
            assert bob.closed == []
            assert len(told) == 1
