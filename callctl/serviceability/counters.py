"""The performance counters of one node: what each stands at, and when it goes back to 0.

One rule for every edge (CTR-14):

- A counter belongs to a service. The start of the service sets all of its counters to 0, and begins
  its periods. While the service is stopped, they stay as they were.
- A period lasts 60 s from the start of the service and does not slide. What happens at the very
  end of one counts in the next. A read shows the running period; the last full one is read apart,
  and there is none before the first has ended (OP-24).
- A gauge is never below 0: to lower one that stands at 0 changes nothing, and is told (OP-25).
- Nothing else sets a counter to 0: no read, and no administrator.

Source: CTR-02, CTR-07, CTR-14, OP-24, OP-25.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from callctl.serviceability.counter_catalogue import COUNTERS, Kind, Owner
from sipstack.timing import SECOND, Instant

PERIOD_NS: Final = 60 * SECOND  # D17
START: Final = Instant(0)  # of the run

SERVICES: Final = frozenset(owner.service for owner in Owner)


@dataclass(frozen=True, slots=True)
class Reading:
    """One counter, read."""

    name: str
    value: int  # of an interval counter: in the running period
    last_full: int | None = None  # of an interval counter, once a period is full
    since: Instant = START  # of what `value` counts; of a gauge, the start of its service


class _Periods:
    """The interval counters of one service."""

    __slots__ = ("last", "number", "running", "started_at")

    def __init__(self, names: tuple[str, ...], now: Instant) -> None:
        self.started_at = now
        self.number = 0  # of the running period
        self.running = dict.fromkeys(names, 0)
        self.last: dict[str, int] | None = None

    def roll(self, now: Instant) -> None:
        """Go on to the period that `now` is in; a `now` of an earlier one changes nothing."""
        number = (now - self.started_at) // PERIOD_NS
        if number <= self.number:
            return
        empty = dict.fromkeys(self.running, 0)
        self.last = self.running if number == self.number + 1 else empty
        self.running = dict(empty)
        self.number = number

    @property
    def period_at(self) -> Instant:
        """When the running period began."""
        return Instant(self.started_at + self.number * PERIOD_NS)


class CounterTable:
    """Every counter of the catalogue, for one node.

    `totals` holds the cumulative counters and the gauges. Who counts on the call path may add to a
    cumulative one there: that is all `count` does with it.
    """

    __slots__ = ("_intervals", "_started", "totals")

    def __init__(self, now: Instant = START) -> None:
        self.totals: dict[str, int] = {}
        self._started: dict[str, Instant] = {}
        self._intervals: dict[str, _Periods] = {}
        for service in SERVICES:
            self.start(service, now)

    def start(self, service: str, now: Instant) -> None:
        """A service has started: its counters begin anew. Raises: KeyError for no service."""
        if service not in SERVICES:
            raise KeyError(service)
        own = [entry for entry in COUNTERS.values() if entry.owner.service == service]
        self._started[service] = now
        self.totals |= {entry.name: 0 for entry in own if entry.kind is not Kind.INTERVAL}
        intervals = tuple(entry.name for entry in own if entry.kind is Kind.INTERVAL)
        self._intervals[service] = _Periods(intervals, now)

    def count(self, name: str, now: Instant) -> None:
        """One more event of a cumulative or interval counter. Raises: KeyError for no such one."""
        entry = COUNTERS[name]
        if entry.kind is Kind.CUMULATIVE:
            self.totals[name] += 1
        elif entry.kind is Kind.INTERVAL:
            periods = self._intervals[entry.owner.service]
            periods.roll(now)
            periods.running[name] += 1
        else:
            raise KeyError(f"{name} is a gauge")

    def raise_gauge(self, name: str) -> None:
        """One more. Raises: KeyError for what is no gauge."""
        self.totals[_gauge(name)] += 1

    def lower_gauge(self, name: str) -> bool:
        """One less; False if there was none. Raises: KeyError for what is no gauge."""
        if not self.totals[_gauge(name)]:
            return False
        self.totals[name] -= 1
        return True

    def read(self, name: str, now: Instant) -> Reading:
        """Where a counter stands. Raises: KeyError for no such one."""
        entry = COUNTERS[name]
        service = entry.owner.service
        if entry.kind is not Kind.INTERVAL:
            return Reading(name, self.totals[name], None, self._started[service])
        periods = self._intervals[service]
        periods.roll(now)
        last = None if periods.last is None else periods.last[name]
        return Reading(name, periods.running[name], last, periods.period_at)

    def read_all(self, now: Instant) -> tuple[Reading, ...]:
        """All of them, in the order of the catalogue."""
        return tuple(self.read(name, now) for name in COUNTERS)


def _gauge(name: str) -> str:
    if COUNTERS[name].kind is not Kind.GAUGE:
        raise KeyError(f"{name} is no gauge")
    return name
