"""One number on several devices over real sockets: who answers, who is told what.

5 s and 13 s are 1 s and 2 s here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from callctl.model.build import android, desk_phone, iphone
from callctl.model.device import Device
from callctl.phone.event import CallEnded, EndCause, IncomingCall
from callctl.phone.phone_event import PhoneAnswered, PushArrived
from callctl.phone.settings import AnswerPlan
from helpers.node_rig import eventually
from helpers.stage import WAITS, Stage, manner, staged
from sipstack.timing import MS

pytestmark = pytest.mark.anyio

VIDEO = "video call from Front Desk 4930111001"
CALLKIT = f"CallKit, full screen: {VIDEO}"
NEVER_MS = 60_000
ELSEWHERE = "call gone: answeredElsewhere"


def shared(dn: str, *, asleep: str, custom_region: bool = False) -> Device:
    """The iPhone of a line that others have too."""
    return iphone(f"u{dn}", dn, name=asleep, custom_region=custom_region)


def desk_of(dn: str, name: str) -> Device:
    return desk_phone(f"u{dn}", dn, name=name, device_pool="desks")


ASLEEP = shared("4930333001", asleep="TCTASLEEP")
ASLEEP_DESK = desk_of("4930333001", "SEPONE")
RINGING = shared("4930333002", asleep="TCTRINGING")
RINGING_DESK = desk_of("4930333002", "SEPTWO")
IN_CHINA = shared("4930333003", asleep="TCTCHINA", custom_region=True)
IN_CHINA_DESK = desk_of("4930333003", "SEPTHREE")
FIRST = shared("4930333004", asleep="TCTFIRST")
SECOND = android("u4930333004", "4930333004", name="BOTSECOND")
THIRD = shared("4930333004", asleep="TCTTHIRD")
DECLINES = shared("4930333005", asleep="TCTDECLINES")
DECLINES_DESK = desk_of("4930333005", "SEPFIVE")
MISSES = shared("4930333006", asleep="TCTMISSES")
MISSES_TOO = android("u4930333006", "4930333006", name="BOTMISSES")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def stage(anyio_backend: str) -> AsyncIterator[Stage]:
    sleepers = {
        ASLEEP: manner(WAITS, wake_ms=NEVER_MS),
        RINGING: manner(WAITS),
        IN_CHINA: manner(),
        FIRST: manner(WAITS),
        SECOND: manner(WAITS),
        THIRD: manner(WAITS, wake_ms=NEVER_MS),
        DECLINES: manner(AnswerPlan(after_ns=50 * MS, status=486)),
        MISSES: manner(WAITS),
        MISSES_TOO: manner(WAITS, wake_ms=NEVER_MS),
    }
    desks = {
        ASLEEP_DESK: manner(WAITS),
        RINGING_DESK: manner(WAITS),
        IN_CHINA_DESK: manner(WAITS),
        DECLINES_DESK: manner(WAITS),
    }
    async with staged(sleepers=sleepers, desks=desks) as made:
        yield made


@pytest.mark.req("SHL-03", "SHL-04", "SHL-08")
async def test_the_desk_phone_answers_and_the_phone_that_sleeps_is_told_by_a_second_push(
    stage: Stage,
) -> None:
    phone = stage.phones[ASLEEP.name]
    call = stage.call("4930333001", hang_up_ms=100)
    await phone.until(PushArrived)
    await stage.desk_answers(ASLEEP_DESK.name)
    await call.answered()
    await phone.until(PushArrived, 2)
    assert [outer["channel"] for outer in await stage.outer(phone, 2)] == ["voip", "voip"]
    assert phone.all(IncomingCall) == []
    assert stage.desk_rang(ASLEEP_DESK.name) == 1
    assert call.steps[-2:] == [f"answered {ASLEEP_DESK.name}", f"elsewhere-push {ASLEEP.name}"]


@pytest.mark.req("SHL-05", "SHL-03")
async def test_the_desk_phone_answers_while_the_phone_rings_so_it_gets_cancel_and_push(
    stage: Stage,
) -> None:
    phone = stage.phones[RINGING.name]
    call = stage.call("4930333002", hang_up_ms=100)
    await phone.until(IncomingCall)
    await stage.desk_answers(RINGING_DESK.name)
    await call.answered()
    await phone.until(PushArrived, 2)
    await phone.until(CallEnded)
    (ended,) = phone.all(CallEnded)
    assert ended.cause is EndCause.CANCELLED
    assert "cause=200" in (ended.reason or "")
    assert phone.screen[:2] == [CALLKIT, ELSEWHERE]
    assert not [text for text in phone.screen if "Missed" in text]
    assert f"branch-cancelled {RINGING.name}" in call.steps


@pytest.mark.req("CHN-09", "SHL-06")
async def test_in_china_the_message_says_that_another_device_answered(stage: Stage) -> None:
    phone = stage.phones[IN_CHINA.name]
    call = stage.call("4930333003", hang_up_ms=100)
    await phone.sees("tap now to answer")
    await stage.desk_answers(IN_CHINA_DESK.name)
    await call.answered()
    await phone.sees("Answered on another device")
    assert phone.screen == [
        "notification: Front Desk: Incoming call: tap now to answer",
        "notification in place of another: Front Desk: Answered on another device",
    ]
    assert [outer["channel"] for outer in await stage.outer(phone, 2)] == ["message", "message"]


@pytest.mark.req("SHL-03", "SHL-09", "REG-12")
async def test_the_second_mobile_answers_and_each_other_one_is_told_as_fits_its_state(
    stage: Stage,
) -> None:
    first, second, third = (stage.phones[it.name] for it in (FIRST, SECOND, THIRD))
    call = stage.call("4930333004", hang_up_ms=100)
    await first.until(IncomingCall)
    await third.until(PushArrived)
    await second.until(IncomingCall)
    second.shell.answer()
    await call.answered()
    await first.until(PushArrived, 2)
    await third.until(PushArrived, 2)
    await second.sees("call gone")
    assert first.screen[:2] == [CALLKIT, ELSEWHERE]
    assert second.screen == [
        "own full screen: call from Front Desk 4930111001",
        "in conversation",
        "call gone: remoteEnded",
    ]
    assert len(second.all(PhoneAnswered)) == 1
    assert len(await stage.outer(second)) == 1
    assert third.all(IncomingCall) == []


@pytest.mark.req("CALL-14", "SHL-09")
async def test_one_declines_and_the_other_rings_on_and_answers(stage: Stage) -> None:
    """OP-05: a decline speaks for its device alone."""
    phone = stage.phones[DECLINES.name]
    call = stage.call("4930333005", hang_up_ms=100)
    await phone.sees("call gone: owner")
    await eventually(lambda: f"declined {DECLINES.name}" in call.steps)
    await stage.desk_answers(DECLINES_DESK.name)
    await call.answered()
    assert phone.screen == [CALLKIT, "call gone: owner"]
    assert len(await stage.outer(phone)) == 1
    said = [step for step in call.steps if step.split()[0] in ("declined", "answered")]
    assert said == [f"declined {DECLINES.name}", f"answered {DECLINES_DESK.name}"]


@pytest.mark.req("SHL-01", "CALL-11", "CALL-16")
async def test_the_caller_gives_up_and_each_phone_shows_one_missed_call(stage: Stage) -> None:
    ringing, asleep = stage.phones[MISSES.name], stage.phones[MISSES_TOO.name]
    call = stage.call("4930333006")
    await ringing.until(IncomingCall)
    await asleep.until(PushArrived)
    call.hang_up()
    assert await call.ended() == 487
    await ringing.until(PushArrived, 2)
    await asleep.until(PushArrived, 2)
    await ringing.sees("Missed call")
    assert ringing.screen.count("notification: Front Desk: Missed call") == 1
    assert ringing.screen[0] == CALLKIT
    assert [outer["service"] for outer in await stage.outer(asleep, 2)] == ["FCM", "FCM"]
    missed = [step for step in call.steps if step.startswith("missed-push")]
    assert sorted(missed) == [f"missed-push {MISSES_TOO.name}", f"missed-push {MISSES.name}"]
