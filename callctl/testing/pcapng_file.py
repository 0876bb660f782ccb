"""A whole test as a pcapng file: each message once, the rest as notes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from callctl.capture.capture import Capture
from callctl.capture.pcapng import Direction
from callctl.testing.recording import CLOUD, Message, Note, Recording
from sipstack.timing import Instant
from sipstack.transport.flow import Flow

LOST: Final = "never arrived"


def write_pcapng(path: Path, recording: Recording | None) -> None:
    """Write what was recorded; None is a test that had not begun. Raises: OSError."""
    path.write_bytes(b"".join(blocks(recording or Recording(()))))


def blocks(recording: Recording) -> Iterator[bytes]:
    """The blocks of the file.

    A message between a node and somebody else is in the view of the node, as in the captures of a
    cluster that runs; one between two nodes in that of the sender.
    """
    capture = Capture(recording.epoch_unix_ns)
    yield capture.begin((address, name) for name, address in recording.addresses.items())
    for entry in sorted(recording.entries, key=lambda entry: _shown_at(entry, recording)):
        if isinstance(entry, Note):
            yield _note(capture, entry, recording)
        else:
            at = Instant(_shown_at(entry, recording))
            party, flow, direction = _view(entry, recording)
            comment = LOST if entry.arrived_at is None else None
            yield capture.message(at, party, flow, direction, entry.octets, comment)


def _view(message: Message, recording: Recording) -> tuple[str, Flow, Direction]:
    seen_at_target = message.sent_by is None or message.source not in recording.nodes
    if message.arrived_by is not None and seen_at_target and message.target in recording.nodes:
        return message.target, message.arrived_by, Direction.RECEIVED
    assert message.sent_by is not None, "a message has a flow at one end"
    return message.source, message.sent_by, Direction.SENT


def _shown_at(entry: Message | Note, recording: Recording) -> int:
    if isinstance(entry, Note) or entry.arrived_at is None:
        return entry.at
    _, _, direction = _view(entry, recording)
    return entry.arrived_at if direction is Direction.RECEIVED else entry.at


def _note(capture: Capture, note: Note, recording: Recording) -> bytes:
    if note.source == note.target:
        return capture.note(Instant(note.at), note.source, note.text)
    party = note.target if note.source == CLOUD else note.source
    text = f"{note.text}, from {note.source} to {note.target}"
    return capture.note(
        Instant(note.at),
        party,
        text,
        source=recording.addresses.get(note.source),
        target=recording.addresses.get(note.target),
    )
