"""A sleeping phone over real sockets: woken by a push through the emulated clouds, it answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import anyio
import pytest

from callctl.cloud.partner import DEFAULT_BUNDLE_ID, DEFAULT_PROJECT_ID
from callctl.io.cluster_shell import ClusterShell
from callctl.io.phone_shell import PhoneShell, PhoneWorld
from callctl.io.sign_in_client import SignInClient
from callctl.model.build import PUSH_ON, android, desk_phone, iphone, password_of
from callctl.model.device import Device, Platform
from callctl.phone.event import CallAnswered, CallEnded, Registered
from callctl.phone.operating_system import AppState
from callctl.phone.phone_event import (
    AppSuspended,
    CallShown,
    PhoneAction,
    PhoneAnswered,
    PushArrived,
    ViewEnd,
)
from callctl.phone.phone_settings import PhoneSettings
from callctl.phone.settings import AnswerPlan, Registrar, UserAgentSettings
from helpers.loops import BACKENDS
from helpers.node_rig import eventually, loopback_cluster, running, user_agent
from sipstack.timing import MS, Instant

pytestmark = pytest.mark.anyio

E = TypeVar("E")

ANSWERS = AnswerPlan(after_ns=100 * MS, hang_up_after_ns=100 * MS)


@pytest.fixture(params=BACKENDS)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


@dataclass
class Told:
    """A phone over sockets, and all that it told."""

    shell: PhoneShell
    events: list[PhoneAction | PushArrived] = field(default_factory=list)

    def all(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, kind: type[E], count: int = 1) -> None:
        await eventually(lambda: len(self.all(kind)) >= count)


def settings_of(
    cluster: ClusterShell, device: Device, transport: str, plan: AnswerPlan
) -> PhoneSettings:
    owner = device.owner or ""
    nodes = cluster.cluster.nodes.values()
    listeners = [(node.fqdn, node.listener(transport)) for node in nodes]
    agent = UserAgentSettings(
        user=device.lines[0],
        domain=cluster.cluster.domain,
        registrars=tuple(Registrar(at.host, at.port, fqdn) for fqdn, at in listeners if at),
        local_host="127.0.0.1",
        local_port=0,
        transport=transport,
        auth_user=owner,
        password=password_of(owner),
        device_name=device.name,
        answer=plan,
    )
    ios = device.platform is Platform.IOS
    return PhoneSettings(
        agent,
        device.platform,
        device.os_version or "",
        device.client,
        device.client_version or "",
        "APNS" if ios else "FCM",
        DEFAULT_BUNDLE_ID if ios else DEFAULT_PROJECT_ID,
        wake_delay_ns=20 * MS,
        grace_ns=50 * MS,
        unix_ms_at_zero=cluster.clock.unix_ns(Instant(0)) // MS,
    )


@asynccontextmanager
async def sleeping(
    cluster: ClusterShell, device: Device, transport: str, plan: AnswerPlan = ANSWERS
) -> AsyncIterator[Told]:
    """A phone that has signed in and registered, and whose app is suspended."""
    assert cluster.sign_in is not None
    assert cluster.cloud is not None
    tls = cluster.authority.client_context()
    client = SignInClient(cluster.sign_in.url, tls)
    world = PhoneWorld(cluster.clock, cluster.entropy, tls, client, cluster.cloud.attach_urls)
    settings = settings_of(cluster, device, transport, plan)
    events: list[PhoneAction | PushArrived] = []
    shell = PhoneShell(settings, world, lambda now, event: events.append(event))
    phone = Told(shell, events)
    async with anyio.create_task_group() as tasks:
        await tasks.start(shell.run)
        shell.start()
        await phone.until(Registered)
        await eventually(lambda: shell.signed_in)
        shell.suspend()
        await phone.until(AppSuspended)
        yield phone
        shell.close()
    await client.aclose()


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
