"""How the owner learns of a call: through CallKit, on the app's own screen, or by a message."""

from __future__ import annotations

from typing import Final

from callctl.model.device import Platform
from callctl.phone.app_call import AppCall
from callctl.phone.callkit import CallKit
from callctl.phone.lock_screen import LockScreen, Notification
from callctl.phone.operating_system import OperatingSystem
from callctl.phone.phone_event import (
    CallerNamed,
    CallHidden,
    CallShown,
    NotificationRemoved,
    PhoneOut,
    Screen,
    ViewEnd,
)
from callctl.phone.phone_settings import PhoneSettings
from callctl.push.content import CallContent
from callctl.push.kind import PushKind
from sipstack.timing import Instant

UNKNOWN: Final = "Unknown caller"
MESSAGE: Final = "New message"
TEXTS: Final = {
    PushKind.INCOMING: "Incoming call: tap now to answer",  # CHN-11: there are 13 s for it
    PushKind.MISSED: "Missed call",
    PushKind.ANSWERED_ELSEWHERE: "Answered on another device",
    PushKind.CANCELLED: "Call ended",
}


class CallView:
    """Shows and hides calls; every VoIP push leads to a report, so that iOS is content."""

    __slots__ = ("_settings", "_system", "callkit", "lock_screen")

    def __init__(
        self,
        settings: PhoneSettings,
        system: OperatingSystem,
        callkit: CallKit,
        lock_screen: LockScreen,
    ) -> None:
        self._settings = settings
        self._system = system
        self.callkit = callkit
        self.lock_screen = lock_screen

    @property
    def screen(self) -> Screen:
        """Where a call shows up at this moment (Table A2)."""
        settings = self._settings
        if settings.callkit:
            return Screen.CALLKIT if self._system.closed else Screen.CALLKIT_BANNER
        return Screen.FULL_SCREEN if settings.platform is Platform.ANDROID else Screen.IN_APP

    def show(self, call: AppCall, now: Instant, out: PhoneOut) -> None:
        """A call rings, or is announced. Without CallKit only a call that is here is shown."""
        settings, screen = self._settings, self.screen
        if settings.callkit:
            if not settings.reports_calls:
                return
            name, number = call.caller_name, call.caller_number
            full_screen = screen is Screen.CALLKIT
            shown = self.callkit.report(call.uuid, name, number, now, locked=full_screen)
            self._system.call_reported()
            if call.hidden is not None:
                self.callkit.end(call.uuid, call.hidden, now)
                return
            if not shown:
                return
        elif call.shown or call.sip_call is None:
            return
        call.shown = True
        # To CallKit every call of these apps is a video call (MODE-16).
        video = settings.callkit
        out.append(CallShown(call.uuid, call.caller_name, call.caller_number, screen, video))

    def name(self, call: AppCall, out: PhoneOut) -> None:
        """Who calls has become known."""
        if self.callkit.name(call.uuid, call.caller_name, call.caller_number):
            out.append(CallerNamed(call.uuid, call.caller_name, call.caller_number))

    def hide(self, call: AppCall, reason: ViewEnd, now: Instant, out: PhoneOut) -> None:
        """The call rings no more, or is over."""
        if call.hidden is not None:
            return
        call.hidden = reason
        if self.callkit.end(call.uuid, reason, now) if self._settings.callkit else call.shown:
            out.append(CallHidden(call.uuid, reason))

    def answered(self, call: AppCall, now: Instant) -> None:
        """The owner picked up."""
        if self._settings.callkit:
            self.callkit.answered(call.uuid, now)

    def flash(self, call: AppCall, reason: ViewEnd, now: Instant, out: PhoneOut) -> None:
        """Report a call that is over already, as iOS asks for every VoIP push (OP-08)."""
        if self._settings.callkit:
            self.show(call, now, out)
            self.hide(call, reason, now, out)

    def missed(self, call: AppCall, now: Instant, out: PhoneOut) -> None:
        """Note a missed call in the list of notifications, unless a push has done so."""
        title = call.caller_name or call.caller_number or UNKNOWN
        text = TEXTS[PushKind.MISSED]
        if not self.lock_screen.about(call.uuid, text):
            self.lock_screen.show(Notification(now, title, text, call.uuid, call.uuid), out)

    def not_missed(self, call_uuid: str, out: PhoneOut) -> None:
        """Take back the note of a missed call: its second push says that it was none."""
        gone = self.lock_screen.withdraw(call_uuid)
        if gone is not None:
            out.append(NotificationRemoved(gone.title, gone.text))

    def message(
        self, content: CallContent, collapse_id: str | None, now: Instant, out: PhoneOut
    ) -> None:
        """A call in the words of a message, where CallKit is not allowed, or a message (CHN-04)."""
        # What the app noted of this call by itself has the call's UUID for a name.
        self.lock_screen.withdraw(content.call_uuid)
        title = content.display_name or content.display_number or UNKNOWN
        text = TEXTS.get(content.event, MESSAGE)
        opens = content.event is PushKind.INCOMING  # only such a call can still be fetched
        uuid = content.call_uuid
        self.lock_screen.show(Notification(now, title, text, collapse_id, uuid, opens), out)
