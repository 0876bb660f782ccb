"""What one test run says about the requirements, kept as JSON between the run and the report.

The record carries a fingerprint of the sources it is about, so that nobody reads the result of
one state of the code as the result of another.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent.parent
RECORD: Final = ROOT / "build" / "requirements.json"
FINGERPRINTED: Final = ("sipstack", "callctl", "tests", "bench", "pyproject.toml")


@dataclass(slots=True)
class Record:
    """Tests by requirement id and outcome: {"CMG-01": {"passed": ["tests/..."]}}."""

    fingerprint: str = ""
    tests_run: int = 0
    outcomes: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def add(self, requirement: str, outcome: str, test: str) -> None:
        self.outcomes.setdefault(requirement, {}).setdefault(outcome, []).append(test)

    def tests(self, requirement: str, outcome: str) -> list[str]:
        return self.outcomes.get(requirement, {}).get(outcome, [])

    def proves(self, requirement: str) -> bool:
        """At least one test passed and none failed."""
        return bool(self.tests(requirement, "passed")) and not self.tests(requirement, "failed")

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        for by_outcome in self.outcomes.values():
            for tests in by_outcome.values():
                tests.sort()
        path.write_text(json.dumps(asdict(self), indent=1, sort_keys=True) + "\n")


def read_record(path: Path = RECORD) -> Record | None:
    """The record of the last full run, None if there was none."""
    if not path.exists():
        return None
    return Record(**json.loads(path.read_text()))


def fingerprint(root: Path = ROOT, names: Iterable[str] = FINGERPRINTED) -> str:
    """One digest over every source file, by path and content."""
    digest = sha256()
    for name in names:
        top = root / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(root)}\0{path.stat().st_size}\0".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()
