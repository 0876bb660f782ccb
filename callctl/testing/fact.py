"""What came to pass at one party: the plain form that every word of the kit reads."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

SECOND_NS: Final = 1_000_000_000


class What(Enum):
    """A kind of fact; the value is how it is told, with the fields of the fact."""

    REGISTERED = "registered at {text}"
    REGISTRATION_FAILED = "could register at no node ({status})"
    REGISTRATION_LOST = "lost its registration ({text})"
    WOKEN = "was woken by a push"
    ASLEEP = "fell asleep"
    APP_OPENED = "opened its app"
    APP_ENDED = "lost its app: {text}"
    PUSH = "opened a {text} push"
    PUSH_REJECTED = "did not act on a push: {text}"
    SHOWN = "showed a call from {text}"
    HIDDEN = "took the call off the screen: {text}"
    NOTIFIED = "showed a notification: {text}"
    INVITED = "got an INVITE from {text}"
    RANG = "rang"
    PICKED_UP = "picked up"
    HEARD = "heard {status}"
    ANSWERED = "was answered"
    ENDED = "saw its call end: {text}"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing, at one party."""

    at: int  # ns since the test began
    who: str
    what: What
    text: str = ""
    call: int = 0  # number of the call at this party; 0: about none
    call_id: str = ""  # SIP Call-ID, where the party knows it
    status: int | None = None
    tracking_id: str = ""  # of a push

    def __str__(self) -> str:
        """What happened, and when: "rang at 1.260 s"."""
        said = self.what.value.format(text=self.text or "nobody known", status=self.status)
        return f"{said} at {seconds(self.at)}"


def seconds(ns: int) -> str:
    """A time as people read it: "1.260 s"."""
    return f"{ns / SECOND_NS:.3f} s"
