"""410: a device token that its cloud does not know stops the pushes to it, and to it alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

import anyio
import pytest

from callctl.cloud.fault_orders import APNS, PUSH_REST
from callctl.cloud.partner import Partner
from callctl.io.cluster_shell import ClusterShell
from callctl.io.lab import has_flow
from callctl.model.build import PUSH_ON, android, desk_phone, iphone
from callctl.model.device import ClientType
from callctl.model.push_access import DirectPush, FcmAccess
from callctl.phone.event import CallAnswered, CallEnded
from callctl.push.events import Outcome
from helpers.cloud_calls import (
    QUICK,
    active,
    cloud_of,
    heard,
    mark,
    occurrences,
    order,
    posts,
    rings,
    talk,
)
from helpers.node_rig import Agent, eventually, loopback_cluster, running, user_agent
from helpers.sleeping_phone import sleeping
from helpers.stage import Stage, manner, staged

pytestmark = pytest.mark.anyio

ALARM: Final = "PushNotificationInvalidDeviceTokenResponse"
PHONE: Final = iphone("4930668001")
DN: Final = PHONE.lines[0]
CALLER: Final = desk_phone("4930668111")
SLOW: Final = replace(QUICK, push_response_timeout_s=3, drop_s=4)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def stage(anyio_backend: str) -> AsyncIterator[Stage]:
    async with staged(
        sleepers={PHONE: manner()}, nodes=3, parameters=SLOW, later=[CALLER], rests=False
    ) as found:
        yield found


def token_of(stage: Stage) -> str:
    """The token for calls of the phone."""
    return stage.phones[PHONE.name].shell.phone.identity.voip_token


def stopped(shell: ClusterShell, name: str = PHONE.name) -> bool:
    """True if no node would push to the device."""
    return all(node.engine.push_binding(name) is None for node in shell.nodes)


async def installed_anew(stage: Stage) -> None:
    """The app is installed again and signs in: with another token, and another key."""
    stage.phones.pop(PHONE.name).shell.close()
    stage.parties._phones.pop(PHONE.name)
    await stage.sleeper(PHONE.name, manner())


async def called_at(shell: ClusterShell, node: str, dn: str) -> tuple[int | None, float]:
    """A call that comes in at this node. Returns: its end, None after it was answered; and when."""
    caller: Agent
    async with user_agent(shell, CALLER.lines[0], node=node, transport="TCP") as caller:
        began = anyio.current_time()
        caller.shell.invite(dn)
        await eventually(lambda: bool(caller.all(CallAnswered) or caller.all(CallEnded)))
        after_s = anyio.current_time() - began
        if not caller.all(CallAnswered):
            return caller.all(CallEnded)[0].status, after_s
        caller.shell.bye(caller.all(CallAnswered)[0].call)
        await caller.until(CallEnded)
        return None, after_s


@pytest.mark.req("CLOUD-06", "REG-06", "CALL-18")
async def test_410_stops_a_device_on_every_node_within_1_s_until_it_signs_in_again(
    stage: Stage,
) -> None:
    """89. One alarm; no further request to the cloud; no call waits, wherever it comes in."""
    shell = stage.shell
    assert (await talk(stage, DN)).status == 200
    cloud_of(stage).remove_app(Partner.APNS, token_of(stage))
    answer = await talk(stage, DN)
    assert (answer.status, answer.at_once) == (480, True)
    with anyio.fail_after(1 - answer.after_s):
        await eventually(lambda: stopped(shell))
    assert active(stage) == [ALARM]
    reached = sum(posts(stage).values())
    for node in ("ucm1", "ucm2", "ucm3"):
        status, after_s = await called_at(shell, node, DN)
        assert (status, after_s < 1) == (480, True), node
    assert sum(posts(stage).values()) == reached
    assert (active(stage), occurrences(stage, ALARM)) == ([ALARM], [1])
    await installed_anew(stage)
    await eventually(lambda: active(stage) == [])
    for node in ("ucm1", "ucm3"):
        assert (await called_at(shell, node, DN))[0] is None
        await eventually(lambda: not has_flow(shell, PHONE.name))
    assert active(stage) == []


@pytest.mark.req("REG-06", "CLOUD-06")
async def test_late_410_for_the_token_of_before_does_not_stop_the_one_of_now(stage: Stage) -> None:
    """The push to the old token is under way while the app signs in with a new one."""
    old = mark(stage.phones[PHONE.name])
    order(stage, PUSH_REST, "delay", delay_ms=1_500, target=old, times=1)
    placed = stage.call(DN, hang_up_ms=50)  # the phone takes it once it is there again
    await eventually(lambda: bool(rings(stage, DN)))
    cloud_of(stage).remove_app(Partner.APNS, token_of(stage))
    await installed_anew(stage)
    assert (await heard(placed)).status == 200
    ring = rings(stage, DN)[0]
    await eventually(lambda: ring.ended_at is not None)
    assert (ring.outcome, ring.status) == (Outcome.REFUSED_TOKEN, 410)
    assert mark(stage.phones[PHONE.name]) != old
    assert not stopped(stage.shell)
    assert active(stage) == []
    await eventually(lambda: not has_flow(stage.shell, PHONE.name))
    assert (await talk(stage, DN)).status == 200
    assert active(stage) == []


@pytest.mark.req("CLOUD-06")
async def test_apns_that_learns_late_of_a_removed_app_costs_a_wait_and_then_no_more() -> None:
    """Its 200 for a token that is dead cannot be told from a phone that does not come."""
    async with staged(sleepers={PHONE: manner()}, parameters=QUICK, rests=False) as stage:
        order(stage, APNS, "late-410", delay_ms=1_000)
        cloud_of(stage).remove_app(Partner.APNS, token_of(stage))
        first = await talk(stage, DN)
        assert (first.status, first.at_once) == (480, False)
        second = await talk(stage, DN)
        assert (second.status, second.at_once) == (480, True)
        assert (active(stage), stopped(stage.shell)) == ([ALARM], True)


@pytest.mark.req("REG-06")
async def test_phone_of_rfc_8599_is_started_again_by_another_token_and_not_by_the_refused_one() -> (
    None
):
    """It has no sign-in but its REGISTER, and that repeats what it said before."""
    direct = DirectPush(frozenset({"FCM"}), None, FcmAccess())
    device = replace(android("4930668002"), client=ClientType.STANDARD)
    dn, name = device.lines[0], device.name
    cloud = replace(PUSH_ON, direct=direct)
    cluster = loopback_cluster(device, CALLER, nodes=2, cloud=cloud, parameters=QUICK)
    async with running(cluster) as shell:
        board = shell.operations.alarms.board

        def alarms() -> list[str]:
            return [alarm.definition.name for alarm in board.active]

        async with sleeping(shell, device) as phone:
            assert shell.cloud is not None
            (attached,) = phone.shell.phone.identity.attachments()
            shell.cloud.remove_app(Partner.FCM, attached.token)
            await eventually(lambda: not has_flow(shell, name))
            status, after_s = await called_at(shell, "ucm2", dn)
            assert (status, after_s < 1) == (480, True)
            await eventually(lambda: stopped(shell, name))
            assert alarms() == [ALARM]
            reached = len(shell.cloud.fcm.log)
            phone.shell.resume()
            await eventually(lambda: has_flow(shell, name))
            phone.shell.suspend()
            await eventually(lambda: not has_flow(shell, name))
            assert stopped(shell, name)
            status, after_s = await called_at(shell, "ucm1", dn)
            assert (status, after_s < 1) == (480, True)
            assert alarms() == [ALARM]
            assert len(shell.cloud.fcm.log) == reached
        async with sleeping(shell, device):  # installed anew, so its token is another
            assert alarms() == []
            assert not stopped(shell, name)
            await eventually(lambda: not has_flow(shell, name))
            assert (await called_at(shell, "ucm2", dn))[0] is None
        assert alarms() == []
