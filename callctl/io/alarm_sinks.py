"""Where alarms go: to whoever wants them, one after the other, and none of them can hold it up."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final, Protocol

import structlog

from callctl.io.log import LOGGER
from callctl.serviceability.alarm import AlarmIgnored, AlarmNotice, state_of
from callctl.serviceability.alarms import AlarmBoard, AlarmEvent
from callctl.serviceability.severity import Severity
from sipstack.io.timer import DeadlineTimer
from sipstack.timing import Instant

LEVELS: Final = {
    Severity.EMERGENCY: logging.CRITICAL,
    Severity.ALERT: logging.CRITICAL,
    Severity.CRITICAL: logging.CRITICAL,
    Severity.ERROR: logging.ERROR,
    Severity.WARNING: logging.WARNING,
    Severity.NOTICE: logging.INFO,
    Severity.INFORMATIONAL: logging.INFO,
    Severity.DEBUG: logging.DEBUG,
}


class AlarmSink(Protocol):
    """Takes notices, and returns at once."""

    def deliver(self, notice: AlarmNotice) -> None: ...


class LogSink:
    """Writes each notice to the log, without whom it is about. Needs `log.logging_to`."""

    def deliver(self, notice: AlarmNotice) -> None:
        """One event of the severity of the alarm; good news is information."""
        state = state_of(notice)
        level = logging.INFO if state == "cleared" else LEVELS[notice.severity]
        structlog.get_logger(LOGGER).log(
            level,
            f"alarm {state}",
            alarm=notice.name,
            severity=notice.severity.alarm_name,
            component=notice.definition.component,
            node=notice.node,
            alarm_number=notice.number,
            occurrences=notice.occurrences,
            detail=notice.detail,
        )


class AlarmDesk:
    """Runs an alarm board in the event loop, and hands what it tells to every sink."""

    def __init__(
        self,
        board: AlarmBoard,
        clock: Callable[[], Instant],
        sinks: Iterable[AlarmSink] = (),
    ) -> None:
        self.board = board
        self.failed: Counter[str] = Counter()
        """Notices that a sink did not take, by its type: a fault of ours."""
        self._clock = clock
        self._sinks = list(sinks)
        self._timer = DeadlineTimer(asyncio.get_running_loop(), clock, self._due)

    def add(self, sink: AlarmSink) -> None:
        """One more."""
        self._sinks.append(sink)

    def feed(self, event: AlarmEvent) -> None:
        """Something began or ended now. Never waits, never raises."""
        now = self._clock()
        actions = self.board.advance(now) + self.board.receive(event, now)
        self._timer.follow(self.board.next_deadline())
        self._tell(each for each in actions if not isinstance(each, AlarmIgnored))

    def close(self) -> None:
        """Repeat nothing any more."""
        self._timer.cancel()

    def _due(self, now: Instant) -> None:
        actions = self.board.advance(now)
        self._timer.follow(self.board.next_deadline())
        self._tell(each for each in actions if not isinstance(each, AlarmIgnored))

    def _tell(self, notices: Iterable[AlarmNotice]) -> None:
        for notice in notices:
            for sink in self._sinks:
                try:
                    sink.deliver(notice)
                except Exception as error:  # whoever noticed the condition is in a call
                    self.failed[f"{type(sink).__name__}: {type(error).__name__}"] += 1
