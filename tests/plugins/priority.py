"""pytest plugin: tests that only compute leave the processor to those that talk over sockets.

A test over sockets has timers of the real clock. While others compute beside it, in the processes
of xdist, it would wait for its turn longer than the peer it plays with is patient. So the others
run at a lower priority, where a process may come back from one: root may, others may not.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from functools import cache
from pathlib import Path
from subprocess import run
from typing import Final

import pytest

COMPUTE: Final = ("unit", "simulation", "property", "pair")
"""Folders of tests in which nobody waits for the clock of this machine."""

LOWER: Final = 9  # a seventh of the weight

_DOWN_AND_UP: Final = f"""
import os
was = os.getpriority(os.PRIO_PROCESS, 0)
os.setpriority(os.PRIO_PROCESS, 0, was + {LOWER})
os.setpriority(os.PRIO_PROCESS, 0, was)
"""


@cache
def may_come_back() -> bool:
    """True if a process that lowered its priority may raise it again, tried in a process apart."""
    return run([sys.executable, "-c", _DOWN_AND_UP], capture_output=True).returncode == 0


def only_computes(path: Path, tests: Path) -> bool:
    """True for a test file of a folder in which nobody waits."""
    return path.is_relative_to(tests) and path.relative_to(tests).parts[0] in COMPUTE


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    if not only_computes(item.path, item.config.rootpath / "tests") or not may_come_back():
        return (yield)
    was = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, was + LOWER)
    try:
        return (yield)
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, was)
