"""What an emulator remembers of the requests it saw: never a payload (SEC-05, CLOUD-05)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from callctl.cloud.http import HttpRequest
from sipstack.timing import Instant

RECORDS_MAX: Final = 10_000
SILENT: Final = 0  # status of a request that a fault left without an answer


@dataclass(frozen=True, slots=True)
class PushRecord:
    """One request and how it was answered."""

    at: Instant
    tracking_id: str | None  # PUSH-06
    target: str | None = field(repr=False)
    status: int
    reason: str
    size: int  # octets of the body
    digest: str  # SHA-256 of the body: tells whether two are the same, and nothing else
    raw: HttpRequest | None = None  # only while `PushLog.keeps_raw` is on


on_request: Callable[[PushLog, HttpRequest], None] | None = None
"""Sees each request of each emulator of the process, for scans of a whole test run; else None."""


class PushLog:
    """The newest records. `keeps_raw` keeps whole requests too, for tests that scan them."""

    __slots__ = ("__weakref__", "_records", "keeps_raw", "on_record")

    def __init__(self) -> None:
        self._records: deque[PushRecord] = deque(maxlen=RECORDS_MAX)
        self.keeps_raw = False
        self.on_record: Callable[[PushRecord], None] | None = None  # sees each as it is made

    def add(
        self,
        request: HttpRequest,
        now: Instant,
        *,
        status: int,
        reason: str = "",
        tracking_id: str | None = None,
        target: str | None = None,
    ) -> None:
        """Remember `request`."""
        if on_request is not None:
            on_request(self, request)
        body = request.body
        digest = sha256(body).hexdigest()
        raw = request if self.keeps_raw else None
        record = PushRecord(now, tracking_id, target, status, reason, len(body), digest, raw)
        self._records.append(record)
        if self.on_record is not None:
            self.on_record(record)

    def __iter__(self) -> Iterator[PushRecord]:
        """From the oldest to the newest."""
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)
