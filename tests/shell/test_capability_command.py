"""`callctl capability` and the warnings of `callctl check`: what they print, and exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from callctl.cli.main import main

Run = Callable[..., tuple[int, str, str]]
"""Runs one command line; gives its exit code, stdout and stderr."""

OLD = """\
id: old
domain: lab.example
release: 12.5(1)SU3
nodes:
  ucm1: {listeners: [udp:127.0.0.1:5060]}
cm_groups:
  all: [ucm1]
device_pools:
  office: {cm_group: all}
users:
  1001: {password: pw1001}
lines:
  1001: {}
devices:
  TCT1001: {owner: 1001, lines: [1001], client: jabber, client_version: 12.8, os_version: 13.1}
  BOT1001: {owner: 1001, lines: [1001], client: webex, client_version: 40.8, os_version: 8.0}
cloud: {push_enabled: true, emulator: true}
service_parameters: {android_caller_id: true}
deployment:
  expressway: X12.7
jabber_client_configuration:
  EnableVoipSocket: true
"""


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    def command(*line: str) -> tuple[int, str, str]:
        code = main(line)
        return code, *capfd.readouterr()

    return command


@pytest.fixture
def old(tmp_path: Path) -> Path:
    file = tmp_path / "old.yaml"
    file.write_text(OLD)
    return file


def rows(out: str) -> dict[str, tuple[str, str]]:
    """Answer and source of each line of the table, by what it is about."""
    found = {}
    for line in out.splitlines():
        cells = [cell.strip() for cell in line.split("  ") if cell.strip()]
        if len(cells) == 3:
            found[cells[0]] = (cells[1], cells[2])
    return found


@pytest.mark.req("GEN-10")
def test_device_of_the_lab_is_answered_with_the_row_of_each_answer(run: Run) -> None:
    code, out, err = run("capability", "--release", "12.5(1)SU3", "--device", "TCT1005")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "TCT1005: Jabber 14.3, iOS 17.4, release 12.5(1)SU3"
    found = rows(out)
    cell = "C3 12.5(1)SU3 / iOS 13 and later"
    assert found["call push"] == (
        "yes",
        f"C1 Apple, APNs with CallKit; {cell}; B2 Calls, Jabber and Webex on iPhone and iPad",
    )
    assert found["node to register at in it"] == ("yes", cell)
    assert found["caller ID in it"] == ("yes", cell)
    assert found["second push"] == ("yes", f"{cell} (OP-70)")
    assert found["local push first"][0] == "no: local push needs release 14SU3 or later"
    assert found["client shows CallKit"] == ("yes", "A2 Jabber 12.9 (and later)")
    assert found["spoken with the cloud"][0] == "Push:2"
    older = rows(run("capability", "--release", "12.5(1)SU2", "--device", "TCT1005")[1])
    assert older["call push"][0] == "yes"
    assert older["its channel"][0] == "default"
    assert [older[it][0] for it in ("caller ID in it", "node to register at in it")] == ["no"] * 2


def test_described_device_needs_no_file(run: Run) -> None:
    line = "--platform ios --os 16.5 --client jabber --client-version 12.9.1 --region custom"
    code, out, _ = run("capability", *line.split(), "--path", "mra")
    assert code == 0
    assert out.startswith("Device: Jabber 12.9.1, iOS 16.5, custom region, over MRA, release 15\n")
    found = rows(out)
    assert found["call push"][0] == "yes"
    assert found["while suspended"][0].startswith("No CallKit. Message notification")
    code, out, _ = run("capability", "--platform", "ios", "--os", "16.5", "--path", "mra")
    assert rows(out)["local push first"][0] == "no: no local push over MRA (LPNS-04)"
    code, out, _ = run("capability", "--platform", "android", "--release", "11.5(1)SU9")
    assert rows(out)["call push"][0] == "no: call push needs release 12.5(1)SU3 or later"


def test_options_win_over_the_cluster_file_and_its_switches_hold(run: Run, old: Path) -> None:
    def caller_id(*line: str) -> bool:
        code, out, _ = run("capability", "--cluster", str(old), *line, "--json")
        assert code == 0
        value = json.loads(out)["answers"]["caller_id"]["value"]
        assert isinstance(value, bool)
        return value

    assert caller_id("--device", "BOT1001")
    assert caller_id("--platform", "android")
    assert not caller_id("--device", "BOT1001", "--os", "7.1")
    assert caller_id("--device", "TCT1001")
    assert not caller_id("--device", "TCT1001", "--release", "12.5(1)SU2")
    _, out, _ = run("capability", "--platform", "android", "--android-caller-id")
    assert rows(out)["caller ID in it"] == ("yes", "C3 14SU3 / Android (OP-62, OP-17)")


def test_softphone_is_told_how_it_could_be_pushed_to(run: Run) -> None:
    code, out, _ = run("capability", "--device", "CSF1001")
    assert code == 0
    assert rows(out)["call push"][0] == "no: no push to a desktop (GEN-04)"
    assert "ask with --platform ios or android" in out


def test_json_has_every_answer_with_its_rows(run: Run) -> None:
    code, out, _ = run("capability", "--device", "TCT1006", "--json")
    report = json.loads(out)
    assert (code, report["asked"]["custom_region"], report["asked"]["release"]) == (0, True, "15")
    answers = report["answers"]
    assert answers["call_channel"]["value"] == "message"
    assert {"table": "C1", "row": "Apple, APNs China region", "column": "", "rule": ""} in answers[
        "call_push"
    ]["from"]
    assert answers["message_push"]["value"] is False
    assert answers["message_push"]["why"] == "only Jabber has messages here (GEN-08)"
    assert answers["push_level"]["value"] == 3


def test_table_is_printed_as_the_product_knows_it(run: Run) -> None:
    code, out, _ = run("capability", "--table", "c3")
    assert code == 0
    assert out.startswith("C3  Features by CUCM release\n")
    assert "12.5(x) up to SU2   basic push; single channel" in out
    code, out, _ = run("capability", "--table", "C1", "--json")
    table = json.loads(out)
    assert (code, table["table"], table["rows"][5]["CUCM"]) == (0, "C1", "14SU3")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "name a --device of a cluster file, or a --platform (or a --table)"),
        ("--platform ios --release 12", None),
        ("--platform ios --release SU3", "'SU3' is not a release such as 12.5(1)SU3, 14SU3 or 15"),
        ("--platform ios --os new", "'new' is not a version such as 12.9.1 or 16.5"),
        ("--platform ios --client-version x", "'x' is not a version such as 12.9.1 or 16.5"),
        ("--platform palm", ""),
        ("--table C9", "there is no table C9; there are A1, A2, B1, B2, C1, C2, C3, C4, C5, C6"),
        ("--device TCT1005 --cluster no.yaml", "no.yaml is not a file"),
        ("--device TCT9999", ""),
    ],
)
def test_what_cannot_be_meant_is_exit_2_and_one_line(run: Run, line: str, why: str | None) -> None:
    code, out, err = run("capability", *line.split())
    if why is None:  # 12.0(1) is a release
        assert (code, err) == (0, "")
        return
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err == f"callctl: {why}\n" if why else err.startswith("callctl: ")


def test_cluster_file_with_mistakes_is_refused_with_the_first(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("id: a\ndomain: b.c\nnodez: {}\n")
    code, out, err = run("capability", "--device", "X", "--cluster", str(file))
    assert (code, out) == (1, "")
    assert err.startswith(f"callctl: {file}:")
    assert err.endswith(f"(callctl check {file} has all)\n")


@pytest.mark.req("REL-02", "REL-03", "MODE-19")
def test_check_prints_warnings_with_their_place_and_stays_0(run: Run, old: Path) -> None:
    code, out, err = run("check", str(old))
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert f"{old}:3  release  warning" in lines
    assert (
        "    APNs does not work: CUCM 12.5(1)SU3 speaks Push:2 and Expressway X12.7 Push:3" in lines
    )
    assert f"{old}:15  devices.TCT1001.client_version  warning" in lines
    assert f"{old}:22  jabber_client_configuration.EnableVoipSocket  warning" in lines
    assert "    is 'true'" in lines
    assert lines[-1].startswith(f"{old}: ok, 1 nodes, ")
    assert lines[-1].endswith(", 4 warnings")


def test_strict_makes_warnings_count(run: Run, old: Path, tmp_path: Path) -> None:
    assert run("check", str(old), "--strict")[0] == 1
    sound = tmp_path / "sound.yaml"
    sound.write_text(OLD.replace("SU3", "SU4").replace("true\n", "false\n").replace("12.8", "12.9"))
    code, out, _ = run("check", str(sound), "--strict")
    assert (code, out.count("\n"), out.rpartition(", ")[2]) == (0, 1, "2 devices\n")


def test_json_report_keeps_warnings_apart_from_mistakes(run: Run, old: Path) -> None:
    code, out, _ = run("check", str(old), "--json")
    report = json.loads(out)
    assert (code, report["ok"], report["findings"]) == (0, True, [])
    lines = [warning["line"] for warning in report["warnings"]]
    assert lines == sorted(lines)
    assert {warning["key"] for warning in report["warnings"]} == {
        "release",
        "devices.TCT1001.client_version",
        "jabber_client_configuration.EnableVoipSocket",
    }


def test_who_runs_a_cluster_is_warned_too(old: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from callctl.cli.serving import load

    assert str(load(old).release) == "12.5(1)SU3"
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 4
    assert all(line.startswith(f"callctl: warning: {old}:") for line in err.splitlines())
