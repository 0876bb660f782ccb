"""baresip calls an iPhone that sleeps, and is called by one; over UDP, TCP and TLS."""

from __future__ import annotations

import pytest

from callctl.phone.event import CallAnswered, CallEnded, EndCause, Registered
from callctl.phone.phone_event import AppForegrounded, AppWoken, CallShown, PushArrived
from callctl.phone.settings import AnswerPlan
from callctl.push.kind import PushKind
from interop.drivers.baresip import Transport, baresip
from interop.lab import CALLER, CALLER_NAME, SLEEPER, Site, lab
from sipstack.timing import MS

pytestmark = [pytest.mark.anyio, pytest.mark.needs("baresip", "tshark", "capture")]

TRANSPORTS = ["udp", "tcp", "tls"]
ANSWERS_AND_HANGS_UP = AnswerPlan(after_ns=100 * MS, hang_up_after_ns=300 * MS)


@pytest.mark.req("CALL-01", "CALL-02", "REG-02", "SEC-01", "SEC-06")
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_baresip_calls_a_sleeping_iphone_which_answers_and_hangs_up(
    transport: Transport, site: Site
) -> None:
    shows = (
        "baresip registers and calls a simulated iPhone whose app is suspended: the INVITE is "
        "parked, a sealed push wakes the phone, its REGISTER releases the INVITE, it answers and "
        f"hangs up. baresip by {transport.upper()}, the phone by TLS."
    )
    async with lab(site) as here:
        phone = await here.sleeper(answer=ANSWERS_AND_HANGS_UP)
        name = f"baresip-{transport}-calls-sleeping-iphone-tls"
        async with (
            here.filmed(name, shows) as film,
            baresip(site.directory / "baresip", here.baresip(transport)) as caller,
        ):
            await caller.dial(f"sip:{SLEEPER}@{here.shell.cluster.domain}")
            await caller.wait_for("CALL_ESTABLISHED")
            await caller.wait_for("CALL_CLOSED")
            assert (await phone.until(CallEnded)).cause is EndCause.HUNG_UP
        story = [type(event) for event in phone.seen]
        stages = [PushArrived, AppWoken, CallShown, Registered, CallAnswered, CallEnded]
        assert sorted(stages, key=story.index) == stages
        (shown,) = phone.all(CallShown)
        assert (shown.caller_name, shown.caller_number) == (CALLER_NAME, CALLER)
        assert film.times_said("INVITE") == 1
        assert [entry.kind for _, entry in here.shell.pushes()] == [PushKind.INCOMING]
        here.assert_clouds_know_nobody()
        await here.at_rest()


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_sleeping_iphone_is_taken_up_and_calls_baresip_which_hangs_up(
    transport: Transport, site: Site
) -> None:
    by = transport.upper()
    shows = (
        "The owner takes up a simulated iPhone that was suspended: it registers again and calls "
        f"baresip, which answers at once and hangs up a little later. Both by {by}."
    )
    async with lab(site) as here:
        phone = await here.sleeper(transport=by)
        async with (
            here.filmed(f"iphone-{transport}-wakes-and-calls-baresip-{transport}", shows),
            baresip(site.directory / "baresip", here.baresip(transport, answers=True)) as callee,
        ):
            phone.shell.resume()
            await phone.until(AppForegrounded)
            await phone.until(Registered)
            phone.shell.call(CALLER)
            await callee.wait_for("CALL_ESTABLISHED")
            await phone.until(CallAnswered)
            await callee.hang_up()
            assert (await phone.until(CallEnded)).cause is EndCause.REMOTE_HUNG_UP
        assert here.shell.pushes() == []
        await here.at_rest()
