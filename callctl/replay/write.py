"""Writes what nodes saw as a capture, with its notes and its cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from callctl.capture.capture import Capture
from callctl.capture.pcapng import Direction
from callctl.model.cluster import Cluster
from callctl.model.dump import cluster_text
from callctl.push.kind import PushKind
from callctl.replay.gather import Parties, Seen, SeenEnd
from callctl.replay.notes import CLUSTER_SUFFIX, SUFFIX, notes_text
from callctl.replay.notes_schema import INSERTED, NotesFile, PushEntry
from callctl.replay.recording import Recording
from callctl.replay.tokens import Tokens
from sipstack.timing import SECOND, Instant
from sipstack.transport.flow import Flow

PASSWORD: Final = "replay"
"""Of every user: both sides of a digest are played, so that any will do."""

WAKE_NS: Final = 60 * SECOND
"""A device that registers so long after a push has not come for it."""


class Told(NamedTuple):
    """Something that is no message."""

    node: str  # where it shows
    text: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What there is to write. Times are ns since the recording began."""

    seen: tuple[Seen, ...]
    ends: tuple[SeenEnd, ...]
    file: NotesFile
    cluster: Cluster
    unix_ns_at_zero: int

    def write(self, directory: Path, name: str) -> Path:
        """Capture, notes and cluster. Returns: the path of the notes. Raises: OSError."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{name}.pcapng").write_bytes(self.octets())
        text = cluster_text(self.cluster, lambda _: PASSWORD)
        (directory / f"{name}{CLUSTER_SUFFIX}").write_text(text)
        notes = directory / f"{name}{SUFFIX}"
        notes.write_text(notes_text(self.file))
        return notes

    def octets(self) -> bytes:
        """The capture file: an interface for each node; pushes, wakes and node events as notes.

        Digests and media keys are masked; push tokens are others, as both sides are played.
        """
        capture = Capture(self.unix_ns_at_zero, mask_secrets=False)
        parties, tokens = Parties(self.file.parties), Tokens()
        names = [(node.listeners[0].host, name) for name, node in self.cluster.nodes.items()]
        names += _named(self.file.parties)
        first = next(iter(self.cluster.nodes))
        title = self.file.title or "a recording"
        blocks = [capture.begin(names), capture.note(Instant(0), first, f"begins: {title}")]
        for at, what in sorted(self._happenings(), key=lambda it: it[0]):
            now = Instant(at)
            if isinstance(what, Told):
                blocks.append(capture.note(now, what.node, what.text))
            elif isinstance(what, SeenEnd):
                direction = Direction.RECEIVED if what.by_party else Direction.SENT
                blocks.append(capture.closed(now, what.node, self._flow(what), direction))
            else:
                direction = Direction.RECEIVED if what.inward else Direction.SENT
                flow = self._flow(what)
                octets = tokens.shown(what.octets, parties.name(what.host, what.port, shared=True))
                blocks.append(capture.message(now, what.node, flow, direction, octets))
        return b"".join(blocks)

    def _happenings(self) -> list[tuple[int, Seen | SeenEnd | Told]]:
        file, first = self.file, next(iter(self.cluster.nodes))
        found: list[tuple[int, Seen | SeenEnd | Told]] = [(it.at, it) for it in self.seen]
        found += [(it.at, it) for it in self.ends]
        for push in file.pushes or ():
            names = f", names {push.names_node}" if push.names_node else ""
            answer = push.lost or push.answer or "no answer"
            text = f"push {push.kind} to {push.device}{names}: {answer}"
            found.append((round(push.at * SECOND), Told(push.node, text)))
        found += self._wakes()
        for event in file.node_events:
            text = f"{event.node} {event.event.value}"
            found.append((round(event.at * SECOND), Told(event.node, text)))
        for signed, how in ((file.sign_ins, "in"), (file.sign_outs, "out")):
            for each in signed:
                text = f"{each.device} signs {how}"
                found.append((round(each.at * SECOND), Told(first, text)))
        return found

    def _wakes(self) -> Iterator[tuple[int, Told]]:
        """The first REGISTER of a device after a ring push to it shows that it is awake."""
        parties = Parties(self.file.parties)
        pushed: dict[str, int] = {}  # when, by device
        happened: list[tuple[int, PushEntry | Seen]] = [
            (round(push.at * SECOND), push)
            for push in self.file.pushes or ()
            if push.kind == PushKind.INCOMING.value
        ]
        happened += [
            (it.at, it) for it in self.seen if it.inward and it.octets.startswith(b"REGISTER ")
        ]
        for at, what in sorted(happened, key=lambda it: it[0]):
            if isinstance(what, PushEntry):
                pushed.setdefault(what.device, at)
                continue
            name = parties.name(what.host, what.port, shared=True)
            push_at = pushed.pop(name, None)
            if push_at is not None and at - push_at < WAKE_NS:
                text = f"{name} wakes: it registers {(at - push_at) / SECOND:.3f} s after its push"
                yield at, Told(what.node, text)

    def _flow(self, of: Seen | SeenEnd) -> Flow:
        listener = self.cluster.nodes[of.node].listener(of.transport)
        assert listener is not None
        return Flow(of.transport, listener.host, listener.port, of.host, of.port, of.connection)


def kept_of(recording: Recording, file: NotesFile, cluster: Cluster) -> Kept:
    """A recording that was read, to be written again.

    Raises: ValueError for one in which the engine is put between parties: what they said to one
    another is not what a node sees.
    """
    if INSERTED in file.sut:
        raise ValueError("a capture in which the engine is inserted cannot be written anew")
    seen = tuple(
        Seen(
            it.at,
            it.frame,
            it.node,
            it.inward,
            it.place.transport,
            it.place.host,
            it.place.port,
            it.place.number if it.place.dials else 0,
            it.place.dials,
            it.octets,
        )
        for it in recording.messages
    )
    nodes = {message.place: message.node for message in recording.messages}
    ends = tuple(
        SeenEnd(
            it.at,
            nodes[it.place],
            it.place.transport,
            it.place.host,
            it.place.port,
            it.place.number,
            it.place.dials,
            it.by_party,
        )
        for it in recording.ends
        if it.place in nodes
    )
    return Kept(seen, ends, file, cluster, recording.unix_ns_at_zero)


def _named(parties: dict[str, list[str]]) -> Iterable[tuple[str, str]]:
    """Addresses that stand for one party; those with a port are of several."""
    for name, places in parties.items():
        for place in places:
            if ":" not in place:
                yield place, name
