"""The drivers of the real clients, proved on one another: no server of ours takes part."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import anyio
import pytest
from anyio.streams.tls import TLSListener

from bench.certificate import make_certificate
from interop.drivers.baresip import Netstrings, Settings, baresip
from interop.drivers.capture import Rung, capturing, complaints, draw, ladder, rungs_of
from interop.drivers.console import Console
from interop.drivers.namespace import own_network
from interop.drivers.program import free_port, running
from interop.drivers.sipp import Account, Sipp, Transport
from interop.drivers.tls_relay import tls_relay

pytestmark = pytest.mark.anyio

CALLER = Account("1001", "secret", "lab.test")
WHOLE_CALL = ["INVITE", "180", "200", "ACK", "BYE", "200"]


@pytest.mark.needs("sipp", "tshark", "capture")
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_sipp_calls_sipp_and_tshark_sees_the_whole_call(
    transport: Transport, tmp_path: Path
) -> None:
    port = free_port()
    capture = tmp_path / "call.pcap"
    callee = Sipp(tmp_path, ("127.0.0.1", port), transport)
    async with capturing(capture, [port]), callee.answering(port=port) as answering:
        assert (await callee.call(CALLER, "1002", hold_ms=50)).ok
        assert (await answering.ended(within_s=5)).ok
    rungs = await ladder(capture, [port])
    assert [rung.what for rung in rungs] == WHOLE_CALL, draw(rungs)
    assert {rung.call_id for rung in rungs} == {rungs[0].call_id}
    assert await complaints(capture, [port]) == []


@pytest.mark.needs("sipp")
async def test_a_sipp_whose_call_fails_says_so_with_its_messages(tmp_path: Path) -> None:
    port = free_port()
    callee = Sipp(tmp_path, ("127.0.0.1", port), "udp")
    async with callee.answering(port=port):
        ended = await callee.give_up(CALLER, "1002", after_ms=50)  # but the callee answers
    assert not ended.ok
    assert "CANCEL sip:1002@lab.test" in ended.messages or "unexpected" in ended.errors


@pytest.mark.needs("baresip", "sipp")
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_baresip_calls_sipp_and_hangs_up(transport: Transport, tmp_path: Path) -> None:
    port = free_port()
    settings = Settings(CALLER, ("127.0.0.1", port), transport, registers=False)
    callee = Sipp(tmp_path, ("127.0.0.1", port), transport)
    async with (
        callee.answering(port=port) as answering,
        baresip(tmp_path / "baresip", settings) as caller,
    ):
        await caller.dial("sip:1002@lab.test")
        await caller.wait_for("CALL_ESTABLISHED")
        await caller.hang_up()
        assert (await answering.ended(within_s=5)).ok


@pytest.mark.needs("namespace")
def test_in_a_network_of_its_own_every_port_is_free_and_outside_is_as_before() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()
        with (
            own_network(),
            socket.create_server(address),
            socket.create_connection(address, timeout=1),
        ):
            assert [name for _, name in socket.if_nameindex()] == ["lo"]
        with pytest.raises(OSError, match="in use"):
            socket.create_server(address)


async def test_what_a_program_prints_is_waited_for_from_a_place_on(tmp_path: Path) -> None:
    log = tmp_path / "cat.log"
    async with running(["cat"], log, console=True) as process:
        console = Console(process, log)
        await console.enter("one two")
        assert await console.wait_for("t.o", within_s=5) == "one two"
        with pytest.raises(TimeoutError, match="no 'one' within"):
            await console.wait_for("one", after=1, within_s=0.1)
        await console.kill()
        assert not console.alive
        await console.leave("nobody hears it")


@pytest.mark.needs("tcpdump", "tshark", "capture")
async def test_tshark_complains_of_a_malformed_message(tmp_path: Path) -> None:
    capture = tmp_path / "bad.pcap"
    broken = b"INVITE sip:x@y SIP/2.0\r\nCSeq: 1 INVITE\r\nno colon here\r\n\r\n"
    async with (
        await anyio.create_udp_socket(local_host="127.0.0.1") as target,
        await anyio.create_udp_socket(local_host="127.0.0.1") as source,
    ):
        port = target.extra(anyio.abc.SocketAttribute.local_port)
        async with capturing(capture, [port]):
            await source.sendto(broken, "127.0.0.1", port)
    assert await complaints(capture, [port])


async def test_the_relay_speaks_tls_to_the_server_and_plain_tcp_to_the_client(
    tmp_path: Path,
) -> None:
    make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "sink.pem", tmp_path / "sink.key")

    async def echo(client: anyio.abc.ByteStream) -> None:
        async with client:
            await client.send((await client.receive()).upper())

    plain = await anyio.create_tcp_listener(local_host="127.0.0.1")
    listener = TLSListener(plain, context)
    port = plain.extra(anyio.abc.SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, echo)
        async with (
            tls_relay(("127.0.0.1", port), str(tmp_path / "sink.pem")) as relay,
            await anyio.connect_tcp("127.0.0.1", relay) as client,
        ):
            await client.send(b"ping")
            assert await client.receive() == b"PING"
        tasks.cancel_scope.cancel()


def test_netstrings_may_come_in_any_pieces() -> None:
    frames = Netstrings()
    whole = b'11:{"event":1},2:{},'
    pieces = [frame for octet in whole for frame in frames.feed(bytes([octet]))]
    assert pieces == Netstrings().feed(whole) == [b'{"event":1}', b"{}"]


PDML = """<pdml><packet>
  <proto name="frame"><field name="frame.time_relative" show="1.5"/></proto>
  <proto name="ip"><field name="ip.src" show="127.0.0.1"/><field name="ip.dst" show="127.0.0.2"/>
  </proto>
  <proto name="tcp"><field name="tcp.srcport" show="40001"/><field name="tcp.dstport" show="5060"/>
  </proto>
  <proto name="sip"><field name="sip.Status-Code" show="200"/>
    <field name="sip.CSeq" show="1 INVITE"/>
    <field name="sip.Call-ID" show="a"/></proto>
  <proto name="sip"><field name="sip.Method" show="BYE"/><field name="sip.CSeq" show="2 BYE"/>
    <field name="sip.Call-ID" show="a"/></proto>
</packet></pdml>"""


def test_two_messages_in_one_segment_are_two_rungs() -> None:
    source, target = ("127.0.0.1", 40001), ("127.0.0.2", 5060)
    assert rungs_of(PDML) == [
        Rung(1.5, source, target, "200", "1 INVITE", "a"),
        Rung(1.5, source, target, "BYE", "2 BYE", "a"),
    ]
