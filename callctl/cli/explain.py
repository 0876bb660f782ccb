"""`callctl explain`: why a phone was pushed, parked, offered or dropped."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from callctl.cli.client import HERE, AdminClient, Where
from callctl.cli.output import print_json, print_line

TEXT_WIDTH: Final = 84


def explain(call: str = "last", /, *, where: Where = HERE) -> int:
    """Tell the story of a call, step by step, with times and requirement ids.

    Parameters
    ----------
    call
        UUID or the start of one, SIP Call-ID, or `last`.
    """
    story = AdminClient(where).get("calls", call)
    if where.json:
        print_json(story)
    else:
        print_line(explanation(story))
    return 0


def explanation(story: dict[str, Any]) -> str:
    """A call's story as text: what it was, what happened when and why, how it ended."""
    began = datetime.fromisoformat(story["started_at"]).astimezone()
    lines = [
        f"Call {story['call_uuid']}",
        f"  from {story['caller'] or 'unknown'} to {story['dn']}, taken by {story['node']} "
        f"on {began:%Y-%m-%d at %H:%M:%S}.{began.microsecond // 1000:03d} {began:%Z}",
        f"  Call-ID {story['call_id']}",
        "",
    ]
    lines += [
        _line(step["at_ms"], step["text"], ", ".join(step["requirements"]))
        for step in story["steps"]
    ]
    if story["pushes"]:
        lines += ["", "Pushes"]
        for push in story["pushes"]:
            at_ms = (datetime.fromisoformat(push["wanted_at"]) - began).total_seconds() * 1000
            lines.append(_line(at_ms, _push(push), push["tracking_id"] or ""))
    lines += ["", verdict(story)]
    return "\n".join(lines)


def verdict(story: dict[str, Any]) -> str:
    """How the call ended, in one sentence."""
    status, setup_s = story["status"], story["setup_s"]
    if status is None:
        waiting = [step["device"] for step in story["steps"] if step["code"] == "parked"]
        tail = f", {' and '.join(waiting)} parked so far" if waiting else ""
        return f"The call is under way{tail}."
    who = [step["device"] for step in story["steps"] if step["code"] == "answered"]
    if 200 <= status < 300:
        answerer = who[0] if who else "the called side"
        return f"Answered by {answerer} after {setup_s:.3f} s."
    if status == 487:
        return f"The caller gave up after {setup_s:.3f} s."
    return f"Not answered: the caller got {status} after {setup_s:.3f} s."


def _line(at_ms: float, text: str, source: str) -> str:
    return f"{at_ms / 1000:+10.3f} s  {text:<{TEXT_WIDTH}}  {source}".rstrip()


def _push(push: dict[str, Any]) -> str:
    text = f"{push['kind']} push to {push['device']} by {push['node']}"
    if push["outcome"] is None:
        return f"{text}: under way"
    status = f" ({push['status']})" if push["status"] else ""
    took = push["answered_after_ms"]
    after = f" after {took:.0f} ms" if took is not None else ""
    reason = f": {push['reason']}" if push["reason"] else ""
    return f"{text}: {push['outcome']}{status}{after}{reason}"
