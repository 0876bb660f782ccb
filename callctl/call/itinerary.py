"""Where a call goes when those it was offered to do not take it: hunts and forwarding.

A call is for one number at a time, its stage: a line, a member of a hunt, or a number outside.
Source: CALL-09, CALL-14, CALL-20, OP-04, OP-66; RFC 4458 §2 and RFC 7044 for the causes.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from callctl.model.hunt_pilot import Distribution, HuntPilot
from callctl.model.line import NO_FORWARDING, Forwarding
from callctl.registration.binding import Binding
from sipstack.timing import Instant

if TYPE_CHECKING:
    from callctl.call.leg import Leg


class Cause(Enum):
    """Why a call went on from one number to the next; the value is that of RFC 4458 §2.1."""

    UNCONDITIONAL = 302
    BUSY = 486
    NO_ANSWER = 408
    UNREGISTERED = 404
    MOBILITY = 503  # "mobile subscriber not reachable"
    HUNT = 0  # a hunt goes over its members: no redirection


class Onward(NamedTuple):
    """The next number of a call."""

    number: str
    cause: Cause
    pilot: HuntPilot | None = None  # of the hunt that the number is a member of


@dataclass(slots=True)
class Target:
    """What a number leads to, as the engine found it."""

    number: str
    # Each leg with the live bindings of its device. Without one the device must be pushed to,
    # unless the leg is one over trunks.
    legs: list[tuple[Leg, tuple[Binding, ...]]]
    forwarding: Forwarding = NO_FORWARDING
    pilot: HuntPilot | None = None
    refusal: int | None = None  # 404: no such number; 486, 503: nobody of it can take one more


class Stage:
    """One number the call is offered to."""

    __slots__ = ("asking", "ends_at", "forwarding", "legs", "number", "pilot", "trail")

    def __init__(
        self,
        number: str,
        forwarding: Forwarding,
        pilot: HuntPilot | None,
        trail: tuple[Onward, ...],
    ) -> None:
        self.number = number
        self.forwarding = forwarding
        self.pilot = pilot  # hunted through: no forwarding of the line, and nothing is missed
        self.trail = trail  # the numbers before it, and why each was left
        self.legs: list[Leg] = []
        self.asking = 0  # mobility identities that are being looked for
        self.ends_at: Instant | None = None  # a member's time, or that before "no answer"

    @property
    def expects(self) -> bool:
        """True while an answer may come of one of its legs."""
        return self.asking > 0 or any(leg.expects for leg in self.legs)

    @property
    def outcome(self) -> Cause:
        """Why nobody took the call: busy says most, then no answer (CALL-14)."""
        outcomes = [leg.outcome for leg in self.legs]
        for cause in (Cause.BUSY, Cause.NO_ANSWER):
            if cause in outcomes:
                return cause
        return Cause.UNREGISTERED


SENT_ON: Final = frozenset({Cause.UNCONDITIONAL, Cause.BUSY, Cause.NO_ANSWER, Cause.UNREGISTERED})


class Itinerary:
    """The way of one call over its numbers. It never comes to one twice, and ends."""

    __slots__ = ("_hops_left", "_members", "_pilot", "_visited", "trail")

    def __init__(self, dialled: str, hops_max: int) -> None:
        self._visited = {dialled}
        self._hops_left = hops_max
        self._pilot: HuntPilot | None = None
        self._members: deque[str] = deque()
        self.trail: tuple[Onward, ...] = (Onward(dialled, Cause.UNCONDITIONAL),)

    def arrived(self, target: Target) -> Onward | None:
        """Where a call goes that is not to be offered at this number itself."""
        pilot = target.pilot
        if pilot is not None:
            self._pilot = pilot
            if pilot.distribution is Distribution.SEQUENTIAL:
                self._members.extend(pilot.members)
                return self._next_member()
            return None
        if self._pilot is None and target.forwarding.all is not None:
            return Onward(target.forwarding.all, Cause.UNCONDITIONAL)
        return None

    def onward(self, forwarding: Forwarding, outcome: Cause) -> Onward | None:
        """Where a call goes that nobody took: the hunt's next member, or as the line forwards."""
        pilot = self._pilot
        if pilot is not None:
            if self._members:
                return self._next_member()
            self._pilot = None
            number = pilot.forward_unanswered
            return None if number is None else Onward(number, outcome)
        if outcome is Cause.BUSY:
            number = forwarding.busy
        elif outcome is Cause.NO_ANSWER:
            number = forwarding.no_answer
        else:
            number = forwarding.unregistered or forwarding.no_answer  # OP-04
        return None if number is None else Onward(number, outcome)

    def enter(self, onward: Onward) -> bool:
        """Go there; False if the call has been there, or has gone far enough (CALL-09)."""
        if onward.cause in SENT_ON:
            if onward.number in self._visited or not self._hops_left:
                return False
            self._hops_left -= 1
            self._visited.add(onward.number)
        # What comes after a member of a hunt stands beside it, not behind it.
        before = self.trail[:-1] if self.trail[-1].cause is Cause.HUNT else self.trail
        self.trail = (*before, onward)
        return True

    def _next_member(self) -> Onward:
        return Onward(self._members.popleft(), Cause.HUNT, self._pilot)
