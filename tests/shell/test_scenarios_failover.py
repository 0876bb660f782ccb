"""Nodes go out of service over real sockets: the push names the next one, and there it is answered.

The caller and the call are at ucm3; the phones' CM group is ucm1, ucm2, ucm3.
"""

from __future__ import annotations

import pytest

from callctl.model.build import android, iphone
from callctl.phone.phone_event import PushArrived
from helpers.node_rig import eventually
from helpers.stage import WAITS, Mobile, Stage, manner, staged

pytestmark = pytest.mark.anyio

SLEEPER = iphone("4930444001")
ANDROID = android("4930444002")
LATE = iphone("4930444003")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def out_of_service(stage: Stage, *names: str) -> None:
    """Wait until the node of the caller knows."""
    node = stage.shell.node("ucm3")
    assert node is not None
    membership = node.engine.membership
    await eventually(lambda: not any(membership.in_service(name) for name in names))


async def put_away(phone: Mobile) -> None:
    phone.shell.suspend()
    await eventually(lambda: phone.shell.state == "suspended")


def named(stage: Stage, dn: str) -> list[str | int]:
    """The nodes that the ring pushes of the last call to a number named."""
    record = [record for record in stage.shell.records() if record.dn == dn][-1]
    steps = [step for step in record.steps if step.code.startswith("ring-push")]
    return [dict(step.values)["node"] for step in steps]


@pytest.mark.req("CMG-04", "CMG-05", "CMG-07", "CMG-08", "CMG-10")
async def test_primary_and_backup_die_and_each_time_the_phone_goes_where_it_is_told() -> None:
    async with staged(sleepers={SLEEPER: manner(), ANDROID: manner()}, nodes=3) as stage:
        for lost, expected in (("", "ucm1"), ("ucm1", "ucm2"), ("ucm2", "ucm3")):
            if lost:
                stage.shell.kill_node(lost)
                await out_of_service(stage, lost)
            for device in (SLEEPER, ANDROID):
                phone = stage.phones[device.name]
                phone.forget()
                call = stage.call(device.lines[0], hang_up_ms=50)
                await call.answered()
                await phone.sees("call gone")
                assert named(stage, device.lines[0]) == [expected]
                assert phone.registered_at == [expected]
                await put_away(phone)


@pytest.mark.req("CMG-07", "CPNS-03")
async def test_the_push_service_of_the_primary_is_stopped_so_calls_go_by_the_backup() -> None:
    async with staged(sleepers={SLEEPER: manner()}, nodes=3) as stage:
        phone = stage.phones[SLEEPER.name]
        await stage.shell.stop_cpns("ucm1")
        await out_of_service(stage, "ucm1")
        call = stage.call("4930444001", hang_up_ms=50)
        await call.answered()
        assert named(stage, "4930444001") == ["ucm2"]
        assert phone.registered_at == ["ucm2"]


@pytest.mark.req("CALL-16", "CMG-04")
async def test_the_node_named_dies_during_the_wait_so_one_more_push_names_the_next() -> None:
    async with staged(sleepers={LATE: manner(WAITS, wake_ms=800)}, nodes=3) as stage:
        phone = stage.phones[LATE.name]
        call = stage.call("4930444003")
        await phone.until(PushArrived)
        stage.shell.kill_node("ucm1")
        await phone.until(PushArrived, 2)
        await eventually(lambda: phone.registered_at[-1:] == ["ucm2"])
        assert named(stage, "4930444003") == ["ucm1", "ucm2"]
        await phone.sees("video call")
        phone.shell.answer()
        await call.answered()
        call.hang_up()
        await phone.sees("call gone")
        assert len([text for text in phone.screen if "video call" in text]) == 1
