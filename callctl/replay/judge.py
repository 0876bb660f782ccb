"""Judges a play: each difference by its name, with both messages and the notes' reason for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from callctl.replay.difference import Difference, accepts, out_of_time
from callctl.replay.judge_pushes import push_differences
from callctl.replay.live import Asked, Called, Came, Played
from callctl.replay.meaning import unlike
from callctl.replay.notes_schema import AcceptEntry, DifferenceKind, NotesFile
from callctl.replay.recording import Exchange, Place, Recorded, title_of
from callctl.replay.script import Script
from sipstack.message.message import Response
from sipstack.timing import SECOND

HOP: Final = 100
"""100 Trying is of one hop: when it comes, and whether, is not compared (RFC 3261 §17.2.1)."""


PING: Final = "OPTIONS"
"""The system under test asks its peers in turns of its own, beginning when it was started."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a play."""

    differences: tuple[Difference, ...]  # in the order of time, accepted ones too
    unused: tuple[AcceptEntry, ...]  # entries of the notes that nothing was about
    compared: int  # messages of the capture that came again
    unsaid: tuple[Recorded, ...]  # that parties could not say

    @property
    def same(self) -> bool:
        """True if there is no difference but accepted ones."""
        return all(each.accepted for each in self.differences)

    @property
    def open(self) -> tuple[Difference, ...]:
        """Differences that nothing explains."""
        return tuple(each for each in self.differences if not each.accepted)


def judge(
    script: Script,
    played: Played,
    file: NotesFile,
    same: Callable[[str], str] = str,
    *,
    pushes_seen: bool = True,
    inserted: bool = False,
) -> Verdict:
    """`same`: what a text of the capture is now. `pushes_seen`: False for a peer whose pushes
    nobody sees. `inserted`: parties spoke to one another in the capture, so that what a hop adds
    is not there."""
    court = _Court(script, played, file, same, inserted)
    for exchange in script.exchanges:
        if exchange.inward:
            court.answers(exchange)
        else:
            court.request(exchange)
    for called in played.surprises:
        court.surprise(called)
    if pushes_seen and file.pushes is not None:
        court.pushes()
    return court.verdict()


class _Court:
    def __init__(
        self,
        script: Script,
        played: Played,
        file: NotesFile,
        same: Callable[[str], str],
        inserted: bool,
    ) -> None:
        self._script = script
        self._played = played
        self._file = file
        self._same = same
        self._ignored = (
            frozenset(file.ignore_headers) | {"record-route"}
            if inserted
            else frozenset(file.ignore_headers)
        )
        self._tolerance = round(file.tolerance_s * SECOND)
        self._found: list[Difference] = []
        self._compared = 0
        self._causes = self._causes_of(script)
        self._unsaid = frozenset(played.unsaid)

    def request(self, exchange: Exchange) -> None:
        """A request of the system under test."""
        called = self._played.called.get(exchange)
        recorded = exchange.request
        if recorded.title == PING and recorded not in self._causes:
            return
        if called is None:
            if self._causes.get(recorded) not in self._unsaid:  # else it could not come
                self._missing(recorded)
            return
        self._pair(recorded, called.came)
        if exchange.ack is not None and called.ack is None and self._said_a_failure(called):
            self._missing(exchange.ack)

    def answers(self, exchange: Exchange) -> None:
        """Responses of the system under test."""
        asked = self._played.asked.get(exchange)
        if asked is None:
            return  # its request was not said, which is told by itself
        came = [it for it in asked.answers if _status(it) != HOP]
        expected = [it for it in exchange.responses if it.status != HOP]
        paired = {it.paired: it for it in came if it.paired is not None}
        self._finals(paired)
        for recorded in expected:
            if recorded in paired:
                if recorded.status == _status(paired[recorded]):
                    self._pair(recorded, paired[recorded])
            elif recorded.status >= 200 or not _ended_otherwise(asked):
                self._missing(recorded)
        for it in came:
            if it.paired is None:
                self._unexpected(it)

    def _finals(self, paired: dict[Recorded, Came]) -> None:
        for recorded, now in paired.items():
            if recorded.status != _status(now):
                detail = f"{recorded.title} in the capture, {title_of(now.message)} now"
                self._add(DifferenceKind.STATUS, recorded, now, detail)

    def surprise(self, called: Called) -> None:
        """A request that the capture does not have."""
        if called.request.method != PING or called.request.to_tag is not None:
            self._unexpected(called.came)

    def pushes(self) -> None:
        """Pushes against the notes."""
        found, compared = push_differences(self._script.pushes, self._played, self._tolerance)
        self._found += found
        self._compared += compared

    def verdict(self) -> Verdict:
        """Everything that was found, with the notes' reasons."""
        entries = self._file.accept
        used: set[int] = set()
        told: list[Difference] = []
        for difference in sorted(self._found, key=lambda it: it.at_ns):
            entry = next((it for it in entries if accepts(it, difference)), None)
            if entry is not None:
                used.add(id(entry))
                difference = replace(difference, reason=entry.reason)
            told.append(difference)
        unused = tuple(it for it in entries if id(it) not in used)
        return Verdict(tuple(told), unused, self._compared, tuple(self._played.unsaid))

    # One message.

    def _pair(self, recorded: Recorded, came: Came) -> None:
        self._compared += 1
        for header, detail in unlike(recorded.message, came.message, self._same, self._ignored):
            kind = DifferenceKind.TARGET if header == "request-uri" else DifferenceKind.HEADER
            name = "" if header == "request-uri" else header
            self._add(kind, recorded, came, detail, name)
        if came.place.number != recorded.place.number and not _of_one_party(recorded, came.place):
            detail = f"{recorded.place} in the capture, {came.place} now"
            self._add(DifferenceKind.TARGET, recorded, came, detail)
        off = out_of_time(self._off(recorded, came), self._tolerance)
        if off is not None and recorded.title != PING:
            self._add(off[0], recorded, came, off[1])

    def _off(self, recorded: Recorded, came: Came) -> int:
        """How much later it came than in the capture, counted from what it follows."""
        cause = self._causes.get(recorded)
        said_at = None if cause is None else self._played.said_at.get(cause)
        if cause is None or said_at is None:
            return came.at - self._played.began_at - recorded.at
        return (came.at - said_at) - (recorded.at - cause.at)

    def _missing(self, recorded: Recorded) -> None:
        self._found.append(
            Difference(
                DifferenceKind.MISSING,
                recorded.title,
                recorded.place.party,
                f"from {recorded.node}",
                recorded.at,
                captured=recorded.octets,
                frame=recorded.frame,
            )
        )

    def _unexpected(self, came: Came) -> None:
        self._found.append(
            Difference(
                DifferenceKind.UNEXPECTED,
                title_of(came.message),
                came.place.party,
                "the capture has none like it",
                came.at - self._played.began_at,
                now=came.octets,
            )
        )

    def _add(
        self, kind: DifferenceKind, recorded: Recorded, came: Came, detail: str, header: str = ""
    ) -> None:
        self._found.append(
            Difference(
                kind,
                recorded.title,
                recorded.place.party,
                detail,
                recorded.at,
                header,
                recorded.octets,
                came.octets,
                recorded.frame,
            )
        )

    @staticmethod
    def _said_a_failure(called: Called) -> bool:
        return called.said is not None and called.said[8:9] in b"3456"

    @staticmethod
    def _causes_of(script: Script) -> dict[Recorded, Recorded]:
        """For each message of the system under test what was said before it in the same call."""
        last: dict[str, Recorded] = {}
        causes: dict[Recorded, Recorded] = {}
        for message in script.recording.messages:
            call_id = message.message.call_id
            if message.inward:
                last[call_id] = message
            elif call_id in last:
                causes[message] = last[call_id]
        return causes


def _ended_otherwise(asked: Asked) -> bool:
    """True if its end is a difference by itself: that less rang before it is no other one."""
    return any(it.paired is not None and it.paired.status != _status(it) for it in asked.answers)


def _status(came: Came) -> int:
    return came.message.status if isinstance(came.message, Response) else 0


def _of_one_party(recorded: Recorded, place: Place) -> bool:
    """A phone may have come back over another connection: who is there counts, and how."""
    there = recorded.place
    return there.party == place.party and there.transport == place.transport
