"""A call's story as plain data: what the admin API gives, and `callctl explain` prints."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from callctl.call.called import CalledDevice
from callctl.call.story import CallRecord
from callctl.call.verdict import verdict
from sipstack.timing import MS, SECOND, Instant

if TYPE_CHECKING:
    from callctl.push.history import PushEntry

Wall: TypeAlias = Callable[[Instant], datetime]
"""From the time of a run to that of a clock on the wall."""


def call_fields(record: CallRecord, wall: Wall) -> dict[str, Any]:
    """A call in one line."""
    ended = record.ended_at
    return {
        "call_uuid": record.call_uuid,
        "call_id": record.call_id,
        "node": record.node,
        "caller": record.caller,
        "dn": record.dn,
        "started_at": wall(record.started_at),
        "setup_s": None if ended is None else round((ended - record.started_at) / SECOND, 3),
        "status": record.status,
        "lost": record.lost,
    }


def story_fields(
    record: CallRecord, pushes: Iterable[tuple[str, PushEntry]], wall: Wall
) -> dict[str, Any]:
    """A call, step by step.

    Args:
        pushes: any, with the node that sent each; those of other calls are left out.
    """
    return call_fields(record, wall) | {
        "called": [_called_fields(device, record.release) for device in record.called.values()],
        "steps": [
            {
                "at_ms": round((step.at - record.started_at) / MS, 1),
                "code": step.code,
                "device": step.device,
                "text": step.sentence(),
                "requirements": list(step.requirements()),
            }
            for step in record.steps
        ],
        "pushes": [
            push_fields(node, entry, wall)
            for node, entry in pushes
            if entry.call_uuid == record.call_uuid
        ],
        "verdict": verdict(record),
    }


def push_fields(node: str, entry: PushEntry, wall: Wall) -> dict[str, Any]:
    """One push."""
    posted, ended = entry.posted_at, entry.ended_at
    return {
        "wanted_at": wall(entry.wanted_at),
        "node": node,
        "device": entry.device_name,
        "kind": entry.kind.value,
        "call_uuid": entry.call_uuid,
        "service": entry.service,
        "channel": None if entry.channel is None else entry.channel.value,
        "tracking_id": entry.tracking_id,
        "posted_after_ms": None if posted is None else _ms(posted - entry.wanted_at),
        "answered_after_ms": None if posted is None or ended is None else _ms(ended - posted),
        "outcome": None if entry.outcome is None else entry.outcome.value,
        "status": entry.status,
        "reason": entry.reason,
    }


def _called_fields(device: CalledDevice, release: str) -> dict[str, Any]:
    rule, requirements = device.rule(release)
    return {
        "device": device.name,
        "dn": device.dn,
        "kind": device.kind,
        "push_rule": rule,
        "requirements": list(requirements),
    }


def _ms(ns: int) -> float:
    return round(ns / MS, 1)
