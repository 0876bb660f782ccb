"""Places the calls of a schedule and follows each to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Final

import anyio

from callctl.fleet.call_track import CallTrack
from callctl.fleet.calling import Caller
from callctl.fleet.clockwork import Alarm, Clockwork
from callctl.fleet.handset import Handset
from callctl.fleet.schedule import PlannedCall
from callctl.fleet.tally import Failure, Tally
from sipstack.timing import SECOND, Instant

LEAD_NS: Final = SECOND // 5  # from the decision to begin to the first instant of the schedule

OnFailure = Callable[[Failure, CallTrack], None]


class Idle:
    """Phones that can be called, in no order; one is drawn by chance."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._phones: list[Handset] = []
        self._places: dict[Handset, int] = {}

    def __len__(self) -> int:
        return len(self._phones)

    def add(self, phone: Handset) -> None:
        """It can be called, if that is not known already."""
        if phone not in self._places:
            self._places[phone] = len(self._phones)
            self._phones.append(phone)

    def take(self) -> Handset | None:
        """One of them, which cannot be called any more; None if there is none."""
        if not self._phones:
            return None
        at = self._random.randrange(len(self._phones))
        phone, last = self._phones[at], self._phones.pop()
        if phone is not last:
            self._phones[at] = last
            self._places[last] = at
        del self._places[phone]
        return phone


class Conductor:
    """One run of calls. `over` is set once the last of them has ended."""

    def __init__(
        self,
        clockwork: Clockwork,
        planned: Iterator[PlannedCall],
        idle: Idle,
        tally: Tally,
        on_failure: OnFailure,
    ) -> None:
        self.callers: Sequence[Caller] = ()
        self.placing = False
        self.over = anyio.Event()
        self._clockwork = clockwork
        self._planned = planned
        self._idle = idle
        self._tally = tally
        self._on_failure = on_failure
        self._phones: dict[CallTrack, Handset] = {}
        self._next: Alarm | None = None
        self._began = Instant(0)
        self._cut_short: set[CallTrack] = set()

    def begin(self) -> Instant:
        """Start the schedule. Returns: its first instant."""
        self._began = Instant(self._clockwork.clock() + LEAD_NS)
        self._tally.began = self._began
        self.placing = True
        self._follow()
        return self._began

    def stop(self) -> None:
        """Place no more calls."""
        self.placing = False
        if self._next is not None:
            self._next.cancel()
        self._look()

    def end_all(self) -> None:
        """Place no more calls, and end all that are under way: they are cut short.

        A caller who had given up already, and waits for its call to end, has nothing to cut short.
        """
        self.stop()
        self._cut_short = {track for track in self._phones if not track.caller_gave_up}
        for caller in self.callers:
            caller.end_all()

    def abandon(self) -> None:
        """Wait no longer for what has not ended."""
        for track in tuple(self._phones):
            self.ended(track)

    def ended(self, track: CallTrack) -> None:
        """A caller says so."""
        now = self._clockwork.clock()
        phone = self._phones.pop(track, None)
        if phone is None:
            return  # it was waited for long enough
        phone.call_over()
        failure = self._tally.call_ended(track, now, cut_short=track in self._cut_short)
        if failure is not None:
            self._on_failure(failure, track)
        self._look()

    def _follow(self) -> None:
        """Wait for the next call of the schedule, whatever became of those before it."""
        planned = next(self._planned, None)
        if planned is None:
            self.placing = False
            self._look()
            return
        at = Instant(self._began + planned.at_ns)
        self._next = self._clockwork.at(at, lambda now: self._place(planned, at))

    def _place(self, planned: PlannedCall, at: Instant) -> None:
        self._follow()
        phone = self._idle.take()
        if phone is None:
            self._tally.not_placed += 1
            self._look()
            return
        caller = self.callers[planned.number % len(self.callers)]
        track = CallTrack(
            planned, at, caller.dn, phone.dn, phone.device, phone.never_wakes, phone.asleep
        )
        phone.expect(track)
        self._phones[track] = phone
        caller.call(track)
        self._tally.call_placed(track, self._clockwork.clock())

    def _look(self) -> None:
        if not self.placing and not self._phones:
            self.over.set()
