"""What the owner of a phone saw, in order and in words: the evidence of Tables A1 and A2."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from callctl.phone.phone_event import (
    AppForegrounded,
    AppTerminated,
    CallerNamed,
    CallHidden,
    CallShown,
    NotificationRemoved,
    NotificationShown,
    PhoneAction,
    PhoneAnswered,
)
from sipstack.timing import Instant

SEEN_MAX: Final = 500


class Seen(NamedTuple):
    """One thing that came up on the screen, or went from it."""

    at: Instant
    text: str


class ScreenRecord:
    """Kept by the phone, not by its app, so it outlives both suspension and termination."""

    __slots__ = ("seen",)

    def __init__(self) -> None:
        self.seen: deque[Seen] = deque(maxlen=SEEN_MAX)

    @property
    def texts(self) -> list[str]:
        """What was seen, without the times."""
        return [seen.text for seen in self.seen]

    def watch(self, action: PhoneAction, now: Instant) -> None:
        """Keep an action that shows."""
        text = words(action)
        if text is not None:
            self.seen.append(Seen(now, text))


def words(action: PhoneAction) -> str | None:
    """What an action looks like to the owner; None if it does not show."""
    match action:
        case CallShown(screen=screen, video=video):
            kind = "video call" if video else "call"
            return f"{screen.value}: {kind} from {_caller(action)}"
        case CallerNamed():
            return f"the call is from {_caller(action)}"
        case PhoneAnswered():
            return "in conversation"
        case CallHidden(reason=reason):
            return f"call gone: {reason.value}"
        case NotificationShown(title, text, replaces):
            return f"notification{' in place of another' if replaces else ''}: {title}: {text}"
        case NotificationRemoved(title, text):
            return f"notification removed: {title}: {text}"
        case AppForegrounded(by_itself):
            return "the app comes to the front by itself" if by_itself else "the app is open"
        case AppTerminated(by_system=by_system):
            return "the app was ended by the system" if by_system else "the app is closed"
    return None


def _caller(shown: CallShown | CallerNamed) -> str:
    return f"{shown.caller_name} {shown.caller_number}".strip() or "nobody known"
