"""What came of a number of runs, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from callctl.sim import coverage as covered
from callctl.sim.runner import Verdict
from callctl.sim.shrink import Shrunk
from callctl.sim.watch import Violation
from sipstack.timing import SECOND

SHOWN_MAX: Final = 20  # failed seeds that are told in full
KEPT_MAX: Final = 1_000  # failed seeds that are kept at all

HOUR_S: Final = 3_600

NAMED: Final = {
    "push incoming": "ring pushes",
    "push missed": "missed pushes",
    "push answeredElsewhere": "elsewhere pushes",
    "phone AppWoken": "phones woken",
    "phone CallAnswered": "calls answered by phones",
    "agent CallEnded": "calls and legs of desk phones ended",
}
"""What is told of the statistics."""


@dataclass(slots=True)
class Report:
    """It grows with each run."""

    first: int  # seed
    asked: int  # runs
    coverage: bool = False  # faults are counted
    runs: int = 0
    broken: int = 0
    virtual_s: float = 0.0
    stats: dict[str, int] = field(default_factory=dict)
    failed: dict[int, tuple[Violation, ...]] = field(default_factory=dict)  # by seed
    hits: covered.Hits = field(default_factory=dict)
    digest: str = ""  # of the trace of a single run
    shrunk: Shrunk | None = None

    def add(self, verdict: Verdict) -> None:
        """One more run."""
        self.runs += 1
        self.virtual_s += verdict.seconds
        for name, count in verdict.stats.items():
            self.stats[name] = self.stats.get(name, 0) + count
        covered.add(self.hits, verdict.hits)
        self.digest = verdict.digest
        if verdict.violations:
            self.broken += 1
            if len(self.failed) < KEPT_MAX:
                self.failed[verdict.seed] = verdict.violations

    @property
    def code(self) -> int:
        """The exit code: 0 if nothing happened that must not, 1 if something did."""
        return 1 if self.broken else 0

    def lines(self, command: str) -> Iterator[str]:
        """The end of what people are told; `command` repeats a run, with a seed behind it."""
        if self.runs < self.asked:
            yield f"interrupted after {self.runs} of {self.asked} runs"
        seconds = self.virtual_s
        time = f"{seconds / HOUR_S:.1f} h" if seconds > HOUR_S else f"{seconds:.0f} s"
        named = [f"{self.stats[it]} {text}" for it, text in NAMED.items() if it in self.stats]
        happened = ", ".join(named) or "no calls"
        yield f"{counted(self.runs, 'run')}, {time} of virtual time: {happened}"
        if self.digest:
            yield f"trace {self.digest}"
        if self.coverage:
            yield from covered.table(self.hits)
        if not self.broken:
            yield "no violation"
            return
        yield f"{self.broken} of {self.runs} runs broke an invariant; to repeat:"
        for seed in list(self.failed)[:SHOWN_MAX]:
            yield f"  {command} --seed {seed}"

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        plain: dict[str, Any] = {
            "ok": not self.broken,
            "first_seed": self.first,
            "runs": self.runs,
            "interrupted": self.runs < self.asked,
            "virtual_s": round(self.virtual_s, 9),
            "broken": self.broken,
            "failed": [
                {"seed": seed, "violations": [plain_violation(it) for it in violations]}
                for seed, violations in self.failed.items()
            ],
            "stats": self.stats,
        }
        if self.digest:
            plain["digest"] = self.digest
        if self.coverage:
            plain["coverage"] = [
                {"fault": fault, "hits": dict(zip(covered.STATES, counts, strict=True))}
                for fault, counts in covered.rows(self.hits)
            ]
        if self.shrunk is not None:
            plain["shrunk"] = {
                "seed": self.shrunk.scenario.seed,
                "violation": plain_violation(self.shrunk.violation),
                "runs": self.shrunk.runs,
                "finished": self.shrunk.finished,
                "digest": self.shrunk.digest,
            }
        return plain


def counted(count: int, noun: str) -> str:
    """`1 call`, `2 calls`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def plain_violation(violation: Violation) -> dict[str, Any]:
    """For JSON."""
    return {
        "invariant": violation.invariant,
        "at_s": violation.at / SECOND,
        "text": violation.text,
    }
