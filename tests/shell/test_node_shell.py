"""Nodes over real sockets: registration, calls, stopping, dying and coming back."""

from __future__ import annotations

import anyio
import pytest

from callctl.model.build import desk_phone
from callctl.phone.event import CallAnswered, CallEnded, CallRinging, EndCause, Registered
from callctl.phone.settings import AnswerPlan
from helpers.loops import on_each_loop
from helpers.node_rig import eventually, loopback_cluster, running, user_agent
from sipstack.timing import MS

pytestmark = [pytest.mark.anyio, on_each_loop]

PICKS_UP = AnswerPlan(after_ns=20 * MS)


@pytest.mark.parametrize(
    ("caller_by", "callee_by"),
    [("UDP", "UDP"), ("TCP", "TCP"), ("UDP", "TCP"), ("TCP", "UDP"), ("TLS", "TLS")],
)
async def test_two_user_agents_register_and_one_calls_the_other_through_a_node(
    caller_by: str, callee_by: str
) -> None:
    cluster = loopback_cluster(desk_phone("1001"), desk_phone("1002"))
    async with (
        running(cluster) as shell,
        user_agent(shell, "1001", transport=caller_by) as caller,
        user_agent(shell, "1002", transport=callee_by, answer=PICKS_UP) as callee,
    ):
        caller.shell.register()
        callee.shell.register()
        await caller.until(Registered)
        await callee.until(Registered)
        call = caller.shell.invite("1002")
        await caller.until(CallRinging)
        await caller.until(CallAnswered)
        caller.shell.bye(call)
        assert (await callee.until(CallEnded)).cause is EndCause.REMOTE_HUNG_UP
        assert (await caller.until(CallEnded)).cause is EndCause.HUNG_UP
        node = shell.nodes[0]
        await eventually(lambda: not node.core.counts()["calls"])
        await eventually(lambda: not node.core.counts()["client_transactions"])
        await eventually(lambda: not node.core.counts()["server_transactions"])
        (record,) = shell.records()
        assert (record.dn, record.status) == ("1002", 200)


async def test_call_reaches_a_phone_that_registered_at_another_node() -> None:
    cluster = loopback_cluster(desk_phone("1001"), desk_phone("1002"), nodes=2)
    async with (
        running(cluster) as shell,
        user_agent(shell, "1001", node="ucm1") as caller,
        user_agent(shell, "1002", node="ucm2", transport="TCP", answer=PICKS_UP) as callee,
    ):
        callee.shell.register()
        await callee.until(Registered)
        call = caller.shell.invite("1002")
        await caller.until(CallAnswered)
        caller.shell.bye(call)
        await callee.until(CallEnded)
        (record,) = shell.records()
        assert record.node == "ucm1"


async def test_node_that_stops_in_order_is_known_to_be_gone_at_once() -> None:
    cluster = loopback_cluster(desk_phone("1001"), nodes=3)
    async with running(cluster) as shell:
        first = shell.nodes[0]
        await eventually(lambda: first.engine.membership.is_up("ucm2"))
        shell.stop_node("ucm2")
        await anyio.lowlevel.checkpoint()
        assert not first.engine.membership.is_up("ucm2")
        assert first.engine.membership.is_up("ucm3")


async def test_node_that_dies_is_missed_after_the_suspect_time_and_comes_back_as_a_new_one() -> (
    None
):
    cluster = loopback_cluster(desk_phone("1001"), nodes=2)
    async with running(cluster) as shell:
        first = shell.nodes[0]
        await eventually(lambda: first.engine.membership.is_up("ucm2"))
        shell.kill_node("ucm2")
        await anyio.lowlevel.checkpoint()
        assert first.engine.membership.is_up("ucm2")  # nobody has told
        await eventually(lambda: not first.engine.membership.is_up("ucm2"))
        await shell.start_node("ucm2")
        again = shell.node("ucm2")
        assert again is not None
        assert again.incarnation == 2
        await eventually(lambda: first.engine.membership.is_up("ucm2"))
        await eventually(lambda: again.engine.membership.is_up("ucm1"))


async def test_node_that_comes_back_learns_from_the_others_who_is_registered() -> None:
    cluster = loopback_cluster(desk_phone("1001"), nodes=2)
    async with running(cluster) as shell, user_agent(shell, "1001", node="ucm1") as agent:
        shell.kill_node("ucm2")
        agent.shell.register()
        await agent.until(Registered)
        await shell.start_node("ucm2")
        again = shell.node("ucm2")
        assert again is not None
        await eventually(lambda: len(again.engine.bindings) == 1)


async def test_push_service_of_a_node_is_stopped_and_started() -> None:
    cluster = loopback_cluster(desk_phone("1001"), nodes=2)
    async with running(cluster) as shell:
        first = shell.nodes[0]
        await eventually(lambda: first.engine.membership.in_service("ucm2"))
        await shell.stop_cpns("ucm2")
        await eventually(lambda: not first.engine.membership.in_service("ucm2"))
        assert first.engine.membership.is_up("ucm2")
        await shell.start_cpns("ucm2")
        await eventually(lambda: first.engine.membership.in_service("ucm2"))


async def test_addresses_of_a_node_are_free_again_after_its_stop() -> None:
    cluster = loopback_cluster(desk_phone("1001"))
    for _ in range(2):
        async with running(cluster) as shell, user_agent(shell, "1001", transport="TCP") as agent:
            agent.shell.register()
            await agent.until(Registered)
