"""`callctl replay`: what it prints, which files it writes, and its exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingUDPServer
from threading import Thread
from xml.etree import ElementTree

import pytest

from callctl.cli.main import main
from callctl.cli.replay_live import Where, where
from callctl.replay.notes import Notes
from callctl.replay.replay import replay
from helpers.replayed import recorded
from sipstack.message.message import Request
from sipstack.message.parser import parse_message
from sipstack.message.response import respond
from sipstack.timing import MS, SECOND

Run = Callable[..., tuple[int, str, str]]
"""Runs one command line; gives its exit code, stdout and stderr."""

STORIES = ("ios_13", "nobody_wakes", "trunk")


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    def command(*line: str | Path) -> tuple[int, str, str]:
        code = main(["replay", *map(str, line)])
        return code, *capfd.readouterr()

    return command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three captures with their notes and clusters."""
    for name in STORIES:
        recorded(name).write(tmp_path)
    return tmp_path


def late(folder: Path) -> Path:
    """Let the engine ring later than when `nobody_wakes` was recorded. Returns: the notes."""
    cluster = folder / "nobody_wakes.cluster.yaml"
    cluster.write_text(f"{cluster.read_text()}\nservice_parameters: {{ring_back_s: 7}}\n")
    return folder / "nobody_wakes.notes.yaml"


# Captures, notes, folders.


def test_capture_that_is_the_same_is_told_in_a_line(run: Run, folder: Path) -> None:
    for path in ("ios_13.pcapng", "ios_13.notes.yaml"):
        code, out, err = run("run", folder / path)
        assert (code, err) == (0, "")
        (line,) = out.splitlines()
        assert line.startswith("ios_13: same, 13 compared  (virtual, 42.3 s in ")


def test_capture_that_differs_ends_with_1_and_says_where(run: Run, folder: Path) -> None:
    code, out, err = run("run", late(folder))
    assert (code, err) == (1, "")
    lines = out.splitlines()
    assert lines[0].startswith("nobody_wakes: different, 1 difference, 9 compared")
    frame = next(line for line in lines if line.startswith("1  late: 180 (INVITE) for SEP1001"))
    assert "at 35.060 s, frame " in frame


def test_both_messages_are_shown_to_who_asks_for_them(run: Run, folder: Path) -> None:
    notes = late(folder)
    assert "CSeq: 2 INVITE" not in run("run", notes)[1]
    assert "CSeq: 2 INVITE" in run("run", notes, "--messages")[1]


def test_folder_is_a_table_and_the_worst_capture_decides_the_exit_code(
    run: Run, folder: Path
) -> None:
    code, out, err = run("run", folder)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1].startswith("3 captures: 3 same, in ")
    late(folder)
    code, out, _ = run("run", folder)
    assert code == 1
    assert out.splitlines()[-1].startswith("3 captures: 2 same, 1 different, in ")
    (folder / "trunk.cluster.yaml").unlink()
    code, out, _ = run("run", folder)
    assert code == 2
    assert out.splitlines()[-1].startswith("3 captures: 1 same, 1 different, 1 not played, in ")
    assert "trunk.cluster.yaml is not a file" in out


def test_processes_give_what_one_gives_in_the_same_order(run: Run, folder: Path) -> None:
    late(folder)
    one = json.loads(run("run", folder, "--json")[1])
    code, out, _ = run("run", folder, "--json", "--jobs", "2")
    two = json.loads(out)
    assert code == 1
    for report in (one, two):
        for capture in report["captures"]:
            del capture["real_s"]
    assert one == two


def test_fail_fast_ends_after_the_first_that_is_not_the_same(run: Run, folder: Path) -> None:
    late(folder)
    code, out, _ = run("run", folder, "--fail-fast")
    assert code == 1
    last = out.splitlines()[-1]
    assert last.startswith("2 captures: 1 same, 1 different, in ")
    assert last.endswith("; 1 left out after the first that is not the same")


def test_capture_that_is_named_twice_is_played_once(run: Run, folder: Path) -> None:
    _, out, _ = run("run", folder, folder / "trunk.pcapng", "--json")
    assert [it["name"] for it in json.loads(out)["captures"]] == list(STORIES)


# Files.


def test_files_for_machines_are_written_beside_what_is_printed(run: Run, folder: Path) -> None:
    late(folder)
    junit, html = folder / "out.xml", folder / "out.html"
    code, out, _ = run("run", folder, "--junit", junit, "--html", html)
    assert code == 1
    assert "3 captures" in out
    (suite,) = ElementTree.parse(junit).getroot()
    assert (suite.attrib["tests"], suite.attrib["failures"], suite.attrib["errors"]) == (
        "3",
        "1",
        "0",
    )
    assert suite.attrib["timestamp"] > "2020"
    page = html.read_text(encoding="utf-8")
    assert all(f'id="c{number}"' in page for number in (1, 2, 3))
    assert "callctl " in page


def test_json_is_one_document_with_frames_of_the_capture(run: Run, folder: Path) -> None:
    code, out, _ = run("run", late(folder), "--json")
    report = json.loads(out)
    assert (code, report["different"]) == (1, 1)
    (capture,) = report["captures"]
    (difference,) = capture["differences"]
    assert difference["frame"] == capture["ladder"][difference["row"]]["frame"] > 0
    assert capture["capture"] == str(folder / "nobody_wakes.pcapng")


def test_file_that_cannot_be_written_is_told_in_a_line(run: Run, folder: Path) -> None:
    where = folder / "none" / "out.html"
    code, _, err = run("run", folder / "ios_13.pcapng", "--html", where)
    assert (code, err) == (2, f"callctl: {where} cannot be written: No such file or directory\n")


# How it is played.


def test_tolerance_of_the_command_line_counts_instead_of_the_notes(run: Run, folder: Path) -> None:
    assert run("run", late(folder), "--tolerance", "3")[0] == 0


def test_seed_is_told_and_makes_no_difference(run: Run, folder: Path) -> None:
    code, out, _ = run("run", folder / "ios_13.pcapng", "--seed", "7", "--json")
    assert (code, json.loads(out)["captures"][0]["seed"]) == (0, 7)


def test_node_of_the_command_line_is_under_test_in_place_of_the_notes(
    run: Run, folder: Path
) -> None:
    # Where nothing of ucm3 is, nothing of its side is in the capture.
    _, out, _ = run("run", folder / "trunk.pcapng", "--sut", "ucm3=192.0.2.77", "--json")
    (capture,) = json.loads(out)["captures"]
    assert [it["places"] for it in capture["roles"] if it["name"] == "ucm3"] == [["192.0.2.77"]]
    assert capture["compared"] == 0


def test_capture_that_is_cut_short_is_played_if_that_is_asked_for(run: Run, folder: Path) -> None:
    capture = folder / "ios_13.pcapng"
    capture.write_bytes(capture.read_bytes()[:-5])
    code, out, err = run("run", capture)
    assert (code, out) == (2, "")
    assert err.startswith(f"callctl: {capture}: frame ")
    assert err.count("\n") == 1
    code, out, err = run("run", capture, "--truncated")
    assert (code, err) == (0, "")


# What is wrong.


def test_every_mistake_of_the_notes_is_a_line(run: Run, folder: Path) -> None:
    notes = folder / "trunk.notes.yaml"
    notes.write_text(f"{notes.read_text()}\ntolerance_s: soon\nnonsense: true\n")
    code, out, err = run("run", notes)
    assert (code, out) == (2, "")
    lines = err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"callctl: {notes}:") for line in lines)


def test_play_that_breaks_down_is_told_and_the_others_are_played(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(notes: Notes, *, seed: int, truncated: bool) -> object:
        if notes.name == "nobody_wakes":
            raise AssertionError("parked twice")
        return replay(notes, seed=seed, truncated=truncated)

    monkeypatch.setattr("callctl.cli.replay_play.replay", breaks)
    code, out, _ = run("run", folder)
    assert code == 2
    assert "the play broke down: AssertionError: parked twice" in out
    assert out.splitlines()[-1].startswith("3 captures: 2 same, 1 not played, in ")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (["run"], "a capture, its notes or a folder is needed"),
        (["run", "nowhere.pcapng"], "nowhere.pcapng is not a file"),
        (["run", "."], ". has no *.notes.yaml in it (callctl replay learn writes them)"),
        (["run", "empty"], "empty has no *.notes.yaml in it"),
        (
            ["run", "a.pcapng"],
            "a.pcapng cannot be played: its notes, a.notes.yaml, are not there "
            "(callctl replay learn writes them)",
        ),
        (
            ["run", "a.pcapng", "--live", "here"],
            "--live here: HOST:PORT is needed, or HOST:PORT;transport=udp, tcp or tls",
        ),
        (
            ["run", "a.pcapng", "--sut", "ucm1=there:x"],
            "--sut ucm1=there:x: NODE=ADDRESS or NODE=ADDRESS:PORT is needed",
        ),
        (
            ["run", "a.pcapng", "--tolerance", "-1"],
            "--tolerance -1: seconds are needed, 0 or more",
        ),
        (
            ["run", "a.pcapng", "--jobs", "0"],
            "--jobs is at least 1, and 1 with --live: a server has one clock",
        ),
        (["show", "nowhere.pcapng"], "nowhere.pcapng is not a file"),
    ],
)
def test_wrong_command_line_is_a_line_and_ends_with_2(
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    line: list[str],
    problem: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pcapng").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    assert run(*line) == (2, "", f"callctl: {problem}\n")


@pytest.mark.parametrize(
    ("sut", "problem"),
    [
        ("ucm9=192.0.2.1", "--sut ucm9=...: the cluster has ucm1, ucm2, ucm3"),
        ("192.0.2.1", "several nodes: --sut NODE=ADDRESS, for ucm1 as well"),
    ],
)
def test_node_that_the_cluster_does_not_have_is_told(
    run: Run, folder: Path, sut: str, problem: str
) -> None:
    notes = folder / "trunk.notes.yaml"
    assert run("run", notes, "--sut", sut) == (2, "", f"callctl: {notes}: {problem}\n")


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.0.2.1:5060", Where("192.0.2.1", 5060, None)),
        ("[2001:db8::1]:5061;transport=tls", Where("2001:db8::1", 5061, "TLS")),
        ("sip.example:5060;transport=TCP", Where("sip.example", 5060, "TCP")),
    ],
)
def test_server_of_a_live_play_is_read(text: str, server: Where) -> None:
    assert where(text) == server
    assert where(str(server)) == server


class Agrees(BaseRequestHandler):
    """A server that says 200 to whatever it is asked."""

    def handle(self) -> None:
        octets, socket = self.request
        request = parse_message(octets)
        assert isinstance(request, Request)
        socket.sendto(respond(request, 200).to_bytes(), self.client_address)


def test_live_play_asks_a_server_in_real_time(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callctl.io.replay_live.TAIL_NS", 100 * MS)
    whole = recorded("ios_13")
    seen = tuple(it for it in whole.seen if it.at < SECOND and it.host == "203.0.113.1")
    replace(whole, seen=seen, ends=()).write(tmp_path)
    with ThreadingUDPServer(("127.0.0.1", 0), Agrees) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        code, out, _ = run("run", tmp_path, "--live", f"127.0.0.1:{port};transport=udp", "--json")
        server.shutdown()
    (capture,) = json.loads(out)["captures"]
    assert (code, capture["mode"]) == (1, f"live 127.0.0.1:{port};transport=udp")
    assert [(it["title"], it["title_now"]) for it in capture["ladder"] if not it["inward"]] == [
        ("signs in", None),
        ("401 (REGISTER)", "200 (REGISTER)"),
        ("200 (REGISTER)", "200 (REGISTER)"),
        ("push incoming", None),
    ]


# What a capture holds.


def test_capture_with_notes_is_shown_with_its_roles(run: Run, folder: Path) -> None:
    code, out, err = run("show", folder / "ios_13.pcapng")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith(f"{folder / 'ios_13.pcapng'}  iPhone, iOS 13 and later")
    assert lines[1].startswith("27 SIP messages, ")
    assert "under test" in lines
    assert "  ucm3      14 messages  192.0.2.3:5060 192.0.2.3:5061" in lines
    assert "  SEP1001   14 messages  203.0.113.1/tcp" in lines


def test_capture_without_notes_is_shown_as_it_looks(run: Run, folder: Path) -> None:
    (folder / "ios_13.notes.yaml").unlink()
    code, out, err = run("show", folder / "ios_13.pcapng")
    assert (code, err) == (0, "")
    assert "under test, as it looks: there are no notes" in out
    assert "  192.0.2.3      14 messages  is registered at" in out


def test_capture_is_shown_for_scripts(run: Run, folder: Path) -> None:
    code, out, _ = run("show", folder / "trunk.pcapng", "--json")
    report = json.loads(out)
    assert (code, report["messages"], report["transports"]) == (0, 21, {"TCP": 14, "UDP": 7})
    assert {it["name"]: it["side"] for it in report["roles"]} == {
        "ucm1": "under test",
        "ucm2": "under test",
        "ucm3": "under test",
        "SEP1001": "outside",
        "PEER 192.0.2.90": "outside",
    }


def test_capture_that_is_cut_short_is_shown_as_far_as_it_goes(run: Run, folder: Path) -> None:
    capture = folder / "ios_13.pcapng"
    capture.write_bytes(capture.read_bytes()[:-5])
    code, out, err = run("show", capture)
    assert code == 2
    assert " SIP messages, " in out
    assert err.startswith(f"callctl: {capture}: frame ")


def test_mistakes_of_notes_are_told_when_a_capture_is_shown(run: Run, folder: Path) -> None:
    (folder / "trunk.notes.yaml").write_text("nonsense: true\n")
    code, out, err = run("show", folder / "trunk.pcapng")
    assert (code, out) == (2, "")
    assert err.startswith(f"callctl: {folder / 'trunk.notes.yaml'}:1: nonsense")
