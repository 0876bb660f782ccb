"""Reliable provisional responses (RFC 3262) pass both ways, also after a push."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from interop.drivers.linphone import linphone
from interop.drivers.sipp import Sipp, Transport
from interop.lab import CALLER, MOBILE, QUICK, Site, eventually, lab
from interop.test_linphone_push import DEVICE, ONE_TOKEN, app_of, asleep

pytestmark = [pytest.mark.anyio, pytest.mark.needs("sipp", "tshark", "capture")]

BETWEEN_SIPP: Final = (
    "SIPp calls SIPp and requires reliable provisional responses: the 180 with RSeq, its PRACK and "
    "the answer to that pass the node along the route of the dialog."
)
AFTER_PUSH: Final = (
    "SIPp requires reliable provisional responses of a Linphone that was killed: the node keeps "
    "its own 180 back when its time has come, a push starts Linphone, which rings reliably, and "
    "the PRACK of SIPp reaches it."
)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_reliable_ringing_and_its_prack_pass_between_two_sipp(
    transport: Transport, site: Site
) -> None:
    async with lab(site, devices=[DEVICE]) as here:
        sipp = Sipp(site.directory, here.server(transport), transport)
        async with (
            here.filmed(f"sipp-{transport}-calls-sipp-with-prack", BETWEEN_SIPP) as film,
            sipp.phone(here.account(MOBILE), stay_ms=4000, reliably=True) as callee,
        ):
            ended = await sipp.call(here.account(), MOBILE, reliably=True)
            assert ended.ok, (ended.errors, ended.messages)
            ended = await callee.ended(within_s=10)
            assert ended.ok, (ended.errors, ended.messages)
        seen = [rung.what for rung in film.rungs]
        assert (seen.count("180"), seen.count("PRACK")) == (2, 2)  # to the node, and on from it


@pytest.mark.needs("linphone-daemon")
async def test_woken_linphone_rings_reliably_where_the_node_may_not_ring_itself(
    site: Site,
) -> None:
    """OP-03: no 180 of the node's own for a caller that requires 100rel."""
    quick = replace(QUICK, ring_back_s=1, drop_s=10)
    async with lab(site, parameters=quick, devices=[DEVICE]) as here:
        settings = replace(
            here.linphone("tcp", MOBILE), push=ONE_TOKEN.parameters, reliable_ringing=True
        )
        sipp = Sipp(site.directory, here.server("UDP"), "udp")
        async with (
            here.filmed("linphone-tcp-rings-reliably-after-a-push", AFTER_PUSH) as film,
            asleep(here, settings, ONE_TOKEN) as system,
            sipp.calling(here.account(CALLER), MOBILE, reliably=True) as caller,
        ):
            await system.push()
            await here.noted("ring-back-held")
            async with linphone(app_of(site), settings) as woken:
                await woken.call("IncomingReceived")
                # Its PRACK comes and is answered; if Linphone answers the call first, it says 501.
                await eventually(lambda: woken.trace.count("CSeq: 3 PRACK") == 2, "PRACK")
                await woken.answer()
                ended = await caller.ended(within_s=10)
                assert ended.ok, (ended.errors, ended.messages)
                await woken.call("Released")
        assert film.times_said("180") == film.times_said("PRACK") == 1
        assert film.heard("180").at_s < film.said("180").at_s < film.heard("PRACK").at_s
        await here.at_rest()
