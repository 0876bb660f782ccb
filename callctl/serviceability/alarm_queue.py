"""Alarms that wait for their upload. Source: OP-51, TRB-07."""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

from callctl.serviceability.alarm_upload import AlarmRecord
from callctl.serviceability.severity import UploadLevel
from sipstack.timing import SECOND, Instant

KEPT_NS: Final = 24 * 3_600 * SECOND  # OP-51: what could not be uploaded for so long is given up
PENDING_MAX: Final = 5_000  # alarms, with those of an upload under way


class AlarmQueue:
    """Oldest first. What leaves it without being uploaded is counted, by reason."""

    __slots__ = ("_counts", "_records")

    def __init__(self, counts: Counter[str]) -> None:
        self._records: deque[AlarmRecord] = deque()
        self._counts = counts

    def __len__(self) -> int:
        return len(self._records)

    def add(self, record: AlarmRecord, under_way: int) -> None:
        """Behind the others; past the limit the oldest that is not under way is given up."""
        if len(self._records) + under_way >= PENDING_MAX:
            self._counts["too many"] += 1
            if not self._records:
                return
            self._records.popleft()
        self._records.append(record)

    def take(self, most: int) -> tuple[AlarmRecord, ...]:
        """The oldest, at most so many."""
        return tuple(self._records.popleft() for _ in range(min(most, len(self._records))))

    def put_back(self, records: tuple[AlarmRecord, ...]) -> None:
        """Before the others, as they were."""
        self._records.extendleft(reversed(records))

    def drop_stale(self, level: UploadLevel, now: Instant) -> None:
        """Give up what is 24 hours old or below the level of now."""
        kept: deque[AlarmRecord] = deque()
        for record in self._records:
            if now - record.notice.at >= KEPT_NS:
                self._counts["too old"] += 1
            elif not level.lets_through(record.notice.severity):
                self._counts["below the level"] += 1
            else:
                kept.append(record)
        self._records = kept

    def clear(self) -> None:
        """Nothing waits any more."""
        self._records.clear()
