"""A node with listeners for browsers over real sockets: simulated phones by WS and WSS."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callctl.io.lab import has_flow
from callctl.model.build import desk_phone, make_node
from callctl.model.cluster import Cluster
from callctl.phone.event import CallAnswered, CallEnded, EndCause, Registered
from callctl.phone.settings import AnswerPlan
from helpers.free_ports import FIRST_PORT, on_free_ports
from helpers.loops import on_each_loop
from helpers.node_rig import eventually, loopback_cluster, running, user_agent
from helpers.websocket_wire import TEXT, frame, opened, upgrade, wire
from sipstack.timing import MS
from sipstack.transport.websocket import OriginPolicy

pytestmark = [pytest.mark.anyio, on_each_loop]

PICKS_UP = AnswerPlan(after_ns=20 * MS)
PAGE = "https://phone.example"


def browser_cluster() -> Cluster:
    """One node with two devices, and with WS and WSS for one web page."""
    cluster = loopback_cluster(desk_phone("1001"), desk_phone("1002"))
    node = make_node("ucm1", 1, host="127.0.0.1", port=FIRST_PORT, websocket_port=FIRST_PORT + 2)
    made = replace(cluster, nodes={"ucm1": node}, websocket=OriginPolicy((PAGE,)))
    return on_free_ports(made)


@pytest.mark.parametrize(
    ("caller_by", "callee_by"), [("WS", "WSS"), ("WSS", "UDP"), ("TCP", "WS"), ("WS", "WS")]
)
async def test_user_agents_call_one_another_whatever_each_is_connected_by(
    caller_by: str, callee_by: str
) -> None:
    async with (
        running(browser_cluster()) as shell,
        user_agent(shell, "1001", transport=caller_by) as caller,
        user_agent(shell, "1002", transport=callee_by, answer=PICKS_UP) as callee,
    ):
        caller.shell.register()
        callee.shell.register()
        await caller.until(Registered)
        await callee.until(Registered)
        caller.shell.invite("1002")
        await caller.until(CallAnswered)
        callee.shell.bye(1)
        assert (await caller.until(CallEnded)).cause is EndCause.REMOTE_HUNG_UP
        assert (await callee.until(CallEnded)).cause is EndCause.HUNG_UP
        node = shell.nodes[0]
        await eventually(lambda: not node.core.counts()["calls"])
        await eventually(lambda: not node.core.counts()["server_transactions"])
        assert node.counts()["connections"] == node.core.counts()["streams"]


async def test_caller_whose_connection_ended_is_not_reachable_and_may_come_back() -> None:
    async with running(browser_cluster()) as shell, user_agent(shell, "1001") as caller:
        async with user_agent(shell, "1002", transport="WSS") as callee:
            callee.shell.register()
            await callee.until(Registered)
            await eventually(lambda: has_flow(shell, "SEP1002"))
        await eventually(lambda: not has_flow(shell, "SEP1002"))
        caller.shell.invite("1002")
        assert (await caller.until(CallEnded)).status == 480
        caller.events.clear()
        async with user_agent(shell, "1002", transport="WS", answer=PICKS_UP) as callee:
            callee.shell.register()
            await callee.until(Registered)
            caller.shell.invite("1002")
            await caller.until(CallAnswered)


async def test_pages_of_the_cluster_file_are_let_in_and_others_are_not() -> None:
    cluster = browser_cluster()
    listener = cluster.nodes["ucm1"].listener("WS")
    assert listener is not None
    async with running(cluster) as shell:
        async with opened(listener.port, f"Origin: {PAGE}") as client:
            await client.send(frame(TEXT, b"\r\n\r\n"))
            assert await client.frame() == (TEXT, b"\r\n")
        async with wire(listener.port) as client:
            await client.send(upgrade("Origin: https://other.example"))
            assert (await client.answer())[0] == 403
        assert shell.nodes[0].counts()["connections_refused"] == 1
