"""What a running cluster tells beside its capture, and the notes that come of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from pydantic import Field

from callctl.capture.captured import CapturedMessage, CapturedNote
from callctl.model.cluster import Cluster
from callctl.model.entry import Entry
from callctl.replay.notes_schema import (
    NodeEvent,
    NodeEventEntry,
    NotesFile,
    PushEntry,
    RegisteredEntry,
    SignedEntry,
)
from callctl.replay.parties import parties_of
from sipstack.timing import SECOND

_BEFELL: Final = re.compile(r"node (\S+) (started|stopped|killed)")
_EVENTS: Final = {
    "started": NodeEvent.STARTS,
    "stopped": NodeEvent.STOPS,
    "killed": NodeEvent.DIES,
}


class Beginning(Entry):
    """What the cluster knew when the recording began."""

    at_unix_ns: int = Field(description="When that was, in ns since 1970.")
    registered: list[RegisteredEntry] = Field(description="Who was registered, over which flow.")
    signed_in: list[str] = Field(description="Devices whose managed client was signed in.")
    down: list[str] = Field(description="Nodes that were out of service.")


class Happened(Entry):
    """What no packet shows. Times are seconds since that beginning."""

    pushes: list[PushEntry]
    sign_ins: list[SignedEntry]
    sign_outs: list[SignedEntry]


def notes_of(
    begun: Beginning,
    happened: Happened,
    messages: Sequence[CapturedMessage],
    cluster: Cluster,
    zero_unix_ns: int,
    told: Sequence[CapturedNote] = (),
    *,
    title: str = "",
    origin: str = "",
) -> NotesFile:
    """`zero_unix_ns`: when the recording begins; `told`: the notes of the trace itself, which say
    when nodes were started and stopped."""
    seen = {place for it in messages for place in (it.source, it.target)}
    places = {f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in seen}

    def since_zero(at: float) -> float:
        return max(0, round(at * SECOND) + begun.at_unix_ns - zero_unix_ns) / SECOND

    def moved(entries: Sequence[SignedEntry]) -> list[SignedEntry]:
        return [it.model_copy(update={"at": since_zero(it.at)}) for it in entries]

    return NotesFile(
        title=title,
        origin=origin,
        parties=parties_of(messages, cluster),
        registered=[entry for entry in begun.registered if entry.at in places],
        sign_ins=[
            *(SignedEntry(at=0, device=name) for name in begun.signed_in),
            *moved(happened.sign_ins),
        ],
        sign_outs=moved(happened.sign_outs),
        node_events=[
            *(NodeEventEntry(at=0, node=name, event=NodeEvent.DIES) for name in begun.down),
            *_node_events(told, zero_unix_ns),
        ],
        pushes=[it.model_copy(update={"at": since_zero(it.at)}) for it in happened.pushes],
    )


def _node_events(told: Sequence[CapturedNote], zero_unix_ns: int) -> Iterator[NodeEventEntry]:
    for note in told:
        found = _BEFELL.fullmatch(note.text)
        if found is not None:
            at = max(0, note.at_ns - zero_unix_ns) / SECOND
            yield NodeEventEntry(at=at, node=found[1], event=_EVENTS[found[2]])
