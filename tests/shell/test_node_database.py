"""The table `machineaccountdetails` on each node: copies, catching up, and the guard before it."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from callctl.io.node_database import (
    COLUMNS,
    FILE,
    NOT_ALLOWED,
    CopyState,
    DatabaseRefused,
    MachineAccountStore,
)
from callctl.model.machine_account import MachineAccount

ACCOUNT = MachineAccount("p1", "acc", "org", "https://ci.example", "first", "https://push.example")
NODES = ("ucm1", "ucm2", "imp1")


@pytest.fixture
def store() -> Iterator[MachineAccountStore]:
    made = MachineAccountStore("ucm1", NODES[1:])
    yield made
    made.close()


@pytest.mark.req("ONB-21")
def test_account_is_on_every_cucm_and_im_and_presence_node(store: MachineAccountStore) -> None:
    assert [store.account(node) for node in NODES] == [None] * 3
    store.put(ACCOUNT)
    assert [store.account(node) for node in NODES] == [ACCOUNT] * 3
    later = replace(ACCOUNT, pkid="p2", refresh_token="second")
    store.put(later)
    assert [store.account(node) for node in NODES] == [later] * 3
    store.clear()
    assert [store.select(node) for node in NODES] == [[]] * 3


@pytest.mark.req("ONB-21", "TRB-21", "OP-58")
def test_new_refresh_token_is_on_every_node(store: MachineAccountStore) -> None:
    store.put(ACCOUNT)
    assert store.update_token("it's new", "p1") == 1
    for node in NODES:
        account = store.account(node)
        assert account == replace(ACCOUNT, refresh_token="it's new")
    assert set(store.compared().values()) == {CopyState.SAME}


def test_account_whose_token_was_set_is_told_and_one_that_was_not_is_not(
    store: MachineAccountStore,
) -> None:
    told: list[MachineAccount] = []
    store.on_token_set = told.append
    store.put(ACCOUNT)
    store.update_token("new", "p9")
    assert told == []
    store.update_token("new", "p1")
    assert told == [replace(ACCOUNT, refresh_token="new")]


def test_update_of_another_key_sets_nothing(store: MachineAccountStore) -> None:
    store.put(ACCOUNT)
    assert store.update_token("new", "p9") == 0
    assert store.account("ucm1") == ACCOUNT
    assert store.update_token("new") == 1


@pytest.mark.req("ONB-21")
def test_node_that_was_down_catches_up_when_it_is_back(store: MachineAccountStore) -> None:
    store.put(ACCOUNT)
    store.node_down("ucm2")
    store.update_token("new")
    assert store.compared()["ucm2"] is CopyState.DOWN
    with pytest.raises(DatabaseRefused, match="ucm2 is out of service"):
        store.account("ucm2")
    store.node_up("ucm2")
    assert store.account("ucm2") == replace(ACCOUNT, refresh_token="new")


@pytest.mark.req("ONB-21")
def test_nothing_is_written_while_the_publisher_is_down_and_others_keep_what_they_have(
    store: MachineAccountStore,
) -> None:
    store.put(ACCOUNT)
    store.node_down("ucm1")
    for attempt in (lambda: store.put(ACCOUNT), lambda: store.update_token("x"), store.clear):
        with pytest.raises(DatabaseRefused, match="ucm1 is out of service"):
            attempt()
    store.node_up("ucm2")
    assert store.account("ucm2") == ACCOUNT
    store.node_up("ucm1")
    assert store.update_token("new") == 1


@pytest.mark.req("TRB-21")
def test_copy_that_differs_is_seen(tmp_path: Path) -> None:
    store = MachineAccountStore("ucm1", ("ucm2",), tmp_path)
    store.put(ACCOUNT)
    other = sqlite3.connect(tmp_path / "ucm2" / FILE)
    with other:
        other.execute("UPDATE machineaccountdetails SET refreshtoken = 'stale'")
    other.close()
    assert store.compared() == {"ucm1": CopyState.SAME, "ucm2": CopyState.DIFFERS}
    store.close()


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE machineaccountdetails",
        "DELETE FROM machineaccountdetails",
        "INSERT INTO machineaccountdetails VALUES ('a', 'b', 'c', 'd', 'e', 'f')",
        "UPDATE machineaccountdetails SET pkid = 'x'",
        "UPDATE machineaccountdetails SET refreshtoken = hex(randomblob(9))",
        "ALTER TABLE machineaccountdetails ADD COLUMN x",
        "CREATE TABLE other (x)",
        "CREATE TRIGGER t AFTER UPDATE ON machineaccountdetails BEGIN SELECT 1; END",
        "SELECT * FROM sqlite_master",
        "SELECT load_extension('x')",
        "SELECT refreshtoken FROM machineaccountdetails; DROP TABLE machineaccountdetails",
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT * FROM c",
        "ATTACH 'other.db' AS other",
        "PRAGMA secure_delete = OFF",
        "VACUUM INTO 'copy.db'",
        "no SQL at all",
    ],
)
def test_guard_lets_nothing_through_but_reading_and_the_refresh_token(
    store: MachineAccountStore, statement: str
) -> None:
    store.put(ACCOUNT)
    with pytest.raises(DatabaseRefused) as caught:
        store.run("ucm1", statement)
    assert str(caught.value) == NOT_ALLOWED
    assert store.account("ucm1") == ACCOUNT


def test_columns_are_read_under_their_names(store: MachineAccountStore) -> None:
    store.put(ACCOUNT)
    rows, _ = store.run("imp1", "SELECT refreshtoken, pkid FROM machineaccountdetails")
    assert rows == [("first", "p1")]
    assert "refreshtoken" in COLUMNS


def test_refusal_repeats_no_value(store: MachineAccountStore) -> None:
    with pytest.raises(DatabaseRefused) as caught:
        store.run("ucm1", "UPDATE machineaccountdetails SET refreshtoken = secret1")
    assert "secret1" not in str(caught.value)


def test_files_are_for_their_owner_alone_and_outlive_the_process(tmp_path: Path) -> None:
    store = MachineAccountStore("ucm1", ("ucm2",), tmp_path)
    store.put(ACCOUNT)
    store.close()
    for node in ("ucm1", "ucm2"):
        assert stat.S_IMODE((tmp_path / node / FILE).stat().st_mode) == 0o600
    again = MachineAccountStore("ucm1", ("ucm2",), tmp_path)
    assert again.account("ucm2") == ACCOUNT
    again.close()


def test_replaced_token_does_not_stay_in_the_file(tmp_path: Path) -> None:
    store = MachineAccountStore("ucm1", (), tmp_path)
    store.put(replace(ACCOUNT, refresh_token="old-" + "x" * 900))
    store.update_token("new")
    store.close()
    assert b"old-xxx" not in (tmp_path / "ucm1" / FILE).read_bytes()


def test_file_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    MachineAccountStore("ucm1", (), tmp_path).close()
    (tmp_path / "ucm1" / FILE).chmod(0o644)
    with pytest.raises(PermissionError, match="can be read by others"):
        MachineAccountStore("ucm1", (), tmp_path)


def test_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "ucm1").mkdir()
    (tmp_path / "ucm1" / FILE).write_text("not a database, but long enough to look at " * 30)
    (tmp_path / "ucm1" / FILE).chmod(0o600)
    with pytest.raises(OSError, match=r"machineaccountdetails\.db is no database"):
        MachineAccountStore("ucm1", (), tmp_path)


def test_table_that_somebody_locks_is_refused_not_waited_for_for_ever(tmp_path: Path) -> None:
    store = MachineAccountStore("ucm1", (), tmp_path)
    store.put(ACCOUNT)
    other = sqlite3.connect(tmp_path / "ucm1" / FILE, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(DatabaseRefused, match="cannot be used now: SQLITE_BUSY"):
        store.update_token("new")
    other.close()
    store.close()
