"""pytest plugin: looks for secrets and people in everything the product leaves behind in a run.

Logs, metrics, captured output, files that the product wrote, and arguments of processes. Source:
reliability goal P6; TRB, "secrets and personal data masked everywhere".
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

import prometheus_client
import pytest
from prometheus_client import exposition

from callctl.cloud import record
from callctl.cloud.record import PushLog
from callctl.push import envelope
from plugins.known_data import KnownData, after, distinct, watch
from plugins.run_findings import RunFindings

ROOT: Final = Path(__file__).resolve().parents[2]
FILE_MAX: Final = 8 << 20  # octets of a file that are looked at
FRAMES_MAX: Final = 12  # above an `open`, in which the product is looked for
NUMBER_LEAST: Final = 7  # digits; shorter numbers are ports, counts and times as well

ALLOWED_FILES: Final = {
    "admin.token": "the token of the admin API: made to be read there",
    "onboarding.json": "what onboarding keeps: voucher, refresh token, password of the proxy",
    "machineaccountdetails.db*": "the refresh token on each node, where the repair finds it",
    "management-agent.json": "the support token, which only the cluster may show",
}
"""Files of a state directory that hold a secret because that is what they are for.

Each is for its owner alone: the sweep looks at its mode instead of its content.
"""
FOR_OTHERS: Final = 0o077  # bits of a mode that let anybody but the owner in

ON_PURPOSE: Final = (
    "tests/shell/test_node_database.py::test_file_that_others_can_read",
    "tests/unit/callctl/io/test_state_dir.py::test_token_that_others_can_read",
    "tests/unit/callctl/onboarding/test_snapshot.py::test_file_is_its_owners_alone",
)
"""Tests, by the start of their name, that let others read such a file, to see it refused."""

ALLOWED_PROGRAMS: Final = {
    "sipp": "takes the password of its scenario from its command line alone",
    "openssl": "makes keys for a test",
}
"""Foreign programs that tests start, and that have no other way to be told a secret."""

_watching: SecretSweep | None = None


class SecretSweep(RunFindings):
    """Looks on while the tests run."""

    name = "secret_sweep"
    title = "sweep for secrets and personal data"

    def __init__(self, config: pytest.Config) -> None:
        global _watching
        super().__init__(config)
        self._known = KnownData()
        self._test = ""
        self._found: list[str] = []
        self._looked = {"log lines": 0, "metrics": 0, "outputs": 0, "files": 0, "processes": 0}
        self._files: set[str] = set()
        self._chained = (record.on_request, envelope.on_seal)
        record.on_request = self._received
        envelope.on_seal = self._sealed
        self._undo = [watch(self._known), after(logging.Logger, "callHandlers", self._logged)]
        self._undo += [_after_generate(module, self._exposed) for module in _METRICS]
        if _watching is None:
            sys.addaudithook(_audit)
        _watching = self

    def stop(self) -> None:
        global _watching
        _watching = None
        record.on_request, envelope.on_seal = self._chained
        for undo in self._undo:
            undo()

    def told(self) -> dict[str, Any]:
        return {"found": self._found, "looked": self._looked}

    def judged(self, told: list[dict[str, Any]]) -> tuple[list[str], str]:
        found = [finding for each in told for finding in each["found"]]
        looked = {name: sum(each["looked"][name] for each in told) for name in self._looked}
        return distinct(found), ", ".join(f"{count} {name}" for name, count in looked.items())

    # Of pytest.

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._test = nodeid

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Iterator[None]:
        self.look_at_files()  # before a fixture takes them away
        result = yield
        self.look_at_files()
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "teardown":  # it has those of the whole test
            return
        for title, text in report.sections:
            if title.startswith("Captured std"):
                self._looked["outputs"] += 1
                self._look(f"{title.split()[1]} of the test", text, personal=False)

    # Looking.

    def look_at_files(self) -> None:
        """All that the product has written since the last time."""
        files, self._files = self._files, set()
        for name in sorted(files):
            path = Path(name)
            if not path.is_file():  # a pipe would make us wait for its other end
                continue
            try:
                with path.open("rb") as file:
                    mode = os.fstat(file.fileno()).st_mode
                    text = file.read(FILE_MAX).decode("latin-1")
            except OSError:
                continue  # it was for a moment only
            self._looked["files"] += 1
            if any(fnmatch(path.name, allowed) for allowed in ALLOWED_FILES):
                if mode & FOR_OTHERS and not self._test.startswith(ON_PURPOSE):
                    self._tell(f"the file {path.name}", "a mode that lets others read")
                continue
            self._look(f"the file {path.name}", text, personal=False)

    def wrote(self, path: str) -> None:
        """The product has opened a file to write."""
        self._files.add(path)

    def renamed(self, old: str, new: str) -> None:
        """A file has another name, which is how one is put in place whole."""
        if old in self._files:
            self._files.add(new)

    def started(self, arguments: list[str]) -> None:
        """A process has been started."""
        self._looked["processes"] += 1
        program = Path(arguments[0]).name if arguments else ""
        if program not in ALLOWED_PROGRAMS:
            self._look(f"arguments of {program}", "\n".join(arguments), personal=False)

    def _logged(self, _: None, logger: logging.Logger, entry: logging.LogRecord) -> None:
        self._looked["log lines"] += 1
        try:
            text = entry.getMessage()
        except Exception:
            text = f"{entry.msg} {entry.args}"
        if entry.exc_info and entry.exc_info[1] is not None:
            text = f"{text}\n{entry.exc_info[1]!r}"
        self._look(f"the log of {logger.name}", text, personal=True)

    def _exposed(self, octets: bytes) -> None:
        self._looked["metrics"] += 1
        self._look("metrics", octets.decode("utf-8", "replace"), personal=True)

    def _look(self, where: str, text: str, *, personal: bool) -> None:
        for what in self._known.secrets_in(text):
            self._tell(where, what)
        if personal:
            for name in self._known.names_in(text):
                if len(name) > 3 and name not in COMMON_NAMES:
                    self._tell(where, f"a name ({name[:2]}..., {len(name)} characters)")
            for number in self._known.numbers_in(text, least=NUMBER_LEAST):
                self._tell(where, f"a number ({number[:2]}..., {len(number)} digits)")

    def _tell(self, where: str, what: str) -> None:
        self._found.append(f"{self._test or 'before the first test'}: {what} in {where}")

    # Learning, where another scan looks already.

    def _received(self, log: PushLog, request: Any) -> None:  # noqa: ANN401
        if self._chained[0] is not None:
            self._chained[0](log, request)
        self._known.learn_request(request)

    def _sealed(self, content: bytes, key: bytes, iv: bytes) -> None:
        if self._chained[1] is not None:
            self._chained[1](content, key, iv)
        self._known.learn_content(content)
        self._known.learn_key(key)


COMMON_NAMES: Final = frozenset({"phone", "desk", "lobby", "sales", "reception"})
"""Names in test clusters that are words of a log line as well."""

_METRICS: Final = (prometheus_client, exposition)


def _after_generate(module: Any, look: Callable[[bytes], None]) -> Callable[[], None]:  # noqa: ANN401
    """Let `look` see each text that the module makes of metrics."""
    made = module.generate_latest

    def watched(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        octets = made(*arguments, **named)
        look(octets)
        return octets

    module.generate_latest = watched

    def undo() -> None:
        module.generate_latest = made

    return undo


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    """Of the interpreter: sees every file that is opened and every process that is started."""
    if _watching is None:
        return
    if event == "open":
        path, _, flags = arguments
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)
        if writes and isinstance(path, str | os.PathLike) and _product_is_at_work():
            _watching.wrote(os.path.abspath(os.fspath(path)))
    elif event == "os.rename":
        _watching.renamed(*(os.path.abspath(os.fspath(path)) for path in arguments[:2]))
    elif event == "subprocess.Popen":
        _watching.started(_texts(arguments[1]))


def _texts(arguments: object) -> list[str]:
    if isinstance(arguments, str | bytes | os.PathLike):
        arguments = [arguments]
    listed: Iterable[object] = arguments if isinstance(arguments, list | tuple) else ()
    return [os.fsdecode(each) for each in listed if isinstance(each, str | bytes | os.PathLike)]


def _product_is_at_work() -> bool:
    """True if a file of the product has called for it."""
    frame = sys._getframe(2)
    for _ in range(FRAMES_MAX):
        if frame.f_code.co_filename.startswith(_PRODUCT):
            return True
        if frame.f_back is None:
            return False
        frame = frame.f_back
    return False


_PRODUCT: Final = (f"{ROOT}{os.sep}callctl{os.sep}", f"{ROOT}{os.sep}sipstack{os.sep}")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(SecretSweep(config), "secret-sweep")
