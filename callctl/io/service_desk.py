"""Starts and stops network services for who asks, and waits until they have.

Source: SVC-01, SVC-04.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

import anyio
from anyio.abc import TaskGroup, TaskStatus

from callctl.serviceability.service_event import (
    Action,
    Event,
    Refused,
    ServiceDown,
    ServiceFailed,
    ServiceRestarted,
    ServiceUp,
    ServiceWanted,
    StartService,
    StopService,
    Wish,
)
from callctl.serviceability.service_table import Entry, ServiceTable, State
from callctl.serviceability.services import NetworkService
from sipstack.io.timer import DeadlineTimer
from sipstack.timing import Instant

Clock: TypeAlias = Callable[[], Instant]
Told: TypeAlias = ServiceRestarted | ServiceFailed


class Worker(Protocol):
    """Does the work. What it raises is the reason why the service is stopped."""

    async def start(self, node: str, service: NetworkService) -> None:
        """Return when the service does its work."""

    async def stop(self, node: str, service: NetworkService) -> None:
        """Return when the service does nothing any more."""


class NotDone(RuntimeError):
    """The service is not as it was wanted; the text says why."""


class ServiceDesk:
    """A service table with its clock and its worker. `run` must be running."""

    def __init__(
        self,
        table: ServiceTable,
        clock: Clock,
        worker: Worker,
        tell: Callable[[Told], None] = lambda told: None,
    ) -> None:
        """`tell` hears of each service that runs anew, and of each that has failed."""
        self.table = table
        self.refused = 0  # events that came when nothing like it was under way
        self._clock = clock
        self._worker = worker
        self._tell = tell
        self._tasks: TaskGroup | None = None
        self._timer: DeadlineTimer | None = None
        self._changed = anyio.Event()

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

    def feed(self, event: Event) -> tuple[Refused, ...]:
        """Something happened now. Returns: what was refused of it."""
        now = self._clock()
        self._carry_out(self.table.advance(now))
        return self._carry_out(self.table.receive(event, now))

    async def work(self, wish: Wish, node: str, service: NetworkService) -> Entry:
        """Have it done, and wait for it.

        Raises: NotDone if it is refused, or the service ends in another state than wished.
        """
        refused = self.feed(ServiceWanted(wish, node, service))
        if refused:
            self.refused -= 1  # it is told, not ignored
            raise NotDone(refused[0].reason)
        entry = self.table.entry(node, service)
        assert entry is not None  # else it was refused
        while entry.state in (State.STARTING, State.STOPPING):
            await self._changed.wait()
        wished = State.STOPPED if wish is Wish.STOP else State.STARTED
        if entry.state is not wished:
            raise NotDone(f"{service} on {node}: {entry.failure or 'its node went down'}")
        return entry

    def _due(self, now: Instant) -> None:
        self._carry_out(self.table.advance(now))

    def _carry_out(self, actions: tuple[Action, ...]) -> tuple[Refused, ...]:
        refused: list[Refused] = []
        for action in actions:
            match action:
                case StartService(node, service):
                    self._begin(self._worker.start, node, service, ServiceUp(node, service))
                case StopService(node, service):
                    self._begin(self._worker.stop, node, service, ServiceDown(node, service))
                case Refused():
                    self.refused += 1
                    refused.append(action)
                case ServiceRestarted() | ServiceFailed():
                    self._tell(action)
        self._changed.set()
        self._changed = anyio.Event()
        if self._timer is not None:
            self._timer.follow(self.table.next_deadline())
        return tuple(refused)

    def _begin(
        self,
        work: Callable[[str, NetworkService], Awaitable[None]],
        node: str,
        service: NetworkService,
        done: ServiceUp | ServiceDown,
    ) -> None:
        if self._tasks is None:
            raise RuntimeError("the service desk does not run")
        self._tasks.start_soon(self._do, work, node, service, done)

    async def _do(
        self,
        work: Callable[[str, NetworkService], Awaitable[None]],
        node: str,
        service: NetworkService,
        done: ServiceUp | ServiceDown,
    ) -> None:
        try:
            await work(node, service)
        except (
            Exception
        ) as error:  # whatever keeps a service from starting is for the administrator
            self.feed(ServiceDown(node, service, str(error) or type(error).__name__))
        else:
            self.feed(done)
