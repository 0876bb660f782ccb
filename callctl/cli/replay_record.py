"""`callctl replay record`: a capture with notes, of a story."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def record(
    into: Annotated[Path, Parameter(help="Directory for capture, notes and cluster.")],
    /,
    *,
    story: Annotated[
        tuple[str, ...],
        Parameter(
            help="Story to record, once for each; without any, all of them.",
            consume_multiple=False,
        ),
    ] = (),
) -> int:
    """Play stories in the simulated world and write what the nodes saw, to be replayed."""
    from callctl.cli.errors import Usage
    from callctl.cli.output import print_line
    from callctl.replay.story import record_story
    from callctl.sim.stories import STORIES

    unknown = [name for name in story if name not in STORIES]
    if unknown:
        raise Usage(f"there is no story {unknown[0]!r}: {', '.join(STORIES)}")
    try:
        into.mkdir(parents=True, exist_ok=True)
        for name in story or STORIES:
            print_line(str(record_story(name).write(into)))
    except OSError as error:
        raise Usage(f"{error.filename or into}: {error.strerror or error}") from error
    return 0
