"""One call as the app sees it: first a push or an INVITE, then both, then over."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from callctl.phone.phone_event import ViewEnd
from callctl.push.content import ActiveNode
from sipstack.timing import Instant


class Phase(Enum):
    """How far the call has come on this phone."""

    WAITING = "WAITING"  # announced by push; its INVITE has not come
    RINGING = "RINGING"
    ANSWERED = "ANSWERED"
    OVER = "OVER"


_P = Phase
MOVES: Final[Mapping[Phase, frozenset[Phase]]] = {
    _P.WAITING: frozenset({_P.RINGING, _P.OVER}),
    _P.RINGING: frozenset({_P.ANSWERED, _P.OVER}),
    _P.ANSWERED: frozenset({_P.OVER}),
    _P.OVER: frozenset(),
}


class AppCall:
    """A call by the UUID that its pushes and its INVITE share (CALL-21)."""

    __slots__ = (
        "answer_at",
        "caller_name",
        "caller_number",
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
        self.named = True  # False: from a content-free push, the UUID is only ours
        self.pushed = False  # a ring push has come
        self.node: ActiveNode | None = None  # the newest one that a push named
        self.sip_call: int | None = None  # number of the call in the user agent
        self.wish: int | None = None  # the owner's answer (200, 486, 603) before the INVITE came
        self.shown = False  # it was on the screen at least once
        self.hidden: ViewEnd | None = None  # why it is off the screen
        self.answer_at: Instant | None = None  # by the owner's plan
        self.no_invite_at: Instant | None = None  # end of waiting for the INVITE (OP-06)

    def enter(self, phase: Phase) -> None:
        """Move on; waiting for the INVITE ends, and at the end everything does."""
        assert phase in MOVES[self.phase], (self.phase, phase)
        self.phase = phase
        self.no_invite_at = None
        if phase is not Phase.RINGING:
            self.answer_at = None

    def next_deadline(self) -> Instant | None:
        """The earlier of its two timers."""
        times = [at for at in (self.answer_at, self.no_invite_at) if at is not None]
        return min(times, default=None)
