"""Calls that other systems recorded, played against the engine; our notes explain each difference.

The captures are not part of the project; the notes are.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from callctl.replay.notes import SUFFIX, read_notes
from callctl.replay.replay import replay
from helpers.shared import shared_dir

NOTES = sorted((Path(__file__).parents[4] / "pcaps" / "elsewhere").glob(f"*{SUFFIX}"))
CAPTURES = "pcaps/third-party"
CALLS_LEAST = 10


@pytest.mark.parametrize("path", NOTES, ids=lambda path: path.name.removesuffix(SUFFIX))
def test_every_difference_is_explained(path: Path) -> None:
    script, _, verdict = replay(read_notes(path, captures=shared_dir(CAPTURES)))
    assert script.recording.messages
    assert verdict.open == ()
    assert verdict.unsaid == ()
    assert verdict.unused == ()
    assert verdict.compared > 0
    assert all(len(difference.reason) > 20 for difference in verdict.differences)


def test_there_are_enough_calls_among_them() -> None:
    directory = shared_dir(CAPTURES)
    calls = 0
    for path in NOTES:
        script, played, _ = replay(read_notes(path, captures=directory))
        invites = [it for it in script.exchanges if it.inward and it.request.method == "INVITE"]
        calls += sum(
            it in played.asked and it.request.message.to_tag is None and it.final is not None
            for it in invites
        )
    assert calls >= CALLS_LEAST


def test_difference_that_nobody_explained_is_open() -> None:
    path = next(path for path in NOTES if path.name.startswith("sipnab-prack-call"))
    notes = read_notes(path, captures=shared_dir(CAPTURES))
    entries = [entry.model_copy(update={"reason": ""}) for entry in notes.file.accept]
    file = notes.file.model_copy(update={"accept": entries})
    verdict = replay(type(notes)(notes.path, file, notes.capture, notes.cluster))[2]
    assert len(verdict.open) == len(verdict.differences) > 0
    assert not verdict.same
