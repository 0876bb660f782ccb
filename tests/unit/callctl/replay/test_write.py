"""What a written capture tells beside its messages, as Wireshark shows it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from callctl.capture.read import read_capture
from helpers.replayed import recorded


def told(story: str, directory: Path) -> list[str]:
    notes = recorded(story).write(directory)
    return [note.text for note in read_capture(directory / f"{story}.pcapng").notes if notes]


@pytest.mark.parametrize("story", ["android_phone", "node_dies_meanwhile"])
def test_device_that_comes_for_its_push_wakes_once(story: str, tmp_path: Path) -> None:
    wakes = [text for text in told(story, tmp_path) if " wakes: it registers " in text]
    assert len(wakes) == 1
    assert re.fullmatch(r"\w+ wakes: it registers \d+\.\d{3} s after its push", wakes[0])


@pytest.mark.parametrize("story", ["nobody_wakes", "foreground"])
def test_device_that_does_not_come_for_a_push_does_not_wake(story: str, tmp_path: Path) -> None:
    assert not [text for text in told(story, tmp_path) if " wakes: it registers " in text]


def test_pushes_and_what_befalls_nodes_stand_beside_the_messages(tmp_path: Path) -> None:
    texts = told("node_killed", tmp_path)
    assert texts[0].startswith("begins: ")
    assert "push incoming to TCT2001, names ucm1.lab.example: 200" in texts
    assert "ucm3 dies" in texts
