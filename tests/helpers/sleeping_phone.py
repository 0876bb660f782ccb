"""A phone over real sockets that has registered and sleeps, and all that it told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, TypeVar

import anyio

from callctl.cloud.partner import DEFAULT_BUNDLE_ID, DEFAULT_PROJECT_ID
from callctl.io.cluster_shell import ClusterShell
from callctl.io.phone_shell import PhoneShell, PhoneWorld
from callctl.io.sign_in_client import SignInClient
from callctl.model.build import password_of
from callctl.model.device import Device, Platform
from callctl.phone.event import Registered
from callctl.phone.phone_event import AppSuspended, PhoneAction, PushArrived
from callctl.phone.phone_settings import PhoneSettings
from callctl.phone.settings import AnswerPlan, Registrar, UserAgentSettings
from helpers.node_rig import eventually
from sipstack.timing import MS, Instant

E = TypeVar("E")

ANSWERS: Final = AnswerPlan(after_ns=100 * MS, hang_up_after_ns=100 * MS)


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
    """What the phone of a device of the cluster is."""
    owner, ios = device.owner or "", device.platform is Platform.IOS
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
    cluster: ClusterShell, device: Device, transport: str = "TCP", plan: AnswerPlan = ANSWERS
) -> AsyncIterator[Told]:
    """A phone that is registered, known to its cloud, and whose app is suspended."""
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
        wanted = {attached.token for attached in shell.phone.identity.attachments()}
        await eventually(lambda: wanted <= shell.attached)
        # A client of no subscriber service signs in by its REGISTER alone.
        await eventually(lambda: shell.signed_in or not settings.managed)
        await eventually(lambda: bool(cluster.view.engine.push_bindings))
        shell.suspend()
        await phone.until(AppSuspended)
        yield phone
        shell.close()
    await client.aclose()
