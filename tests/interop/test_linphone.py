"""Linphone calls and is called, holds and resumes, writes and confirms; by UDP, TCP and TLS."""

from __future__ import annotations

import pytest

from callctl.model.build import softphone
from callctl.phone.event import CallAnswered, CallEnded, EndCause, Registered
from callctl.phone.phone_event import PushArrived
from callctl.push.kind import PushKind
from interop.drivers.baresip import baresip
from interop.drivers.linphone import Transport, linphone
from interop.drivers.sipp import Sipp
from interop.lab import CALLER, MOBILE, SLEEPER, Site, eventually, lab

pytestmark = [pytest.mark.anyio, pytest.mark.needs("linphone-daemon")]

TRANSPORTS = ["udp", "tcp", "tls"]
NEIGHBOUR = softphone(MOBILE)  # a second device that real clients can be


@pytest.mark.req("CALL-01", "CALL-02", "REG-02", "SEC-01", "SEC-06")
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_linphone_calls_a_sleeping_iphone_holds_and_resumes_and_is_called_by_it(
    transport: Transport, site: Site
) -> None:
    async with lab(site) as here:
        phone = await here.sleeper()
        async with linphone(site.directory / "linphone", here.linphone(transport)) as client:
            await client.registration()
            await client.dial(f"sip:{SLEEPER}@{here.shell.cluster.domain}")
            await client.call("StreamsRunning")
            story = [type(event) for event in phone.seen]
            assert story.index(PushArrived) < story.index(Registered) < story.index(CallAnswered)
            assert [entry.kind for _, entry in here.shell.pushes()] == [PushKind.INCOMING]
            here.assert_clouds_know_nobody()
            await client.hold()
            await client.call("Paused")
            await client.resume()
            await client.call("StreamsRunning")
            await client.hang_up()
            assert (await phone.until(CallEnded)).cause is EndCause.REMOTE_HUNG_UP
            await client.call("Released")

            phone.seen.clear()
            phone.shell.resume()
            await eventually(lambda: phone.shell.phone.registered is not None, "registration")
            phone.shell.call(CALLER)
            await client.call("IncomingReceived")
            await client.answer()
            await phone.until(CallAnswered)
            phone.shell.hang_up()
            await client.call("Released")
        # It has taken its registration back; the phone's may be there.
        assert not here.shell.nodes[0].engine.bindings.of_dn(CALLER, here.shell.clock())
        await here.at_rest()


@pytest.mark.needs("sipp")
async def test_sipp_calls_linphone_and_linphone_calls_sipp(site: Site) -> None:
    async with lab(site, devices=[NEIGHBOUR]) as here:
        settings = here.linphone("tcp", MOBILE, answers=True)
        sipp = Sipp(site.directory, here.server("UDP"), "udp")
        async with linphone(site.directory / "linphone", settings) as client:
            await client.registration()
            ended = await sipp.call(here.account(), MOBILE)
            assert ended.ok, (ended.errors, ended.messages)
            await client.call("Released")
            async with sipp.phone(here.account(), stay_ms=4000) as callee:
                await client.dial(f"sip:{CALLER}@{here.shell.cluster.domain}")
                await client.call("StreamsRunning")
                await client.hang_up()
                await client.call("Released")
                ended = await callee.ended(within_s=10)
            assert ended.ok, (ended.errors, ended.messages)


@pytest.mark.needs("baresip")
async def test_baresip_and_linphone_call_one_another_across_transports(site: Site) -> None:
    async with lab(site, devices=[NEIGHBOUR]) as here:
        domain = here.shell.cluster.domain
        settings = here.linphone("tls", MOBILE, answers=True)
        async with (
            linphone(site.directory / "linphone", settings) as ours,
            baresip(site.directory / "baresip", here.baresip("udp", answers=True)) as theirs,
        ):
            await ours.registration()
            await theirs.dial(f"sip:{MOBILE}@{domain}")
            await theirs.wait_for("CALL_ESTABLISHED")
            await theirs.hang_up()
            await ours.call("Released")
            await ours.dial(f"sip:{CALLER}@{domain}")
            await ours.call("StreamsRunning")
            await ours.hang_up()
            await theirs.wait_for("CALL_CLOSED")
            await ours.call("Released")


async def test_10_message_reaches_linphone_whose_deflated_confirmation_comes_back_whole(
    site: Site,
) -> None:
    """Lesson 10: the body of its `message/imdn+xml` is binary."""
    async with lab(site, devices=[NEIGHBOUR]) as here:
        domain = here.shell.cluster.domain
        async with (
            linphone(site.directory / "sender", here.linphone("tcp")) as sender,
            linphone(site.directory / "reader", here.linphone("udp", MOBILE)) as reader,
        ):
            await sender.registration()
            await reader.registration()
            await sender.message(f"sip:{MOBILE}@{domain}", "pallets at gate 4")
            await reader.noted("pallets at gate 4")
            await sender.noted("Content-Type: message/imdn+xml")
            await sender.noted("DeliveredToUser")
        await here.at_rest()
