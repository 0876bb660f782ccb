"""A cluster on loopback over real sockets, for tests; gone without a trace at the end."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import anyio

from callctl.io.agent_shell import AgentShell
from callctl.io.cluster_shell import ClusterShell
from callctl.model.build import make_cluster, make_node, password_of
from callctl.model.cloud import CloudSettings
from callctl.model.cluster import Cluster
from callctl.model.device import Device
from callctl.model.service_parameter import ServiceParameters
from callctl.phone.event import UserAgentEvent
from callctl.phone.settings import AnswerPlan, Registrar, UserAgentSettings
from helpers.free_ports import FIRST_PORT, on_free_ports
from sipstack.timing import Instant

E = TypeVar("E")

NO_PUSH = CloudSettings()
FAST = ServiceParameters(t1_ms=20, t2_ms=80, t4_ms=100, heartbeat_ms=50, node_suspect_ms=300)
"""Timers short enough for a test over sockets; what they are is not what it tests."""


def loopback_cluster(
    *devices: Device,
    nodes: int = 1,
    cloud: CloudSettings = NO_PUSH,
    parameters: ServiceParameters = FAST,
) -> Cluster:
    """Nodes `ucm1`, ... on free ports of 127.0.0.1."""
    made = [
        make_node(f"ucm{number}", number, host="127.0.0.1", port=FIRST_PORT + 2 * number)
        for number in range(1, nodes + 1)
    ]
    cluster = make_cluster(nodes=made, devices=devices, cloud=cloud, parameters=parameters)
    return on_free_ports(cluster)


@asynccontextmanager
async def running(cluster: Cluster) -> AsyncIterator[ClusterShell]:
    """The cluster, up while the context lasts."""
    shell = ClusterShell(cluster)
    before = asyncio.all_tasks()
    async with anyio.create_task_group() as tasks:
        await tasks.start(shell.run)
        yield shell
        tasks.cancel_scope.cancel()
    assert asyncio.all_tasks() <= before
    del shell
    gc.collect()  # so that what was left open warns here, not in the next test


@dataclass
class Agent:
    """A user agent whose events are kept."""

    shell: AgentShell
    events: list[UserAgentEvent] = field(default_factory=list)

    def all(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, kind: type[E], *, within_s: float = 10.0) -> E:
        """Wait for the first event of `kind`."""
        await eventually(lambda: bool(self.all(kind)), within_s=within_s)
        return self.all(kind)[0]


@asynccontextmanager
async def user_agent(
    cluster: ClusterShell,
    dn: str,
    *,
    transport: str = "UDP",
    node: str = "ucm1",
    answer: AnswerPlan = AnswerPlan(),  # noqa: B008
    password: str | None = None,
) -> AsyncIterator[Agent]:
    """A user agent of the user with the same id as its number. `password`: if not the right one."""
    listener = cluster.cluster.nodes[node].listener(transport)
    assert listener is not None
    settings = UserAgentSettings(
        user=dn,
        domain=cluster.cluster.domain,
        registrars=(Registrar(listener.host, listener.port),),
        local_host="127.0.0.1",
        local_port=0,
        transport=transport,
        auth_user=dn,
        password=password_of(dn) if password is None else password,
        answer=answer,
    )
    events: list[UserAgentEvent] = []

    def keep(now: Instant, event: UserAgentEvent) -> None:
        events.append(event)

    shell = AgentShell(
        settings,
        cluster.clock,
        cluster.entropy,
        keep,
        client_tls=cluster.authority.client_context(),
    )
    async with anyio.create_task_group() as tasks:
        await tasks.start(shell.run)
        yield Agent(shell, events)
        shell.close()


async def eventually(condition: Callable[[], bool], *, within_s: float = 10.0) -> None:
    """Wait until `condition` holds."""
    with anyio.fail_after(within_s):
        while not condition():  # noqa: ASYNC110  (of any kind, so there is no event to wait for)
            await anyio.sleep(0.005)
