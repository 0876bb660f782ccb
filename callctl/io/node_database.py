"""The table `machineaccountdetails` of each node: written on the publisher, copied to the others.

Real tables of SQLite, in memory or in files that only their owner can read. Each statement that
comes from outside passes a guard that lets it read this table and set its refresh token, no more.

Source: ONB-21, TRB-21, OP-58.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Final

from callctl.model.machine_account import MachineAccount

FILE: Final = "machineaccountdetails.db"
BUSY_S: Final = 0.2  # that somebody else may lock a file: the loop waits meanwhile
TABLE: Final = "machineaccountdetails"
COLUMNS: Final = (
    "pkid",
    "accountid",
    "organizationid",
    "tokenurl",
    "refreshtoken",
    "pushresturl",
)
_CREATE: Final = (
    f"CREATE TABLE IF NOT EXISTS {TABLE} ("
    + ", ".join(f"{column} TEXT NOT NULL" for column in COLUMNS)
    + ", PRIMARY KEY (pkid))"
)
_INSERT: Final = f"INSERT INTO {TABLE} VALUES (?, ?, ?, ?, ?, ?)"

NOT_ALLOWED: Final = "this statement is not allowed here"
_REFUSALS: Final = ("SQLITE_AUTH", "SQLITE_ERROR", "SQLITE_MISUSE")  # the statement, not the disk

Row = tuple[str, ...]


class DatabaseRefused(RuntimeError):
    """The statement was not run; the text says why, and repeats no value."""


class CopyState(Enum):
    """What a node holds, compared with the publisher."""

    SAME = "same"
    DIFFERS = "differs"
    DOWN = "down"


class MachineAccountStore:
    """The copies of all nodes. Not for use by several threads; each statement is a tiny one."""

    def __init__(
        self, publisher: str, subscribers: Sequence[str] = (), directory: Path | None = None
    ) -> None:
        """Every node is up. In memory unless `directory` is given: then one folder for each node.

        Raises: OSError if the files cannot be made, or others can read them.
        """
        self.publisher = publisher
        self.on_token_set: Callable[[MachineAccount], None] = lambda account: None
        """Hears of an account whose refresh token an administrator has set."""
        self.nodes = (publisher, *subscribers)
        self._down: set[str] = set()
        self._tables = {node: _opened(directory, node) for node in self.nodes}

    def close(self) -> None:
        """Close the copies."""
        for table in self._tables.values():
            table.close()

    def put(self, account: MachineAccount) -> None:
        """The machine account that onboarding gave, in place of the one before.

        Raises: DatabaseRefused while the publisher is down.
        """
        table = self._running(self.publisher)
        with table:
            table.execute(f"DELETE FROM {TABLE}")
            table.execute(_INSERT, _row(account))
        self._replicate()

    def clear(self) -> None:
        """There is no machine account any more. Raises: DatabaseRefused, as `put`."""
        table = self._running(self.publisher)
        with table:
            table.execute(f"DELETE FROM {TABLE}")
        self._replicate()

    def account(self, node: str) -> MachineAccount | None:
        """What a node works with. Raises: DatabaseRefused while it is down."""
        rows = self.select(node)
        return MachineAccount(*rows[0]) if rows else None

    def select(self, node: str, pkid: str | None = None) -> list[Row]:
        """The rows of a node, each as `COLUMNS`. Raises: DatabaseRefused while it is down."""
        where, values = ("", ()) if pkid is None else (" WHERE pkid = ?", (pkid,))
        return self.run(node, f"SELECT {', '.join(COLUMNS)} FROM {TABLE}{where}", values)[0]

    def update_token(self, token: str, pkid: str | None = None) -> int:
        """Set the refresh token on the publisher, of one row or of all; the others get it too.

        Returns: how many rows were set. Raises: DatabaseRefused while the publisher is down.
        """
        where, values = ("", ()) if pkid is None else (" WHERE pkid = ?", (pkid,))
        statement = f"UPDATE {TABLE} SET refreshtoken = ?{where}"
        _, count = self.run(self.publisher, statement, (token, *values))
        self._replicate()
        account = self.account(self.publisher)
        if count and account is not None:
            self.on_token_set(account)
        return count

    def run(self, node: str, statement: str, values: Sequence[str] = ()) -> tuple[list[Row], int]:
        """A statement on the copy of one node, if the guard lets it through.

        Returns: rows, and how many were changed. Raises: DatabaseRefused.
        """
        table = self._running(node)
        with _guarded(table):
            try:
                with table:
                    cursor = table.execute(statement, tuple(values))
                    return cursor.fetchall(), max(cursor.rowcount, 0)
            except (sqlite3.Error, sqlite3.Warning) as error:
                # Its own text may repeat a part of the statement.
                name = getattr(error, "sqlite_errorname", _REFUSALS[0])
                why = f"the table of {node} cannot be used now: {name}"
                raise DatabaseRefused(NOT_ALLOWED if name in _REFUSALS else why) from error

    def node_down(self, node: str) -> None:
        """Nothing is read from it or copied to it until it is up again."""
        self._down.add(node)

    def node_up(self, node: str) -> None:
        """It gets what it missed; the publisher brings what all have missed."""
        self._down.discard(node)
        self._replicate()

    def compared(self) -> dict[str, CopyState]:
        """Whether each node holds what the publisher holds (TRB-21, step 8).

        Raises: DatabaseRefused while the publisher is down.
        """
        wanted = self.select(self.publisher)
        return {
            node: CopyState.DOWN
            if node in self._down
            else CopyState.SAME
            if self.select(node) == wanted
            else CopyState.DIFFERS
            for node in self.nodes
        }

    def _replicate(self) -> None:
        if self.publisher in self._down:
            return  # each keeps what it has
        rows = self.select(self.publisher)
        for node in self.nodes:
            if node not in self._down and node != self.publisher and self.select(node) != rows:
                with self._tables[node] as table:
                    table.execute(f"DELETE FROM {TABLE}")
                    table.executemany(_INSERT, rows)

    def _running(self, node: str) -> sqlite3.Connection:
        if node not in self._tables:
            raise DatabaseRefused(f"there is no node {node}")
        if node in self._down:
            raise DatabaseRefused(f"{node} is out of service")
        return self._tables[node]


def _row(account: MachineAccount) -> Row:
    return (
        account.pkid,
        account.account_id,
        account.organisation_id,
        account.token_url,
        account.refresh_token,
        account.push_rest_url,
    )


def _opened(directory: Path | None, node: str) -> sqlite3.Connection:
    if directory is None:
        table = sqlite3.connect(":memory:")
    else:
        path = directory / node / FILE
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Made with its mode, so that there is no moment at which others can read it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        if path.stat().st_mode & 0o077:
            raise PermissionError(f"{path} can be read by others; remove it and onboard again")
        try:
            table = sqlite3.connect(path, timeout=BUSY_S)
            table.execute("PRAGMA user_version")
        except sqlite3.Error as error:
            raise OSError(f"{path} is no database; remove it and onboard again") from error
    table.execute("PRAGMA secure_delete = ON")  # an old token does not stay in a free page
    with table:
        table.execute(_CREATE)
    return table


@contextmanager
def _guarded(table: sqlite3.Connection) -> Iterator[None]:
    table.set_authorizer(_may)
    try:
        yield
    finally:
        table.set_authorizer(None)


def _may(
    action: int, first: str | None, second: str | None, database: str | None, trigger: str | None
) -> int:
    allowed = (
        action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_TRANSACTION)
        or (action == sqlite3.SQLITE_READ and first == TABLE)
        or (action == sqlite3.SQLITE_UPDATE and (first, second) == (TABLE, "refreshtoken"))
    )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY
