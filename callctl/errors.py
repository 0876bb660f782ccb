"""The administrator's mistakes: found in files, reported all together, each with its place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake in a file: where it is, what is wrong, and what would be right."""

    file: str
    line: int | None  # from 1; None if the mistake has no line, as in a file that cannot be read
    key: str  # "devices.TCTALICE.owner"; the column in a bulk file; "" for the file as a whole
    problem: str
    expected: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        subject = f"{self.key}: " if self.key else ""
        return f"{place}: {subject}{self.problem}; expected {self.expected}"


class ConfigError(ValueError):
    """A cluster file, or a file that it names, cannot be used. Holds every mistake found."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__("\n".join(map(str, findings)))
        self.findings = findings
