"""Plays the outside parties of a capture: says what they said, answers what they answered.

A machine with three doors. It holds no rule about calls: what a party would do is what it did.
"""

from __future__ import annotations

from typing import Final

from callctl.replay.agenda import Agenda, after
from callctl.replay.answering import Answering
from callctl.replay.asking import Asking
from callctl.replay.beforehand import Beforehand
from callctl.replay.live import Played, Pushed
from callctl.replay.notes_schema import NotesFile, PushEntry
from callctl.replay.play_event import (
    AnswerPush,
    Befall,
    HangUp,
    LosePush,
    PlayAction,
    PlayEvent,
    PushLeft,
    SignInDevice,
    SignOutDevice,
)
from callctl.replay.recording import Recorded
from callctl.replay.rewrite import Rewriter
from callctl.replay.script import Leaving, Script, Step
from sipstack.errors import SipSyntaxError
from sipstack.message.message import Request
from sipstack.message.parser import parse_message
from sipstack.timing import MS, SECOND, Instant

PATIENCE_NS: Final = 2 * SECOND
"""How long a party waits for what it heard in the capture before it goes on without."""
STAYS_NS: Final = 500 * MS
"""How long a connection is kept on which something did not come that came in the capture."""
ROUND_TRIP_NS: Final = 10 * MS
"""What the cloud needs for its answer to a push of which the notes know nothing."""
TAIL_NS: Final = 3 * SECOND
"""How long the system under test is listened to after the last message."""
REGISTERED_NS: Final = 500 * MS
"""How long before the first message those are registered who have to be."""
WITHOUT_CAUSE_NS: Final = 40 * SECOND
"""How long a message is kept that cannot be said yet, after its time."""


class Player:
    """One play of one script. `began_at` of what it gives is when the capture began."""

    __slots__ = (
        "_agenda",
        "_answering",
        "_asking",
        "_beforehand",
        "_script",
        "_unended",
        "_unsaid",
        "_waiting",
        "played",
    )

    def __init__(
        self,
        script: Script,
        file: NotesFile,
        rewriter: Rewriter,
        began_at: Instant,
        domain: str = "",
    ) -> None:
        """`domain`: of those who are registered before the capture begins."""
        self.played = Played(began_at, Instant(began_at + script.recording.length_ns + TAIL_NS))
        self._agenda = Agenda()
        self._answering = Answering(script, rewriter, self.played, self._caused)
        self._asking = Asking(rewriter, self.played, self._caused)
        self._beforehand = Beforehand(script.recording, rewriter, self.played, domain)
        self._script = script
        self._unsaid: dict[Step, None] = dict.fromkeys(script.steps)
        self._unended: dict[Leaving, None] = dict.fromkeys(script.leavings)
        self._waiting: dict[int, list[Step | Leaving]] = {}  # by id of what they wait for
        first = {it.message.call_id: it for it in reversed(script.recording.messages)}
        for call_id, message in first.items():
            if message.inward:
                rewriter.begin(call_id)
        self._plan_notes(file)
        self._plan_capture()

    # The three doors.

    def receive(self, event: PlayEvent, now: Instant) -> tuple[PlayAction, ...]:
        """Something came from the system under test."""
        if isinstance(event, PushLeft):
            return self._pushed(event, now)
        try:
            message = parse_message(event.octets)
            if isinstance(message, Request):
                return self._answering.request(message, event, now)
            if (message.top_via.branch or "") in self._beforehand:
                return self._beforehand.answered(message, event)
            return self._asking.response(message, event, now)
        except SipSyntaxError as error:
            self.played.ignore(f"unreadable: {error}")
            return ()

    def advance(self, now: Instant) -> tuple[PlayAction, ...]:
        """Say what is due."""
        actions: list[PlayAction] = []
        for planned in self._agenda.due(now):
            if isinstance(planned, Step):
                actions += self._step(planned, now)
            elif isinstance(planned, Leaving):
                if planned in self._unended:
                    del self._unended[planned]
                    actions.append(HangUp(planned.place))
            else:
                actions.append(planned)
        return tuple(actions)

    def next_deadline(self) -> Instant | None:
        """When something is to be said."""
        return self._agenda.next_deadline()

    def finish(self, now: Instant) -> Played:
        """The play is over."""
        self.played.ended_at = now
        self.played.unsaid = [step.message for step in self._unsaid]
        return self.played

    # What there is to do.

    def _plan_notes(self, file: NotesFile) -> None:
        began_at, plan = self.played.began_at, self._agenda.plan
        for say in self._beforehand.registrations(file.registered):
            plan(Instant(began_at - REGISTERED_NS), say)
        for signed in file.sign_ins:
            plan(after(began_at, signed.at), SignInDevice(signed.device))
        for signed in file.sign_outs:
            plan(after(began_at, signed.at), SignOutDevice(signed.device))
        for event in file.node_events:
            plan(after(began_at, event.at), Befall(event.node, event.event))

    def _plan_capture(self) -> None:
        began_at, plan = self.played.began_at, self._agenda.plan
        for step in self._script.steps:
            if step.after is None:
                plan(Instant(began_at + step.at), step)
            else:
                self._waiting.setdefault(id(step.after), []).append(step)
                plan(Instant(began_at + step.at + PATIENCE_NS), step)
        for leaving in self._script.leavings:
            stays_ns = 0
            if leaving.after is not None:
                self._waiting.setdefault(id(leaving.after), []).append(leaving)
                stays_ns = STAYS_NS
            plan(Instant(began_at + leaving.at + stays_ns), leaving)

    def _caused(self, cause: Recorded | PushEntry, now: Instant) -> None:
        """What something waited for has come: it follows as long after as in the capture."""
        for waiting in self._waiting.pop(id(cause), ()):
            self._agenda.plan(Instant(now + waiting.gap_ns), waiting)

    def _step(self, step: Step, now: Instant) -> tuple[PlayAction, ...]:
        if step not in self._unsaid:
            return ()
        request = step.message.request
        asking, answering = self._asking, self._answering
        may = answering.may(step.exchange) if request is None else asking.may(request)
        if not may:
            if now < self.played.began_at + step.at + WITHOUT_CAUSE_NS:
                self._agenda.plan(Instant(now + SECOND), step)  # what it needs may still come
            return ()
        del self._unsaid[step]
        self.played.said_at[step.message] = now
        self._caused(step.message, now)
        return answering.answer(step) if request is None else asking.ask(step, now)

    # Pushes.

    def _pushed(self, push: PushLeft, now: Instant) -> tuple[PlayAction, ...]:
        taken = {id(each.entry) for each in self.played.pushed}
        entry = next(
            (
                it
                for it in self._script.pushes
                if id(it) not in taken and (it.device, it.kind) == (push.device, push.kind)
            ),
            None,
        )
        self.played.pushed.append(Pushed(now, push, entry))
        if entry is None:
            # It is on its way yet; and of a push that the notes do not know, no cloud is to blame.
            self._agenda.plan(Instant(now + ROUND_TRIP_NS), AnswerPush(push.tracking_id, 200))
            return ()
        self._caused(entry, now)
        at = after(now, entry.after_s)
        if entry.lost:
            self._agenda.plan(at, LosePush(push.tracking_id, entry.lost))
        elif entry.answer is not None:
            self._agenda.plan(at, AnswerPush(push.tracking_id, entry.answer, entry.answer_body))
        return ()
