"""The command line against a running cluster: what it prints for people and for scripts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from callctl.cli.main import main
from callctl.cli.serving import LAB_FILE
from helpers.standard_ports import standard_ports

START_S = 30.0

Runner = Callable[[str], tuple[int, str, str]]
"""Runs one command line; gives its exit code, stdout and stderr."""

KEPT = ["admin.token", "callctl.log", "management-agent.json", "nodes", "traces"]
"""What a lab leaves in its state directory when it has ended."""

COMMAND = (sys.executable, "-W", "error", "-m", "callctl.cli.main")


class Lab:
    """A `callctl lab` in a process of its own."""

    def __init__(self, state: Path) -> None:
        text = ""
        with standard_ports():
            self.process = subprocess.Popen(
                [*COMMAND, "lab", "--json", "--state", str(state)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            assert self.process.stdout is not None
            for line in self.process.stdout:
                text += line
                if line == "}\n":
                    break
        self.announced = json.loads(text)

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """Exit code and what it wrote to stderr."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=START_S)
        return self.process.returncode, errors


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The state directory of a running lab. Its clean end by SIGTERM is part of the test."""
    state = tmp_path_factory.mktemp("state")
    running = Lab(state)
    assert set(running.announced["phones"].values()) == {"suspended"}
    yield state
    assert running.end(signal.SIGTERM) == (0, "")
    assert sorted(os.listdir(state)) == KEPT
    assert (state / "callctl.log").stat().st_mode & 0o777 == 0o600


@pytest.fixture
def run(lab: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Runner:
    monkeypatch.setenv("CALLCTL_STATE", str(lab))

    def command(line: str) -> tuple[int, str, str]:
        code = main(line.split())
        return code, *capfd.readouterr()

    return command


def test_lists_are_tables_for_people_and_json_for_scripts(run: Runner) -> None:
    code, out, _ = run("node list")
    assert code == 0
    assert [line.split()[:3] for line in out.splitlines() if "ucm" in line] == [
        ["ucm1", "up", "up"],
        ["ucm2", "up", "up"],
        ["ucm3", "up", "up"],
    ]
    code, out, _ = run("node list --json")
    assert [node["name"] for node in json.loads(out)] == ["ucm1", "ucm2", "ucm3"]
    for line in ("reg show", "device list", "call list", "push list"):
        code, out, err = run(f"{line} --json")
        assert (code, err) == (0, ""), line
        assert isinstance(json.loads(out), list)


def test_registrations_of_one_number_are_shown_or_it_is_exit_1(run: Runner) -> None:
    code, out, _ = run("reg show 1005 --json")
    (registration,) = json.loads(out)
    assert (code, registration["device"], registration["reachable"]) == (0, "TCT1005", False)
    code, out, _ = run("reg show 1999")
    assert (code, out) == (1, "1999 is not registered\n")


def test_call_to_a_sleeping_phone_is_placed_and_explained(run: Runner) -> None:
    code, out, _ = run("call 1004 1005 --hang-up-after 0.2")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == [
        "calling,",
        "rings",
        "answered",
        "ended",
    ]
    code, out, _ = run("explain last")
    assert code == 0
    assert "TCT1005 has no live flow: INVITE parked" in out
    assert "ring push to TCT1005 naming ucm1" in out
    assert "Answered by TCT1005" in out
    code, shown, _ = run("call show last")
    assert shown == out
    code, out, _ = run("call list --limit 1 --json")
    (call,) = json.loads(out)
    code, by_id, _ = run(f"explain {call['call_uuid'][:8]}")
    assert by_id == shown
    code, out, _ = run("push list")
    assert "accepted" in out


def test_call_that_is_not_answered_is_exit_1(run: Runner) -> None:
    code, out, _ = run("call 1004 1005 --give-up-after 0.2 --json")
    call = json.loads(out)
    assert (code, call["answered"], call["cause"], call["status"]) == (1, False, "cancelled", 487)
    code, out, _ = run("call 1004 1999")
    assert code == 1
    assert "refused  404" in out


def test_what_the_cluster_refuses_is_exit_1_and_one_line_on_stderr(run: Runner) -> None:
    for line, why in (
        ("node stop ucm9", "there is no node ucm9 here"),
        ("node start ucm1", "ucm1 runs already"),
        ("device suspend CSF1001", "CSF1001 is no mobile that this cluster simulates"),
        ("explain nix", "there is no call nix"),
    ):
        assert run(line) == (1, "", f"callctl: {why}\n")


def test_phone_that_is_resumed_is_called_without_a_push(run: Runner) -> None:
    assert run("device resume TCT1005")[1] == "TCT1005 is foreground\n"
    assert run("call 1004 1005 --hang-up-after 0.1")[0] == 0
    run("device suspend TCT1005")


def test_addresses_that_are_taken_are_exit_1_and_named(
    run: Runner, lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first, *_) = json.loads(run("node list --json")[1])
    port = int(first["listeners"][0].rpartition(":")[2])
    monkeypatch.setenv("CALLCTL_STATE", str(lab.parent / "other"))
    code, out, err = run(f"run {LAB_FILE} --offset {port - 5060} --node ucm1")
    assert (code, out) == (1, "")
    assert err.startswith(f"callctl: ucm1 cannot have udp:127.0.0.1:{port}, ")
    assert err.count("\n") == 1


def test_trace_writes_a_pcapng_file(run: Runner, tmp_path: Path) -> None:
    file = tmp_path / "a.pcapng"
    code, _, err = run(f"trace {file} --seconds 0.3")
    assert code == 0
    assert err.endswith(f"written to {file}\n")
    assert file.read_bytes().startswith(b"\x0a\x0d\x0d\x0a")
    assert run(f"trace {tmp_path}/no/where --seconds 0.1")[0] == 2


def test_phone_of_its_own_process_is_woken_answers_and_ends(run: Runner, lab: Path) -> None:
    code, out, _ = run("phone TCT1101 --password wrong --sleep")
    assert code == 1
    phone = subprocess.Popen(
        [*COMMAND, "phone", "TCT1101", "--password", "pw1101", "--sleep", "--wake-delay", "0.1",
         "--answer-after", "0.2", "--calls", "1", "--json", "--state", str(lab)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert phone.stdout is not None
    for line in phone.stdout:
        if json.loads(line)["event"] == "AppSuspended":
            break
    code, out, _ = run("call 1004 1101 --hang-up-after 0.1")
    assert code == 0, out
    rest, errors = phone.communicate(timeout=START_S)
    events = [json.loads(line)["event"] for line in rest.splitlines()]
    for event in ("PushArrived", "AppWoken", "CallShown", "Registered", "CallAnswered"):
        assert event in events
    assert (phone.returncode, errors) == (0, "")


def test_ctrl_c_ends_the_nodes_of_a_file_cleanly(tmp_path: Path) -> None:
    running = subprocess.Popen(
        [*COMMAND, "run", str(LAB_FILE), "--offset", "23000",
         "--node", "ucm2", "--json", "--state", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert running.stdout is not None
    text = ""
    for line in running.stdout:
        text += line
        if line == "}\n":
            break
    assert list(json.loads(text)["nodes"]) == ["ucm2"]
    running.send_signal(signal.SIGINT)
    assert running.wait(START_S) == 0
    assert running.communicate()[1] == ""


def test_lab_ends_cleanly_while_a_phone_of_another_process_is_attached(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    phone = subprocess.Popen(
        [*COMMAND, "phone", "TCT1101", "--password", "pw1101", "--sleep", "--state", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert phone.stdout is not None
    try:
        for line in phone.stdout:
            if "suspended" in line:
                break
        assert lab.end(signal.SIGTERM) == (0, "")
    finally:
        phone.terminate()
        phone.communicate(timeout=START_S)


def test_two_phones_hear_the_tone_of_each_other(lab: Path) -> None:
    def phone(device: str, *options: str) -> subprocess.Popen[str]:
        line = ["phone", f"CSF{device}", "--password", f"pw{device}", "--state", str(lab)]
        return subprocess.Popen(
            [*COMMAND, *line, "--tone", "--calls", "1", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    callee = phone("1002", "--answer-after", "0")
    assert callee.stdout is not None
    assert "registered" in callee.stdout.readline()
    caller = phone("1001", "--call", "1002", "--hang-up-after", "1")
    for party in (caller, callee):
        out, errors = party.communicate(timeout=START_S)
        assert (party.returncode, errors) == (0, "")
        (report,) = [line for line in out.splitlines() if "RTP: " in line]
        sent, received = (
            int(part.split()[0]) for part in report.partition("RTP: ")[2].split(", ")[:2]
        )
        assert sent > 20
        assert received > 20
