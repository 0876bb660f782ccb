"""The log: structlog makes one JSON line of each event, a thread of its own writes it.

Nobody waits for the disk: a full queue or a full disk loses lines, and counts them (test 112).
"""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import TextIOWrapper
from logging.handlers import QueueHandler, RotatingFileHandler
from pathlib import Path
from typing import Any, Final, TextIO

import structlog

from callctl.serviceability.mask import masked_event

LOGGER: Final = "callctl"
QUEUE_MAX: Final = 10_000  # lines that wait for the disk
FILE_OCTETS_MAX: Final = 10 * 1024 * 1024
FILES_MAX: Final = 5
CLOSE_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Where the log goes, and what of it."""

    path: Path | None = None  # None: standard error
    level: int = logging.INFO
    file_octets_max: int = FILE_OCTETS_MAX
    files_max: int = FILES_MAX
    queue_max: int = QUEUE_MAX


class LogWriter:
    """A queue with a thread behind it."""

    def __init__(self, target: logging.Handler, queue_max: int = QUEUE_MAX) -> None:
        self.lost_on_the_way = 0  # the queue was full
        self.lost_on_disk = 0  # the disk was, or the file cannot be written
        self._target = target
        self._queue: queue.Queue[logging.LogRecord | None] = queue.Queue(queue_max)
        target.handleError = self._on_error  # type: ignore[method-assign]
        self.handler = _Enqueuing(self)
        # A daemon, because a disk that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()

    def put(self, record: logging.LogRecord) -> None:
        """Have it written. Never waits."""
        try:
            self._queue.put_nowait(record)
        except queue.Full:
            self.lost_on_the_way += 1

    def counts(self) -> dict[str, int]:
        """What was lost, and what waits."""
        return {
            "lost on the way": self.lost_on_the_way,
            "lost on disk": self.lost_on_disk,
            "waiting": self._queue.qsize(),
        }

    def close(self, within_s: float = CLOSE_S) -> None:
        """Write what waits; gives up on a disk that takes too long."""
        with suppress(queue.Full):
            self._queue.put(None, timeout=within_s)
        self._thread.join(within_s)

    def _write_all(self) -> None:
        while (record := self._queue.get()) is not None:
            self._target.handle(record)
        with suppress(OSError, ValueError):
            self._target.close()

    def _on_error(self, record: logging.LogRecord) -> None:
        self.lost_on_disk += 1


class _Enqueuing(QueueHandler):
    """Where the logger ends for those who log."""

    def __init__(self, writer: LogWriter) -> None:
        super().__init__(queue.Queue(1))  # never used: `enqueue` goes another way
        self._writer = writer

    def enqueue(self, record: logging.LogRecord) -> None:
        self._writer.put(record)


class _PrivateFile(RotatingFileHandler):
    """A file that turns over, readable by its owner alone."""

    def _open(self) -> TextIOWrapper:
        # Made with its mode, so that there is no moment at which others can read it.
        handle = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(handle, "a", encoding="utf-8")


@contextmanager
def logging_to(settings: LogSettings, stream: TextIO | None = None) -> Iterator[LogWriter]:
    """Set up structlog for this process while the context lasts; `structlog.get_logger()` logs.

    `stream` takes the place of standard error. Raises: OSError if the file cannot be opened.
    """
    target: logging.Handler
    if settings.path is None:
        target = logging.StreamHandler(stream or sys.stderr)
    else:
        target = _PrivateFile(
            settings.path,
            maxBytes=settings.file_octets_max,
            backupCount=settings.files_max - 1,
            encoding="utf-8",
        )
    target.setFormatter(logging.Formatter("%(message)s"))
    writer = LogWriter(target, settings.queue_max)
    logger = logging.getLogger(LOGGER)
    before = logger.level, logger.propagate
    logger.setLevel(settings.level)
    logger.propagate = False
    logger.addHandler(writer.handler)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _mask,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(settings.level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    try:
        yield writer
    finally:
        structlog.reset_defaults()
        logger.removeHandler(writer.handler)
        logger.level, logger.propagate = before
        writer.close()


def _mask(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return masked_event(event)
