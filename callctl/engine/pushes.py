"""The pushes of a node that have no outcome yet, and those that found no push service.

How a push counts (Table G1; OP-21, OP-22), if its subscriber service is one of Apple's:

| What became of it | Request | Response | Error |
|---|---|---|---|
| written over a TLS session, 200 | +1 | +1 | |
| written, another answer | +1 | +1 | +1 |
| written, no answer: time is up, or the connection ended | +1 | | +1 |
| not written: the TLS handshake failed, or was not over in time | | | +1 |
| not written for another reason: the call was over, the service stopped, no connection | | | |

A request that is sent again, with a newer token or to the next address, counts once. Second pushes
and those to the custom region count as requests like all others. Source: CTR-05, CPNS-14.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, Protocol

from callctl.engine.counters import Counters
from callctl.push.call_manager_link import NO_SERVICE, SERVICE_LOST
from callctl.push.events import PushOutcome
from callctl.push.history import KEPT_MAX, PushEntry
from callctl.push.intent import PushIntent
from sipstack.timing import Instant

TLS_FAILED: Final = frozenset({"tls", "no answer", "no other address"})
"""Ends of a push that was not written, for want of a TLS session (CTR-05)."""


@dataclass(slots=True)
class _Open:
    """A push without an outcome."""

    intent: PushIntent
    wanted_at: Instant
    written: bool = False


class PushWatcher(Protocol):
    """Sees what CallManager asks of its push service, and what it hears of it."""

    def push_wanted(self, intent: PushIntent, now: Instant) -> None: ...

    def push_ended(self, entry: PushEntry, now: Instant) -> None: ...


class PushesUnderWay:
    """Told of each push as it is asked for, as it leaves and as it ends; has it counted."""

    __slots__ = ("_counters", "_open", "not_taken", "watcher")

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._open: dict[str, _Open] = {}  # by intent id
        self.not_taken: deque[PushEntry] = deque(maxlen=KEPT_MAX)
        """The last pushes that no push service has told of, oldest first (CPNS-03)."""
        self.watcher: PushWatcher | None = None

    def __len__(self) -> int:
        """Pushes without outcome; 0 at rest (I13)."""
        return len(self._open)

    def wanted(self, intent: PushIntent, now: Instant) -> None:
        """A push goes to the push service: its outcome will come."""
        self._open[intent.intent_id] = _Open(intent, now)
        if self.watcher is not None:
            self.watcher.push_wanted(intent, now)

    def sent(self, intent_id: str) -> bool:
        """It was written over a TLS session; False if it is not open, or was before."""
        push = self._open.get(intent_id)
        if push is None or push.written:
            return False
        self._written(push)
        return True

    def has_left(self, intent_id: str) -> bool:
        """True if it is open and was written over a TLS session."""
        push = self._open.get(intent_id)
        return push is not None and push.written

    def ended(self, outcome: PushOutcome, now: Instant) -> PushIntent | None:
        """It has its outcome. Returns: what it was; None if it is not open."""
        push = self._open.pop(outcome.intent_id, None)
        if push is None:
            return None
        self._count(push, outcome)
        not_taken = outcome.reason in (NO_SERVICE, SERVICE_LOST)
        if not_taken or self.watcher is not None:
            entry = _entry(push, outcome, now)
            if not_taken:
                self.not_taken.append(entry)
            if self.watcher is not None:
                self.watcher.push_ended(entry, now)
        return push.intent

    def _written(self, push: _Open) -> None:
        push.written = True
        self._counters.sent(push.intent.binding, push.intent.kind)

    def _count(self, push: _Open, outcome: PushOutcome) -> None:
        counters, intent = self._counters, push.intent
        counters.ended(intent.binding, intent.kind, outcome.outcome)
        if outcome.status is not None:
            if not push.written:
                self._written(push)  # what was answered was written, whoever missed it
            counters.answered(intent.binding, outcome.status)
        elif push.written or outcome.reason in TLS_FAILED:
            counters.failed(intent.binding)


def _entry(push: _Open, outcome: PushOutcome, now: Instant) -> PushEntry:
    intent = push.intent
    return PushEntry(
        intent.intent_id,
        intent.call_uuid,
        intent.device_name,
        intent.kind,
        push.wanted_at,
        intent.binding.subscriber_service,
        ended_at=now,
        tracking_id=outcome.tracking_id,
        outcome=outcome.outcome,
        status=outcome.status,
        reason=outcome.reason,
    )
