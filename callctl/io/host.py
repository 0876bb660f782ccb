"""A cluster with its admin API and its simulated parties, in this process."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

import anyio
import structlog
from anyio.abc import TaskStatus

from callctl.io.admin_server import AdminServer
from callctl.io.alarm_sinks import LogSink
from callctl.io.cluster_shell import ClusterShell
from callctl.io.log import LOGGER, LogSettings, logging_to
from callctl.io.parties import Parties
from callctl.io.state_dir import StateDir
from callctl.model.cluster import Cluster

LOG_FILE: Final = "callctl.log"  # in the state directory

E = TypeVar("E", bound=BaseException)


@dataclass(frozen=True, slots=True)
class Hosted:
    """What runs."""

    cluster: ClusterShell
    parties: Parties
    admin_url: str


@asynccontextmanager
async def hosted(
    cluster: Cluster, state: StateDir, *, only: Sequence[str] = (), admin_port: int = 0
) -> AsyncIterator[Hosted]:
    """Run a cluster while the context lasts.

    Raises: NotFound for a node of `only` that is not there; OSError, alone or in a group, if an
        address cannot be had or the state directory cannot be written.
    """
    state.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    log_file = cluster.alarms.log_file or state.path / LOG_FILE
    shell = ClusterShell(cluster, only=only, state=state.path, sinks=[LogSink()], log=_log)
    parties = Parties(shell)
    admin = AdminServer(shell, parties, state, port=admin_port)
    with logging_to(LogSettings(log_file)):
        async with anyio.create_task_group() as tasks:
            await tasks.start(shell.run)
            await tasks.start(parties.run)
            await tasks.start(admin.run)
            yield Hosted(shell, parties, admin.url)
            tasks.cancel_scope.cancel()


def _log(text: str, node: str) -> None:
    structlog.get_logger(LOGGER).info(text, node=node)


@asynccontextmanager
async def ended_by_signal() -> AsyncIterator[None]:
    """Cancel the body at Ctrl-C or the request to end (SIGINT, SIGTERM), and go on behind it."""
    async with anyio.create_task_group() as tasks:

        async def watch(*, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
            with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                task_status.started()
                async for _ in signals:
                    tasks.cancel_scope.cancel()

        await tasks.start(watch)
        yield
        tasks.cancel_scope.cancel()


def first_of(error: BaseException, kinds: type[E] | tuple[type[E], ...]) -> E | None:
    """The first exception of these kinds in an exception or in a group of them; None if none."""
    if isinstance(error, kinds):
        return error
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            found = first_of(each, kinds)
            if found is not None:
                return found
    return None
