"""`callctl replay record, learn, anonymise, shrink`: from one file to the next."""

from __future__ import annotations

from pathlib import Path

import pytest

from callctl.cli.main import main
from callctl.replay.notes import read_notes
from callctl.replay.replay import replay
from helpers.shared import shared_dir

STORY = "nobody_wakes"


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    assert main(["replay", "record", str(tmp_path / "kept"), "--story", STORY]) == 0
    return tmp_path / "kept" / f"{STORY}.notes.yaml"


def test_recorded_story_plays_as_it_was(recorded: Path) -> None:
    assert {path.name for path in recorded.parent.iterdir()} == {
        f"{STORY}.notes.yaml",
        f"{STORY}.cluster.yaml",
        f"{STORY}.pcapng",
    }
    assert main(["replay", "run", str(recorded)]) == 0


def test_story_is_recorded_whatever_cluster_other_commands_are_told_to_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLCTL_STATE", str(tmp_path / "state"))
    assert main(["replay", "record", str(tmp_path / "kept"), "--story", STORY]) == 0


def test_story_that_there_is_not_is_named_with_those_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", "record", str(tmp_path), "--story", "nobody"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("callctl: there is no story 'nobody': foreground, ")
    assert error.count("\n") == 1


def test_anonymised_capture_plays_the_same_and_with_one_key_is_the_same_again(
    recorded: Path, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_bytes(bytes(32))
    for name in ("one", "two"):
        line = ["replay", "anonymise", str(recorded), str(tmp_path / name), "--key", str(key)]
        assert main(line) == 0
    notes = tmp_path / "one" / recorded.name
    assert main(["replay", "run", str(notes)]) == 0
    assert notes.read_bytes() == (tmp_path / "two" / recorded.name).read_bytes()
    assert "TCT2001" not in notes.read_text()


def test_key_of_another_length_is_refused(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"short")
    line = ["replay", "anonymise", str(recorded), str(tmp_path / "out"), "--key", str(key)]
    assert main(line) == 2
    assert capsys.readouterr().err == f"callctl: {key} has 5 octets, not 32\n"


def test_shrunk_capture_differs_as_the_whole_one_did(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = recorded.with_name(f"{STORY}.cluster.yaml")
    cluster.write_text(cluster.read_text() + "service_parameters:\n  ring_back_s: 6\n")
    assert main(["replay", "run", str(recorded)]) == 1
    assert main(["replay", "shrink", str(recorded), str(tmp_path / "least")]) == 0
    assert "late: 180 (INVITE) for SEP1001: 1.000 s later" in capsys.readouterr().out
    script, _, verdict = replay(read_notes(tmp_path / "least" / recorded.name))
    assert len(script.recording.messages) == 5
    assert verdict.open[0].message == "180 (INVITE)"


def test_capture_that_plays_as_recorded_is_not_shrunk(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", "shrink", str(recorded), str(tmp_path / "least")]) == 2
    assert capsys.readouterr().err == "callctl: it plays as it was recorded\n"


def test_learned_notes_hold_each_difference_to_be_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture = shared_dir("pcaps/third-party") / "sipnab-prack-call.pcap"
    assert main(["replay", "learn", str(capture), "--into", str(tmp_path)]) == 0
    assert "2 differences: give each a reason in the notes" in capsys.readouterr().out
    notes = read_notes(tmp_path / "sipnab-prack-call.notes.yaml")
    assert [entry.reason for entry in notes.file.accept] == ["", ""]
    assert main(["replay", "learn", str(capture), "--into", str(tmp_path)]) == 2
    assert "--force writes over it" in capsys.readouterr().err


def test_capture_without_a_request_teaches_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture = shared_dir("pcaps/third-party") / "ndpi-cisco-skinny-calls.pcap"
    assert main(["replay", "learn", str(capture), "--into", str(tmp_path)]) == 2
    assert capsys.readouterr().err.endswith("no request in it could be played\n")
