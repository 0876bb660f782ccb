"""Writes traces to files that turn over at a size, from a thread of its own.

Nobody waits for the disk: a full queue or a full disk loses lines, and counts them.

Source: TRB-14, TRB-15, TRB-22, OP-69.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from io import TextIOWrapper
from logging import LogRecord
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

from callctl.serviceability.tracing import (
    FoundLine,
    Source,
    TraceLevels,
    TraceRecord,
    lines_about,
)

FOLDER: Final = "traces"  # in the state directory
FILE_OCTETS_MAX: Final = 4 * 1024 * 1024
FILES_MAX: Final = 5  # of one source on one server: at most 20 MiB
QUEUE_MAX: Final = 20_000  # records that wait for the disk
CLOSE_S: Final = 2.0


class TraceFiles:
    """One file for each source on each server, below `root`; readable by its owner alone."""

    def __init__(
        self,
        root: Path,
        unix_ns_at_zero: int,
        *,
        levels: TraceLevels | None = None,
        file_octets_max: int = FILE_OCTETS_MAX,
        files_max: int = FILES_MAX,
        queue_max: int = QUEUE_MAX,
    ) -> None:
        """`unix_ns_at_zero` is the wall-clock time of instant 0."""
        self.levels = levels or TraceLevels()
        self.lost_on_the_way = 0  # the queue was full
        self.lost_on_disk = 0  # the disk was, or the file cannot be written
        self._root = root
        self._unix_ns_at_zero = unix_ns_at_zero
        self._file_octets_max = file_octets_max
        self._files_max = files_max
        self._queue: queue.Queue[TraceRecord | None] = queue.Queue(queue_max)
        self._files: dict[tuple[Source, str], _File] = {}
        self._thread = threading.Thread(target=self._write_all, name="traces", daemon=True)
        self._thread.start()

    def write(self, record: TraceRecord) -> None:
        """Have it written, if its level is on. Never waits."""
        if not self.levels.wants(record):
            return
        try:
            self._queue.put_nowait(record)
        except queue.Full:
            self.lost_on_the_way += 1

    def flush(self) -> None:
        """Wait until all that came before is on disk, or lost."""
        self._queue.join()

    def close(self) -> None:
        """Write what waits and close the files; gives up on a disk that takes too long."""
        with suppress(queue.Full):
            self._queue.put(None, timeout=CLOSE_S)
        self._thread.join(CLOSE_S)

    def _write_all(self) -> None:
        while (record := self._queue.get()) is not None:
            try:
                file = self._file(record.source, record.node)
                line = self.levels.line(record, self._unix_ns_at_zero)
                file.emit(LogRecord("trace", 0, "", 0, line, None, None))
            except (OSError, ValueError):
                self.lost_on_disk += 1
            finally:
                self._queue.task_done()
        for file in self._files.values():
            with suppress(OSError):
                file.close()
        self._queue.task_done()

    def _file(self, source: Source, node: str) -> _File:
        """Raises: OSError if it cannot be made."""
        file = self._files.get((source, node))
        if file is None:
            path = path_of(self._root, source, node)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = self._files[source, node] = _File(path, self._file_octets_max, self._files_max)
        return file


class _File(RotatingFileHandler):
    """A file that turns over; what goes wrong is for the one who writes to count."""

    def __init__(self, path: Path, octets_max: int, files_max: int) -> None:
        super().__init__(path, maxBytes=octets_max, backupCount=files_max - 1, encoding="utf-8")

    def _open(self) -> TextIOWrapper:
        # Made with its mode, so that there is no moment at which others can read it.
        handle = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(handle, "a", encoding=self.encoding)

    def handleError(self, record: LogRecord) -> None:
        """From `emit`, in whose `except` clause we are."""
        raise


def path_of(root: Path, source: Source, node: str) -> Path:
    """Where a source writes. A server's name is one part of a path, whatever is in it."""
    if node in ("", ".", "..") or "/" in node or "\0" in node:
        raise ValueError(f"{node!r} cannot name a folder")
    return root / node / source.folder / source.file


def find(root: Path, tracking_id: str) -> list[FoundLine]:
    """Every line about one push, in all traces below `root`, in the order of time (TRB-22).

    Raises: OSError if a trace cannot be read.
    """
    found: list[FoundLine] = []
    for source in Source:
        for path in sorted(root.glob(f"*/{source.folder}/{source.file}*")):
            found += lines_about(tracking_id, source, _lines(path))
    return sorted(found, key=lambda line: line.at)


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            yield from file
    except FileNotFoundError:
        return  # it has just been turned over: its lines are in the next one
