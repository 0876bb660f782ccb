"""Runs of pytest inside a test with the test kit, whether or not its entry point is installed."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from callctl.testing import live, virtual

WORLDS: Final = (live, virtual)
"""Imported here: runs in this process forget what they import, and cryptography bears no second
time."""

LOOPS: Final = ("stock", "uvloop") if find_spec("uvloop") else ("stock",)
"""The event loops that there are."""

PLUGIN: Final = "callctl.testing.plugin"

INI: Final = """
[pytest]
addopts = --strict-markers --strict-config
filterwarnings = error
"""


PAGE: Final = Path(__file__).parents[2] / "docs" / "testing.md"

BLOCK: Final = re.compile(r"^### (\d+)\. |^```(python|yaml)(?: (\S+))?\n(.*?)^```$", re.M | re.S)

TYPES: Final = {
    "after": "float",
    "caller": "DeskPhone",
    "clock": "Clock",
    "cloud": "Cloud",
    "cluster": "Cluster",
    "ladder": "Ladder",
    "lost": "str",
    "network": "Network",
    "phone": "MobilePhone",
    "tmp_path": "Path",
}
"""Of what the recipes ask for."""

IMPORTS: Final = """\
from pathlib import Path

from callctl.testing import Clock, Cloud, Cluster, DeskPhone, Ladder, MobilePhone, Network
"""


def plugin_options() -> tuple[str, ...]:
    """What has to be said so that the plugin is loaded."""
    installed = any(each.value == PLUGIN for each in entry_points(group="pytest11"))
    return () if installed else ("-p", PLUGIN)


def run_kit(suite: pytest.Pytester, *options: str) -> pytest.RunResult:
    """Run the tests of a suite in this process."""
    if not suite.path.joinpath("tox.ini").exists():
        suite.makeini(INI)
    return suite.runpytest_inprocess(*plugin_options(), "-p", "no:cacheprovider", *options)


def run_tests(suite: pytest.Pytester, tests: str, *options: str) -> pytest.RunResult:
    """Write a file of tests, and run it."""
    suite.makepyfile(tests)
    return run_kit(suite, *options)


def recipes() -> dict[str, str]:
    """The code of the cookbook by the name of the file that each block is; 00: the first test."""
    number, found = 0, {}
    for block in BLOCK.finditer(PAGE.read_text("utf-8")):
        heading, language, name, text = block.groups()
        if heading:
            number = int(heading)
        else:
            found[name or f"test_recipe_{number:02}.py"] = text
        assert heading or (language == "python") is (name is None), text
    return found


def annotated(recipe: str) -> str:
    """A recipe with the types that the page leaves out."""

    def typed(match: re.Match[str]) -> str:
        names = [name.strip() for name in match[2].split(",") if name.strip()]
        arguments = ", ".join(f"{name}: {TYPES[name]}" for name in names)
        result = "None" if names else "str"
        return f"{match[1]}({arguments}) -> {result}:"

    return IMPORTS + re.sub(r"^((?:async )?def \w+)\(([^)]*)\):", typed, recipe, flags=re.M)
