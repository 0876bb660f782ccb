"""Plays the outside parties of a capture: says what they said, answers what they answered.

A machine with three doors. It holds no rule about calls: what a party would do is what it did.
What every party must do is done for it where the system under test behaves otherwise than in the
capture: failures are acknowledged, a call that nobody expected to be answered is ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Final, TypeAlias

from callctl.replay.learned import CHALLENGES, Learned
from callctl.replay.live import Asked, Called, Came, Played, Pushed
from callctl.replay.matching import counterpart
from callctl.replay.notes_schema import NotesFile, PushEntry, RegisteredEntry
from callctl.replay.play_event import (
    AnswerPush,
    Befall,
    HangUp,
    Heard,
    LosePush,
    PlayAction,
    PlayEvent,
    PushLeft,
    Say,
    SignInDevice,
    SignOutDevice,
)
from callctl.replay.recording import Exchange, Recorded
from callctl.replay.rewrite import Rewriter, registering, user_of, username_of
from callctl.replay.script import Script, Step
from sipstack.errors import SipSyntaxError
from sipstack.message.message import Message, Request, Response
from sipstack.message.parser import parse_message
from sipstack.message.response import respond
from sipstack.timing import MS, SECOND, Instant

PATIENCE_NS: Final = 2 * SECOND
"""How long a party waits for what it heard in the capture before it goes on without."""
TAIL_NS: Final = 3 * SECOND
"""How long the system under test is listened to after the last message."""
REGISTERED_NS: Final = 500 * MS
"""How long before the first message those are registered who have to be."""
WITHOUT_CAUSE_NS: Final = 40 * SECOND
"""How long a message is kept that cannot be said yet, after its time."""

_Planned: TypeAlias = PlayAction | Step


@dataclass(frozen=True, slots=True)
class _Beforehand:
    """A REGISTER that the capture does not have."""

    request: Request
    node: str
    user: str
    again: bool = False


class Player:
    """One play of one script. `began_at` of what it gives is when the capture began."""

    __slots__ = (
        "_again",
        "_beforehand",
        "_by_branch",
        "_by_their_branch",
        "_domain",
        "_expected",
        "_heap",
        "_order",
        "_rewriter",
        "_script",
        "_unsaid",
        "_waiting",
        "learned",
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
        self.learned: Learned = rewriter.learned
        self.played = Played(began_at, Instant(began_at + script.recording.length_ns + TAIL_NS))
        self._script = script
        self._domain = domain
        self._rewriter = rewriter
        self._heap: list[tuple[Instant, int, _Planned]] = []
        self._order = 0
        self._again: set[str] = set()  # branches of requests that answer such a challenge
        self._beforehand: dict[str, _Beforehand] = {}  # by branch
        self._by_branch: dict[tuple[str, str], Asked] = {}  # ours, and the method
        self._by_their_branch: dict[tuple[str, str], Called] = {}
        self._unsaid: dict[Step, None] = dict.fromkeys(script.steps)
        self._waiting: dict[int, list[Step]] = {}  # by id of what they wait for
        self._expected: dict[tuple[str, str], dict[Exchange, None]] = {}  # by party and method
        for exchange in script.exchanges:
            if not exchange.inward:
                request = exchange.request
                self._expected.setdefault((request.place.party, request.method), {})[exchange] = (
                    None
                )
        first = {it.message.call_id: it for it in reversed(script.recording.messages)}
        for call_id, message in first.items():
            if message.inward:
                rewriter.begin(call_id)
        self._plan_notes(file)
        for step in script.steps:
            if step.after is None:
                self._plan(Instant(began_at + step.at), step)
            else:
                self._waiting.setdefault(id(step.after), []).append(step)
                self._plan(Instant(began_at + step.at + PATIENCE_NS), step)
        for end in script.recording.ends:
            if end.by_party:
                self._plan(Instant(began_at + end.at), HangUp(end.place))

    # The three doors.

    def receive(self, event: PlayEvent, now: Instant) -> tuple[PlayAction, ...]:
        """Something came from the system under test."""
        if isinstance(event, PushLeft):
            return self._pushed(event, now)
        try:
            message = parse_message(event.octets)
            if isinstance(message, Request):
                return self._request(message, event, now)
            return self._response(message, event, now)
        except SipSyntaxError as error:
            self.played.ignore(f"unreadable: {error}")
            return ()

    def advance(self, now: Instant) -> tuple[PlayAction, ...]:
        """Say what is due."""
        actions: list[PlayAction] = []
        while self._heap and self._heap[0][0] <= now:
            _, _, planned = heappop(self._heap)
            if isinstance(planned, Step):
                actions += self._step(planned, now)
            else:
                actions.append(planned)
        return tuple(actions)

    def next_deadline(self) -> Instant | None:
        """When something is to be said."""
        return self._heap[0][0] if self._heap else None

    def finish(self, now: Instant) -> Played:
        """The play is over."""
        self.played.ended_at = now
        self.played.unsaid = [step.message for step in self._unsaid]
        return self.played

    # Steps.

    def _plan_notes(self, file: NotesFile) -> None:
        began_at = self.played.began_at
        for number, entry in enumerate(file.registered, start=1):
            self._plan(Instant(began_at - REGISTERED_NS), self._registering(entry, number))
        for signed in file.sign_ins:
            self._plan(_after(began_at, signed.at), SignInDevice(signed.device))
        for signed in file.sign_outs:
            self._plan(_after(began_at, signed.at), SignOutDevice(signed.device))
        for event in file.node_events:
            self._plan(_after(began_at, event.at), Befall(event.node, event.event))

    def _registering(self, entry: RegisteredEntry, number: int) -> Say:
        """A REGISTER that the capture does not have; nobody looks at its answer."""
        messages = self._script.recording.messages
        host, _, port = entry.at.rpartition(":")
        place = next(
            it
            for it in self._script.recording.places
            if (it.host, it.port) == (host.strip("[]"), int(port))
        )
        node = next(it.node for it in messages if it.place is place)
        request = registering(entry, place, self._domain, number)
        branch = request.top_via.branch or ""
        self._beforehand[branch] = _Beforehand(request, node, entry.user or entry.line)
        return Say(place, node, request.to_bytes())

    def _registered(self, response: Response, heard: Heard) -> tuple[PlayAction, ...]:
        """The answer to such a REGISTER; a challenge is answered, once."""
        sent = self._beforehand.pop(response.top_via.branch or "")
        key = next((CHALLENGES[it] for it in CHALLENGES if response.headers.has(it)), None)
        if key is None or sent.again:
            if response.status >= 300:
                self.played.ignore(f"{response.status} to a REGISTER before the capture")
            return ()
        self.learned.challenged(heard.place.party, response)
        again = sent.request.copy()
        branch = f"{again.top_via.branch}c"
        again.headers.replace_first("Via", str(again.top_via.with_param("branch", branch)))
        again.headers.replace_first("CSeq", f"{again.cseq.number + 1} REGISTER")
        if not self._rewriter.authorize(again, heard.place.party, key, sent.user):
            self.played.ignore("no password for a REGISTER before the capture")
            return ()
        self._beforehand[branch] = _Beforehand(again, sent.node, sent.user, again=True)
        return (Say(heard.place, sent.node, again.to_bytes()),)

    def _plan(self, at: Instant, what: _Planned) -> None:
        self._order += 1
        heappush(self._heap, (at, self._order, what))

    def _caused(self, cause: Recorded | PushEntry, now: Instant) -> None:
        """What a step waited for has come: it follows as long after as in the capture."""
        for step in self._waiting.pop(id(cause), ()):
            self._plan(Instant(now + step.gap_ns), step)

    def _step(self, step: Step, now: Instant) -> tuple[PlayAction, ...]:
        if step not in self._unsaid:
            return ()
        if not self._may(step):
            if now < self.played.began_at + step.at + WITHOUT_CAUSE_NS:
                self._plan(Instant(now + SECOND), step)  # what it needs may still come
            return ()
        del self._unsaid[step]
        self.played.said_at[step.message] = now
        if step.message.request is not None:
            return self._ask(step, now)
        return self._answer(step)

    def _may(self, step: Step) -> bool:
        """True once there is what this message is about."""
        message = step.message
        if message.request is None:
            return step.exchange in self.played.called
        request = message.request
        if request.method == "CANCEL":
            return (request.top_via.branch or "", "INVITE") in self._by_branch
        peer = request.to_tag
        if peer is None:
            return True
        return (request.call_id, peer) in self.learned.tags

    def _ask(self, step: Step, now: Instant) -> tuple[PlayAction, ...]:
        message = step.message
        if message.method == "CANCEL":
            made = self._cancelling(message)
        else:
            made = self._rewriter.request(message)
        asked = Asked(step.exchange, made, made.to_bytes(), now)
        self.played.said[message] = asked.octets
        self.played.asked[step.exchange] = asked
        branch = made.top_via.branch or ""
        if made.method == "ACK":
            self._acknowledged(made, asked.octets)
        else:
            self._by_branch[branch, made.method] = asked
        if message.request is not None and message.method != "CANCEL":
            self._by_branch.setdefault((message.request.top_via.branch or "", made.method), asked)
        return (Say(message.place, message.node, asked.octets),)

    def _cancelling(self, message: Recorded) -> Request:
        """A CANCEL is what its INVITE is (RFC 3261 §9.1), which may have been said anew."""
        assert message.request is not None
        invite = self._by_branch[message.request.top_via.branch or "", "INVITE"].sent
        made = self._rewriter.request(message)
        made.set_uri(invite.uri_text)
        made.headers.replace_first("Via", invite.headers.all("via")[0])
        made.headers.replace_first("CSeq", f"{invite.cseq.number} CANCEL")
        return made

    def _answer(self, step: Step) -> tuple[PlayAction, ...]:
        called = self.played.called[step.exchange]
        made = self._rewriter.response(step.message, step.exchange.request, called.request)
        called.said = self.played.said[step.message] = made.to_bytes()
        return (Say(called.came.place, step.message.node, called.said, called.flow),)

    def _acknowledged(self, ack: Request, octets: bytes) -> None:
        for asked in self.played.asked.values():
            same = asked.sent.method == "INVITE" and asked.sent.call_id == ack.call_id
            if same and asked.sent.cseq.number == ack.cseq.number:
                asked.acknowledged = octets

    # What comes.

    def _request(self, request: Request, heard: Heard, now: Instant) -> tuple[PlayAction, ...]:
        branch = request.top_via.branch or ""
        if request.method == "ACK":
            invite = self._by_their_branch.get((branch, "INVITE"))
            if invite is not None:
                if invite.ack is None:
                    paired = None if invite.exchange is None else invite.exchange.ack
                    invite.ack = self._came(heard, request, now, paired)
                return ()
        known = self._by_their_branch.get((branch, request.method))
        if known is not None:
            self.played.ignore("repeated request")
            if known.said is None:
                return ()
            return (Say(heard.place, "", known.said, heard.flow),)
        waiting = self._expected.get((heard.place.party, request.method), {})
        exchange = counterpart(request, heard.place, waiting, self.learned)
        paired = None if exchange is None else exchange.request
        called = Called(request, self._came(heard, request, now, paired), heard.flow, exchange)
        self._by_their_branch[branch, request.method] = called
        if exchange is None:
            self.played.surprises.append(called)
            return self._surprised(called, heard)
        del waiting[exchange]
        self.played.called[exchange] = called
        self.learned.pair(heard.place.party, exchange.request.message, request)
        self._caused(exchange.request, now)
        return ()

    def _surprised(self, called: Called, heard: Heard) -> tuple[PlayAction, ...]:
        """Nobody did anything in the capture; that nothing hangs, what can end is let end."""
        if called.request.method in ("INVITE", "ACK"):
            return ()
        called.said = respond(called.request, 200).to_bytes()
        return (Say(heard.place, "", called.said, heard.flow),)

    def _response(self, response: Response, heard: Heard, now: Instant) -> tuple[PlayAction, ...]:
        branch = response.top_via.branch or ""
        if branch in self._beforehand:
            return self._registered(response, heard)
        asked = self._by_branch.get((branch, response.cseq.method))
        if asked is None:
            self.played.ignore("response to nothing")
            return ()
        party = heard.place.party
        if any(self._is_again(response, came.message) for came in asked.answers):
            self.played.ignore("repeated response")
            if asked.acknowledged is not None and response.status >= 200:
                return (Say(heard.place, "", asked.acknowledged, heard.flow),)
            return ()
        if response.status in (401, 407):
            self.learned.challenged(party, response)
            again = self._ask_again(asked, response, heard, now)
            if again is not None:
                return again
        paired = self._paired(asked, response)
        asked.flow = heard.flow
        asked.answers.append(self._came(heard, response, now, paired))
        if paired is not None:
            if (paired.status < 300) is (response.status < 300):  # else there is no such dialog
                self.learned.pair(party, paired.message, response)
            self._caused(paired, now)
        if response.status < 200 or asked.sent.method != "INVITE":
            return ()
        return self._final(asked, response, paired, heard)

    def _final(
        self, asked: Asked, response: Response, paired: Recorded | None, heard: Heard
    ) -> tuple[PlayAction, ...]:
        """The end of an INVITE: its ACK, where the capture has none that fits."""
        node = asked.exchange.request.node
        if response.status >= 300:
            ack = self._rewriter.acknowledge(asked.sent, response)
            asked.acknowledged = ack.to_bytes()
            return (Say(heard.place, node, asked.acknowledged),)
        if paired is not None and paired.status < 300:
            return ()
        number, branch = asked.sent.cseq.number, asked.sent.top_via.branch or ""
        in_dialog = self._rewriter.in_dialog
        ack = in_dialog("ACK", number, asked.sent, response, f"{branch}a")
        bye = in_dialog("BYE", number + 1, asked.sent, response, f"{branch}b")
        asked.acknowledged = ack.to_bytes()
        return (
            Say(heard.place, node, asked.acknowledged),
            Say(heard.place, node, bye.to_bytes()),
        )

    def _ask_again(
        self, asked: Asked, response: Response, heard: Heard, now: Instant
    ) -> tuple[PlayAction, ...] | None:
        """A challenge that the capture does not have is answered once: a nonce grew old since."""
        final = asked.exchange.final
        if final is None or final.status in (401, 407):
            return None
        key = next((CHALLENGES[it] for it in CHALLENGES if response.headers.has(it)), None)
        recorded = asked.exchange.request.request
        if key is None or recorded is None or asked.answers:
            return None
        made = asked.sent.copy()
        party, number = heard.place.party, made.cseq.number + 1
        branch = made.top_via.branch or ""
        made.headers.replace_first("CSeq", f"{number} {made.method}")
        made.headers.replace_first("Via", str(made.top_via.with_param("branch", f"{branch}c")))
        username = username_of(recorded) or user_of(made)
        if branch in self._again or username is None:
            return None
        if not self._rewriter.authorize(made, party, key, username):
            return None
        matter = (party, recorded.call_id)
        self.learned.ahead[matter] = self.learned.ahead.get(matter, 0) + 1
        actions: list[PlayAction] = []
        if made.method == "INVITE":
            ack = self._rewriter.acknowledge(asked.sent, response)
            actions.append(Say(heard.place, asked.exchange.request.node, ack.to_bytes()))
        self._again.add(f"{branch}c")
        self.played.ignore("challenge that the capture does not have")
        again = Asked(asked.exchange, made, made.to_bytes(), now)
        self.played.asked[asked.exchange] = again
        self._by_branch[f"{branch}c", made.method] = again
        self._by_branch[recorded.top_via.branch or "", made.method] = again
        actions.append(Say(heard.place, asked.exchange.request.node, again.octets))
        return tuple(actions)

    @staticmethod
    def _is_again(response: Response, other: Message) -> bool:
        return (
            isinstance(other, Response)
            and other.status == response.status
            and other.to_tag == response.to_tag
            and (response.status >= 200 or other.to_bytes() == response.to_bytes())
        )

    @staticmethod
    def _paired(asked: Asked, response: Response) -> Recorded | None:
        """The response of the capture that this one stands for."""
        taken = {came.paired for came in asked.answers}
        left = [it for it in asked.exchange.responses if it not in taken]
        for recorded in left:
            if recorded.status == response.status:
                return recorded
        if response.status >= 200:
            return next((it for it in left if it.status >= 200), None)
        return None

    def _came(self, heard: Heard, message: Message, now: Instant, paired: Recorded | None) -> Came:
        if paired is not None:
            self.played.came_at[paired] = now
        return Came(now, heard.place, message, heard.octets, paired)

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
            return (AnswerPush(push.tracking_id, 200),)
        self._caused(entry, now)
        at = _after(now, entry.after_s)
        if entry.lost:
            self._plan(at, LosePush(push.tracking_id, entry.lost))
        elif entry.answer is not None:
            self._plan(at, AnswerPush(push.tracking_id, entry.answer, entry.answer_body))
        return ()


def _after(began_at: Instant, seconds: float) -> Instant:
    return Instant(began_at + round(seconds * SECOND))
