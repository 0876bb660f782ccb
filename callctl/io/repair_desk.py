"""Carries out the repair of a refresh token, one action after the other.

Source: TRB-20, TRB-21, CLOUD-07, OP-58.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

import anyio
from anyio.abc import TaskGroup, TaskStatus

from callctl.io.node_database import CopyState, DatabaseRefused, MachineAccountStore
from callctl.io.service_desk import NotDone, ServiceDesk
from callctl.serviceability.node_cli import checked_token
from callctl.serviceability.repair_steps import (
    REFUSED,
    AccountRead,
    Action,
    CompareCopies,
    CopiesCompared,
    Event,
    NewToken,
    ReadAccount,
    Refused,
    Restarted,
    RestartService,
    Resume,
    StepFailed,
    TokenTried,
    TokenWritten,
    TryToken,
    WriteToken,
    restarts_due,
)
from callctl.serviceability.service_event import Wish
from callctl.serviceability.token_repair import TokenRepair
from sipstack.io.timer import DeadlineTimer
from sipstack.timing import Instant

TRY_S: Final = 30.0  # for a node to obtain a token

Clock: TypeAlias = Callable[[], Instant]


class RepairRefused(RuntimeError):
    """Nothing was begun; the text says why."""


class RepairDesk:
    """The repair of one cluster. `run` must be running."""

    def __init__(
        self,
        clock: Clock,
        accounts: MachineAccountStore,
        services: ServiceDesk,
        *,
        statuses: Callable[[], Mapping[str, int | None]],
        try_token: Callable[[str], Awaitable[int]],
        emulator: Callable[[], Awaitable[str]] | None = None,
    ) -> None:
        """`statuses`: by node, the last answer of the token service; `try_token` gets a new one.

        `emulator` gives the refresh token of a new machine, if the cloud is an emulated one.
        """
        self.repair = TokenRepair(services.table.servers)
        self.emulated = emulator is not None
        self._clock = clock
        self._accounts = accounts
        self._services = services
        self._statuses = statuses
        self._try_token = try_token
        self._emulator = emulator
        self._tasks: TaskGroup | None = None
        self._timer: DeadlineTimer | None = None

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled."""
        self._timer = DeadlineTimer(asyncio.get_running_loop(), self._clock, self._due)
        try:
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                task_status.started()
                await anyio.sleep_forever()
        finally:
            self._timer.cancel()
            self._tasks = None

    def refused_on(self) -> list[str]:
        """The nodes to which the token service said 400: a repair is needed (CLOUD-07)."""
        return [node for node, status in self._statuses().items() if status == REFUSED]

    async def begin(self, token: str | None, *, force: bool = False) -> None:
        """Repair with this refresh token; None: with one that the emulated cloud gives.

        Raises: RepairRefused; UsageError for a text that is no token.
        """
        if not self.refused_on() and not force:
            raise RepairRefused("no node was answered 400 by the token service: nothing to repair")
        if self.repair.under_way:
            raise RepairRefused("a repair is under way already")
        if token is None:
            if self._emulator is None:
                raise RepairRefused("the cloud is not emulated: a refresh token has to be given")
            token = await self._emulator()
        self._ask(NewToken(checked_token(token)))

    def resume(self) -> None:
        """Go on at the step that failed. Raises: RepairRefused."""
        self._ask(Resume())

    def _ask(self, event: Event) -> None:
        for action in self._feed(event):
            if isinstance(action, Refused):
                raise RepairRefused(action.reason)

    def _feed(self, event: Event) -> tuple[Action, ...]:
        now = self._clock()
        self.repair.advance(now)
        actions = self.repair.receive(event, now)
        for action in actions:
            if not isinstance(action, Refused) and self._tasks is not None:
                self._tasks.start_soon(self._do, action)
        if self._timer is not None:
            self._timer.follow(self.repair.next_deadline())
        return actions

    def _due(self, now: Instant) -> None:
        self.repair.advance(now)

    async def _do(self, action: Action) -> None:
        try:
            event = await self._done(action)
        except (NotDone, DatabaseRefused, OSError) as error:
            event = StepFailed(str(error))
        except Exception as error:  # a fault of ours ends the repair, not the cluster
            event = StepFailed(f"internal fault: {type(error).__name__}")
        self._feed(event)  # refused if the repair was given up meanwhile

    async def _done(self, action: Action) -> Event:
        match action:
            case ReadAccount():
                rows = self._accounts.select(self._accounts.publisher)
                return AccountRead(rows[0][0] if rows else None)
            case WriteToken(token, pkid):
                rows_set = self._accounts.update_token(token.get_secret_value(), pkid)
                for due in restarts_due():
                    self._services.feed(due)
                return TokenWritten(rows_set)
            case CompareCopies():
                found = self._accounts.compared()
                return CopiesCompared(
                    tuple(node for node, state in found.items() if state is CopyState.DIFFERS),
                    tuple(node for node, state in found.items() if state is CopyState.DOWN),
                )
            case RestartService(node, service):
                await self._services.work(Wish.RESTART, node, service)
                return Restarted(node, service)
            case TryToken(nodes):
                return await self._tried(nodes)
            case Refused(reason):
                return StepFailed(reason)

    async def _tried(self, nodes: tuple[str, ...]) -> TokenTried:
        statuses: dict[str, int] = {}

        async def try_one(node: str) -> None:
            statuses[node] = 0
            with anyio.move_on_after(TRY_S):
                statuses[node] = await self._try_token(node)

        async with anyio.create_task_group() as tasks:
            for node in nodes:
                tasks.start_soon(try_one, node)
        return TokenTried(tuple((node, statuses[node]) for node in nodes))
