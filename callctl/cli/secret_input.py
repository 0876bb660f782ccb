"""A secret from standard input or a file: never from an argument, which others can read."""

from __future__ import annotations

import sys
from getpass import getpass
from pathlib import Path
from typing import Final

from callctl.cli.errors import Usage

STDIN: Final = "-"
OCTETS_MAX: Final = 65_536


def read_secret(source: str, what: str) -> str:
    """The first line of standard input (`-`) or of a file; asked for, unseen, at a terminal.

    Raises: Usage if there is none.
    """
    if source == STDIN:
        asked = sys.stdin.isatty()
        text = getpass(f"{what} (not shown): ") if asked else sys.stdin.readline(OCTETS_MAX)
    else:
        try:
            with Path(source).open(encoding="utf-8") as file:
                text = file.readline(OCTETS_MAX)
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not text"
            raise Usage(f"{source} cannot be read: {why}") from error
    if not text.strip():
        raise Usage(f"{what}: nothing came from {'standard input' if source == STDIN else source}")
    return text.strip()
