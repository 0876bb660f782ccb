"""Message pushes of one phone: shown by its system, read by the app's extension, opened by a tap.

They never bring the app to the foreground; only the owner's tap does (MODE-14, CHN-04 to CHN-06).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from callctl.phone.call_view import CallView
from callctl.phone.phone_event import PhoneOut, PushRejected
from callctl.push.content import CallContent
from callctl.push.kind import CALL_PUSHES, PushKind
from sipstack.timing import Instant

CALLS_MAX: Final = 20  # whose message waits for a tap, and as many that were tapped or are over


class MessageTray:
    """What the notifications on the screen stand for. It outlives the app."""

    __slots__ = ("_over", "_tap_after_ns", "_view", "_waiting", "tap_at")

    def __init__(self, view: CallView, tap_after_ns: int | None) -> None:
        self._view = view
        self._tap_after_ns = tap_after_ns
        self._waiting: OrderedDict[str, CallContent] = OrderedDict()  # by call UUID
        self._over: OrderedDict[str, None] = OrderedDict()
        self.tap_at: Instant | None = None  # by the owner's habit

    def receive(
        self, content: CallContent, collapse_id: str | None, now: Instant, out: PhoneOut
    ) -> None:
        """A message came while the owner does not look at the app."""
        uuid = content.call_uuid
        if content.event is PushKind.INCOMING:
            if uuid in self._over:
                out.append(PushRejected("duplicate", uuid))  # late, or twice (OP-07)
                return
            if uuid not in self._waiting and self._tap_after_ns is not None:
                self.tap_at = Instant(now + self._tap_after_ns)
            self._waiting[uuid] = content  # the newest one names the node that is active now
            if len(self._waiting) > CALLS_MAX:
                self._waiting.popitem(last=False)
        elif content.event in CALL_PUSHES:
            self._close(uuid)
        self._view.message(content, collapse_id, now, out)

    def tap(self) -> CallContent | None:
        """The owner taps a notification. Returns: the call to fetch, if it was one."""
        self.tap_at = None
        tapped = self._view.lock_screen.tap()
        uuid = None if tapped is None else tapped.call_uuid
        content = None if uuid is None else self._waiting.get(uuid)
        if content is not None:
            self._close(content.call_uuid)
        return content

    def _close(self, uuid: str) -> None:
        if self._waiting.pop(uuid, None) is not None and not self._waiting:
            self.tap_at = None
        self._over[uuid] = None
        if len(self._over) > CALLS_MAX:
            self._over.popitem(last=False)
