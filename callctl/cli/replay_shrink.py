"""`callctl replay shrink`: the least of a capture that still differs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def shrink(
    notes: Annotated[Path, Parameter(help="Notes of the capture: NAME.notes.yaml.")],
    /,
    into: Annotated[Path, Parameter(help="Directory for the three files.")],
    *,
    seed: Annotated[int, Parameter(help="Of tags, branches and nonces.")] = 1,
    plays: Annotated[int, Parameter(help="Play it at most so often.")] = 400,
) -> int:
    """Cut a capture that plays otherwise than recorded down to the least that still does.

    Exits with 2 if it plays as it was recorded.
    """
    from callctl.capture.captured import CaptureError
    from callctl.cli.errors import Usage
    from callctl.cli.output import print_line
    from callctl.errors import ConfigError
    from callctl.replay.from_capture import recording_of
    from callctl.replay.notes import read_notes
    from callctl.replay.replay import read
    from callctl.replay.shrink import NoDifference
    from callctl.replay.shrink import shrink as least
    from callctl.replay.write import kept_of

    try:
        found = read_notes(notes)
        recording = recording_of(read(found), found)
        shrunk = least(found, recording, seed=seed, plays_max=plays, told=print_line)
        kept = kept_of(shrunk.recording, shrunk.file, found.cluster)
        path = kept.write(into, found.name)
    except (ConfigError, CaptureError, NoDifference, ValueError) as error:
        raise Usage(str(error)) from error
    except OSError as error:
        raise Usage(f"{error.filename or into}: {error.strerror or error}") from error
    print_line(f"{shrunk.difference}")
    print_line(str(path))
    return 0
