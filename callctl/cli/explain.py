"""`callctl explain`: why a phone was pushed, parked, offered or dropped."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from callctl.call.explanation import explanation as text_of
from callctl.cli.client import HERE, AdminClient, Where
from callctl.cli.output import print_json, print_line


def explain(call: str = "last", /, *, where: Where = HERE) -> int:
    """Tell the story of a call: who was called, what happened when and why, how it ended.

    Each step names the requirements it follows from. Below it are the pushes of the call with
    their tracking ids, and last the verdict: who answered, or what kept each device from it.

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
    """A call's story as text, in the time zone of whoever asks."""
    return text_of(story, datetime.fromisoformat(story["started_at"]).astimezone())
