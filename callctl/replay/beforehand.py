"""Those who are registered when the capture begins: their REGISTERs, which it does not have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from callctl.replay.learned import CHALLENGES
from callctl.replay.live import Played
from callctl.replay.notes_schema import RegisteredEntry
from callctl.replay.play_event import Heard, PlayAction, Say
from callctl.replay.recording import Recording
from callctl.replay.rewrite import Rewriter
from callctl.replay.unrecorded import registering
from sipstack.message.message import Request, Response


@dataclass(frozen=True, slots=True)
class _Asked:
    """One REGISTER."""

    request: Request
    node: str
    user: str
    again: bool = False  # True: with an answer to the challenge


class Beforehand:
    """Asks, and answers challenges; nobody looks at what comes of it but to count failures."""

    __slots__ = ("_asked", "_domain", "_played", "_recording", "_rewriter")

    def __init__(
        self, recording: Recording, rewriter: Rewriter, played: Played, domain: str
    ) -> None:
        self._asked: dict[str, _Asked] = {}  # by branch
        self._recording = recording
        self._rewriter = rewriter
        self._played = played
        self._domain = domain

    def __contains__(self, branch: str) -> bool:
        return branch in self._asked

    def registrations(self, entries: list[RegisteredEntry]) -> Iterator[Say]:
        """What to say, one for each entry."""
        for number, entry in enumerate(entries, start=1):
            host, _, port = entry.at.rpartition(":")
            place = next(
                it
                for it in self._recording.places
                if (it.host, it.port) == (host.strip("[]"), int(port))
            )
            node = next(it.node for it in self._recording.messages if it.place is place)
            request = registering(entry, place, self._domain, number)
            self._rewriter.unrecorded(request)
            user = entry.user or entry.line
            self._asked[request.top_via.branch or ""] = _Asked(request, node, user)
            yield Say(place, node, request.to_bytes())

    def answered(self, response: Response, heard: Heard) -> tuple[PlayAction, ...]:
        """The answer to one of them; a challenge is answered, once."""
        sent = self._asked.pop(response.top_via.branch or "")
        key = next((CHALLENGES[it] for it in CHALLENGES if response.headers.has(it)), None)
        if key is None or sent.again:
            if response.status >= 300:
                self._played.ignore(f"{response.status} to a REGISTER before the capture")
            return ()
        self._rewriter.learned.challenged(heard.place.party, response)
        again = sent.request.copy()
        branch = f"{again.top_via.branch}c"
        again.headers.replace_first("Via", str(again.top_via.with_param("branch", branch)))
        again.headers.replace_first("CSeq", f"{again.cseq.number + 1} REGISTER")
        if not self._rewriter.authorize(again, heard.place.party, key, sent.user):
            self._played.ignore("no password for a REGISTER before the capture")
            return ()
        self._asked[branch] = _Asked(again, sent.node, sent.user, again=True)
        return (Say(heard.place, sent.node, again.to_bytes()),)
