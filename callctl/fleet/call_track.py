"""One call as its caller and the called phone saw it, and what that says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from callctl.fleet.plan import Wish
from callctl.fleet.schedule import PlannedCall
from callctl.phone.event import EndCause
from sipstack.timing import MS, SECOND, Instant

HUNG_UP: Final = frozenset({EndCause.HUNG_UP, EndCause.REMOTE_HUNG_UP})
DECLINED: Final = 603
BUSY: Final = 486
UNAVAILABLE: Final = 480
REFUSALS: Final = {DECLINED: "declined", BUSY: "busy", UNAVAILABLE: "not reachable"}
GRACE_NS: Final = 3 * SECOND  # a caller hangs up so long after the phone should have


@dataclass(slots=True, eq=False)
class CallTrack:
    """Instants are of the fleet's clock; None: it has not come to that."""

    plan: PlannedCall
    planned_at: Instant
    caller: str  # directory number
    callee: str  # directory number
    device: str  # of the callee
    never_wakes: bool
    asleep: bool  # the phone, as the call was placed
    node: str = ""  # that got the INVITE
    call_id: str = ""
    call_uuid: str = ""
    retries: int = 0  # at another node, because one could not be connected to (RFC 3263 §4.3)
    invited_at: Instant | None = None
    heard_at: Instant | None = None  # the first response of any kind
    pushed_at: Instant | None = None
    register_at: Instant | None = None
    registered_at: Instant | None = None
    offered_at: Instant | None = None  # the INVITE at the phone
    rang_at: Instant | None = None
    ringing_at: Instant | None = None  # the caller was told, after the phone rang
    acted_at: Instant | None = None  # the owner answered or declined, as planned
    picked_up_at: Instant | None = None  # the phone's 200
    answered_at: Instant | None = None
    ended_at: Instant | None = None
    cause: EndCause | None = None
    status: int | None = None
    caller_gave_up: bool = False
    caller_hung_up_late: bool = False
    moved: bool = False  # the phone lost or changed its network meanwhile

    @property
    def lateness_ns(self) -> int:
        """How much later than planned it was placed."""
        return 0 if self.invited_at is None else self.invited_at - self.planned_at

    @property
    def as_planned(self) -> bool:
        """True if it ended as its plan has it."""
        gave_up = self.caller_gave_up and self.cause is not None
        if self.never_wakes:
            return self.status == UNAVAILABLE or gave_up
        if gave_up and self.acted_at is None:
            # Nobody was to answer, or not before that.
            return self.rang_at is not None
        match self.plan.wish:
            case Wish.ANSWER:
                talked = self.answered_at is not None and self.cause in HUNG_UP
                return talked and not self.caller_hung_up_late
            case Wish.DECLINE:
                return self.status == DECLINED
            case Wish.BUSY:
                return self.status == BUSY
            case Wish.NO_ANSWER:
                return False

    @property
    def outcome(self) -> str:
        """How it ended, in a word or two."""
        if self.answered_at is not None:
            return "answered"
        if self.caller_gave_up:
            return "given up"
        if self.status is not None and self.cause is EndCause.REFUSED:
            return REFUSALS.get(self.status, str(self.status))
        return "not ended" if self.cause is None else self.cause.value

    @property
    def failure(self) -> str:
        """Why it is no success: what the caller heard, and how far the call had come."""
        return f"{self._failure()}{', its network was lost or changed' if self.moved else ''}"

    def _failure(self) -> str:
        if self.answered_at is not None:
            if self.caller_hung_up_late:
                return "the phone hung up, and the caller did not hear of it"
            if self.plan.wish is not Wish.ANSWER or self.never_wakes:
                return "answered by somebody else"
            return f"answered, then: {_ending(self.cause)}"
        return f"{self._heard()}, {self._reached()}"

    def _heard(self) -> str:
        if self.cause is None:
            return "cancelled, and no end" if self.caller_gave_up else "no end"
        if self.caller_gave_up:
            return "no answer in time"
        if self.status is not None and self.cause is EndCause.REFUSED:
            return str(self.status)
        return _ending(self.cause)

    def _reached(self) -> str:
        if self.picked_up_at is not None:
            return "the phone had answered"
        if self.rang_at is not None:
            return "the phone rang"
        if self.offered_at is not None:
            return "the phone had the INVITE"
        if self.registered_at is not None:
            return "registered, no INVITE"
        if self.register_at is not None:
            return "the phone could not register"
        if self.pushed_at is not None:
            return "pushed, no REGISTER"
        if self.asleep:
            return "no push came" if self.heard_at is not None else "no response at all"
        return "no INVITE came"


def _ending(cause: EndCause | None) -> str:
    words = {EndCause.TIMEOUT: "no response", EndCause.TRANSPORT: "connection lost"}
    return "no end" if cause is None else words.get(cause, cause.value)


class Stage(NamedTuple):
    """A part of the way of a call, between two instants of its track."""

    name: str
    text: str
    begins: str
    ends: str
    planned: bool = False  # mostly made of what the plan asks for: no merit of the servers


STAGES: Final = (
    Stage("late start", "planned to INVITE out", "planned_at", "invited_at"),
    Stage("push", "INVITE out to push at the phone", "invited_at", "pushed_at"),
    Stage("wake", "push to REGISTER, mostly planned", "pushed_at", "register_at", True),
    Stage("register", "REGISTER out to INVITE at the phone", "register_at", "offered_at"),
    Stage("route", "INVITE out to INVITE at an awake phone", "invited_at", "offered_at"),
    Stage("ring", "its INVITE to 180 at the caller", "offered_at", "ringing_at"),
    Stage("pick up", "ring to 200 by the phone, planned", "rang_at", "picked_up_at", True),
    Stage("answer", "its 200 to 200 at the caller", "picked_up_at", "answered_at"),
    Stage("set-up", "planned to the phone ringing", "planned_at", "rang_at"),
)
"""In the order of a call; the last is the whole of it."""

WOKEN: Final = frozenset({"push", "wake", "register"})
"""Stages of calls to sleeping phones alone."""

ROUTED: Final = "route"
"""The stage of calls to awake phones alone, in their place."""


def stage_times(track: CallTrack) -> list[tuple[str, float]]:
    """The stages that a call went through, in ms.

    Something that came before what it should follow is left out: an answer that was given on the
    lock screen before there was an INVITE, a 180 of the node itself.
    """
    times: list[tuple[str, float]] = []
    for stage in STAGES:
        begun: Instant | None = getattr(track, stage.begins)
        ended: Instant | None = getattr(track, stage.ends)
        if begun is None or ended is None or ended < begun:
            continue
        if (stage.name in WOKEN and not track.asleep) or (stage.name == ROUTED and track.asleep):
            continue
        times.append((stage.name, (ended - begun) / MS))
    return times
