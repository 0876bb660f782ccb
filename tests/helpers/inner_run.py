"""Runs of pytest inside a test, with our plugins: how the plugins themselves are tested."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

TESTS: Final = Path(__file__).parent.parent

INI: Final = f"""
[pytest]
pythonpath = {TESTS}
addopts = --strict-markers --strict-config
markers =
    req(*ids): requirements
    needs(*programs): programs
"""

PLUGINS: Final = 'pytest_plugins = ("plugins.requirements", "plugins.seed", "plugins.real_client")'

LIST: Final = '[CMG]\ntitle = "groups"\nids = ["CMG-01", "CMG-02", "CMG-03", "CMG-04"]\n'


def make_suite(pytester: pytest.Pytester) -> None:
    """An empty project with our plugins and a list of four requirements."""
    pytester.makeini(INI)
    pytester.makeconftest(PLUGINS)
    pytester.path.joinpath("list.toml").write_text(LIST)


def run(suite: pytest.Pytester, *options: str) -> pytest.RunResult:
    return suite.runpytest_subprocess(
        "-p", "no:cacheprovider", "--requirements-list=list.toml", *options
    )
