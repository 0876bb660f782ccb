"""What a plugin finds in one run of tests, put together from all workers of xdist and judged once.

Each process writes its findings into a directory that they share; the controller reads them when
all workers are done, prints them, and makes the run fail.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from shutil import rmtree
from typing import Any, Final

import pytest

SHOWN_MAX: Final = 40


class RunFindings:
    """Of one plugin, `name`; a subclass says what it has to tell, and judges what all have told."""

    name = ""
    title = ""

    def __init__(self, config: pytest.Config) -> None:
        worker = getattr(config, "workerinput", None)
        self.is_worker = worker is not None
        key = f"{self.name}_directory"
        made = tempfile.mkdtemp(prefix=f"{self.name}-") if worker is None else worker[key]
        self.directory = Path(made)
        self._key = key
        self.findings: list[str] = []
        self.summary = ""

    def told(self) -> dict[str, Any]:
        """What this process has found, as JSON."""
        raise NotImplementedError

    def judged(self, told: list[dict[str, Any]]) -> tuple[list[str], str]:
        """The findings of all, and one line about what was looked at."""
        raise NotImplementedError

    def stop(self) -> None:
        """Look no more."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:  # noqa: ANN401  (of xdist, perhaps absent)
        node.workerinput[self._key] = str(self.directory)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self.stop()
        file = self.directory / f"{os.getpid()}.json"
        file.write_text(json.dumps(self.told()), "utf-8")
        if self.is_worker:
            return
        told = [json.loads(each.read_text("utf-8")) for each in sorted(self.directory.glob("*"))]
        rmtree(self.directory)
        self.findings, self.summary = self.judged(told)
        if self.findings and session.exitstatus in (
            pytest.ExitCode.OK,
            pytest.ExitCode.NO_TESTS_COLLECTED,
        ):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.is_worker:
            return
        if not self.findings:
            terminalreporter.write_line(f"{self.title}: nothing found ({self.summary})")
            return
        terminalreporter.section(f"{self.title}: {len(self.findings)} found", red=True)
        for finding in self.findings[:SHOWN_MAX]:
            terminalreporter.write_line(finding)
        if len(self.findings) > SHOWN_MAX:
            terminalreporter.write_line(f"... and {len(self.findings) - SHOWN_MAX} more")
        terminalreporter.write_line(self.summary)
