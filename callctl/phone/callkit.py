"""CallKit, as far as an app of iOS 13 can tell: what it was asked to show, and how that ended."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from callctl.phone.phone_event import ViewEnd
from sipstack.timing import Instant

CALLS_MAX: Final = 200  # calls remembered
BUTTONS: Final = ("answer", "decline")


@dataclass(slots=True)
class CallKitCall:
    """One call as CallKit shows it."""

    call_uuid: str
    caller_name: str
    caller_number: str
    reported_at: Instant
    full_screen: bool  # on a locked phone; a banner on an unlocked one (Table A2)
    video: bool = True  # always, whatever the SDP says (MODE-16)
    buttons: tuple[str, ...] = BUTTONS
    reports: int = 1  # times the app reported this UUID
    answered_at: Instant | None = None
    ended_at: Instant | None = None
    end_reason: ViewEnd | None = None

    @property
    def active(self) -> bool:
        """True while it is on the screen or in conversation."""
        return self.ended_at is None


class CallKit:
    """The calls of one app, the newest last."""

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        self._calls: OrderedDict[str, CallKitCall] = OrderedDict()

    @property
    def calls(self) -> tuple[CallKitCall, ...]:
        """Every call that is remembered, in the order of its first report."""
        return tuple(self._calls.values())

    def call(self, call_uuid: str) -> CallKitCall | None:
        """One of them."""
        return self._calls.get(call_uuid)

    def report(self, call_uuid: str, name: str, number: str, now: Instant, *, locked: bool) -> bool:
        """The app reports an incoming call.

        Returns: True if it is shown now, False if it was on the screen already.
        """
        known = self._calls.get(call_uuid)
        if known is not None:
            known.reports += 1
            if known.active:
                return False
            # It is shown for a moment again (OP-08); the app ends it at once.
            known.ended_at = known.end_reason = None
            return True
        self._calls[call_uuid] = CallKitCall(call_uuid, name, number, now, locked)
        if len(self._calls) > CALLS_MAX:
            self._calls.popitem(last=False)
        return True

    def name(self, call_uuid: str, caller_name: str, caller_number: str) -> bool:
        """The caller becomes known after the report. True if the call is on the screen."""
        call = self._calls.get(call_uuid)
        if call is None or not call.active:
            return False
        call.caller_name, call.caller_number = caller_name, caller_number
        return True

    def answered(self, call_uuid: str, now: Instant) -> None:
        """The owner pressed the button to answer."""
        call = self._calls.get(call_uuid)
        if call is not None and call.active:
            call.answered_at = now

    def end(self, call_uuid: str, reason: ViewEnd, now: Instant) -> bool:
        """The call is over. True if it was on the screen."""
        call = self._calls.get(call_uuid)
        if call is None or not call.active:
            return False
        call.ended_at, call.end_reason = now, reason
        return True

    def end_all(self, reason: ViewEnd, now: Instant) -> tuple[str, ...]:
        """The app is gone, so are its calls. Returns: the UUIDs of those that were active."""
        active = tuple(call.call_uuid for call in self._calls.values() if call.active)
        for call_uuid in active:
            self.end(call_uuid, reason, now)
        return active
