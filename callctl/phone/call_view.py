"""How the owner learns of a call: through CallKit, or on the app's own screen."""

from __future__ import annotations

from typing import Final

from callctl.phone.app_call import AppCall
from callctl.phone.callkit import CallKit
from callctl.phone.lock_screen import LockScreen, Notification
from callctl.phone.operating_system import OperatingSystem
from callctl.phone.phone_event import CallHidden, CallShown, PhoneOut, ViewEnd
from callctl.phone.phone_settings import PhoneSettings
from callctl.push.content import CallContent
from callctl.push.kind import PushKind
from sipstack.timing import Instant

UNKNOWN: Final = "Unknown caller"
TEXTS: Final = {
    PushKind.INCOMING: "Incoming call",
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

    def show(self, call: AppCall, now: Instant, out: PhoneOut) -> None:
        """A call rings, or is announced."""
        settings = self._settings
        if settings.callkit:
            if not settings.reports_calls:
                return
            shown = self.callkit.report(
                call.uuid,
                call.caller_name,
                call.caller_number,
                now,
                locked=self._system.locked or self._system.screen_off,
            )
            self._system.call_reported()
            if call.hidden is not None:
                self.callkit.end(call.uuid, call.hidden, now)
                return
            if not shown:
                return
        elif call.shown:
            return
        call.shown = True
        # To CallKit every call of these apps is a video call (MODE-16).
        video = settings.callkit
        name, number = call.caller_name, call.caller_number
        out.append(CallShown(call.uuid, name, number, settings.callkit, video))

    def hide(self, call: AppCall, reason: ViewEnd, now: Instant, out: PhoneOut) -> None:
        """The call rings no more, or is over."""
        if call.hidden is not None:
            return
        call.hidden = reason
        if not self._settings.callkit or self.callkit.end(call.uuid, reason, now):
            out.append(CallHidden(call.uuid, reason))

    def answered(self, call: AppCall, now: Instant) -> None:
        """The owner picked up."""
        if self._settings.callkit:
            self.callkit.answered(call.uuid, now)

    def flash(self, call: AppCall, reason: ViewEnd, now: Instant, out: PhoneOut) -> None:
        """Report a call that is over already, as iOS asks for every VoIP push (OP-08)."""
        if self._settings.must_report:
            self.show(call, now, out)
            self.hide(call, reason, now, out)

    def missed(self, call: AppCall, now: Instant, out: PhoneOut) -> None:
        """Note a missed call in the list of notifications."""
        title = call.caller_name or call.caller_number or UNKNOWN
        text = TEXTS[PushKind.MISSED]
        self.lock_screen.show(Notification(now, title, text, call.uuid, None), out)

    def message(self, content: CallContent, now: Instant, out: PhoneOut) -> None:
        """A call in the words of a message, where CallKit is not allowed (CHN-04)."""
        title = content.display_name or content.display_number or UNKNOWN
        # Only an incoming call can still be opened by a tap.
        opens = content.call_uuid if content.event is PushKind.INCOMING else None
        text = TEXTS.get(content.event, "")
        self.lock_screen.show(Notification(now, title, text, content.call_uuid, opens), out)
