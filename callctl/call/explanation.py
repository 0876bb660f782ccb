"""A call's story as text, made of plain data: for `callctl explain` and for the page of stories."""

from __future__ import annotations

from datetime import datetime
from json import loads
from textwrap import fill
from typing import Any, Final

TEXT_WIDTH: Final = 92  # of a sentence beside its time
LINE_WIDTH: Final = 106  # of both
NAMES: Final = {
    "incoming": "ring push",
    "missed": "missed-call push",
    "answeredElsewhere": "answered-elsewhere push",
    "cancelled": "cancelled push",
}
TELLING: Final = ("error", "partnerReason")
"""Fields of an error answer of Push REST that say what is wrong."""

LOSSES: Final = {
    "connect": "no connection to the cloud",
    "tls": "no TLS with the cloud",
    "closed": "connection closed before the answer",
    "bad answer": "the answer is no HTTP",
}
"""Reasons of the push service that want more words."""

CHANNELS: Final = {
    "voip": "VoIP channel",
    "message": "Message channel",
    "default": "the one channel",
}


def explanation(story: dict[str, Any], began: datetime) -> str:
    """A story as text: what it was, what happened when and why, how it ended.

    Args:
        story: as `story_fields` gives it, or the admin API.
        began: its `started_at`, in the time zone that is to be shown.
    """
    caller = story["caller"] or "somebody whose number is not shown"
    lines = [
        f"Call {story['call_uuid']}",
        f"  from {caller} to {story['dn']}, taken by {story['node']} "
        f"on {began:%Y-%m-%d at %H:%M:%S}.{began.microsecond // 1000:03d} {began:%Z}",
        f"  Call-ID {story['call_id']}",
        "",
    ]
    if story["called"]:
        lines += ["Called", *(_called(device) for device in story["called"]), ""]
    lines += [
        _line(step["at_ms"], step["text"], ", ".join(step["requirements"]))
        for step in story["steps"]
    ]
    if story["pushes"]:
        lines += ["", "Pushes"]
        for push in story["pushes"]:
            wanted = push["wanted_at"]
            at = wanted if isinstance(wanted, datetime) else datetime.fromisoformat(wanted)
            at_ms = (at - began).total_seconds() * 1000
            lines.append(_line(at_ms, _push(push), push["tracking_id"] or ""))
    lines += ["", fill(story["verdict"], LINE_WIDTH, break_on_hyphens=False)]
    return "\n".join(lines)


def _called(device: dict[str, Any]) -> str:
    named = f"  {device['device']} of {device['dn']}, {device['kind']}"
    if not device["push_rule"]:
        return named
    source = ", ".join(device["requirements"])
    return f"{named}\n      {device['push_rule']:<{LINE_WIDTH - 6}}  {source}".rstrip()


def _line(at_ms: float, text: str, source: str) -> str:
    return f"{at_ms / 1000:+10.3f} s  {text:<{TEXT_WIDTH}}  {source}".rstrip()


def _push(push: dict[str, Any]) -> str:
    text = f"{NAMES.get(push['kind'], push['kind'])} to {push['device']} by {push['node']}"
    if push["channel"]:
        text += f", {push['service']}, {CHANNELS[push['channel']]}"
    if push["outcome"] is None:
        return f"{text}: under way"
    status = f" ({push['status']})" if push["status"] else ""
    took = push["answered_after_ms"]
    after = f" after {took:.0f} ms" if took is not None else ""
    reason = LOSSES.get(push["reason"]) or _plain(push["reason"])
    return f"{text}: {push['outcome']}{status}{after}{f': {reason}' if reason else ''}"


def _plain(reason: str) -> str:
    """Why a push did not get through, without the JSON that a service may wrap it in."""
    try:
        answer = loads(reason)
    except ValueError:
        return reason if reason.isascii() and reason.isprintable() and "<" not in reason else ""
    if not isinstance(answer, dict):
        return ""
    return ", ".join(str(answer[name]) for name in TELLING if name in answer)
