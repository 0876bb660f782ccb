"""pytest plugin: `@pytest.mark.req("CALL-05")` is checked, and its outcome recorded.

- An id that the list does not have is an error at collection.
- A full run (no selection of tests) leaves its record in build/requirements.json, which
  `make trace` reads; `--requirements-record PATH` writes one after any run.
- Under xdist the ids travel to the controller in `user_properties`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from plugins.requirement_list import LIST, known_ids, load_groups
from plugins.requirement_record import RECORD, Record, fingerprint

PROPERTY: Final = "req"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("requirements")
    group.addoption("--requirements-list", type=Path, default=LIST, help="ids a test may cite")
    group.addoption("--requirements-record", type=Path, help="write the record of this run here")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(config), "requirement-recorder")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    known = known_ids(load_groups(config.getoption("--requirements-list")))
    unknown: list[str] = []
    for item in items:
        for marker in item.iter_markers("req"):
            for requirement in marker.args:
                item.user_properties.append((PROPERTY, requirement))
                if requirement not in known:
                    unknown.append(f"{item.nodeid}: no requirement is called {requirement!r}")
    if unknown:
        raise pytest.UsageError("\n".join(unknown))


class Recorder:
    """Collects the outcome of each test; lives in the controller, which sees every report."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._fingerprint = fingerprint()  # before the run: an edit meanwhile makes it stale
        self._outcomes: dict[str, str] = {}
        self._cited: dict[str, set[str]] = {}
        self._deselected = False

    def pytest_deselected(self) -> None:
        self._deselected = True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        ids = {str(value) for name, value in report.user_properties if name == PROPERTY}
        self._cited.setdefault(report.nodeid, set()).update(ids)
        before = self._outcomes.get(report.nodeid)
        if report.failed or before is None or (report.skipped and before == "passed"):
            self._outcomes[report.nodeid] = report.outcome

    def pytest_sessionfinish(self, exitstatus: int | pytest.ExitCode) -> None:
        record = Record(self._fingerprint, len(self._outcomes))
        for test, outcome in self._outcomes.items():
            for requirement in self._cited[test]:
                record.add(requirement, outcome, test)
        if path := self._config.getoption("--requirements-record"):
            record.write(path)
        elif self._is_full_run(exitstatus):
            record.write(RECORD)

    def _is_full_run(self, exitstatus: int | pytest.ExitCode) -> bool:
        """True if every test of the project ran, whatever came of it."""
        option = self._config.option
        ended = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        narrowed = option.keyword or option.markexpr or option.maxfail or self._deselected
        cache = getattr(option, "lf", False) or getattr(option, "collectonly", False)
        whole = self._config.args_source is pytest.Config.ArgsSource.TESTPATHS
        home = self._config.rootpath == Path(__file__).parent.parent.parent
        return bool(ended and whole and home and not narrowed and not cache)
