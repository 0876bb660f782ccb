"""The captures of pcaps/, played as `callctl replay run pcaps` plays them: no difference at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from callctl.cli.replay_paths import all_notes
from callctl.cli.replay_play import Manner, played
from callctl.replay.notes import CAPTURE_SUFFIXES, SUFFIX

PCAPS = Path(__file__).parents[4] / "pcaps"


@pytest.mark.parametrize(
    "notes", all_notes([PCAPS]), ids=lambda path: path.name.removesuffix(SUFFIX)
)
def test_capture_plays_as_it_was_recorded(notes: Path) -> None:
    report = played(notes, Manner())
    assert report.problems == ()
    assert report.differences == ()
    assert report.not_said == ()
    assert report.compared >= 5


def test_every_capture_has_notes() -> None:
    captures = {it.stem for it in PCAPS.iterdir() if it.suffix in CAPTURE_SUFFIXES}
    assert captures == {path.name.removesuffix(SUFFIX) for path in all_notes([PCAPS])}
