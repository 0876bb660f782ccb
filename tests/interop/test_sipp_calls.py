"""SIPp, with digest, calls an iPhone that sleeps: parked, pushed, woken, offered, answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from callctl.phone.event import CallAnswered, CallEnded, EndCause, Registered
from callctl.phone.phone_event import AppWoken, CallShown, PushArrived
from callctl.push.kind import PushKind
from interop.drivers.sipp import Sipp
from interop.drivers.tls_relay import tls_relay
from interop.lab import CALLER, CALLER_NAME, SLEEPER, Lab, Site, lab

pytestmark = [pytest.mark.anyio, pytest.mark.needs("sipp", "tshark", "capture")]

SHOWS = (
    "SIPp calls a simulated iPhone whose app is suspended: the INVITE is challenged (407) and "
    "parked, a sealed push wakes the phone, its REGISTER releases the INVITE, it answers, and "
    "SIPp hangs up. SIPp by {}, the phone by {}."
)


@pytest.mark.req("CALL-01", "CALL-02", "REG-02", "SEC-01", "SEC-04", "SEC-06")
@pytest.mark.parametrize(
    ("caller_by", "phone_by"), [("UDP", "TCP"), ("TCP", "TLS"), ("TLS", "TLS")]
)
async def test_sipp_calls_a_sleeping_iphone_and_hangs_up(
    caller_by: str, phone_by: str, site: Site
) -> None:
    name = f"sipp-{caller_by}-calls-sleeping-iphone-{phone_by}".lower()
    async with lab(site) as here:
        phone = await here.sleeper(transport=phone_by)
        async with here.filmed(name, SHOWS.format(caller_by, phone_by)) as film:
            async with sipp_by(caller_by, here) as sipp:
                ended = await sipp.call(here.account(), SLEEPER, hold_ms=200)
            assert ended.ok, (ended.errors, ended.messages)
            end = await phone.until(CallEnded)
        assert end.cause is EndCause.REMOTE_HUNG_UP
        # Woken by the push, told who calls, and only then registered and called.
        story = [type(event) for event in phone.seen]
        stages = [PushArrived, AppWoken, CallShown, Registered, CallAnswered, CallEnded]
        assert sorted(stages, key=story.index) == stages
        (shown,) = phone.all(CallShown)
        assert (shown.caller_name, shown.caller_number) == (CALLER_NAME, CALLER)
        # On the wire: challenged, parked without ringing, offered after the 200 to the REGISTER.
        moments = [film.said("407"), film.said("200", "REGISTER"), film.said("INVITE")]
        assert moments == sorted(moments, key=film.rungs.index)
        assert film.times_said("INVITE") == 1
        assert [entry.kind for _, entry in here.shell.pushes()] == [PushKind.INCOMING]
        here.assert_clouds_know_nobody()
        await here.at_rest()


@pytest.mark.req("CALL-03")
async def test_phone_by_udp_is_woken_though_its_flow_seems_to_live(site: Site) -> None:
    """A datagram flow cannot be seen to end: INVITE and push leave together (OP-29)."""
    name = "sipp-udp-calls-sleeping-iphone-udp"
    shows = (
        "SIPp calls a simulated iPhone that was registered over UDP before its app was suspended. "
        "Nothing tells that such a flow is dead, so the INVITE is sent at once, and a push too: "
        "the phone wakes, registers, takes a repetition of the INVITE and answers."
    )
    async with lab(site) as here:
        phone = await here.sleeper(transport="UDP")
        async with here.filmed(name, shows) as film:
            ended = await Sipp(site.directory, here.server("UDP"), "udp").call(
                here.account(), SLEEPER
            )
            assert ended.ok, (ended.errors, ended.messages)
            await phone.until(CallEnded)
        assert film.rungs.index(film.said("INVITE")) < film.rungs.index(film.heard("REGISTER"))
        assert len(phone.all(CallAnswered)) == 1
        assert [entry.kind for _, entry in here.shell.pushes()] == [PushKind.INCOMING]
        await here.at_rest()


@asynccontextmanager
async def sipp_by(transport: str, here: Lab) -> AsyncIterator[Sipp]:
    """A SIPp for ucm1. It speaks no TLS itself; its Via says TCP then."""
    server, directory = here.server(transport), here.site.directory
    if transport == "TLS":
        async with tls_relay(server, str(here.authority_file)) as port:
            yield Sipp(directory, ("127.0.0.1", port), "tcp")
    else:
        yield Sipp(directory, server, "udp" if transport == "UDP" else "tcp")
