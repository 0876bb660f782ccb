"""Counts finished calls, and how long the phones that slept took to get their INVITE.

It reads the stories of calls and pushes after the event, so that a call spends nothing on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from callctl.call.story import CallRecord, Step
from callctl.push.history import PushEntry
from callctl.push.kind import PushKind
from callctl.serviceability.metrics import Histogram, Stage
from sipstack.timing import Instant

PushesOf = dict[tuple[str, str], list[PushEntry]]
"""Ring pushes that have left, by call UUID and device."""


@dataclass(frozen=True, slots=True)
class Wake:
    """One phone that slept and got its INVITE, in nanoseconds by stage; they add up to `total`.

    `register` and `offer` are unknown where the story does not tell when the phone asked first.
    """

    queue: int
    provider: int
    phone: int
    register: int | None
    offer: int | None
    total: int

    def stages(self) -> Iterator[tuple[Stage, int]]:
        """Those that are known."""
        for stage in Stage:
            ns = getattr(self, stage.value)
            if ns is not None:
                yield stage, ns


class CallTally:
    """Takes every finished call of the given stories once."""

    __slots__ = ("_taken", "calls", "wakes")

    def __init__(self) -> None:
        self.calls: dict[tuple[str, str], int] = {}  # by node and outcome
        self.wakes: dict[tuple[str, Stage], Histogram] = {}  # by node of the call
        self._taken: set[tuple[str, str]] = set()  # node and UUID, of those that still exist

    def take(self, records: Iterable[CallRecord], pushes: Iterable[tuple[str, PushEntry]]) -> int:
        """Count what has finished since the last time; returns how many calls that were.

        A call that is forgotten between two times is not counted: ask more often than they go.
        """
        finished = {
            (record.node, record.call_uuid): record
            for record in records
            if record.status is not None or record.lost
        }
        new = [record for key, record in finished.items() if key not in self._taken]
        self._taken = set(finished)
        if new:
            rings = ring_pushes(pushes)
            for record in new:
                self._count(record, rings)
        return len(new)

    def _count(self, record: CallRecord, rings: PushesOf) -> None:
        key = (record.node, outcome_of(record))
        self.calls[key] = self.calls.get(key, 0) + 1
        for wake in wakes_of(record, rings):
            for stage, ns in wake.stages():
                self.wakes.setdefault((record.node, stage), Histogram()).observe(ns)


def outcome_of(record: CallRecord) -> str:
    """The class of the final answer, as `2xx`; `lost` for a call whose node died with it."""
    return "lost" if record.status is None else f"{record.status // 100}xx"


def ring_pushes(pushes: Iterable[tuple[str, PushEntry]]) -> PushesOf:
    """Those that have left."""
    found: PushesOf = {}
    for _, entry in pushes:
        if entry.kind is PushKind.INCOMING and entry.posted_at is not None:
            found.setdefault((entry.call_uuid, entry.device_name), []).append(entry)
    return found


def wakes_of(record: CallRecord, rings: PushesOf) -> Iterator[Wake]:
    """Every device of a call that registered after a push, and got the parked INVITE."""
    seen: set[str] = set()
    registered: dict[str, Step] = {}
    for step in record.steps:
        if step.code == "registered":
            registered[step.device] = step
        elif step.code == "offered" and step.device not in seen and step.device in registered:
            seen.add(step.device)
            entries = rings.get((record.call_uuid, step.device), [])
            wake = _wake(registered[step.device], step.at, entries)
            if wake is not None:
                yield wake


def _wake(registered: Step, offered_at: Instant, entries: list[PushEntry]) -> Wake | None:
    """None if no push had left when the phone came: nothing of ours woke it.

    The stages are of the last push before that. An answer of Push REST that is not there yet when
    the phone comes ends its stage with the phone.
    """
    values = dict(registered.values)
    asked, stored = values.get("asked_ns"), values.get("stored_ns")
    told = isinstance(asked, int) and isinstance(stored, int)
    came_at = asked if isinstance(asked, int) and told else registered.at
    stored_at = stored if isinstance(stored, int) and told else came_at
    left = [it for it in entries if it.posted_at is not None and it.posted_at <= came_at]
    if not left:
        return None
    push = left[-1]
    assert push.posted_at is not None
    answered_at = came_at if push.ended_at is None else min(push.ended_at, came_at)
    # One clock for all nodes of a process; where there are several, none runs backwards here.
    stored_at = min(max(stored_at, came_at), offered_at)
    return Wake(
        queue=push.posted_at - push.wanted_at,
        provider=answered_at - push.posted_at,
        phone=came_at - answered_at,
        register=stored_at - came_at if told else None,
        offer=offered_at - stored_at if told else None,
        total=offered_at - push.wanted_at,
    )
