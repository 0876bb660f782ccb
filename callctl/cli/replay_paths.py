"""From what is named on the command line to captures and their notes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from callctl.cli.errors import Usage
from callctl.replay.notes import CAPTURE_SUFFIXES, SUFFIX

LEARN: Final = "callctl replay learn writes them"


def notes_beside(path: Path) -> Path:
    """The notes of a capture, which may be named by either. They need not be there.

    Raises: Usage if there is no such file.
    """
    if not path.is_file():
        raise Usage(f"{path} is not a file")
    if path.name.endswith(SUFFIX):
        return path
    name = path.name
    for suffix in CAPTURE_SUFFIXES:
        name = name.removesuffix(suffix)
    return path.with_name(f"{name}{SUFFIX}")


def all_notes(paths: Iterable[Path]) -> list[Path]:
    """The notes of captures and of whole folders, each once, in the order they are named.

    Raises: Usage for what is not there, and for a folder or a capture without notes.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        if path.is_dir():
            inside = sorted(path.glob(f"*{SUFFIX}"))
            if not inside:
                raise Usage(f"{path} has no *{SUFFIX} in it{_hint(path)}")
        else:
            inside = [notes_beside(path)]
            if not inside[0].is_file():
                what = f"its notes, {inside[0]}, are not there"
                raise Usage(f"{path} cannot be played: {what} ({LEARN})")
        for notes in inside:
            found.setdefault(notes.resolve(), notes)
    return list(found.values())


def _hint(folder: Path) -> str:
    captures = any(it.suffix in CAPTURE_SUFFIXES for it in folder.iterdir())
    return f" ({LEARN})" if captures else ""
