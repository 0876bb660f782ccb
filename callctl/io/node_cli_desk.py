"""Does what a line at a node's command line says, and words the answer.

Source: TRB-03 to TRB-06, TRB-19, Table M, OP-53, OP-58, SVC-01, SVC-04.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from callctl.io.node_database import COLUMNS, DatabaseRefused, MachineAccountStore, Row
from callctl.io.reachability import CloudCheck
from callctl.io.service_desk import NotDone, ServiceDesk
from callctl.serviceability.node_cli import (
    ON_PUBLISHER,
    Command,
    Connectivity,
    Exit,
    Help,
    ListServices,
    MinPushLevel,
    PushFrequency,
    PushNow,
    SelectAccount,
    UpdateToken,
    UsageError,
    WorkService,
    checked_token,
    help_text,
    parse_command,
)
from callctl.serviceability.repair_steps import restarts_due
from callctl.serviceability.service_table import Entry
from callctl.serviceability.severity import UploadLevel


class Agent(Protocol):
    """What the commands need of the management agent."""

    @property
    def frequency_min(self) -> int: ...

    @property
    def level(self) -> UploadLevel: ...

    @property
    def pending(self) -> int: ...

    def set_frequency(self, minutes: int) -> None: ...

    def set_level(self, level: UploadLevel) -> None: ...

    def push_now(self) -> None:
        """Raises: ValueError that says why not."""


@dataclass(frozen=True, slots=True)
class CliAnswer:
    """What the node says to a line."""

    text: str = field(repr=False)  # may hold a refresh token: the repair procedure reads it here
    ok: bool = True
    usage: bool = False  # the line was wrong, not the state of things


class NodeCliDesk:
    """The command lines of all nodes of a cluster."""

    def __init__(
        self,
        services: ServiceDesk,
        accounts: MachineAccountStore,
        agent: Agent,
        check: CloudCheck,
        *,
        publisher: str,
    ) -> None:
        self._services = services
        self._accounts = accounts
        self._agent = agent
        self._check = check
        self._publisher = publisher

    def knows(self, node: str) -> bool:
        """True if there is such a node."""
        return any(server.name == node for server in self._services.table.servers)

    async def answer(self, node: str, line: str, secret: str | None = None) -> CliAnswer:
        """Do what `line` says on `node`; `secret` is the token that the line leaves out."""
        try:
            command = parse_command(line)
            if isinstance(command, ON_PUBLISHER) and node != self._publisher:
                return CliAnswer(f"run on the publisher ({self._publisher})", ok=False)
            if isinstance(command, UpdateToken) and command.token is None:
                command = UpdateToken(checked_token(secret or ""), command.pkid)
            return CliAnswer(await self._do(node, command))
        except UsageError as error:
            return CliAnswer(str(error), ok=False, usage=True)
        except (NotDone, DatabaseRefused, ValueError) as error:
            return CliAnswer(str(error), ok=False)

    async def _do(self, node: str, command: Command) -> str:
        match command:
            case PushFrequency(None):
                return f"push frequency: {self._agent.frequency_min} minutes"
            case PushFrequency(int(minutes)):
                self._agent.set_frequency(minutes)
                return f"push frequency is now {self._agent.frequency_min} minutes"
            case MinPushLevel(None):
                return f"minimum push level: {self._agent.level.value}"
            case MinPushLevel(UploadLevel() as level):
                self._agent.set_level(level)
                return f"minimum push level is now {self._agent.level.value}"
            case PushNow():
                waiting = self._agent.pending
                self._agent.push_now()
                return f"upload of {waiting} alarms begun" if waiting else "no alarms to upload"
            case ListServices():
                return service_list(self._services.table.entries(node))
            case WorkService(wish, service):
                entry = await self._services.work(wish, node, service)
                return f"{service}[{entry.state.value}]" + _dues(entry)
            case SelectAccount(only_token, pkid):
                rows = self._accounts.select(node, pkid)
                return account_table(rows, ("refreshtoken",) if only_token else COLUMNS)
            case UpdateToken(token, pkid):
                return self._update(token.get_secret_value() if token else "", pkid)
            case Connectivity(host):
                return await self._connectivity(node, host)
            case Help():
                return help_text()
            case Exit():
                return ""
        raise UsageError("no such command; help lists those that there are")

    def _update(self, token: str, pkid: str | None) -> str:
        count = self._accounts.update_token(token, pkid)
        if count == 0:
            raise DatabaseRefused("Rows: 0; no row has this key")
        for due in restarts_due():
            self._services.feed(due)
        return f"Rows: {count}"

    async def _connectivity(self, node: str, host: str | None) -> str:
        known = self._check.hosts()
        if host is not None and host not in known:
            raise DatabaseRefused(f"{host} is no cloud host of this cluster: {', '.join(known)}")
        found = await self._check.run(nodes=(node,), hosts=known if host is None else (host,))
        lines = [
            f"{it.target} [{it.use}]: ok" if it.ok else f"{it.target} [{it.use}]: {it.cause}"
            for it in found
        ]
        if not all(it.ok for it in found):
            raise DatabaseRefused("\n".join(lines))
        return "\n".join(lines)


def service_list(entries: Iterable[Entry]) -> str:
    """As `utils service list` shows them, each restart that is due with its reason (SVC-04)."""
    return "\n".join(f"{it.service}[{it.state.value}]{_why(it)}{_dues(it)}" for it in entries)


def account_table(rows: list[Row], columns: tuple[str, ...]) -> str:
    """As `run sql` shows rows."""
    if not rows:
        return "No rows: this cluster has no machine account"
    table = [tuple(row[COLUMNS.index(column)] for column in columns) for row in rows]
    widths = [
        max(len(name), *(len(row[place]) for row in table)) for place, name in enumerate(columns)
    ]
    ruled = (columns, tuple("=" * width for width in widths), *table)
    return "\n".join(
        " ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in ruled
    )


def _why(entry: Entry) -> str:
    if not entry.service.built:
        return "  not part of this version"
    return f"  {entry.failure}" if entry.failure else ""


def _dues(entry: Entry) -> str:
    shown = [
        f"{due.reason} (after {due.after})" if due.after is not None else due.reason
        for due in entry.dues
    ]
    return f"  restart due: {'; '.join(shown)}" if shown else ""
