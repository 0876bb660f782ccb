"""What CallManager and its push service write into their traces about pushes and tokens.

Device names are personal and go where only level Debug shows them; tokens and keys go nowhere.

Source: PUSH-06, TRB-15, TRB-21 (step 4), TRB-22, OP-69.
"""

from __future__ import annotations

from typing import Final

from callctl.push.events import AbandonPush, Outcome, PostPush, PushOutcome
from callctl.push.history import PushEntry
from callctl.push.intent import PushIntent
from callctl.push.token_events import TokenFetchFailed, TokenObtained
from callctl.serviceability.tracing import Source, TraceLevel, TraceRecord
from sipstack.timing import Instant

CALL_SHOWN: Final = 8  # characters of a call's UUID, as `callctl call list` shows it


def call_manager_wants(node: str, intent: PushIntent, now: Instant) -> TraceRecord:
    """CallManager hands a push to its push service."""
    text = f"call {intent.call_uuid[:CALL_SHOWN]}: {intent.kind.value} push wanted"
    return TraceRecord(
        Source.CALL_MANAGER, node, now, TraceLevel.INFO, text, personal=intent.device_name
    )


def call_manager_heard(node: str, entry: PushEntry, now: Instant) -> TraceRecord:
    """CallManager hears how a push ended; from here on it knows its tracking id."""
    ended = "under way" if entry.outcome is None else _ended(entry.outcome, entry.status)
    return TraceRecord(
        Source.CALL_MANAGER,
        node,
        now,
        _level(entry.outcome),
        f"call {entry.call_uuid[:CALL_SHOWN]}: {entry.kind.value} push {ended}",
        entry.tracking_id or "",
        entry.device_name,
    )


def push_service_did(node: str, action: object, now: Instant) -> TraceRecord | None:
    """The push service does or learns something; None for what no trace has."""
    match action:
        case PostPush(tracking_id=tracking_id, channel=channel):
            return _of_cpns(node, now, TraceLevel.INFO, f"posted to {channel}", tracking_id)
        case AbandonPush(tracking_id, channel):
            text = f"answer of {channel} not waited for any more"
            return _of_cpns(node, now, TraceLevel.WARN, text, tracking_id)
        case PushOutcome(outcome=outcome, status=status, reason=reason, tracking_id=tracking_id):
            text = _ended(outcome, status) + (f": {reason}" if reason else "")
            return _of_cpns(node, now, _level(outcome), text, tracking_id or "")
        case TokenObtained(channel, lifetime_s):
            text = f"token obtained for {channel}, good for {lifetime_s} s"
            return _of_cpns(node, now, TraceLevel.INFO, text)
        case TokenFetchFailed(channel=channel, reason=reason, status=status):
            answered = "no answer" if status is None else str(status)
            text = f"no token obtained for {channel} ({answered}): {reason}"
            return _of_cpns(node, now, TraceLevel.ERROR, text)
    return None


def _of_cpns(
    node: str, now: Instant, level: TraceLevel, text: str, tracking_id: str = ""
) -> TraceRecord:
    return TraceRecord(Source.CPNS, node, now, level, text, tracking_id)


def _ended(outcome: Outcome, status: int | None) -> str:
    return outcome.value if status is None else f"{outcome.value} ({status})"


def _level(outcome: Outcome | None) -> TraceLevel:
    well = (None, Outcome.ACCEPTED, Outcome.WITHDRAWN)
    return TraceLevel.INFO if outcome in well else TraceLevel.WARN
