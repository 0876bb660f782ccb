"""One call as the app sees it: first a push or an INVITE, then both, then over."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from callctl.phone.event import CallEnded, EndCause
from callctl.phone.phone_event import ViewEnd
from callctl.push.content import ActiveNode, CallContent
from callctl.push.kind import PushKind
from sipstack.timing import Instant

GONE: Final = 480  # for an INVITE whose call is over on this phone

VIEW_ENDS: Final = {
    PushKind.MISSED: ViewEnd.UNANSWERED,
    PushKind.ANSWERED_ELSEWHERE: ViewEnd.ANSWERED_ELSEWHERE,
    PushKind.CANCELLED: ViewEnd.REMOTE_ENDED,
}
"""What a second push means to CallKit (OP-08)."""


class Phase(Enum):
    """How far the call has come on this phone."""

    WAITING = "WAITING"  # announced by push; its INVITE has not come
    RINGING = "RINGING"
    ANSWERED = "ANSWERED"
    OVER = "OVER"


_P = Phase
MOVES: Final[Mapping[Phase, frozenset[Phase]]] = {
    _P.WAITING: frozenset({_P.RINGING, _P.OVER}),
    _P.RINGING: frozenset({_P.WAITING, _P.ANSWERED, _P.OVER}),  # back: its node went down
    _P.ANSWERED: frozenset({_P.WAITING, _P.OVER}),  # back: nobody acknowledged our answer
    _P.OVER: frozenset(),
}


class AppCall:
    """A call by the UUID that its pushes and its INVITE share (CALL-21)."""

    __slots__ = (
        "answer_at",
        "caller_name",
        "caller_number",
        "confirmed",
        "hidden",
        "named",
        "no_invite_at",
        "node",
        "phase",
        "pushed",
        "shown",
        "sip_call",
        "uuid",
        "wish",
    )

    def __init__(self, uuid: str, caller_name: str, caller_number: str) -> None:
        self.uuid = uuid
        self.caller_name = caller_name
        self.caller_number = caller_number
        self.phase = Phase.WAITING
        self.confirmed = False  # the answer has its ACK
        self.named = True  # False: from a content-free push, the UUID is only ours
        self.pushed = False  # a ring push has come
        self.node: ActiveNode | None = None  # the newest one that a push named
        self.sip_call: int | None = None  # number of the call in the user agent
        self.wish: int | None = None  # the owner's answer (200, 486, 603) before the INVITE came
        self.shown = False  # it was on the screen at least once
        self.hidden: ViewEnd | None = None  # why it is off the screen
        self.answer_at: Instant | None = None  # by the owner's plan
        self.no_invite_at: Instant | None = None  # end of waiting for the INVITE (OP-06)

    @classmethod
    def of(cls, content: CallContent) -> AppCall:
        """The call that a push tells of."""
        return cls(content.call_uuid, content.display_name or "", content.display_number or "")

    @property
    def on_screen(self) -> bool:
        """True if its owner can do something about it."""
        return self.shown and self.hidden is None

    def enter(self, phase: Phase) -> None:
        """Move on; waiting for the INVITE ends, and at the end everything does."""
        assert phase in MOVES[self.phase], (self.phase, phase)
        self.phase = phase
        self.no_invite_at = None
        if phase in (Phase.ANSWERED, Phase.OVER):
            self.answer_at = None

    def next_deadline(self) -> Instant | None:
        """The earlier of its two timers."""
        times = [at for at in (self.answer_at, self.no_invite_at) if at is not None]
        return min(times, default=None)


def view_end(ended: CallEnded, *, answered: bool) -> ViewEnd:
    """CallKit's word for the end of a call."""
    match ended.cause:
        case EndCause.CANCELLED:
            reason = (ended.reason or "").replace(" ", "").lower()
            if "cause=200" in reason:  # RFC 3326 §3.1: another device answered
                return ViewEnd.ANSWERED_ELSEWHERE
            # Q.850 cause 26, "non-selected user clearing": a hunt went on, nothing was missed.
            gone_on = reason.startswith("q.850") and ";cause=26" in reason
            return ViewEnd.REMOTE_ENDED if gone_on else ViewEnd.UNANSWERED
        case EndCause.REMOTE_HUNG_UP:
            return ViewEnd.REMOTE_ENDED if answered else ViewEnd.UNANSWERED
        case EndCause.HUNG_UP:
            return ViewEnd.OWNER
        case EndCause.REFUSED:
            return ViewEnd.UNANSWERED if ended.status == GONE else ViewEnd.FAILED
    return ViewEnd.FAILED
