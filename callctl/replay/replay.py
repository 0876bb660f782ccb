"""One capture with its notes, played in virtual time and judged."""

from __future__ import annotations

from callctl.capture.captured import CaptureError, CaptureRead
from callctl.capture.read import read_capture
from callctl.replay.from_capture import recording_of
from callctl.replay.judge import Verdict, judge
from callctl.replay.live import Played
from callctl.replay.notes import Notes
from callctl.replay.script import Script, script_of
from callctl.replay.virtual import VirtualStage
from callctl.sim.node_factory import NodeFactory


def replay(
    notes: Notes, *, seed: int = 1, factory: NodeFactory | None = None, truncated: bool = False
) -> tuple[Script, Played, Verdict]:
    """Read, play and judge. `truncated`: what there is of a capture that is cut short will do.

    Raises: CaptureError.
    """
    script = script_of(recording_of(read(notes, truncated=truncated), notes), notes.file)
    played = VirtualStage(notes, script, seed=seed, factory=factory).run()
    return script, played, judge(script, played, notes.file, inserted=notes.inserted)


def read(notes: Notes, *, truncated: bool = False) -> CaptureRead:
    """The capture of the notes. Raises: CaptureError."""
    try:
        return read_capture(notes.capture, key_log=notes.key_log)
    except CaptureError as error:
        if not truncated or error.read is None:
            raise
        return error.read
