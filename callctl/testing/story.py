"""What nodes remember of calls and pushes, in the plain form that words and tests read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from callctl.call.explanation import explanation
from callctl.call.story import CallRecord
from callctl.call.telling import Wall, story_fields
from callctl.call.verdict import verdict
from callctl.push.history import PushEntry
from callctl.push.kind import PushKind
from callctl.testing.stage import Push, Story
from callctl.testing.translation import PUSH_NAMES
from sipstack.timing import SECOND, Instant

Entries = Sequence[tuple[str, PushEntry]]
"""Pushes with the node that sent each, oldest first."""

PLAIN = "ring-push-plain"  # a push that names no node
RING_STEPS = ("ring-push", "ring-push-again", PLAIN)


def newest_story(
    records: Iterable[CallRecord],
    entries: Entries,
    wall: Wall,
    call_id: str,
    caller: str,
    since: Instant,
) -> Story | None:
    """The call of this Call-ID; without one, the newest of a caller since then."""
    fitting = [
        record
        for record in records
        if record.started_at >= since
        and (record.call_id == call_id if call_id else record.caller == caller)
    ]
    if not fitting:
        return None
    record = max(fitting, key=lambda record: record.started_at)
    return Story(
        record.call_uuid,
        record.call_id,
        record.node,
        record.status,
        tuple(step.code for step in record.steps),
        explanation(story_fields(record, entries, wall), wall(record.started_at)),
        " ".join(verdict(record).split()),
    )


def pushes_to(
    device: str, records: Iterable[CallRecord], entries: Entries, zero: int
) -> tuple[Push, ...]:
    """Every push to a device. `zero`: the instant at which the test began."""
    rings = {
        record.call_uuid: [step for step in record.steps if _rings(step.code, step.device, device)]
        for record in records
    }
    found: list[Push] = []
    for node, entry in entries:
        if entry.device_name != device:
            continue
        # One ring push was wanted for each of these steps, in their order.
        steps = rings.get(entry.call_uuid, [])
        step = steps.pop(0) if entry.kind is PushKind.INCOMING and steps else None
        named = "" if step is None or step.code == PLAIN else step.value("node")
        found.append(
            Push(
                (entry.wanted_at - zero) / SECOND,
                PUSH_NAMES[entry.kind],
                named,
                node,
                "" if entry.channel is None else entry.channel.value,
                "" if entry.outcome is None else entry.outcome.value,
                entry.status,
                entry.call_uuid,
                entry.tracking_id or "",
            )
        )
    return tuple(found)


def _rings(code: str, device: str, wanted: str) -> bool:
    return code in RING_STEPS and device == wanted
