"""sippy's back-to-back user agent in front of a node and behind it, PySIPio behind that."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from callctl.io.lab import has_flow
from callctl.model.build import softphone
from callctl.phone.event import CallAnswered, CallEnded, EndCause, Registered
from callctl.phone.phone_event import PushArrived
from callctl.push.kind import PushKind
from interop.drivers.program import free_port
from interop.drivers.pysipio import pysipio
from interop.drivers.sipp import Account, Sipp
from interop.drivers.sippy import b2bua_before, gateway_behind
from interop.lab import MOBILE, QUICK, SLEEPER, SOFTPHONE, Site, eventually, lab

pytestmark = [pytest.mark.anyio, pytest.mark.needs("sippy")]

NEIGHBOUR = softphone(MOBILE)
# A phone that only the gateway knows. PySIPio takes a request for its own if its user is anywhere
# in the From header, so also in a tag of hex digits; it then answers with tags that fit nothing.
INSIDE: Final = Account("workshop", "secret", "127.0.0.1")
HAIRPIN: Final = (
    "SIPp calls a number that sippy's back-to-back user agent has registered. It takes the call "
    "and makes another one out of it, through the same node, to a simulated iPhone that sleeps: a "
    "push wakes it, it answers, and SIPp hangs up. One call for the people, two for the node."
)


@pytest.mark.needs("sipp")
@pytest.mark.req("REG-09")
async def test_sippy_in_front_passes_a_registration_with_digest_and_is_the_path_back(
    site: Site,
) -> None:
    """What follows that Path meets a back-to-back user agent whose only next hop is the node."""
    async with (
        lab(site, devices=[NEIGHBOUR]) as here,
        b2bua_before(site.directory, here.server("UDP")) as front,
    ):
        bindings = here.shell.nodes[0].engine.bindings
        sipp, port = Sipp(site.directory, front, "udp"), free_port()
        registered = await sipp.register(here.account(MOBILE), contact_port=port)
        assert registered.ok, registered.messages
        (binding,) = bindings.of_dn(MOBILE, here.shell.clock())
        assert binding.contact == f"sip:{MOBILE}@127.0.0.1:{port};transport=UDP"
        assert binding.path == (f"<sip:{front[0]}:{front[1]};lr>",)
        gone = await sipp.register(here.account(MOBILE), contact_port=port, expires_s=0)
        assert gone.ok, gone.messages
        assert bindings.of_dn(MOBILE, here.shell.clock()) == ()


@pytest.mark.needs("sipp")
@pytest.mark.req("CALL-01", "CALL-02", "REG-02")
async def test_sippy_in_front_calls_a_sleeping_iphone_where_nobody_asks_for_a_password(
    site: Site,
) -> None:
    async with lab(site, parameters=replace(QUICK, authentication="none")) as here:
        phone = await here.sleeper()
        async with b2bua_before(site.directory, here.server("UDP")) as front:
            ended = await Sipp(site.directory, front, "udp").call(here.account(), SLEEPER)
            assert ended.ok, (ended.errors, ended.messages)
            assert (await phone.until(CallEnded)).cause is EndCause.REMOTE_HUNG_UP
        story = [type(event) for event in phone.seen]
        assert story.index(PushArrived) < story.index(Registered) < story.index(CallAnswered)


@pytest.mark.needs("sipp", "tshark", "capture")
@pytest.mark.req("CALL-01", "CALL-02", "REG-02")
async def test_sippy_behind_takes_a_call_and_brings_it_back_to_a_sleeping_iphone(
    site: Site,
) -> None:
    async with lab(site, devices=[NEIGHBOUR]) as here:
        phone = await here.sleeper()
        node = here.server("UDP")
        async with (
            here.filmed("sippy-brings-a-call-back-to-a-sleeping-iphone", HAIRPIN) as film,
            gateway_behind(site.directory, node, here.account(MOBILE), SLEEPER) as gateway,
        ):
            ended = await Sipp(site.directory, node, "udp").call(here.account(), MOBILE)
            assert ended.ok, (ended.errors, ended.messages)
            assert (await phone.until(CallEnded)).cause is EndCause.REMOTE_HUNG_UP
            await gateway.told("near CCEventDisconnect")
        # Two calls for the node under one Call-ID, which sippy keeps; the second one wakes a phone.
        records = here.shell.records()
        assert [record.dn for record in records] == [MOBILE, SLEEPER]
        assert len({record.call_id for record in records}) == 1
        assert len({record.call_uuid for record in records}) == 2
        assert [entry.kind for _, entry in here.shell.pushes()] == [PushKind.INCOMING]
        assert film.times_said("INVITE") == 2
        await here.at_rest()


@pytest.mark.needs("PySIPio")
async def test_11_pysipio_registers_with_all_its_faults(site: Site) -> None:
    async with (
        lab(site) as here,
        pysipio(site.directory, here.server("UDP"), here.account(), "answer"),
    ):
        await eventually(lambda: has_flow(here.shell, SOFTPHONE), "registration")


@pytest.mark.needs("PySIPio", "sipp")
async def test_pysipio_behind_sippy_is_called_through_the_node(site: Site) -> None:
    async with lab(site, devices=[NEIGHBOUR]) as here:
        node, directory = here.server("UDP"), site.directory
        async with (
            gateway_behind(directory, node, here.account(MOBILE), "-") as gateway,
            pysipio(directory, gateway.address, INSIDE, "answer") as callee,
        ):
            await gateway.told("phone registered")
            ended = await Sipp(directory, node, "udp").call(here.account(), MOBILE)
            assert ended.ok, (ended.errors, ended.messages)
            await callee.told("answered")


@pytest.mark.needs("PySIPio")
@pytest.mark.req("CALL-01", "CALL-02", "REG-02")
async def test_pysipio_behind_sippy_calls_a_sleeping_iphone(site: Site) -> None:
    async with lab(site, devices=[NEIGHBOUR]) as here:
        phone = await here.sleeper()
        node, directory = here.server("UDP"), site.directory
        async with (
            gateway_behind(directory, node, here.account(MOBILE), "-") as gateway,
            pysipio(directory, gateway.address, INSIDE, "call", SLEEPER, "0.2") as caller,
        ):
            await caller.told("answered")
            assert (await phone.until(CallEnded)).cause is EndCause.REMOTE_HUNG_UP
            assert "challenged INVITE" in gateway.story
        story = [type(event) for event in phone.seen]
        assert story.index(PushArrived) < story.index(Registered) < story.index(CallAnswered)
        assert [entry.kind for _, entry in here.shell.pushes()] == [PushKind.INCOMING]
