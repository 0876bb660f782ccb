"""What the system under test asks of the parties, and what they answer."""

from __future__ import annotations

from collections.abc import Callable

from callctl.replay.live import Called, Played
from callctl.replay.matching import counterpart
from callctl.replay.play_event import Heard, PlayAction, Say
from callctl.replay.recording import Exchange, Recorded
from callctl.replay.rewrite import Rewriter
from callctl.replay.script import Script, Step
from sipstack.message.message import Request
from sipstack.message.response import respond
from sipstack.timing import Instant


class Answering:
    """All requests to parties in one play."""

    __slots__ = ("_by_branch", "_caused", "_expected", "_played", "_rewriter")

    def __init__(
        self,
        script: Script,
        rewriter: Rewriter,
        played: Played,
        caused: Callable[[Recorded, Instant], None],
    ) -> None:
        """`caused` is told which message of the capture has come."""
        self._by_branch: dict[tuple[str, str], Called] = {}  # and the method
        self._caused = caused
        self._expected: dict[tuple[str, str], dict[Exchange, None]] = {}  # by party and method
        self._played = played
        self._rewriter = rewriter
        for exchange in script.exchanges:
            if not exchange.inward:
                key = exchange.request.place.party, exchange.request.method
                self._expected.setdefault(key, {})[exchange] = None

    def may(self, exchange: Exchange) -> bool:
        """True once there is what is answered."""
        return exchange in self._played.called

    def answer(self, step: Step) -> tuple[PlayAction, ...]:
        """Say a response of the capture."""
        called = self._played.called[step.exchange]
        made = self._rewriter.response(step.message, step.exchange.request, called.request)
        called.said = self._played.said[step.message] = made.to_bytes()
        return (Say(called.came.place, step.message.node, called.said, called.flow),)

    def request(self, request: Request, heard: Heard, now: Instant) -> tuple[PlayAction, ...]:
        """The system under test asks."""
        branch = request.top_via.branch or ""
        if request.method == "ACK":
            invite = self._by_branch.get((branch, "INVITE"))
            if invite is not None:
                if invite.ack is None:
                    paired = None if invite.exchange is None else invite.exchange.ack
                    invite.ack = self._played.come(heard, request, now, paired)
                    if paired is not None:
                        self._caused(paired, now)
                return ()
        known = self._by_branch.get((branch, request.method))
        if known is not None:
            self._played.ignore("repeated request")
            if known.said is None:
                return ()
            return (Say(heard.place, "", known.said, heard.flow),)
        learned = self._rewriter.learned
        waiting = self._expected.get((heard.place.party, request.method), {})
        exchange = counterpart(request, heard.place, waiting, learned)
        recorded = None if exchange is None else exchange.request
        came = self._played.come(heard, request, now, recorded)
        called = Called(request, came, heard.flow, exchange)
        self._by_branch[branch, request.method] = called
        if exchange is None:
            self._played.surprises.append(called)
            return _surprised(called, heard)
        del waiting[exchange]
        self._played.called[exchange] = called
        learned.pair(heard.place.party, exchange.request.message, request)
        self._caused(exchange.request, now)
        return ()


def _surprised(called: Called, heard: Heard) -> tuple[PlayAction, ...]:
    """Nobody did anything in the capture; that nothing hangs, what can end is let end."""
    if called.request.method in ("INVITE", "ACK"):
        return ()
    called.said = respond(called.request, 200).to_bytes()
    return (Say(heard.place, "", called.said, heard.flow),)
