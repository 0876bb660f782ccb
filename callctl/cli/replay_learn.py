"""`callctl replay learn`: notes for a capture from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def learn(
    capture: Path,
    /,
    *,
    into: Annotated[
        Path | None, Parameter(help="Directory for notes and cluster; else that of the capture.")
    ] = None,
    sut: Annotated[
        tuple[str, ...],
        Parameter(
            help="Address under test, with or without port; once for each node. Else found out.",
            consume_multiple=False,
        ),
    ] = (),
    key_log: Annotated[Path | None, Parameter(help="TLS secrets (SSLKEYLOGFILE).")] = None,
    force: Annotated[bool, Parameter(negative="", help="Write over what is there.")] = False,
) -> int:
    """Find out who is who in a capture, and write notes and a cluster that fit it.

    Then the capture is played once: each difference stands in the notes, to be explained. Where
    nobody in it looks like a server, the engine is put between the parties.
    """
    from callctl.capture.captured import CaptureError
    from callctl.capture.read import read_capture
    from callctl.cli.errors import Usage
    from callctl.cli.output import print_line
    from callctl.errors import ConfigError
    from callctl.replay.learn import NothingToPlay
    from callctl.replay.learn_files import learn_files

    directory = into or capture.parent
    try:
        read = read_capture(capture, key_log=key_log)
        found = learn_files(read, capture, directory, sut, force=force)
    except (CaptureError, NothingToPlay, ConfigError, FileExistsError) as error:
        raise Usage(
            f"{capture}: {error}" if isinstance(error, NothingToPlay) else str(error)
        ) from error
    except OSError as error:
        raise Usage(f"{error.filename or directory}: {error.strerror or error}") from error
    for line in found.lines():
        print_line(line)
    return 0
