"""Cuts a capture that differs down to the least that still does.

Whole calls go first, then single exchanges, then what the notes have beside them. What is left
shows the same difference: the same name, message, party and header.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeVar

from callctl.replay.difference import Difference
from callctl.replay.judge import judge
from callctl.replay.notes import Notes
from callctl.replay.notes_schema import NotesFile
from callctl.replay.recording import Exchange, Recorded, Recording
from callctl.replay.script import script_of
from callctl.replay.virtual import VirtualStage
from callctl.sim.node_factory import NodeFactory

PLAYS_MAX: Final = 400

T = TypeVar("T")


class NoDifference(Exception):
    """The capture plays as it was recorded: there is nothing to shrink."""


@dataclass(frozen=True, slots=True)
class Shrunk:
    """The least that still differs."""

    recording: Recording
    file: NotesFile
    difference: Difference
    plays: int


def shrink(
    notes: Notes,
    recording: Recording,
    *,
    seed: int = 1,
    factory: NodeFactory | None = None,
    plays_max: int = PLAYS_MAX,
    told: Callable[[str], None] = lambda _: None,
) -> Shrunk:
    """`told` hears of each step in a line. Raises: NoDifference."""
    return _Shrinking(notes, recording, seed, factory, plays_max, told).shrunk()


class _Shrinking:
    def __init__(
        self,
        notes: Notes,
        recording: Recording,
        seed: int,
        factory: NodeFactory | None,
        plays_max: int,
        told: Callable[[str], None],
    ) -> None:
        self._notes = notes
        self._seed = seed
        self._factory = factory
        self._left = plays_max
        self._plays = 0
        self._told = told
        self._recording = recording
        self._file = notes.file
        found = self._differences(recording, notes.file)
        if not found:
            raise NoDifference("it plays as it was recorded")
        self._difference = found[0]

    def shrunk(self) -> Shrunk:
        recording = self._recording
        call_ids = list(dict.fromkeys(it.message.call_id for it in recording.messages))
        kept = self._least(call_ids, self._with_calls)
        self._recording = _with_calls(recording, kept)
        self._tell(f"{len(kept)} of {len(call_ids)} calls and registrations")
        exchanges = list(self._recording.exchanges)
        left = self._least(exchanges, self._with_exchanges)
        self._recording = _with_exchanges(self._recording, left)
        self._tell(f"{len(left)} of {len(exchanges)} requests of these")
        unseen = self._file.model_copy(update={"pushes": None})
        if self._still(self._recording, unseen):
            self._file = unseen  # it is not about pushes: they need not be looked at
        for name in ("node_events", "sign_ins", "sign_outs", "registered", "pushes", "accept"):
            entries = list(getattr(self._file, name) or ())
            least = self._least(entries, partial(self._with_entries, name))
            if entries and getattr(self._file, name) is not None:
                self._file = self._file.model_copy(update={name: least})
        return Shrunk(self._recording, self._file, self._difference, self._plays)

    def _tell(self, what: str) -> None:
        self._told(f"{what}, {len(self._recording.messages)} messages")

    def _with_calls(self, call_ids: Sequence[str]) -> bool:
        return self._still(_with_calls(self._recording, call_ids), self._file)

    def _with_exchanges(self, exchanges: Sequence[Exchange]) -> bool:
        return self._still(_with_exchanges(self._recording, exchanges), self._file)

    def _with_entries(self, name: str, entries: Sequence[object]) -> bool:
        return self._still(self._recording, self._file.model_copy(update={name: list(entries)}))

    def _still(self, recording: Recording, file: NotesFile) -> bool:
        """True if the difference is still there."""
        if self._left <= 0 or not recording.messages:
            return False
        found = self._differences(recording, file)
        same = next((it for it in found if _signature(it) == _signature(self._difference)), None)
        if same is not None:
            self._difference = same
        return same is not None

    def _differences(self, recording: Recording, file: NotesFile) -> tuple[Difference, ...]:
        self._left -= 1
        self._plays += 1
        notes = replace(self._notes, file=file)
        script = script_of(recording, file)
        played = VirtualStage(notes, script, seed=self._seed, factory=self._factory).run()
        return judge(script, played, file, inserted=notes.inserted).open

    def _least(self, items: list[T], still: Callable[[Sequence[T]], bool]) -> list[T]:
        """As few of `items` as possible, in pieces that get smaller (delta debugging)."""
        size = len(items)
        while size:
            at = 0
            while at < len(items):
                without = [*items[:at], *items[at + size :]]
                if still(without):
                    items = without
                else:
                    at += size
            size //= 2
        return items


def _signature(difference: Difference) -> tuple[object, ...]:
    return difference.kind, difference.message, difference.party, difference.header


def _with_calls(recording: Recording, call_ids: Sequence[str]) -> Recording:
    wanted = set(call_ids)
    return _with_exchanges(
        recording, [it for it in recording.exchanges if it.request.message.call_id in wanted]
    )


def _with_exchanges(recording: Recording, exchanges: Sequence[Exchange]) -> Recording:
    kept: set[Recorded] = set()
    for exchange in exchanges:
        kept.add(exchange.request)
        kept.update(exchange.responses)
        if exchange.ack is not None:
            kept.add(exchange.ack)
    messages = tuple(it for it in recording.messages if it in kept)
    places = {it.place for it in messages}
    return replace(
        recording,
        messages=messages,
        exchanges=tuple(exchanges),
        ends=tuple(it for it in recording.ends if it.place in places),
        places=tuple(it for it in recording.places if it in places),
    )
