"""What became of the calls: counted as they end, second by second and in all."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from callctl.fleet.call_track import STAGES, CallTrack, stage_times
from callctl.fleet.statistics import Samples
from sipstack.timing import MS, SECOND, Instant

LATE_NS: Final = 20 * MS  # a call that starts later than this is a late one
EXAMPLES_KEPT: Final = 3  # calls of one failure


@dataclass(slots=True)
class Second:
    """One second of the run, from the first planned call on."""

    placed: int = 0
    rang: int = 0
    as_planned: int = 0
    failed: int = 0


@dataclass(slots=True)
class Failure:
    """Calls that failed in the same way."""

    reason: str
    count: int = 0
    examples: list[CallTrack] = field(default_factory=list)


class Tally:
    """Everything that is counted about calls."""

    def __init__(self) -> None:
        self.placed = 0
        self.ended = 0
        self.as_planned = 0
        self.failed = 0
        self.cut_short = 0  # by the end of the run
        self.not_placed = 0  # no phone was free to be called
        self.late = 0
        self.retried = 0
        self.to_sleepers = 0
        self.lateness = Samples()
        self.stages = {stage.name: Samples() for stage in STAGES}
        self.outcomes: Counter[str] = Counter()
        self.failures: dict[str, Failure] = {}
        self.nodes: Counter[str] = Counter()  # INVITEs placed, by node
        self.seconds: list[Second] = []
        self.began: Instant | None = None

    @property
    def under_way(self) -> int:
        """Calls that have not ended."""
        return self.placed - self.ended

    @property
    def failed_share(self) -> float:
        """Of the calls that ended by themselves, from 0 to 1."""
        judged = self.as_planned + self.failed
        return self.failed / judged if judged else 0.0

    def second(self, at: Instant) -> Second:
        """The record of a second; those before it come to be."""
        began = at if self.began is None else self.began
        index = max((at - began) // SECOND, 0)
        while len(self.seconds) <= index:
            self.seconds.append(Second())
        return self.seconds[index]

    def call_placed(self, track: CallTrack, now: Instant) -> None:
        """Its INVITE is out."""
        self.placed += 1
        self.second(now).placed += 1
        self.to_sleepers += track.asleep
        self.lateness.add(track.lateness_ns / MS)
        self.late += track.lateness_ns > LATE_NS

    def call_ended(self, track: CallTrack, now: Instant, *, cut_short: bool) -> Failure | None:
        """It is over. Returns: the failure that it is an example of, if it is one."""
        self.ended += 1
        self.retried += bool(track.retries)
        self.nodes[track.node] += 1
        for name, ms in stage_times(track):
            self.stages[name].add(ms)
        if track.rang_at is not None:
            self.second(track.rang_at).rang += 1
        if cut_short:
            self.cut_short += 1
            self.outcomes["ended with the run"] += 1
            return None
        if track.as_planned:
            self.as_planned += 1
            self.second(now).as_planned += 1
            self.outcomes[track.outcome] += 1
            return None
        self.failed += 1
        self.second(now).failed += 1
        self.outcomes["failed"] += 1
        return self._failure(track)

    def _failure(self, track: CallTrack) -> Failure:
        reason = track.failure
        failure = self.failures.setdefault(reason, Failure(reason))
        failure.count += 1
        if len(failure.examples) < EXAMPLES_KEPT:
            failure.examples.append(track)
        return failure
