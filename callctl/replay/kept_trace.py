"""A trace of a running cluster, as a capture that can be replayed."""

from __future__ import annotations

from pathlib import Path

from callctl.capture.captured import CaptureRead
from callctl.model.cluster import Cluster
from callctl.replay.from_capture import recording_of
from callctl.replay.happened import Beginning, Happened, notes_of
from callctl.replay.notes import SUFFIX, Notes
from callctl.replay.notes_schema import NotesFile
from callctl.replay.parties import parties_of
from callctl.replay.write import Kept, kept_of


class NothingSaid(Exception):
    """There is no message in it."""


def kept_trace(
    read: CaptureRead,
    begun: Beginning,
    happened: Happened,
    cluster: Cluster,
    *,
    title: str = "",
    origin: str = "",
) -> Kept:
    """What is written of it. Raises: NothingSaid."""
    provisional = NotesFile(parties=parties_of(read.messages, cluster))
    nowhere = Path(f"trace{SUFFIX}")
    recording = recording_of(read, Notes(nowhere, provisional, nowhere, cluster))
    if not recording.messages:
        raise NothingSaid("nobody outside said anything while it was recorded")
    zero = recording.unix_ns_at_zero
    file = notes_of(
        begun, happened, read.messages, cluster, zero, read.notes, title=title, origin=origin
    )
    return kept_of(recording, file, cluster)
