"""What came of one capture, with all that was looked at to find out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from callctl.replay.from_capture import nodes_of
from callctl.replay.judge import Verdict
from callctl.replay.live import Played
from callctl.replay.notes import Notes
from callctl.replay.notes_schema import INSERTED, NotesFile
from callctl.replay.recording import Recording
from callctl.replay.script import Script

SAME: Final = 0
DIFFERENT: Final = 1
NOT_PLAYED: Final = 2  # capture, notes or cluster cannot be used
"""Exit codes of a replay; of several captures the highest counts."""

VIRTUAL: Final = "virtual"
"""Mode: engines in virtual time. Anything else is "live HOST:PORT"."""


class Side(Enum):
    """Where a role stands."""

    TESTED = "under test"
    OUTSIDE = "outside"


@dataclass(frozen=True, slots=True)
class Speaker:
    """Somebody in a capture."""

    name: str  # of a node, or of a party outside
    side: Side
    places: tuple[str, ...]  # "198.51.100.7:5060/udp", in the order of the capture
    messages: int  # from and to it


@dataclass(frozen=True, slots=True)
class Outcome:
    """One capture, played and judged."""

    name: str
    notes: Path
    capture: Path
    file: NotesFile
    script: Script
    played: Played
    verdict: Verdict
    nodes: Mapping[str, str]  # by the address that each has now
    mode: str = VIRTUAL
    seed: int = 1
    real_ns: int = 0  # that the play took

    @property
    def virtual_ns(self) -> int:
        """How much time passed for those who played."""
        return self.played.ended_at - self.played.began_at

    @property
    def exit_code(self) -> int:
        """Of the command that played it."""
        return SAME if self.verdict.same else DIFFERENT


def places_of(notes: Notes) -> dict[str, list[str]]:
    """Addresses in the capture of each node under test; an inserted one has that of nobody."""
    nodes = nodes_of(notes)
    if notes.inserted:
        nodes[next(iter(notes.cluster.nodes))] = nodes.pop(INSERTED)
    return nodes


def speakers_of(recording: Recording, nodes: Mapping[str, Sequence[str]]) -> tuple[Speaker, ...]:
    """Who speaks in a recording: nodes first. `nodes`: addresses of each in the capture."""
    counts: dict[tuple[Side, str], int] = {(Side.TESTED, node): 0 for node in nodes}
    places: dict[tuple[Side, str], dict[str, None]] = {
        (Side.TESTED, node): dict.fromkeys(addresses) for node, addresses in nodes.items()
    }
    for message in recording.messages:
        place = message.place
        for key in ((Side.TESTED, message.node), (Side.OUTSIDE, place.party)):
            counts[key] = counts.get(key, 0) + 1
        host = f"[{place.host}]" if ":" in place.host else place.host
        # The port that a connection was dialled from says nothing about the party.
        where = host if place.dials else f"{host}:{place.port}"
        found = places.setdefault((Side.OUTSIDE, place.party), {})
        found[f"{where}/{place.transport.lower()}"] = None
    ordered = sorted(counts, key=lambda key: key[0] is Side.OUTSIDE)
    return tuple(
        Speaker(name, side, tuple(places.get((side, name), ())), counts[side, name])
        for side, name in ordered
    )
