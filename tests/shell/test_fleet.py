"""Fleets over real sockets: every call accounted for, failures told, and an end in time."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callctl.cli.main import main
from callctl.fleet.load import load_plan
from callctl.fleet.own_cluster import write_cluster
from callctl.io.state_dir import StateDir

COMMAND = (sys.executable, "-W", "error", "-m", "callctl.cli.main", "fleet")
QUICK = """
phones:
  count: 30
  grace: 200ms
  wake_delay: 20ms..80ms
  tap_after: 100ms
calls:
  ramp_up: 500ms
  answer_after: 50ms..150ms
  talk: 200ms..500ms
  give_up_after: 2s
networks: {away: 1s}
"""
"""Phones and people in more of a hurry than those of the defaults."""


@pytest.fixture
def quick(tmp_path: Path) -> Path:
    file = tmp_path / "quick.yaml"
    file.write_text(QUICK)
    return file


def run(line: str, file: Path, tmp_path: Path) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON report of a fleet with a cluster of its own."""
    report = tmp_path / "report.json"
    code = main(["fleet", str(file), *line.split(), "--json", str(report)])
    return code, json.loads(report.read_text())


def test_every_call_of_a_small_fleet_is_accounted_for_and_as_planned(
    quick: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    html = tmp_path / "report.html"
    line = "--seed 5 --calls-per-second 16 --duration 2600ms --awake 10% --never-wake 10%"
    code, result = run(f"{line} --html {html}", quick, tmp_path)
    calls = result["calls"]
    assert code == 0, result["failures"]
    assert result["ok"]
    assert calls["placed"] > 35
    assert calls["as_planned"] == calls["placed"] == sum(calls["outcomes"].values())
    assert sum(calls["nodes"].values()) == calls["placed"]
    assert set(calls["outcomes"]) >= {"answered", "given up"}
    assert result["counts"]["pushes slept through"] > 0
    stages = {stage["name"]: stage["summary"] for stage in result["stages"]}
    assert stages["push"]["count"] == calls["to_sleepers"] > 20
    assert stages["route"]["count"] == calls["placed"] - calls["to_sleepers"]
    assert 20 <= stages["wake"]["p50"] <= 200
    assert stages["register"]["count"] == stages["wake"]["count"]
    assert result["set_up"]["ready"] == 30
    named = [process["name"] for process in result["processes"]]
    assert named == ["fleet", "cluster", "other processes"]
    assert "ended as planned" in html.read_text()
    out = capsys.readouterr().out
    assert "PASS" in out
    assert "seed 5" in out
    assert not descendants(os.getpid())


def test_death_of_a_node_and_its_failures_are_told_with_their_stories(
    quick: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = "--calls-per-second 16 --duration 2600ms --answer-after 700ms --nodes 2"
    moving = "--network-changes 400 --network-losses 400"
    code, result = run(f"{line} {moving} --kill ucm1@1s+1s", quick, tmp_path)
    calls = result["calls"]
    assert calls["placed"] == calls["as_planned"] + calls["failed"] + calls["cut_short"]
    assert sum(failure["count"] for failure in result["failures"]) == calls["failed"] > 0
    assert code == 1
    assert [event["text"] for event in result["events"]] == ["ucm1 killed", "ucm1 started"]
    stories = [failure["explanation"] for failure in result["failures"]]
    assert any("ucm1 died" in (story or "") for story in stories)
    assert all(story is not None for story in stories)
    assert result["counts"]["networks changed"] > 0
    assert result["counts"]["networks lost"] > 0
    assert not [note for note in result["notes"] if "fault" in note]
    assert "x connection lost" in capsys.readouterr().out


@pytest.fixture
def long_run(quick: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A fleet that would go on for an hour, once it has begun to call."""
    report = tmp_path / "early.json"
    line = f"{quick} --phones 10 --calls-per-second 20 --duration 1h --json {report}"
    process = subprocess.Popen([*COMMAND, *line.split()], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        for text in process.stdout:
            if re.match(r"calls: .* [1-9]\d* placed", text):
                break
        yield process
    finally:
        process.kill()
        process.communicate()


def test_ctrl_c_ends_early_with_the_report_and_leaves_no_process(
    long_run: subprocess.Popen[str], tmp_path: Path
) -> None:
    ours = descendants(long_run.pid)
    assert len(ours) == 1
    began = time.monotonic()
    long_run.send_signal(signal.SIGINT)
    out, _ = long_run.communicate(timeout=20)
    assert time.monotonic() - began < 10
    assert "ended early: Ctrl-C" in out
    result = json.loads((tmp_path / "early.json").read_text())
    assert result["ended_early"] == "Ctrl-C"
    calls = result["calls"]
    assert calls["placed"] > 0
    assert calls["placed"] == calls["as_planned"] + calls["failed"] + calls["cut_short"]
    assert long_run.returncode == (0 if result["ok"] else 1)
    assert not any(is_alive(pid) for pid in ours)


def test_a_cluster_of_a_fleet_ends_with_the_fleet_whatever_became_of_that(tmp_path: Path) -> None:
    plan = load_plan(None, {"--nodes": (("cluster", "nodes"), "1")}, seed=1)
    file = write_cluster(plan, [], tmp_path)
    state = tmp_path / "state"
    command = [sys.executable, "-W", "error", "-m", "callctl.fleet.cluster_process"]
    process = subprocess.Popen([*command, str(file), str(state)], stdin=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 20
        while StateDir(state).running() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert StateDir(state).running() is not None
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=10) == 0
    finally:
        process.kill()
        process.wait()


def descendants(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    "line", ["--target udp:192.0.2.1:5060", "--target tls:[2001:db8::1]:5061 --phones 1"]
)
def test_servers_beyond_this_machine_are_refused_in_one_line(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fleet", *line.split()]) == 2
    _, err = capsys.readouterr()
    assert err == "callctl: the target is not on this machine; --allow-network allows it\n"


def test_every_mistake_of_file_and_options_is_a_line_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text("phones:\n  count: none\n  tint: blue\n")
    assert main(["fleet", str(file), "--duration", "1", "--nodes", "12"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.replace(str(tmp_path), "") for line in err.splitlines()] == [
        "callctl: /fleet.yaml:2: phones.count: is 'none'; expected a whole number",
        "callctl: /fleet.yaml:3: phones.tint: unknown key; expected one of count, groups, "
        "transports, awake, never_wake, wake_delay, grace, tap_after",
        "callctl: --duration: '1' is not a time; expected a time such as 250ms, 2s, 1m30s or 1h, "
        "at most 24h",
        "callctl: --nodes: is '12'; expected at most 9",
    ]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("--kill ucm1", "--kill ucm1: expected as ucm1@20s, or ucm1@20s+15s"),
        ("--cluster /nonexistent", "no cluster runs in /nonexistent"),
    ],
)
def test_what_cannot_be_run_is_told_in_one_line(
    line: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fleet", *line.split()]) in (1, 2)
    assert capsys.readouterr().err == f"callctl: {told}\n"
