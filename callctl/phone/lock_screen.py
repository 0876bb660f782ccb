"""Notifications on the screen of a phone: missed calls, messages, calls without CallKit."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from callctl.phone.phone_event import NotificationShown, NotificationWithheld, PhoneOut
from sipstack.timing import Instant

NOTIFICATIONS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Notification:
    """One entry of the list."""

    shown_at: Instant
    title: str
    text: str
    # A later one of the same identifier takes its place: the collapse id of a push, or a name that
    # the app chose.
    identifier: str | None = None
    call_uuid: str | None = None  # the call it is about
    opens: bool = False  # a tap fetches that call


class LockScreen:
    """What the owner can read without opening an app; the newest last.

    `allowed` is the switch for notifications of this app in the settings of the phone (MODE-17).
    """

    __slots__ = ("allowed", "notifications")

    def __init__(self) -> None:
        self.notifications: deque[Notification] = deque(maxlen=NOTIFICATIONS_MAX)
        self.allowed = True

    def show(self, notification: Notification, out: PhoneOut) -> None:
        """Add a notification, in place of an older one of the same identifier."""
        if not self.allowed:
            out.append(NotificationWithheld(notification.text))
            return
        replaces = self.withdraw(notification.identifier) is not None
        self.notifications.append(notification)
        out.append(NotificationShown(notification.title, notification.text, replaces))

    def withdraw(self, identifier: str | None) -> Notification | None:
        """Take one out of the list; None if it is not there."""
        for shown in tuple(self.notifications):
            if identifier is not None and shown.identifier == identifier:
                self.notifications.remove(shown)
                return shown
        return None

    def about(self, call_uuid: str, text: str) -> bool:
        """True if the owner can read this text about a call."""
        return any(it.call_uuid == call_uuid and it.text == text for it in self.notifications)

    def tap(self) -> Notification | None:
        """The owner taps the newest call that can be fetched, else the newest of all.

        A notification is gone once it was tapped. None: there is nothing to tap.
        """
        shown = self.notifications
        newest = next((it for it in reversed(shown) if it.opens), shown[-1] if shown else None)
        if newest is not None:
            shown.remove(newest)
        return newest
