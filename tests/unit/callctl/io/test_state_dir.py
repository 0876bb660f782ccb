"""The directory by which the command line finds a running cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from callctl.io.state_dir import Running, StateDir, default_path
from sipstack.io.entropy import OsEntropy

ENTROPY = OsEntropy()


def test_token_is_made_once(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "state")
    assert state.token() is None
    token = state.make_token(ENTROPY)
    assert len(token) == 64
    assert state.make_token(ENTROPY) == token == state.token()


def test_token_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    state = StateDir(tmp_path)
    state.make_token(ENTROPY)
    (tmp_path / "admin.token").chmod(0o640)
    with pytest.raises(PermissionError, match="can be read by others"):
        state.make_token(ENTROPY)


def test_empty_token_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "admin.token").touch(mode=0o600)
    with pytest.raises(PermissionError, match="is empty"):
        StateDir(tmp_path).make_token(ENTROPY)


def test_cluster_that_stops_takes_back_its_own_announcement_only(tmp_path: Path) -> None:
    state = StateDir(tmp_path)
    first, second = Running("http://a:1", "lab", 11), Running("http://b:2", "lab", 12)
    state.announce(first)
    assert state.running() == first
    state.announce(second)
    state.withdraw(first)
    assert state.running() == second
    state.withdraw(second)
    assert state.running() is None


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"url": 1}', "{"])
def test_announcement_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "running.json").write_text(text)
    assert StateDir(tmp_path).running() is None


def test_default_is_in_the_state_directory_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/x")
    assert default_path() == Path("/x/callctl")
    monkeypatch.delenv("XDG_STATE_HOME")
    assert default_path() == Path.home() / ".local/state/callctl"
