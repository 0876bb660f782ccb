"""Who is shown as the caller: one function for push, INVITE and call record (CID-09, OP-16)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from callctl.model.cluster import Cluster
from sipstack.errors import SipSyntaxError
from sipstack.message.message import Request

ANONYMOUS: Final = "Anonymous"
HIDING: Final = frozenset({"id", "user"})  # RFC 3323 §4.2, RFC 3325 §9.3


@dataclass(frozen=True, slots=True)
class CallerIdentity:
    """What may be shown of a caller. Text is as the caller or the administrator gave it."""

    display_name: str
    number: str
    anonymous: bool = False

    def asserted(self, domain: str) -> str | None:
        """P-Asserted-Identity for the INVITE to the phone (RFC 3325); None if hidden or unknown."""
        if self.anonymous or not self.number:
            return None
        quoted = self.display_name.replace("\\", "\\\\").replace('"', '\\"')
        name = f'"{quoted}" ' if quoted.isprintable() and quoted else ""
        return f"{name}<sip:{self.number}@{domain}>"


def caller_identity(request: Request, cluster: Cluster) -> CallerIdentity:
    """The identity shown for an INVITE from inside whose sender was authenticated.

    The line's external presentation if it has one, else the line's own name and number, else what
    From says. A caller who asked for privacy is shown as nobody (CID-10).
    Source: CID-03, CID-09, CID-10, OP-16.
    """
    wishes = (request.headers.first("privacy") or "").lower().replace(";", ",").split(",")
    if HIDING.intersection(wish.strip() for wish in wishes):
        return CallerIdentity(ANONYMOUS, "", anonymous=True)
    try:
        sender = request.from_
        number = sender.uri.user_unescaped or ""
        name = sender.display_name
    except SipSyntaxError:
        return CallerIdentity("", "")
    line = cluster.lines.get(number)
    if line is None:
        return CallerIdentity(name, number)
    shown = line.external_presentation
    if shown is not None:
        return CallerIdentity(shown.name, shown.number_for(line.dn))
    return CallerIdentity(line.display_name or name, number)
