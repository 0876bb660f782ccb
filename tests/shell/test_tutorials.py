"""The tutorials of docs/: every command is run, and prints what its page shows."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import Final

import pytest

from helpers.testing_kit import plugin_options
from helpers.tutorial import run_tutorial

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
TUTORIALS: Final = ("tutorial-failover.md", "tutorial-replay.md", "tutorial-simulators.md")

OURS: Final = ("PYTEST_", "CALLCTL_", "COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR")
"""Variables, by the start of their names, that a reader's terminal does not hand to programs."""

LINK: Final = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def environment(state: Path) -> dict[str, str]:
    """Of a reader who has activated the environment that this runs in. `state`: for clusters."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    found = {**kept, "PATH": path, "XDG_STATE_HOME": str(state)}
    if plugin_options():  # not installed since it has the entry point
        found["PYTEST_PLUGINS"] = plugin_options()[1]
    return found


@pytest.mark.parametrize("name", TUTORIALS)
def test_every_command_prints_what_the_page_shows(name: str, tmp_path: Path) -> None:
    variables = environment(tmp_path / "state")
    assert shutil.which("callctl", path=variables["PATH"].partition(os.pathsep)[0])
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "pcaps").symlink_to(ROOT / "pcaps")  # as in a clone
    run_tutorial(DOCS / name, directory, variables)


def test_no_tutorial_is_left_out() -> None:
    assert sorted(page.name for page in DOCS.glob("tutorial-*.md")) == list(TUTORIALS)


@pytest.mark.parametrize("name", TUTORIALS)
def test_every_link_of_the_page_leads_somewhere(name: str) -> None:
    links = LINK.findall((DOCS / name).read_text("utf-8"))
    assert links
    assert [link for link in links if not (DOCS / link).exists()] == []
