"""Notifications on the screen of a phone: missed calls, messages, calls without CallKit."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from callctl.phone.phone_event import NotificationShown, PhoneOut
from sipstack.timing import Instant

NOTIFICATIONS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Notification:
    """One entry of the list."""

    shown_at: Instant
    title: str
    text: str
    collapse_id: str | None = None  # a later one of the same id takes its place
    call_uuid: str | None = None


class LockScreen:
    """What the owner can read without opening an app; the newest last."""

    __slots__ = ("notifications",)

    def __init__(self) -> None:
        self.notifications: deque[Notification] = deque(maxlen=NOTIFICATIONS_MAX)

    def show(self, notification: Notification, out: PhoneOut) -> None:
        """Add a notification, in place of an older one of the same collapse id."""
        if notification.collapse_id is not None:
            for shown in tuple(self.notifications):
                if shown.collapse_id == notification.collapse_id:
                    self.notifications.remove(shown)
        self.notifications.append(notification)
        out.append(
            NotificationShown(notification.title, notification.text, notification.collapse_id)
        )

    def newest_call(self) -> Notification | None:
        """The newest notification about a call, which a tap would open."""
        for notification in reversed(self.notifications):
            if notification.call_uuid is not None:
                return notification
        return None
