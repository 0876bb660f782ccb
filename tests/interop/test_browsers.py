"""JsSIP and SIP.js in headless Chromium: they register, call, hold, sleep and are woken.

One browser for all; each phone is a page of its own, each test has a cluster of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

import pytest

from callctl.cloud.partner import Partner
from callctl.io.lab import has_flow
from callctl.phone.event import CallAnswered, CallEnded, EndCause, Registered
from callctl.push.kind import PushKind
from helpers.node_rig import user_agent
from interop.browser_lab import (
    CALLEE,
    CALLER,
    SLEEPER,
    Scheme,
    browser_lab,
    rtc_peer,
)
from interop.browser_phone import LIBRARIES, Chromium, Library, chromium
from interop.handset import handset
from interop.lab import Site, eventually
from sipstack.message.message import Message, Request
from sipstack.message.parser import parse_message

pytestmark = [pytest.mark.anyio, pytest.mark.needs("chromium", "node", "web-phones")]

INSTANCE: Final = "6f1c0e9e-0b1e-4b7e-8c5d-0123456789ab"
TOKEN: Final = "5e0f11aa"
APP: Final = "org.example.frame"
PUSH: Final = f"pn-provider=apns;pn-param=TEAM123456.{APP}.voip;pn-prid={TOKEN}"


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop that the browser is driven from, which all tests of this file share."""
    return "asyncio", {"use_uvloop": False}


@pytest.fixture(scope="module")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Chromium]:
    async with chromium(tmp_path_factory.mktemp("browser")) as started:
        yield started


def sip(frames: list[str], start: str) -> list[Message]:
    """The messages among these frames that begin like this."""
    return [parse_message(text.encode()) for text in frames if text.startswith(start)]


@pytest.mark.req("REG-09")
@pytest.mark.parametrize(
    ("caller", "callee", "scheme"),
    [
        ("jssip", "sipjs", "ws"),
        ("sipjs", "jssip", "wss"),
        ("jssip", "jssip", "wss"),
        ("sipjs", "sipjs", "ws"),
    ],
)
async def test_browsers_register_and_call_with_media_hold_resume_and_hang_up(
    caller: Library, callee: Library, scheme: Scheme, browser: Chromium, site: Site
) -> None:
    async with browser_lab(site) as here:
        one = replace(here.web(caller, CALLER, scheme=scheme), instance=INSTANCE)
        async with (
            browser.phone(one) as calling,
            browser.phone(here.web(callee, CALLEE, scheme=scheme)) as called,
        ):
            await calling.until("registered")
            await called.until("registered")
            await calling.call(CALLEE)
            assert await called.until("incoming") == CALLER
            await calling.until("confirmed")
            await called.until("confirmed")
            await calling.until_media_flows()
            await called.until_media_flows()
            await calling.hold()
            await calling.until_direction("sendonly")
            await called.until_direction("recvonly")
            await calling.resume()
            await calling.until_direction("sendrecv")
            await called.until_direction("sendrecv")
            await calling.until_media_flows()
            await called.hang_up()
            await called.until("ended")
            await calling.until("ended")
            # Its Contact was its GRUU, so that is what the BYE names (lesson 4).
            (bye,) = sip(calling.received, "BYE ")
            assert isinstance(bye, Request)
            assert bye.uri.params.get("gr") == f"urn:uuid:{INSTANCE}"
            await calling.unregister()
            await calling.until("unregistered")
            assert here.bound(CALLER) == []
        assert here.shell.pushes() == []


async def test_13_session_timer_of_jssip_passes_unchanged_both_ways(
    browser: Chromium, site: Site
) -> None:
    async with (
        browser_lab(site) as here,
        browser.phone(here.web("jssip", CALLER)) as calling,
        browser.phone(here.web("jssip", CALLEE, scheme="wss")) as called,
    ):
        await calling.until("registered")
        await called.until("registered")
        await calling.call(CALLEE)
        await calling.until("confirmed")
        await called.until("confirmed")
        (invite,) = sip(called.received, "INVITE ")
        assert invite.headers.first("session-expires") == "90"
        assert "timer" in invite.supported
        # The two came by different transports: each has a Record-Route it can use.
        inner, outer = (route.uri.host_port()[1] for route in invite.record_routes)
        assert (inner, outer) == (here.server("wss")[1], here.server("ws")[1])
        said, heard = (sip(it, "SIP/2.0 200")[-1] for it in (called.sent, calling.received))
        agreed = heard.headers.first("session-expires")
        assert agreed in ("90;refresher=uac", "90;refresher=uas")
        assert said.headers.first("session-expires") == agreed
        await calling.hang_up()
        await called.until("ended")


@pytest.mark.req("REG-02", "REG-03", "REG-09", "CALL-01", "CALL-02")
@pytest.mark.parametrize("library", LIBRARIES)
async def test_browser_calls_one_that_sleeps_its_page_is_opened_by_the_push_and_gets_the_call(
    library: Library, browser: Chromium, site: Site
) -> None:
    device = f"WEB{SLEEPER}"
    async with browser_lab(site) as here:
        settings = here.web(library, SLEEPER, scheme="wss")
        settings = replace(settings, instance=INSTANCE, push_params=PUSH)
        async with (
            handset(here, Partner.APNS, TOKEN, f"{APP}.voip") as system,
            browser.phone(here.web("jssip", CALLER)) as caller,
        ):
            await caller.until("registered")
            async with browser.phone(settings) as sleeper:
                await sleeper.until("registered")
                ok = sip(sleeper.received, "SIP/2.0 200")[0]
                assert ok.headers.first("feature-caps") == '*;+sip.pns="apns"'
                await sleeper.close()
            await eventually(lambda: not has_flow(here.shell, device), "end of the flow")
            assert len(here.bound(SLEEPER)) == 1
            await caller.call(SLEEPER)
            await system.push()
            async with browser.phone(settings) as woken:
                assert await woken.until("incoming") == CALLER
                await woken.until("confirmed")
                await caller.until("confirmed")
                await woken.until_media_flows()
                await caller.until_media_flows()
                starts = [text.split("\r\n")[0] for text in woken.received]
                assert starts.index("SIP/2.0 200 OK") < next(
                    index for index, start in enumerate(starts) if start.startswith("INVITE ")
                )
                assert len(sip(woken.received, "INVITE ")) == 1
                assert len(here.bound(SLEEPER)) == 1  # the same instance: the same binding
                await caller.hang_up()
                await woken.until("ended")
        assert [entry.kind for _, entry in here.shell.pushes()] == [PushKind.INCOMING]
        here.assert_pushes_say_nothing()
        await here.at_rest()


@pytest.mark.parametrize("library", LIBRARIES)
async def test_closed_page_without_push_parameters_is_not_reachable_at_once(
    library: Library, browser: Chromium, site: Site
) -> None:
    async with browser_lab(site) as here:
        async with browser.phone(here.web("sipjs", CALLER)) as caller:
            await caller.until("registered")
            async with browser.phone(here.web(library, CALLEE)) as callee:
                await callee.until("registered")
                await callee.close()
            await eventually(lambda: not has_flow(here.shell, f"WEB{CALLEE}"), "end of the flow")
            await caller.call(CALLEE)
            assert await caller.until("failed", within_s=4) == "480"  # not after a wait of 13 s
        assert here.shell.pushes() == []


@pytest.mark.req("REG-09")
async def test_8_sipjs_with_its_instance_given_twice_has_one_binding_also_after_a_reload(
    browser: Chromium, site: Site
) -> None:
    async with browser_lab(site) as here:
        settings = replace(here.web("sipjs", CALLER), instance=INSTANCE)
        contacts: list[str] = []
        for _ in range(2):
            async with browser.phone(settings) as phone:
                await phone.until("registered")
                contact = sip(phone.sent, "REGISTER ")[-1].headers.first("contact") or ""
                assert contact.count("+sip.instance") == 2
                assert contact.count("reg-id") == 1
                contacts += here.bound(CALLER)
                (binding,) = here.shell.nodes[0].engine.bindings
                assert binding.instance == f"urn:uuid:{INSTANCE}"
                assert binding.outbound
        before, after = contacts
        assert before != after


async def test_7_sipjs_keeps_its_connection_alive_by_pings_in_frames(
    browser: Chromium, site: Site
) -> None:
    async with browser_lab(site) as here:
        settings = replace(here.web("sipjs", CALLER), keep_alive_s=1)
        async with browser.phone(settings) as phone:
            await phone.until("registered")
            assert await phone.until_received("\r\n") == "\r\n"
            assert "\r\n\r\n" in phone.sent


@pytest.mark.parametrize("library", LIBRARIES)
async def test_page_of_another_origin_is_refused_and_says_nothing_to_the_node(
    library: Library, browser: Chromium, site: Site
) -> None:
    async with browser_lab(site) as here:
        strange = replace(here.web(library, CALLER), host="127.0.0.1")
        async with browser.phone(strange) as phone:
            await phone.until("refused" if library == "sipjs" else "disconnected")
            assert phone.sent == []
        (node,) = here.shell.nodes
        assert node.counts()["connections_refused"] >= 1
        assert here.bound(CALLER) == []


@pytest.mark.parametrize(
    ("transport", "library"), [("UDP", "jssip"), ("TCP", "sipjs"), ("WSS", "jssip")]
)
async def test_15_aiortc_calls_a_browser_and_is_heard_whatever_its_signalling_comes_by(
    transport: str, library: Library, browser: Chromium, site: Site
) -> None:
    async with (
        browser_lab(site) as here,
        user_agent(here.shell, CALLER, transport=transport) as agent,
        browser.phone(here.web(library, CALLEE)) as callee,
        rtc_peer() as peer,
    ):
        await callee.until("registered")
        agent.shell.register()
        await agent.until(Registered)
        call = agent.shell.invite(CALLEE, sdp=await peer.offer())
        assert await callee.until("incoming") == CALLER
        await peer.take((await agent.until(CallAnswered)).remote_sdp)
        await peer.until_media_flows()
        media = await callee.until_media_flows()
        assert media.direction == "sendrecv"
        agent.shell.bye(call)
        await callee.until("ended")
        assert (await agent.until(CallEnded)).cause is EndCause.HUNG_UP


async def test_15_offer_of_a_browser_reaches_a_desk_phone_by_udp_whole_however_long(
    browser: Chromium, site: Site
) -> None:
    """It is over 1,300 octets; the phone reads it, finds no stream it can play, and says so."""
    async with (
        browser_lab(site) as here,
        user_agent(here.shell, CALLEE, transport="UDP") as agent,
        browser.phone(here.web("jssip", CALLER)) as caller,
    ):
        await caller.until("registered")
        agent.shell.register()
        await agent.until(Registered)
        await caller.call(CALLEE)
        assert await caller.until("failed") == "488"
        invite = sip(caller.sent, "INVITE ")[-1]
        assert len(invite.body) > 1_300


async def test_browser_is_called_through_the_node_it_is_connected_to(
    browser: Chromium, site: Site
) -> None:
    """From node to node the call goes by TCP; only the last hop is a WebSocket."""
    async with (
        browser_lab(site, nodes=2) as here,
        browser.phone(here.web("sipjs", CALLER, node="ucm1")) as calling,
        browser.phone(here.web("jssip", CALLEE, node="ucm2")) as called,
    ):
        await calling.until("registered")
        await called.until("registered")
        await calling.call(CALLEE)
        await calling.until("confirmed")
        await called.until_media_flows()
        (invite,) = sip(called.received, "INVITE ")
        assert [via.transport for via in invite.vias] == ["WS", "TCP", "WS"]
        await calling.hang_up()
        await called.until("ended")
