"""What the parties ask of the system under test, and what it answers.

What every party must do is done for it where the answer is another than in the capture: failures
are acknowledged, a call that nobody expected to be answered is ended, a challenge is answered.
"""

from __future__ import annotations

from collections.abc import Callable

from callctl.replay.learned import CHALLENGES
from callctl.replay.live import Asked, Played
from callctl.replay.play_event import Heard, PlayAction, Say
from callctl.replay.recording import Recorded
from callctl.replay.rewrite import Rewriter, user_of, username_of
from callctl.replay.script import Step
from callctl.replay.unrecorded import acknowledging, in_dialog
from sipstack.message.message import Message, Request, Response
from sipstack.timing import Instant


class Asking:
    """All requests of parties in one play."""

    __slots__ = ("_again", "_by_branch", "_caused", "_played", "_rewriter")

    def __init__(
        self, rewriter: Rewriter, played: Played, caused: Callable[[Recorded, Instant], None]
    ) -> None:
        """`caused` is told which message of the capture has come."""
        self._again: set[str] = set()  # branches of requests that answer a challenge of now
        self._by_branch: dict[tuple[str, str], Asked] = {}  # of a party, and the method
        self._caused = caused
        self._played = played
        self._rewriter = rewriter

    def may(self, request: Request) -> bool:
        """True once there is what this request of the capture is about."""
        if request.method == "CANCEL":
            return (request.top_via.branch or "", "INVITE") in self._by_branch
        peer = request.to_tag
        return peer is None or (request.call_id, peer) in self._rewriter.learned.tags

    def ask(self, step: Step, now: Instant) -> tuple[PlayAction, ...]:
        """Say a request of the capture."""
        message = step.message
        assert message.request is not None
        if message.method == "CANCEL":
            made = self._cancelling(message)
        else:
            made = self._rewriter.request(message, refused=_is_refused(step))
        asked = Asked(step.exchange, made, made.to_bytes(), now)
        self._played.said[message] = asked.octets
        self._played.asked[step.exchange] = asked
        branch = made.top_via.branch or ""
        if made.method == "ACK":
            self._acknowledged(made, asked.octets)
        else:
            self._by_branch[branch, made.method] = asked
        if message.method != "CANCEL":
            self._by_branch.setdefault((message.request.top_via.branch or "", made.method), asked)
        return (Say(message.place, message.node, asked.octets),)

    def response(self, response: Response, heard: Heard, now: Instant) -> tuple[PlayAction, ...]:
        """The system under test answers."""
        asked = self._by_branch.get((response.top_via.branch or "", response.cseq.method))
        if asked is None:
            self._played.ignore("response to nothing")
            return ()
        learned, party = self._rewriter.learned, heard.place.party
        if any(_is_again(response, came.message) for came in asked.answers):
            self._played.ignore("repeated response")
            if asked.acknowledged is not None and response.status >= 200:
                return (Say(heard.place, "", asked.acknowledged, heard.flow),)
            return ()
        if response.status in (401, 407):
            learned.challenged(party, response)
            again = self._ask_again(asked, response, heard, now)
            if again is not None:
                return again
        paired = _paired(asked, response)
        asked.flow = heard.flow
        asked.answers.append(self._played.come(heard, response, now, paired))
        if paired is not None:
            if (paired.status < 300) is (response.status < 300):  # else there is no such dialog
                learned.pair(party, paired.message, response)
            self._caused(paired, now)
        if response.status < 200 or asked.sent.method != "INVITE":
            return ()
        return self._final(asked, response, paired, heard)

    def _cancelling(self, message: Recorded) -> Request:
        """A CANCEL is what its INVITE is (RFC 3261 §9.1), which may have been said anew."""
        assert message.request is not None
        invite = self._by_branch[message.request.top_via.branch or "", "INVITE"].sent
        made = self._rewriter.request(message)
        made.set_uri(invite.uri_text)
        made.headers.replace_first("Via", invite.headers.all("via")[0])
        made.headers.replace_first("CSeq", f"{invite.cseq.number} CANCEL")
        return made

    def _acknowledged(self, ack: Request, octets: bytes) -> None:
        for asked in self._played.asked.values():
            same = asked.sent.method == "INVITE" and asked.sent.call_id == ack.call_id
            if same and asked.sent.cseq.number == ack.cseq.number:
                asked.acknowledged = octets

    def _final(
        self, asked: Asked, response: Response, paired: Recorded | None, heard: Heard
    ) -> tuple[PlayAction, ...]:
        """The end of an INVITE: its ACK, where the capture has none that fits."""
        node = asked.exchange.request.node
        if response.status >= 300:
            asked.acknowledged = acknowledging(asked.sent, response).to_bytes()
            return (Say(heard.place, node, asked.acknowledged),)
        if paired is not None and paired.status < 300:
            return ()
        number, branch = asked.sent.cseq.number, asked.sent.top_via.branch or ""
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
        ahead, matter = self._rewriter.learned.ahead, (party, recorded.call_id)
        ahead[matter] = ahead.get(matter, 0) + 1
        actions: list[PlayAction] = []
        if made.method == "INVITE":
            ack = acknowledging(asked.sent, response)
            actions.append(Say(heard.place, asked.exchange.request.node, ack.to_bytes()))
        self._again.add(f"{branch}c")
        self._played.ignore("challenge that the capture does not have")
        again = Asked(asked.exchange, made, made.to_bytes(), now)
        self._played.asked[asked.exchange] = again
        self._by_branch[f"{branch}c", made.method] = again
        self._by_branch[recorded.top_via.branch or "", made.method] = again
        actions.append(Say(heard.place, asked.exchange.request.node, again.octets))
        return tuple(actions)


def _is_refused(step: Step) -> bool:
    """True if the answer to a challenge was wrong in the capture, and asked for once more."""
    final = step.exchange.final
    if final is None or final.status not in (401, 407):
        return False
    texts = [text for key in CHALLENGES for text in final.message.headers.all(key)]
    return not any("stale=true" in text.lower().replace('"', "") for text in texts)


def _is_again(response: Response, other: Message) -> bool:
    return (
        isinstance(other, Response)
        and other.status == response.status
        and other.to_tag == response.to_tag
        and (response.status >= 200 or other.to_bytes() == response.to_bytes())
    )


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
