"""The operating system of a phone: who sees the app, when it may run, and what a push may do.

Source: MODE-01, MODE-02, MODE-14, MODE-23; Apple, "Responding to VoIP Notifications from PushKit".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from enum import Enum
from typing import Final, NamedTuple

from callctl.phone.phone_event import (
    AppForegrounded,
    AppLaunched,
    AppSuspended,
    AppTerminated,
    AppWoken,
    ModeChanged,
    PhoneOut,
    PushArrived,
    PushWithheld,
)
from callctl.phone.phone_settings import PhoneSettings
from sipstack.timing import Instant


class AppState(Enum):
    """Where the process of the app stands."""

    NOT_RUNNING = "NOT_RUNNING"
    FOREGROUND = "FOREGROUND"
    BACKGROUND = "BACKGROUND"  # runs unseen: for a while, or as long as there is a call
    SUSPENDED = "SUSPENDED"  # in memory, frozen, without sockets


_S = AppState
MOVES: Final[Mapping[AppState, frozenset[AppState]]] = {
    _S.NOT_RUNNING: frozenset({_S.FOREGROUND, _S.BACKGROUND}),
    _S.FOREGROUND: frozenset({_S.BACKGROUND, _S.NOT_RUNNING}),
    _S.BACKGROUND: frozenset({_S.FOREGROUND, _S.SUSPENDED, _S.NOT_RUNNING}),
    _S.SUSPENDED: frozenset({_S.FOREGROUND, _S.BACKGROUND, _S.NOT_RUNNING}),
}
RUNNING: Final = frozenset({AppState.FOREGROUND, AppState.BACKGROUND})


class _Wake(NamedTuple):
    """A push on its way into the app."""

    at: Instant
    push: PushArrived


class OperatingSystem:
    """Three switches, one app. What it does to the app shows in the actions, in order.

    `handed_over` are the pushes the app is to look at now: its caller takes them.
    """

    __slots__ = (
        "_occupied",
        "_reports_due",
        "_settings",
        "_suspend_at",
        "_wakes",
        "handed_over",
        "locked",
        "off_screen",
        "screen_off",
        "state",
        "withholds_voip",
    )

    def __init__(self, settings: PhoneSettings) -> None:
        self._settings = settings
        self.off_screen = False  # another app is in front
        self.locked = False
        self.screen_off = False
        self.state = AppState.NOT_RUNNING
        self.withholds_voip = False
        self.handed_over: list[PushArrived] = []
        self._occupied = False
        self._suspend_at: Instant | None = None
        self._reports_due: deque[Instant] = deque()  # each VoIP push has to be reported before
        self._wakes: list[_Wake] = []

    @property
    def suspended(self) -> bool:
        """The mode of the client: suspended if any one switch says so (MODE-02)."""
        return self.off_screen or self.locked or self.screen_off

    @property
    def closed(self) -> bool:
        """True if the phone is locked or dark: a call takes the whole screen then."""
        return self.locked or self.screen_off

    @property
    def running(self) -> bool:
        """True if the app's code runs and it has its sockets."""
        return self.state in RUNNING

    # Commands of the owner

    def open_app(self, now: Instant, out: PhoneOut) -> None:
        """The owner starts the app, or comes back to it: the phone is unlocked and lit."""
        before = self.suspended
        self.off_screen = self.locked = self.screen_off = False
        if before:
            out.append(ModeChanged(False))
        self._to_front(out)

    def come_forward(self, out: PhoneOut, *, by_itself: bool) -> None:
        """The app that runs takes the screen, as far as a locked phone lets it."""
        before = self.suspended
        self.off_screen = self.screen_off = False
        if self.suspended:
            return
        if before:
            out.append(ModeChanged(False))
        self._to_front(out, by_itself=by_itself)

    def set_screen(
        self,
        off_screen: bool | None,
        locked: bool | None,
        screen_off: bool | None,
        now: Instant,
        out: PhoneOut,
    ) -> None:
        """Set some of the three switches; None leaves one as it is."""
        before = self.suspended
        self.off_screen = self.off_screen if off_screen is None else off_screen
        self.locked = self.locked if locked is None else locked
        self.screen_off = self.screen_off if screen_off is None else screen_off
        if self.suspended == before:
            return
        out.append(ModeChanged(self.suspended))
        if not self.suspended:
            self._to_front(out)
        elif self.state is AppState.FOREGROUND:
            self._enter(AppState.BACKGROUND)
            if not self._occupied:
                self._suspend_at = Instant(now + self._settings.grace_ns)

    def close_app(self, cause: str, out: PhoneOut, *, by_system: bool = False) -> None:
        """The app's process ends."""
        if self.state is AppState.NOT_RUNNING:
            return
        self._enter(AppState.NOT_RUNNING)
        self._suspend_at = None
        self._reports_due.clear()
        self._occupied = False
        out.append(AppTerminated(cause, by_system))

    # What the app says

    def occupy(self, occupied: bool, now: Instant) -> None:
        """The app has a call or is about to; while it does, it is not suspended."""
        if self.state is AppState.BACKGROUND and occupied != self._occupied:
            self._suspend_at = None if occupied else Instant(now + self._settings.grace_ns)
        self._occupied = occupied

    def call_reported(self) -> None:
        """CallKit was told of a call, as it must be once for each VoIP push."""
        if self._reports_due:
            self._reports_due.popleft()

    # The three doors

    def receive(self, push: PushArrived, now: Instant, out: PhoneOut) -> None:
        """A push for the app."""
        if push.push_type == "voip" and self.withholds_voip:
            out.append(PushWithheld(push))
        elif self.running:
            self._hand_over(push, now)
        else:
            self._wakes.append(_Wake(Instant(now + self._settings.wake_delay_ns), push))

    def advance(self, now: Instant, out: PhoneOut) -> None:
        """Wake, suspend or end the app, as is due."""
        if self._reports_due and now >= self._reports_due[0]:
            self.withholds_voip = True
            self.close_app("VoIP push without a call", out, by_system=True)
        if self._suspend_at is not None and now >= self._suspend_at:
            self._suspend_at = None
            if not self._occupied:
                self._enter(AppState.SUSPENDED)
                out.append(AppSuspended())
        if self._wakes and self._wakes[0].at <= now:
            if not self.running:
                launched = self.state is AppState.NOT_RUNNING
                self._enter(AppState.BACKGROUND)
                self._suspend_at = Instant(now + self._settings.grace_ns)
                self._occupied = False
                out.append(AppLaunched(by_push=True) if launched else AppWoken())
            # An app that runs gets all that waits for it.
            for wake in self._wakes:
                self._hand_over(wake.push, now)
            self._wakes.clear()

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        times = [] if self._suspend_at is None else [self._suspend_at]
        if self._reports_due:
            times.append(self._reports_due[0])
        if self._wakes:
            times.append(self._wakes[0].at)
        return min(times, default=None)

    def counts(self) -> dict[str, int]:
        """What is alive; all zero at rest."""
        return {
            "wakes": len(self._wakes),
            "reports_due": len(self._reports_due),
            "pushes_unread": len(self.handed_over),
        }

    # Inside

    def _hand_over(self, push: PushArrived, now: Instant) -> None:
        self.handed_over.append(push)
        if push.push_type == "voip" and self._settings.must_report:
            self._reports_due.append(Instant(now + self._settings.report_deadline_ns))

    def _to_front(self, out: PhoneOut, *, by_itself: bool = False) -> None:
        if self.state is AppState.FOREGROUND:
            return
        if self.state is AppState.NOT_RUNNING:
            self.withholds_voip = False  # the owner wants this app after all
            out.append(AppLaunched(by_push=False))
        self._enter(AppState.FOREGROUND)
        self._suspend_at = None
        out.append(AppForegrounded(by_itself))

    def _enter(self, state: AppState) -> None:
        assert state in MOVES[self.state], (self.state, state)
        self.state = state
