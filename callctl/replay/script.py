"""What the parties outside do, and what each of it waits for.

A party says what it said in the capture, as long after what it had heard before as it did there:
a response after its request, an ACK after the 200, a REGISTER after the push that woke its phone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from callctl.replay.notes_schema import Authentication, NotesFile, PushEntry
from callctl.replay.recording import Exchange, Place, Recorded, Recording
from sipstack.timing import SECOND

WAKE_NS: Final = 60 * SECOND
"""A REGISTER so long after a push is not because of it."""

Cause: TypeAlias = Recorded | PushEntry


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One message that a party says."""

    message: Recorded
    exchange: Exchange  # of a response: the one it answers
    after: Cause | None  # what the party had heard last in this matter; None: nothing
    gap_ns: int = 0  # from then

    @property
    def at(self) -> int:
        """When it was said in the capture."""
        return self.message.at


@dataclass(frozen=True, slots=True, eq=False)
class Leaving:
    """A party ends a connection of its own."""

    place: Place
    at: int  # ns since the recording began
    after: Recorded | None  # the last message over it; None: nothing
    gap_ns: int = 0  # from then


@dataclass(frozen=True, slots=True)
class Script:
    """A recording, as it is to be played."""

    recording: Recording
    steps: tuple[Step, ...]
    leavings: tuple[Leaving, ...]
    exchanges: tuple[Exchange, ...]  # that are judged
    pushes: tuple[PushEntry, ...]
    folded: int = 0  # challenged requests that are left out


def script_of(recording: Recording, file: NotesFile, *, pushes_seen: bool = True) -> Script:
    """Everything that is played of a recording. `pushes_seen`: False where nobody sees pushes
    leave, so that nobody can wait for one."""
    folded = _challenged(recording) if file.authentication is Authentication.RECORDED else set()
    exchanges = tuple(it for it in recording.exchanges if it not in folded)
    pushes = tuple(sorted(file.pushes or (), key=lambda push: push.at))
    of_message = {it.request: it for it in exchanges}
    of_message.update({reply: it for it in exchanges for reply in it.responses})
    heard: dict[tuple[str, str], Recorded] = {}
    steps: list[Step] = []
    for message in recording.messages:
        exchange = of_message.get(message)
        if exchange is None:  # an ACK of one hop, or folded
            continue
        matter = (message.place.party, message.message.call_id)
        if not message.inward:
            heard[matter] = message
            continue
        awaited = pushes if pushes_seen else ()
        steps.append(_step(message, exchange, heard.get(matter), awaited))
    leavings = tuple(_leavings(recording))
    return Script(recording, tuple(steps), leavings, exchanges, pushes, len(folded))


def _step(
    message: Recorded, exchange: Exchange, heard: Recorded | None, pushes: tuple[PushEntry, ...]
) -> Step:
    after: Cause | None = heard
    heard_at = heard.at if heard is not None else -1
    if message.inward and message.request is not None and message.method == "REGISTER":
        for push in pushes:
            pushed_at = round(push.at * SECOND)
            if push.device != message.place.party or not heard_at < pushed_at <= message.at:
                continue
            if message.at - pushed_at <= WAKE_NS:
                after, heard_at = push, pushed_at
    return Step(message, exchange, after, message.at - heard_at if after is not None else 0)


def _leavings(recording: Recording) -> Iterator[Leaving]:
    for end in recording.ends:
        if not end.by_party:
            continue
        before = [it for it in recording.messages if it.place is end.place and it.at <= end.at]
        last = before[-1] if before else None
        yield Leaving(end.place, end.at, last, end.at - last.at if last is not None else 0)


def _challenged(recording: Recording) -> set[Exchange]:
    """Exchanges that ended in a challenge which the next request of the party answered."""
    found: set[Exchange] = set()
    for exchange in recording.exchanges:
        final = exchange.final
        if not exchange.inward or final is None or final.status not in (401, 407):
            continue
        asked = exchange.request
        if any(
            other.request.message.call_id == asked.message.call_id
            and other.request.method == asked.method
            and other.request.message.cseq.number > asked.message.cseq.number
            and _has_credentials(other.request)
            for other in recording.exchanges
        ):
            found.add(exchange)
    return found


def _has_credentials(message: Recorded) -> bool:
    headers = message.message.headers
    return headers.has("authorization") or headers.has("proxy-authorization")
