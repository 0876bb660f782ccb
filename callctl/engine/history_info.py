"""History-Info: the numbers a retargeted call was for before, and why it left each.

Source: RFC 7044 §5 and §9, RFC 4458 §2; CALL-09, MOB-02.
"""

from __future__ import annotations

from typing import Final

from callctl.call.itinerary import Cause, Onward
from callctl.call.leg import Leg
from sipstack.message.message import Request

STATUS: Final = {
    Cause.UNCONDITIONAL: 302,
    Cause.BUSY: 486,
    Cause.NO_ANSWER: 408,
    Cause.UNREGISTERED: 480,
    Cause.MOBILITY: 480,
}
"""What the Reason of the number that was left says, as if it had answered so (RFC 7044 §10.2)."""


def with_history(request: Request, leg: Leg, domain: str) -> Request:
    """A copy of an INVITE that tells how it came to the number of a leg."""
    assert leg.stage is not None
    trail = leg.stage.trail
    if leg.behind is not None:
        trail = (*trail, Onward(leg.dn, Cause.MOBILITY))
    copy = request.copy()
    before = _last_index(request)
    for depth, entry in enumerate(trail):
        index = f"{before}.1" if before else "1"
        following = trail[depth + 1] if depth + 1 < len(trail) else None
        copy.headers.append("History-Info", _entry(entry, index, before, following, domain))
        before = index
    return copy


def _entry(entry: Onward, index: str, before: str, following: Onward | None, domain: str) -> str:
    user = f"sip:{entry.number}@{domain}"
    cause = f";cause={entry.cause.value}" if before and entry.cause.value else ""
    reason = ""
    if following is not None and following.cause in STATUS:
        reason = f"?Reason=SIP%3Bcause%3D{STATUS[following.cause]}"
    mapped = f";mp={before}" if before else ""
    return f"<{user}{cause}{reason}>;index={index}{mapped}"


def _last_index(request: Request) -> str:
    """The index of the newest entry that came with the request; "" without any."""
    values = request.headers.values("history-info")
    for part in reversed(values[-1].split(";") if values else ()):
        name, _, value = part.partition("=")
        if name.strip().lower() == "index" and value.replace(".", "").isdecimal():
            return value.strip()
    return ""
