"""The one real clock, read by shells only."""

from __future__ import annotations

from datetime import UTC, datetime
from time import monotonic_ns, time_ns

from sipstack.timing import SECOND, Instant


class MonotonicClock:
    """Nanoseconds since it was made; never goes back, whatever happens to the wall clock."""

    __slots__ = ("_started_ns", "_wall_started_ns")

    def __init__(self) -> None:
        self._started_ns = monotonic_ns()
        self._wall_started_ns = time_ns()

    def __call__(self) -> Instant:
        """The present instant."""
        return Instant(monotonic_ns() - self._started_ns)

    def unix_ns(self, instant: Instant) -> int:
        """Wall-clock time of `instant`, in nanoseconds since 1970, as of when the clock was made.

        Kept free of later corrections of the wall clock, so that a log is in order.
        """
        return self._wall_started_ns + instant

    def wall(self, instant: Instant) -> datetime:
        """Wall-clock time of `instant` in UTC, exact to the microsecond."""
        seconds, rest_ns = divmod(self.unix_ns(instant), SECOND)
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest_ns // 1_000)
