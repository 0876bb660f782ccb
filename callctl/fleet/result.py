"""What a run has shown, as plain data: the JSON report is this, and the others are made of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from json import dumps
from typing import Any, Final

from callctl.fleet.statistics import Bin, Summary

FORMAT: Final = "callctl-fleet/1"


@dataclass(frozen=True, slots=True)
class StageResult:
    """One stage of all calls, in ms."""

    name: str
    text: str
    planned: bool  # mostly what the plan asks for, not what the servers need
    summary: Summary | None
    histogram: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class SecondResult:
    """One second of the run."""

    at_s: int
    asked: float  # calls that the rate asked for
    placed: int
    rang: int
    as_planned: int  # calls that ended in it, as planned
    failed: int


@dataclass(frozen=True, slots=True)
class Example:
    """A call that failed."""

    call_id: str
    at_s: float  # when it was to start
    caller: str
    callee: str
    device: str
    node: str


@dataclass(frozen=True, slots=True)
class FailureResult:
    """Calls that failed in one way."""

    reason: str
    count: int
    examples: tuple[Example, ...]
    explanation: str | None  # of the first, as `callctl explain` tells it; None: nobody can


@dataclass(frozen=True, slots=True)
class ProcessResult:
    """One process, or a group of them."""

    name: str
    at_s: tuple[float, ...]
    cpu: tuple[float, ...]  # processors in use
    memory_mb: tuple[float, ...]

    @property
    def cpu_mean(self) -> float:
        """Over the run."""
        return sum(self.cpu) / len(self.cpu) if self.cpu else 0.0

    @property
    def cpu_max(self) -> float:
        """In one second."""
        return max(self.cpu, default=0.0)

    @property
    def memory_max(self) -> float:
        """In MB."""
        return max(self.memory_mb, default=0.0)


@dataclass(frozen=True, slots=True)
class GeneratorResult:
    """Whether the fleet itself kept up."""

    limits: tuple[str, ...]  # why figures are worse than the servers are; empty if they are not
    lag: Summary | None  # ms that the event loop was late
    lateness: Summary | None  # ms that calls were placed late
    late: int  # calls placed more than 20 ms late


@dataclass(frozen=True, slots=True)
class EventResult:
    """Something that was done to the servers."""

    at_s: float
    text: str


@dataclass(frozen=True, slots=True)
class SetUpResult:
    """How the phones came into service."""

    wanted: int
    ready: int
    seconds: float
    troubles: dict[str, int]
    streams: int  # connections to the partner clouds


@dataclass(frozen=True, slots=True)
class CallsResult:
    """The calls in numbers."""

    asked: float
    placed: int
    as_planned: int
    failed: int
    cut_short: int  # by the end of the run
    not_placed: int  # no phone was free
    retried: int  # at another node, because one could not be connected to
    to_sleepers: int
    seconds: float  # how long calls were placed
    rate_asked: float  # per second, at the full rate
    rate_achieved: float
    outcomes: dict[str, int]
    nodes: dict[str, int]


@dataclass(frozen=True, slots=True)
class FleetResult:
    """Everything. Times are seconds from the first planned call, unless they name their unit."""

    started_at: str  # ISO 8601
    ground: str
    seed: int
    plan: dict[str, str]
    notes: tuple[str, ...]
    ended_early: str  # why; empty if it did not
    ok: bool
    allowed_failures: float
    set_up: SetUpResult
    calls: CallsResult
    stages: tuple[StageResult, ...]
    seconds: tuple[SecondResult, ...]
    failures: tuple[FailureResult, ...]
    processes: tuple[ProcessResult, ...]
    generator: GeneratorResult
    events: tuple[EventResult, ...]
    counts: dict[str, int]  # what phones and networks did
    ignored: dict[str, int]  # what machines could make nothing of, by reason

    def stage(self, name: str) -> StageResult:
        """One stage."""
        return next(stage for stage in self.stages if stage.name == name)

    def fields(self) -> dict[str, Any]:
        """As the JSON report has it."""
        return {"format": FORMAT, **asdict(self)}

    def json(self) -> str:
        """The JSON report."""
        return dumps(self.fields(), ensure_ascii=False, indent=1) + "\n"
