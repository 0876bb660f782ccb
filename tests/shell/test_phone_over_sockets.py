"""A sleeping phone over real sockets: woken by a push through the emulated clouds, it answers."""

from __future__ import annotations

import pytest

from callctl.model.build import PUSH_ON, android, desk_phone, iphone
from callctl.phone.event import CallAnswered, CallEnded
from callctl.phone.operating_system import AppState
from callctl.phone.phone_event import (
    AppSuspended,
    CallShown,
    PhoneAnswered,
    PushArrived,
    ViewEnd,
)
from callctl.phone.settings import AnswerPlan
from helpers.loops import on_each_loop
from helpers.node_rig import eventually, loopback_cluster, running, user_agent
from helpers.sleeping_phone import sleeping

pytestmark = [pytest.mark.anyio, on_each_loop]


@pytest.mark.req("MODE-11", "MODE-16")
@pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS"])
async def test_a_sleeping_iphone_is_woken_rings_by_callkit_and_answers(transport: str) -> None:
    cluster = loopback_cluster(iphone("2001"), desk_phone("1001"), nodes=2, cloud=PUSH_ON)
    device = cluster.devices["TCT2001"]
    async with (
        running(cluster) as shell,
        sleeping(shell, device, transport) as phone,
        user_agent(shell, "1001") as caller,
    ):
        caller.shell.invite("2001")
        await caller.until(CallAnswered)
        await caller.until(CallEnded)
        await phone.until(AppSuspended, 2)
        assert phone.all(PushArrived)[0].push_type == "voip"
        assert phone.all(CallShown)[0].caller_number == "1001"
        assert len(phone.all(PhoneAnswered)) == 1
        (call,) = phone.shell.phone.callkit.calls
        assert (call.video, call.end_reason) == (True, ViewEnd.OWNER)
        assert phone.shell.phone.system.state is AppState.SUSPENDED
        assert set(phone.shell.phone.counts().values()) == {0}
        (record,) = shell.records()
        assert record.status == 200
        assert [entry.kind.value for _, entry in shell.pushes()] == ["incoming"]


async def test_a_sleeping_android_phone_is_woken_through_fcm() -> None:
    cluster = loopback_cluster(android("2002"), desk_phone("1001"), cloud=PUSH_ON)
    async with (
        running(cluster) as shell,
        sleeping(shell, cluster.devices["BOT2002"], "TCP") as phone,
        user_agent(shell, "1001") as caller,
    ):
        caller.shell.invite("2002")
        await caller.until(CallAnswered)
        await caller.until(CallEnded)
        assert phone.all(PushArrived)[0].push_type == "data"
        assert phone.shell.phone.callkit.calls == ()


async def test_an_app_that_is_suspended_has_no_connection_left() -> None:
    cluster = loopback_cluster(iphone("2001"), cloud=PUSH_ON)
    async with (
        running(cluster) as shell,
        sleeping(shell, cluster.devices["TCT2001"], "TCP") as phone,
    ):
        await eventually(lambda: phone.shell._endpoint.counts()["connections"] == 0)
        node = shell.nodes[0]
        await eventually(lambda: not node.core.counts()["streams"])


async def test_a_declined_call_tells_the_caller_so() -> None:
    cluster = loopback_cluster(iphone("2001"), desk_phone("1001"), cloud=PUSH_ON)
    declines = AnswerPlan(after_ns=0, status=603)
    async with (
        running(cluster) as shell,
        sleeping(shell, cluster.devices["TCT2001"], "TCP", declines) as phone,
        user_agent(shell, "1001") as caller,
    ):
        caller.shell.invite("2001")
        assert (await caller.until(CallEnded)).status == 603
        await phone.until(AppSuspended, 2)
        assert phone.shell.phone.callkit.calls[0].end_reason is ViewEnd.OWNER
