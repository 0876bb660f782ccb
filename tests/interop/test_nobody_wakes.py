"""A phone that does not wake, with the real clocks of the service, over sockets.

The exact times are proven in virtual time; here nothing may come early, and late only as far as a
busy machine delays it.
"""

from __future__ import annotations

from typing import Final

import pytest

from callctl.cloud.faults import Fault
from callctl.phone.event import IncomingCall, Registered
from callctl.push.events import Outcome
from callctl.push.kind import PushKind
from interop.drivers.sipp import Sipp
from interop.lab import REAL, SLEEPER, Lab, Mobile, Site, eventually, lab
from sipstack.message.reason import Reason

pytestmark = [pytest.mark.anyio, pytest.mark.needs("sipp", "tshark", "capture")]

EARLY_S: Final = 0.05  # timestamps are those of the capture
LATE_S: Final = 2.0

NOBODY_WAKES: Final = (
    "SIPp calls a simulated iPhone whose pushes get lost on their way: the caller hears 180 from "
    "the node after 5 s, and 480 with a Reason after 13 s. The phone that is taken up later "
    "registers and gets no INVITE."
)
CALLER_GIVES_UP: Final = (
    "SIPp calls a simulated iPhone whose pushes get lost on their way, and gives up after 3 s: "
    "its CANCEL is answered at once, and so is the INVITE, with 487. The phone that is taken up "
    "later registers and gets no INVITE."
)


@pytest.mark.req("CALL-04", "CALL-05", "CALL-06", "CALL-07", "CALL-10", "CALL-19", "SHL-02")
async def test_caller_hears_ringing_at_5_s_and_480_at_13_s_and_the_phone_of_one_missed_call(
    site: Site,
) -> None:
    async with lab(site, parameters=REAL) as here:
        phone = await sleeper_without_pushes(here)
        async with here.filmed("nobody-wakes-tcp", NOBODY_WAKES) as film:
            sipp = Sipp(site.directory, here.server("TCP"), "tcp")
            ended = await sipp.refused(here.account(), SLEEPER)
            assert ended.ok, (ended.errors, ended.messages)
            await assert_one_missed_push(here)
            await assert_no_late_invite(here, phone)
        start = [rung for rung in film.rungs if rung.what == "INVITE"][1].at_s  # with credentials
        assert film.said("100").at_s - start < LATE_S
        assert 5 - EARLY_S < film.said("180").at_s - start < 5 + LATE_S
        assert 13 - EARLY_S < film.said("480").at_s - start < 13 + LATE_S
        assert [film.times_said(what) for what in ("180", "480", "INVITE")] == [1, 1, 0]
        (reason,) = Reason.parse_many(reason_of(ended.messages))
        assert (reason.protocol, reason.cause) == ("Q.850", 20)
        await here.at_rest()


@pytest.mark.req("CALL-10", "CALL-11", "SHL-01")
async def test_caller_who_gives_up_at_3_s_gets_487_at_once_and_the_phone_one_missed_push(
    site: Site,
) -> None:
    async with lab(site, parameters=REAL) as here:
        phone = await sleeper_without_pushes(here)
        async with here.filmed("caller-gives-up-tcp", CALLER_GIVES_UP) as film:
            sipp = Sipp(site.directory, here.server("TCP"), "tcp")
            ended = await sipp.give_up(here.account(), SLEEPER, after_ms=3000)
            assert ended.ok, (ended.errors, ended.messages)
            await assert_one_missed_push(here)
            await assert_no_late_invite(here, phone)
        cancel = film.heard("CANCEL").at_s
        assert film.said("200", "CANCEL").at_s - cancel < LATE_S
        assert film.said("487", "INVITE").at_s - cancel < LATE_S
        assert [film.times_said(what) for what in ("180", "487", "INVITE")] == [0, 1, 0]
        await here.at_rest()


async def sleeper_without_pushes(here: Lab) -> Mobile:
    """The iPhone asleep, and a cloud that takes its pushes and loses them."""
    phone = await here.sleeper()
    here.cloud.apns.faults.add(Fault(lose=True))
    return phone


async def assert_one_missed_push(here: Lab) -> None:
    """One ring push and one missed push went out, in that order, and both were accepted."""
    await eventually(lambda: len(here.pushes(PushKind.MISSED)) == 1, "a missed push")
    await eventually(
        lambda: all(entry.outcome for _, entry in here.shell.pushes()), "the end of all pushes"
    )
    entries = [entry for _, entry in here.shell.pushes()]
    assert [entry.kind for entry in entries] == [PushKind.INCOMING, PushKind.MISSED]
    assert [entry.outcome for entry in entries] == [Outcome.ACCEPTED] * 2
    assert entries[0].call_uuid == entries[1].call_uuid
    assert len(here.cloud.apns.log) == 2
    here.assert_clouds_know_nobody()


async def assert_no_late_invite(here: Lab, phone: Mobile) -> None:
    """The owner takes the phone up: it registers, and gets nothing of the call that is over.

    An INVITE would follow the 200 to the REGISTER on the same connection, out of the same turn of
    the node; after the end of a second registration it would have arrived.
    """
    phone.shell.resume()
    await phone.until(Registered)
    phone.shell.suspend()
    await eventually(lambda: phone.shell.state == "suspended", "sleep")
    phone.shell.resume()
    await eventually(lambda: len(phone.all(Registered)) == 2, "a second registration")
    assert phone.all(IncomingCall) == []
    (record,) = here.shell.records()
    assert "offered" not in [step.code for step in record.steps]


def reason_of(messages: str) -> str:
    """The value of the only Reason header in SIPp's message log."""
    values = {
        line.partition(":")[2].strip()
        for line in messages.splitlines()
        if line.lower().startswith("reason:")
    }
    (value,) = values
    return value
