"""What a failed test leaves behind: the ladder, the stories of its calls, a capture, its seed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from callctl.testing.play import Play

DIRECTORY: Final = ".callctl"  # below the root of the tests
NAME_MAX: Final = 120  # characters of a file name
GITIGNORE: Final = "# Made by callctl.testing: captures and ladders of tests that failed.\n*\n"


def sections(play: Play, nodeid: str, directory: Path) -> list[tuple[str, str]]:
    """Title and text of each section of a report. Writes the files, too."""
    told = [("callctl ladder", str(play.ladder))]
    if play.explained:
        told.append(("callctl explain", "\n\n".join(play.explained)))
    told.append(("callctl", "\n".join((_saved(play, nodeid, directory), _seed(play, nodeid)))))
    return told


def _saved(play: Play, nodeid: str, directory: Path) -> str:
    name = re.sub(r"[^A-Za-z0-9._=-]+", "-", nodeid.replace("::", "."))[-NAME_MAX:].strip("-")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        ignored = directory / ".gitignore"
        if directory.name == DIRECTORY and not ignored.exists():
            ignored.write_text(GITIGNORE, "utf-8")
        pcapng = play.ladder.save_pcapng(directory / f"{name}.pcapng")
        ladder = play.ladder.save_text(directory / f"{name}.txt")
    except OSError as error:
        return f"capture and ladder could not be saved: {error}"
    return f"capture: {pcapng}\nladder:  {ladder}"


def _seed(play: Play, nodeid: str) -> str:
    if play.theatre.live:
        return "live: real sockets and real time, so no seed repeats it"
    return f"seed {play.plan.seed}; to repeat: pytest --callctl-seed {play.plan.seed} '{nodeid}'"
