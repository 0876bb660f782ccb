"""Twinkle, the client with RFC 3262 built in, in a network of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from callctl.model.build import softphone
from callctl.phone.event import CallAnswered, CallEnded, EndCause, Registered
from callctl.phone.phone_event import PushArrived
from interop.drivers.namespace import own_network
from interop.drivers.sipp import Sipp, Transport
from interop.drivers.twinkle import Settings, twinkle
from interop.lab import CALLER, MOBILE, SLEEPER, Lab, Site, lab

pytestmark = [pytest.mark.anyio, pytest.mark.needs("twinkle-console", "namespace")]

NEIGHBOUR = softphone(MOBILE)


@pytest.fixture
def alone(site: Site) -> Iterator[Site]:
    """A site in a network that is Twinkle's: nothing of it is recorded, 5060 is its port."""
    with own_network():
        yield replace(site, archive=None)


def account_of(here: Lab, transport: Transport = "udp") -> Settings:
    """The caller at ucm1."""
    return Settings(here.account(), here.server(transport), transport)


@pytest.mark.needs("sipp")
async def test_prack_of_twinkle_reaches_who_rings_reliably_and_it_answers_that_of_a_caller(
    alone: Site,
) -> None:
    async with lab(alone, devices=[NEIGHBOUR]) as here:
        sipp = Sipp(alone.directory, here.server("UDP"), "udp")
        async with twinkle(alone.directory / "twinkle", account_of(here)) as client:
            async with sipp.phone(here.account(MOBILE), stay_ms=4000, reliably=True) as callee:
                await client.dial(MOBILE)
                await client.told("far end answered call")
                await client.hang_up()
                ended = await callee.ended(within_s=10)
                assert ended.ok, (ended.errors, ended.messages)
                assert "PRACK sip:" in ended.messages
            async with sipp.calling(here.account(MOBILE), CALLER, reliably=True) as caller:
                await client.told("incoming call")
                await caller.seen("PRACK sip:")
                await client.answer()
                ended = await caller.ended(within_s=10)
                assert ended.ok, (ended.errors, ended.messages)


@pytest.mark.req("CALL-01", "CALL-02", "REG-02")
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_twinkle_calls_a_sleeping_iphone_and_holds_and_retrieves(
    transport: Transport, alone: Site
) -> None:
    async with lab(alone) as here:
        phone = await here.sleeper()
        async with twinkle(alone.directory / "twinkle", account_of(here, transport)) as client:
            await client.dial(SLEEPER)
            await client.told("far end answered call")
            story = [type(event) for event in phone.seen]
            assert story.index(PushArrived) < story.index(Registered) < story.index(CallAnswered)
            await client.hold()
            await client.retrieve()
            await client.hang_up()
            assert (await phone.until(CallEnded)).cause is EndCause.REMOTE_HUNG_UP
        here.assert_clouds_know_nobody()


async def test_call_of_twinkle_survives_a_hold_that_is_cancelled_while_it_is_agreed_to(
    alone: Site,
) -> None:
    """CANCEL of a re-INVITE and its 200 cross; with two answers the phone would lack an ACK."""
    async with lab(alone) as here:
        phone = await here.sleeper()
        async with twinkle(alone.directory / "twinkle", account_of(here, "tcp")) as client:
            await client.dial(SLEEPER)
            await client.told("far end answered call")
            await client.hold_but_retrieve()
            await client.hang_up()
            assert (await phone.until(CallEnded)).cause is EndCause.REMOTE_HUNG_UP
        await here.at_rest()
