"""What real clients taught, with the clients themselves; see test_lessons.py for the list."""

from __future__ import annotations

import ssl
from dataclasses import replace
from struct import pack, unpack

import anyio
import pytest
from anyio.abc import ByteStream

from callctl.io.lab import has_flow
from callctl.phone.event import CallAnswered, CallEnded, EndCause
from callctl.phone.settings import AnswerPlan
from helpers.node_rig import loopback_cluster, running
from interop.drivers.baresip import baresip
from interop.drivers.program import free_port
from interop.drivers.sipp import Sipp, Transport
from interop.lab import CALLER, QUICK, SLEEPER, SOFTPHONE, Lab, Mobile, Site, eventually, lab
from sipstack.timing import MS
from sipstack.transport.stun import MAGIC_COOKIE

pytestmark = pytest.mark.anyio

TRANSPORTS = ["udp", "tcp"]


@pytest.mark.needs("sipp")
async def test_3_sipp_answers_a_call_challenged_with_401(site: Site) -> None:
    async with lab(site, parameters=replace(QUICK, invite_challenge_code=401)) as here:
        phone = await here.sleeper()
        sipp = Sipp(site.directory, here.server("UDP"), "udp")
        ended = await sipp.call(here.account(), SLEEPER)
        assert ended.ok, (ended.errors, ended.messages)
        assert "SIP/2.0 401" in ended.messages
        assert "SIP/2.0 407" not in ended.messages
        await phone.until(CallEnded)


@pytest.mark.needs("baresip")
async def test_4_6_baresip_behind_its_flow_is_known_by_its_gruu_and_called_on_its_connection(
    site: Site,
) -> None:
    async with lab(site) as here:
        plan = AnswerPlan(after_ns=50 * MS, hang_up_after_ns=100 * MS)
        phone = await here.sleeper(answer=plan)
        settings = replace(here.baresip("tcp", answers=True), outbound=True)
        async with baresip(site.directory / "baresip", settings) as client:
            # It calls with the GRUU as Contact, so the phone's BYE names a URI of our domain.
            await client.dial(f"sip:{SLEEPER}@{here.shell.cluster.domain}")
            await client.wait_for("CALL_ESTABLISHED")
            await client.wait_for("CALL_CLOSED")
            assert (await phone.until(CallEnded)).cause is EndCause.HUNG_UP
            invites = client.log.read_text(errors="replace").split("INVITE sip:")[1:]
            assert any(";gr=" in text.partition("\n\n")[0] for text in invites)
            # Called, it is reached over the connection it opened, by its GRUU in the end.
            await take_up(phone)
            phone.shell.call(CALLER)
            await client.wait_for("CALL_ESTABLISHED")
            await phone.until(CallAnswered)
            phone.shell.hang_up()
            await client.wait_for("CALL_CLOSED")
        await here.at_rest()


@pytest.mark.needs("sipp")
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_6_sipp_that_registers_in_one_process_is_called_in_another_by_its_contact(
    transport: Transport, site: Site
) -> None:
    async with lab(site) as here:
        phone = await here.sleeper()
        sipp, port = Sipp(site.directory, here.server(transport), transport), free_port()
        registered = await sipp.register(here.account(), contact_port=port)
        assert registered.ok, registered.messages
        if transport == "tcp":
            await eventually(lambda: not has_flow(here.shell, SOFTPHONE), "end of its connection")
        async with sipp.answering(port=port) as callee:
            await call_sipp(here, phone)
            ended = await callee.ended(within_s=10)
        assert ended.ok, (ended.errors, ended.messages)
        await here.at_rest()


@pytest.mark.needs("sipp")
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_6_sipp_that_stays_is_called_over_the_flow_it_registered_by(
    transport: Transport, site: Site
) -> None:
    async with lab(site) as here:
        phone = await here.sleeper()
        sipp = Sipp(site.directory, here.server(transport), transport)
        async with sipp.phone(here.account(), stay_ms=4000) as callee:
            await call_sipp(here, phone)
            ended = await callee.ended(within_s=15)
        assert ended.ok, (ended.errors, ended.messages)
        await here.at_rest()


async def take_up(phone: Mobile) -> None:
    """The owner takes the phone up, which may be awake still from a call before."""
    phone.seen.clear()
    phone.shell.resume()
    await eventually(
        lambda: phone.shell.state == "foreground" and phone.shell.phone.registered is not None,
        "registration",
    )


async def call_sipp(here: Lab, phone: Mobile) -> None:
    """The phone is taken up, calls the caller's number and hangs up."""
    await take_up(phone)
    phone.shell.call(CALLER)
    await phone.until(CallAnswered)
    phone.shell.hang_up()
    assert (await phone.until(CallEnded)).cause is EndCause.HUNG_UP


async def test_7_stun_and_crlf_keep_alives_come_to_the_sip_port_over_udp() -> None:
    cluster = loopback_cluster()
    listener = cluster.nodes["ucm1"].listener("UDP")
    assert listener is not None
    async with (
        running(cluster),
        await anyio.create_connected_udp_socket(listener.host, listener.port) as client,
    ):
        await client.send(b"\r\n\r\n")  # linphone; nothing comes back
        await client.send(b"\0")
        transaction_id = bytes(range(12))
        await client.send(pack("!HHI", 1, 0, MAGIC_COOKIE) + transaction_id)  # baresip
        with anyio.fail_after(5):
            answer = await client.receive()
        kind, length, cookie = unpack("!HHI", answer[:8])
        assert (kind, length, cookie) == (0x0101, len(answer) - 20, MAGIC_COOKIE)
        assert answer[8:20] == transaction_id
        port = client.extra(anyio.abc.SocketAttribute.local_port)
        assert pack("!HHBBH", 0x0020, 8, 0, 1, port ^ (MAGIC_COOKIE >> 16)) in answer


@pytest.mark.parametrize("transport", ["TCP", "TLS"])
async def test_7_ping_on_a_stream_gets_its_pong(transport: str) -> None:
    cluster = loopback_cluster()
    listener = cluster.nodes["ucm1"].listener(transport)
    assert listener is not None
    async with running(cluster) as shell:
        tls = shell.authority.client_context() if transport == "TLS" else None
        async with await dialled(listener.host, listener.port, tls) as client:
            with anyio.fail_after(5):
                for _ in range(2):
                    await client.send(b"\r\n\r\n")
                    assert await client.receive() == b"\r\n"


async def dialled(host: str, port: int, tls: ssl.SSLContext | None) -> ByteStream:
    """A stream to a node."""
    if tls is None:
        return await anyio.connect_tcp(host, port)
    return await anyio.connect_tcp(host, port, ssl_context=tls, tls_standard_compatible=False)
