"""What an administrator works with, over a real socket: services, tables, checks, repairs."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import anyio
import httpx2
from cyclopts import App
from fastapi import FastAPI

from callctl.cli.cloud_check import check as cloud_check
from callctl.cli.cloud_repair import repair_token
from callctl.cli.errors import CommandError
from callctl.cli.node_cli import cli
from callctl.cli.output import print_error
from callctl.cli.trace_find import find
from callctl.cli.utils import utils
from callctl.cloud.http import HeaderList
from callctl.io.http_server import serve
from callctl.io.management_agent import ManagementAgentShell
from callctl.io.node_cli_api import node_cli_router, services_router
from callctl.io.node_cli_desk import NodeCliDesk
from callctl.io.node_database import MachineAccountStore
from callctl.io.reachability import CloudCheck, CloudUrls, NodeWay
from callctl.io.reachability_api import reachability_router
from callctl.io.repair_api import repair_router
from callctl.io.repair_desk import RepairDesk
from callctl.io.service_desk import ServiceDesk, Told
from callctl.io.state_dir import Running, StateDir
from callctl.model.machine_account import MachineAccount
from callctl.model.release import Release
from callctl.serviceability.agent_event import ManagementAgentSettings
from callctl.serviceability.management_agent import ManagementAgent
from callctl.serviceability.service_event import NodeUp
from callctl.serviceability.service_table import ServiceTable
from callctl.serviceability.services import CPNS, NetworkService, NodeKind, Server
from sipstack.io.clock import MonotonicClock
from sipstack.io.entropy import OsEntropy

SERVERS: Final = (
    Server("ucm1", publisher=True),
    Server("ucm2"),
    Server("imp1", NodeKind.IM_AND_PRESENCE),
)
OLD_TOKEN: Final = "old-refresh-token"
NEW_TOKEN: Final = "new-refresh-token"
ACCOUNT: Final = MachineAccount(
    "7c8f2d5a-1", "account", "org", "https://ci.example/token", OLD_TOKEN, "https://push.example"
)


class Worker:
    """Starts and stops at once, keeps what it did; a service can be made to fail."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str, str]] = []
        self.broken: dict[tuple[str, str], str] = {}
        self.on_start: Callable[[str, NetworkService], None] = lambda node, service: None

    async def start(self, node: str, service: NetworkService) -> None:
        await anyio.lowlevel.checkpoint()
        if why := self.broken.get((node, service.name)):
            raise OSError(why)
        self.done.append(("start", node, service.name))
        self.on_start(node, service)

    async def stop(self, node: str, service: NetworkService) -> None:
        await anyio.lowlevel.checkpoint()
        self.done.append(("stop", node, service.name))


async def _upload(url: str, headers: HeaderList, body: bytes) -> int:
    await anyio.lowlevel.checkpoint()
    return 200


@dataclass
class Ops:
    """A small deployment and a client of its API."""

    worker: Worker
    agent: ManagementAgentShell
    services: ServiceDesk
    accounts: MachineAccountStore
    repair: RepairDesk
    state: StateDir
    client: httpx2.AsyncClient
    ways: dict[str, NodeWay | None]
    refusals: dict[str, int | None]
    good_tokens: set[str] = field(default_factory=lambda: {NEW_TOKEN})
    in_use: dict[str, str] = field(default_factory=dict)  # refresh tokens by node, since a restart
    told: list[Told] = field(default_factory=list)

    def take_account(self, node: str, service: NetworkService) -> None:
        """A push service that starts works with what the table of its node holds."""
        account = self.accounts.account(node)
        if service is CPNS and account is not None:
            self.in_use[node] = account.refresh_token

    async def try_token(self, node: str) -> int:
        """As the token service would answer."""
        await anyio.lowlevel.checkpoint()
        used = self.in_use.get(node, NEW_TOKEN)
        status = 200 if used in self.good_tokens else 400
        self.refusals[node] = status
        return status


async def _emulated_token() -> str:
    await anyio.lowlevel.checkpoint()
    return NEW_TOKEN


@asynccontextmanager
async def ops(
    directory: Path,
    *,
    urls: CloudUrls | None = None,
    ways: dict[str, NodeWay | None] | None = None,
    push_ports: dict[str, tuple[str, int]] | None = None,
    emulated: bool = False,
) -> AsyncIterator[Ops]:
    """All of it, up while the context lasts, announced in a state directory."""
    clock, worker = MonotonicClock(), Worker()
    accounts = MachineAccountStore("ucm1", ("ucm2", "imp1"))
    accounts.put(ACCOUNT)
    told: list[Told] = []
    services = ServiceDesk(ServiceTable(SERVERS, Release.parse("15")), clock, worker, told.append)
    found_ways = ways if ways is not None else {}
    check = CloudCheck(
        lambda: urls or CloudUrls("https://fos.example", "https://ci.example", "https://p.example"),
        lambda: found_ways,
        clock,
        push_ports=lambda: push_ports or {},
    )
    refusals: dict[str, int | None] = {"ucm1": None, "ucm2": None}
    made: list[Ops] = []
    repair = RepairDesk(
        clock,
        accounts,
        services,
        statuses=lambda: refusals,
        try_token=lambda node: made[0].try_token(node),
        emulator=_emulated_token if emulated else None,
    )
    settings = ManagementAgentSettings("https://alarms.example", "ucm1", {"ucm1": 1, "ucm2": 2})
    agent = ManagementAgentShell(ManagementAgent(settings, OsEntropy()), clock, _upload)
    desk = NodeCliDesk(services, accounts, agent, check, publisher="ucm1")
    app = FastAPI()
    for router in (
        node_cli_router(desk),
        services_router(services.table),
        reachability_router(check),
        repair_router(repair),
    ):
        app.include_router(router)

    @app.get("/nodes")
    async def nodes() -> list[dict[str, object]]:
        return [{"name": it.name, "publisher": it.publisher} for it in SERVERS]

    state = StateDir(directory / "state")
    state.make_token(OsEntropy())
    async with serve(app, None) as port, anyio.create_task_group() as tasks:
        await tasks.start(services.run)
        await tasks.start(repair.run)
        await tasks.start(agent.run)
        for server in SERVERS:
            services.feed(NodeUp(server.name))
        while not all(it.state.value == "STARTED" for it in services.table.entries() if _built(it)):
            await anyio.lowlevel.checkpoint()
        worker.done.clear()
        told.clear()
        url = f"http://127.0.0.1:{port}"
        state.announce(Running(url, "test", os.getpid()))
        async with httpx2.AsyncClient(base_url=url, trust_env=False) as client:
            rig = Ops(
                worker, agent, services, accounts, repair, state, client, found_ways, refusals
            )
            rig.told = told
            made.append(rig)
            worker.on_start = rig.take_account
            yield rig
        tasks.cancel_scope.cancel()
    accounts.close()


def _built(entry: object) -> bool:
    return bool(getattr(getattr(entry, "service", None), "built", False))


def command_line() -> App:
    """The commands, put together as `callctl` does."""
    app = App(name="callctl", result_action="return_value")
    app.command(cli)
    app.command(utils)
    cloud = App(name="cloud")
    cloud.command(cloud_check, name="check")
    cloud.command(repair_token)
    app.command(cloud)
    trace = App(name="trace")
    trace.command(find)
    app.command(trace)
    return app


def run_command(tokens: Sequence[str]) -> int:
    """Run one of them, as `callctl.cli.main` does."""
    try:
        code: int = command_line()(list(tokens), exit_on_error=False, print_error=False)
    except CommandError as error:
        print_error(str(error))
        return error.code
    return code
