"""Notes and a cluster, learned from a capture alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from callctl.capture.captured import CaptureRead
from callctl.capture.read import read_capture
from callctl.errors import ConfigError
from callctl.replay import learn_files as module
from callctl.replay.learn import Learned, learn
from callctl.replay.learn_files import LearnedFiles, learn_files
from callctl.replay.notes import read_notes
from helpers.replayed import recorded


def capture_of(story: str, directory: Path) -> Path:
    """What the nodes of a story saw, without what is known of it."""
    notes = recorded(story).write(directory)
    notes.unlink()
    notes.with_name(f"{story}.cluster.yaml").unlink()
    return directory / f"{story}.pcapng"


def learned(story: str, directory: Path) -> LearnedFiles:
    capture = capture_of(story, directory)
    return learn_files(read_capture(capture), capture, directory)


def test_number_with_a_plus_names_nobody_but_is_a_line(tmp_path: Path) -> None:
    """The story has a trunk, and +49171555 behind it."""
    cluster = read_notes(learned("trunk", tmp_path).notes).cluster
    [device] = [it for it in cluster.devices.values() if "+49171555" in it.lines]
    assert (device.name, device.owner) == ("SEP49171555", "49171555")


def test_each_difference_waits_for_its_reason_and_one_is_called_so(tmp_path: Path) -> None:
    found = learned("gives_up", tmp_path)
    count = len(found.verdict.differences)
    noun = "difference" if count == 1 else "differences"
    assert f" {count} {noun}" in list(found.lines())[-1]
    assert [entry.reason for entry in found.file.accept] == [""] * len(found.file.accept)


def test_files_that_cannot_be_used_are_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def badly(read: CaptureRead, capture: str, sut: tuple[str, ...] = ()) -> Learned:
        found = learn(read, capture, sut)
        found.cluster["users"] = {"+1": {}}
        return found

    monkeypatch.setattr(module, "learn", badly)
    with pytest.raises(ConfigError):
        learned("gives_up", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["gives_up.pcapng"]
