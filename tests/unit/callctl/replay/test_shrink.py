"""A capture that differs is cut down to the least that still does."""

from __future__ import annotations

from pathlib import Path

import pytest

from callctl.replay.notes import Notes, read_notes
from callctl.replay.notes_schema import DifferenceKind
from callctl.replay.replay import replay
from callctl.replay.shrink import NoDifference, shrink
from callctl.replay.write import kept_of
from helpers.replayed import recorded, with_parameters


def notes_of(name: str, **parameters: int) -> Notes:
    files = Path(f"{name}.notes.yaml"), Path(f"{name}.pcapng")
    return Notes(files[0], recorded(name).file, files[1], with_parameters(name, **parameters))


def test_late_ringing_needs_only_the_call_and_the_phone_that_is_waited_for(tmp_path: Path) -> None:
    told: list[str] = []
    notes = notes_of("nobody_wakes", ring_back_s=6)
    shrunk = shrink(notes, recorded("nobody_wakes").recording(), told=told.append)
    assert (shrunk.difference.kind, shrunk.difference.message) == (
        DifferenceKind.LATE,
        "180 (INVITE)",
    )
    titles = [message.title for message in shrunk.recording.messages]
    assert titles == ["INVITE", "100 (INVITE)", "180 (INVITE)", "480 (INVITE)", "ACK"]
    assert [signed.device for signed in shrunk.file.sign_ins] == ["TCT2001"]
    assert shrunk.file.pushes is None
    path = kept_of(shrunk.recording, shrunk.file, notes.cluster).write(tmp_path, "least")
    [late] = replay(read_notes(path))[2].open  # and the cloud is not to blame for anything
    assert (late.kind, late.message) == (DifferenceKind.LATE, "180 (INVITE)")
    assert told == [
        "1 of 3 calls and registrations, 8 messages",
        "1 of 2 requests of these, 5 messages",
    ]


def test_capture_that_plays_as_recorded_cannot_be_shrunk() -> None:
    with pytest.raises(NoDifference):
        shrink(notes_of("gives_up"), recorded("gives_up").recording())


def test_what_is_left_can_be_written_and_differs_in_the_same_way(tmp_path: Path) -> None:
    notes = notes_of("nobody_wakes", drop_s=15)
    shrunk = shrink(notes, recorded("nobody_wakes").recording())
    path = kept_of(shrunk.recording, shrunk.file, notes.cluster).write(tmp_path, "least")
    found = [(it.kind, it.message) for it in replay(read_notes(path))[2].open]
    assert (shrunk.difference.kind, shrunk.difference.message) in found


def test_number_of_plays_is_bounded() -> None:
    notes = notes_of("nobody_wakes", ring_back_s=6)
    shrunk = shrink(notes, recorded("nobody_wakes").recording(), plays_max=3)
    assert shrunk.plays == 3
    assert len(shrunk.recording.messages) > 5
