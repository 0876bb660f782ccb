"""The same words over real sockets: one run of pytest, on both loops."""

from __future__ import annotations

import asyncio

import pytest

from helpers.testing_kit import LOOPS, run_tests

TESTS = """
import anyio
import pytest

from callctl.testing import NotHere

pytestmark = pytest.mark.callctl_live


@pytest.fixture(params=LOOPS)
def anyio_backend(request):
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


@pytest.mark.anyio
async def test_failover(cluster, caller, phone, ladder):
    ucm1 = cluster.node("ucm1")
    with anyio.fail_after(60):  # the world is set up inside a scope of the test
        await ucm1.dies()
    await ucm1.is_out_of_service()
    call = await caller.calls(phone)
    await phone.is_woken(node="ucm2")
    await phone.shows_call("Front Desk")
    await phone.rings()
    await caller.hears_ringing()
    await phone.answers()
    await call.is_answered_by(phone)
    assert ladder.find("REGISTER", source="TCT2001", target="ucm2")
    assert len(ladder.find("INVITE", source="ucm3", target="ucm2")) == 1  # both nodes have seen it
    assert ladder.find("INVITE", source="ucm2", target="TCT2001")
    assert ladder.find("ring push", source="ucm3")
    assert ladder.find("200 (push)", target="ucm3")
    await caller.hangs_up()
    await call.ends()
    await ucm1.comes_back()
    await ucm1.is_in_service()


@pytest.mark.callctl(parameters={"drop_s": 3, "ring_back_s": 1})
async def test_people_clouds_and_trunks(cluster, cloud, network, caller, phone):
    android = cluster.android()
    desk = cluster.desk_phone(phone.number)
    late = cluster.desk_phone(registered=False)
    first, second = cluster.trunk(peers=2, options_ping=0).peers

    shared = await caller.calls(phone)
    await desk.answers()
    await shared.is_answered_by(desk)
    await phone.gets_push("answered elsewhere")
    await desk.hangs_up()

    await cloud.fcm.answers(404)
    gone = await caller.calls(android)
    await gone.ends_with(480)

    await late.registers()
    outside = await second.calls(late)
    await late.declines(486)
    await outside.ends_with(486)

    out = await caller.calls("0049171555")
    await first.answers()
    await out.is_answered_by(first)
    await caller.hangs_up()

    await phone.falls_asleep()
    await phone.loses_network()
    unreached = await caller.calls(phone)
    await phone.stays_asleep(0.5)
    await caller.gives_up()
    await unreached.ends_with(487)
    await phone.finds_network()

    await cloud.push_rest.is_unreachable()
    lost = await caller.calls(android)
    await lost.ends()
    await cloud.recovers()

    for cannot in (network.cuts("ucm1", "ucm2"), cluster.node("ucm2").loses_power()):
        with pytest.raises(NotHere):
            await cannot


async def test_fails_and_skips(caller, phone):
    await caller.calls(phone)
    await phone.is_woken(node="ucm2", within=1)


@pytest.mark.callctl(nodes=1, parameters={"drop_s": 3, "ring_back_s": 1})
async def test_skips(caller, cluster, cloud):
    phone = cluster.iphone(asleep=False)
    await caller.calls(phone)
    await phone.rings()
    pytest.skip("seen enough")


def test_sync(perform):
    pass
"""


def test_words_hold_over_sockets_and_nothing_is_left_behind(pytester: pytest.Pytester) -> None:
    result = run_tests(pytester, TESTS.replace("LOOPS", repr(LOOPS)), "-ra")
    result.assert_outcomes(passed=1 + len(LOOPS), failed=1, skipped=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*UsageError: a live test is `async def`*",
            "E *expected: TCT2001 is woken by a push that names ucm2 within 1 s",
            "-* callctl ladder -*",
            "*SEP1001*ucm1*ucm3*push cloud*TCT2001*",
            "*INVITE*",
            "*─ ring push ─*▶*",
            "-* callctl explain -*",
            "The call is under way, TCT2001 ringing.",
            "live: real sockets and real time, so no seed repeats it",
            "SKIPPED*seen enough",
        ]
    )
    assert "503 Service Unavailable" not in result.stdout.str()  # by which the world was taken down
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()
