"""The command line itself: what it accepts, what it says, and its exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from callctl.cli.main import main
from callctl.cli.serving import LAB_FILE


@pytest.fixture(autouse=True)
def nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLCTL_STATE", str(tmp_path))


@pytest.mark.parametrize(
    "line",
    [
        "bogus",
        "call 1001",
        "call 1001 1002 1003",
        "call list 7",
        "call --transport sctp 1001 1002",
        "node stop",
        "node list x",
        "node cpns ucm1 pause",
        "push list --limit many",
        "run no-such-file.yaml",
        f"run {LAB_FILE} --node ucm9",
        "check no-such-file.yaml",
        "lab --offset 70000",
        "phone CSF1001",
        "phone 1001 --password x --registrar nowhere",
        "alarm list --limit many",
        "certificate upload no-such-file.pem",
        "cloud fault apns fire",
        "cloud fault apple silent",
        "cloud proxy-capacity",
        "cloud revoke-tokens fos",
        "license reserve perhaps",
        "onboarding save --proxy-user callctl",
        "onboarding tasks --done 1 --due 2",
        "rtmt show --node",
    ],
)
def test_wrong_command_line_is_exit_2_and_one_line_on_stderr(
    line: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CALLCTL_PASSWORD", raising=False)
    assert main(line.split()) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("callctl")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "line",
    [
        "call 1001 1002",
        "call list",
        "call show last",
        "explain",
        "reg show",
        "node list",
        "node kill ucm1",
        "device suspend TCT1005",
        "push list --json",
        "trace -",
        "phone TCT1005 --password x",
        "node list --url http://127.0.0.1:9",
        "alarm list",
        "certificate list",
        "cli show",
        "cloud check",
        "cloud log",
        "cloud repair-token",
        "cloud status",
        "license show",
        "onboarding status",
        "rtmt show",
        "utils service list",
    ],
)
def test_without_a_cluster_it_is_exit_3_and_one_line_on_stderr(
    line: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(line.split()) == 3
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("callctl: no cluster runs here")
    assert err.count("\n") == 1


def test_cluster_that_died_without_a_word_is_exit_3_too(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "admin.token").write_text("abc\n")
    (tmp_path / "running.json").write_text(
        '{"url": "http://127.0.0.1:9", "cluster": "lab", "pid": 1}\n'
    )
    assert main(["node", "list"]) == 3
    assert "http://127.0.0.1:9 does not answer" in capfd.readouterr().err


def test_what_is_not_in_the_catalogue_is_exit_1(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["alarm", "show", "NoSuchAlarm"]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert err == "callctl: there is no alarm 'NoSuchAlarm'; did you mean APNSAlarm?\n"


def test_version_and_help_are_exit_0(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert main(["--help"]) == 0
    assert main(["call", "--help"]) == 0
    assert "Exit codes" in capfd.readouterr().out


def test_start_up_does_not_import_what_only_a_cluster_needs() -> None:
    heavy = ["fastapi", "uvicorn", "pydantic", "cryptography", "httpx2", "h2", "ruamel", "dns"]
    code = (
        "import sys, callctl.cli.main as m; m.make_app(); "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
