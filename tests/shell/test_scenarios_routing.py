"""Hunt pilots, mobility, forwarding and trunks over real sockets, with phones that sleep.

5 s, 10 s and 13 s are 1 s, 1 s and 2 s here. The peer of the trunk is a user agent of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from callctl.call.event import MobilityOutcome
from callctl.model.build import desk_phone, iphone, make_user
from callctl.model.device import Device
from callctl.model.hunt_pilot import Distribution, HuntPilot
from callctl.model.line import Forwarding, Line
from callctl.model.trunk import RoutePattern, SipTrunk
from callctl.phone.event import CallEnded, IncomingCall
from callctl.phone.phone_event import PushArrived, PushOpened
from callctl.phone.settings import AnswerPlan, Registrar
from helpers.stage import PICKS_UP, SCALED, WAITS, Peer, Stage, manner, peer, staged
from sipstack.timing import MS

pytestmark = pytest.mark.anyio

SHOWN = "CallKit, full screen: video call from Front Desk 4930111001"
NEVER_MS = 60_000

TOP_DOWN, BROADCAST = "4930777000", "4930777100"
HUNTED, HUNTED_DESK = iphone("4930777001"), desk_phone("4930777002", device_pool="desks")
ALL_AT_ONCE, ALL_DESK = iphone("4930777101"), desk_phone("4930777102", device_pool="desks")
MOBILE_USER = iphone("4930777003")
IN_TIME = iphone("4930777004")
FORWARDED = iphone("4930777005")
BUSY, BUSY_DESK = iphone("4930777006"), desk_phone("4930777007", device_pool="desks")
CALLED_FROM_OUTSIDE = iphone("4930777008")

OUTSIDE, OUTSIDE_TOO, VOICEMAIL = "491710000001", "491710000002", "491710000003"


@dataclass(frozen=True, slots=True)
class House:
    """The cluster and whom it is connected to."""

    stage: Stage
    outside: Peer


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def house(anyio_backend: str) -> AsyncIterator[House]:
    sleepers = {
        HUNTED: manner(WAITS),
        ALL_AT_ONCE: manner(WAITS),
        MOBILE_USER: manner(WAITS, wake_ms=NEVER_MS),
        IN_TIME: manner(),
        FORWARDED: manner(wake_ms=NEVER_MS),
        BUSY: manner(AnswerPlan(after_ns=50 * MS, status=486)),
        CALLED_FROM_OUTSIDE: manner(),
    }
    desks: dict[Device, object] = {
        HUNTED_DESK: manner(),
        ALL_DESK: manner(WAITS),
        BUSY_DESK: manner(),
    }
    pilots = [
        HuntPilot(TOP_DOWN, ("4930777001", "4930777002"), member_ring_s=1),
        HuntPilot(BROADCAST, ("4930777101", "4930777102"), Distribution.SIMULTANEOUS),
    ]
    lines = [
        Line("4930777005", forwarding=Forwarding(unregistered=VOICEMAIL)),
        Line("4930777006", forwarding=Forwarding(busy="4930777007")),
    ]
    users = [
        replace(make_user("4930777003"), mobility_identity=OUTSIDE),
        replace(make_user("4930777004"), mobility_identity=OUTSIDE_TOO),
    ]
    async with (
        peer(PICKS_UP, name="Harbour", number="+494055500") as outside,
        staged(
            sleepers=sleepers,
            desks=desks,  # type: ignore[arg-type]
            lines=lines,
            users=users,
            hunt_pilots=pilots,
            trunks=[SipTrunk("PSTN", (outside.destination,))],
            route_patterns=[RoutePattern("49171!", ("PSTN",))],
            parameters=replace(SCALED, mobility_wait_s=1),
        ) as stage,
    ):
        yield House(stage, outside)


@pytest.mark.req("CALL-20")
async def test_a_hunt_goes_on_from_the_phone_to_the_desk_and_nothing_was_missed(
    house: House,
) -> None:
    stage, phone = house.stage, house.stage.phones[HUNTED.name]
    call = stage.call(TOP_DOWN, hang_up_ms=100)
    await call.answered()
    await phone.until(PushArrived, 2)
    await phone.until(CallEnded)
    assert {opened.hunt_pilot_dn for opened in phone.all(PushOpened)} == {TOP_DOWN}
    assert stage.desk_rang(HUNTED_DESK.name) == 1
    assert phone.screen[0] == SHOWN
    assert "Missed" not in "".join(phone.screen)
    codes = [step.code for step in call.record.steps]
    assert codes.count("hunt") == 2
    assert "cancelled-push" in codes


@pytest.mark.req("CALL-20", "SHL-03")
async def test_all_members_ring_and_the_phone_is_told_that_the_desk_was_faster(
    house: House,
) -> None:
    stage, phone = house.stage, house.stage.phones[ALL_AT_ONCE.name]
    call = stage.call(BROADCAST, hang_up_ms=100)
    await phone.until(IncomingCall)
    await stage.desk_answers(ALL_DESK.name)
    await call.answered()
    await phone.until(PushArrived, 2)
    assert phone.screen[:2] == [SHOWN, "call gone: answeredElsewhere"]
    assert call.steps[-1] == f"elsewhere-push {ALL_AT_ONCE.name}"


@pytest.mark.req("MOB-01", "MOB-02")
async def test_the_app_does_not_come_so_the_call_leaves_over_the_trunk_to_the_mobility_identity(
    house: House,
) -> None:
    stage, phone = house.stage, house.stage.phones[MOBILE_USER.name]
    before = len(house.outside.calls())
    call = stage.call("4930777003", hang_up_ms=100)
    await call.answered()
    assert len(house.outside.calls()) == before + 1
    await phone.until(PushArrived, 2)
    assert phone.all(IncomingCall) == []
    counters = stage.shell.view.engine.counters.values
    assert counters[MobilityOutcome.TO_MOBILITY_IDENTITY.value] == 1
    assert f"extended {MOBILE_USER.name}" in call.steps


@pytest.mark.req("MOB-03")
async def test_the_app_comes_in_time_so_nobody_outside_is_called(house: House) -> None:
    stage, phone = house.stage, house.stage.phones[IN_TIME.name]
    before = len(house.outside.calls())
    call = stage.call("4930777004", hang_up_ms=100)
    await call.answered()
    await phone.sees("call gone")
    assert phone.screen[:2] == [SHOWN, "in conversation"]
    assert len(house.outside.calls()) == before
    counters = stage.shell.view.engine.counters.values
    assert counters[MobilityOutcome.TO_JABBER.value] == 1


@pytest.mark.req("CALL-09", "CALL-06")
async def test_nobody_wakes_so_the_call_is_forwarded_over_the_trunk_and_the_phone_missed_it(
    house: House,
) -> None:
    stage, phone = house.stage, house.stage.phones[FORWARDED.name]
    before = len(house.outside.calls())
    call = stage.call("4930777005", hang_up_ms=100)
    await call.answered()
    assert len(house.outside.calls()) == before + 1
    await phone.until(PushArrived, 2)
    assert [outer["channel"] for outer in await stage.outer(phone, 2)] == ["voip", "voip"]
    assert "forward-unregistered" in call.steps


@pytest.mark.req("CALL-14", "CALL-09")
async def test_a_decline_in_callkit_takes_the_call_to_where_busy_is_forwarded(
    house: House,
) -> None:
    stage, phone = house.stage, house.stage.phones[BUSY.name]
    call = stage.call("4930777006", hang_up_ms=100)
    await call.answered()
    assert stage.desk_rang(BUSY_DESK.name) == 1
    assert phone.screen == [SHOWN, "call gone: owner"]
    assert len(await stage.outer(phone)) == 1
    assert "forward-busy" in call.steps


@pytest.mark.req("CID-09")
async def test_a_call_from_outside_wakes_the_phone_with_the_name_the_peer_gives(
    house: House,
) -> None:
    stage, phone = house.stage, house.stage.phones[CALLED_FROM_OUTSIDE.name]
    node = stage.shell.nodes[0]
    listener = next(it for it in node.listeners if it.transport == "TCP")
    agent = house.outside.shell.agent
    agent.use_registrars((Registrar(listener.host, listener.port),))  # where its calls go
    target = f"sip:4930777008@{listener.host}:{listener.port}"
    number = house.outside.shell.invite(target, hang_up_after_ns=100 * MS)
    await phone.sees("in conversation")
    assert phone.screen[0] == "CallKit, full screen: video call from Harbour +494055500"
    await phone.sees("call gone")
    ended = [event for event in house.outside.heard if isinstance(event, CallEnded)]
    assert [event.status for event in ended if event.call == number] == [None]
