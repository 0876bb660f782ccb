"""`callctl replay anonymise`: a capture without what is personal in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def anonymise(
    notes: Annotated[Path, Parameter(help="Notes of the capture: NAME.notes.yaml.")],
    /,
    into: Annotated[Path, Parameter(help="Directory for the three files.")],
    *,
    key: Annotated[
        Path | None,
        Parameter(help="File with 32 octets: captures with the same key get the same names."),
    ] = None,
) -> int:
    """Write capture, notes and cluster anew with other names, numbers, addresses and tokens.

    The same name stands for the same person everywhere; without the key nobody gets back. Bodies
    that are no SDP are blotted out. Nothing is written if something personal would be left.
    """
    from callctl.capture.captured import CaptureError
    from callctl.cli.errors import Refused, Usage
    from callctl.cli.output import print_line
    from callctl.errors import ConfigError
    from callctl.replay.anonymise_files import NotAnonymous, anonymise_files
    from callctl.replay.notes import read_notes
    from callctl.replay.replay import read
    from sipstack.io.entropy import OsEntropy

    try:
        secret = OsEntropy().octets(KEY_OCTETS) if key is None else key.read_bytes()
        if len(secret) != KEY_OCTETS:
            raise Usage(f"{key} has {len(secret)} octets, not {KEY_OCTETS}")
        found = read_notes(notes)
        path = anonymise_files(found, read(found), into, secret)
    except NotAnonymous as error:
        raise Refused(str(error)) from error
    except (ConfigError, CaptureError, ValueError) as error:
        raise Usage(str(error)) from error
    except OSError as error:
        raise Usage(f"{error.filename or into}: {error.strerror or error}") from error
    print_line(str(path))
    return 0


KEY_OCTETS = 32
