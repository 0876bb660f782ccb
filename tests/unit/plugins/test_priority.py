"""Priorities of tests, seen from inside them."""

from __future__ import annotations

import os
import re

import pytest

from helpers.inner_run import run
from plugins.priority import LOWER, may_come_back

SHOWS = "import os\ndef test_it(): print('at', os.getpriority(os.PRIO_PROCESS, 0))"


@pytest.mark.skipif(not may_come_back(), reason="this user may not raise a priority")
def test_only_what_computes_runs_at_a_lower_priority_and_what_follows_does_not(
    suite: pytest.Pytester,
) -> None:
    suite.makeconftest('pytest_plugins = ("plugins.requirements", "plugins.priority")')
    for folder in ("interop", "shell", "simulation", "unit"):
        where = suite.path / "tests" / folder
        where.mkdir(parents=True)
        where.joinpath(f"test_{folder}.py").write_text(SHOWS)
    was = os.getpriority(os.PRIO_PROCESS, 0)
    result = run(suite, "-s", "-q", "tests")
    seen = [int(n) - was for n in re.findall(r"at (\d+)", result.stdout.str())]
    assert seen == [0, 0, LOWER, LOWER]
