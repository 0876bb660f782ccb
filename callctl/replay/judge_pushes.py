"""Judges the pushes that left, against those of the notes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from callctl.replay.difference import Difference, out_of_time
from callctl.replay.live import Played, Pushed
from callctl.replay.notes_schema import DifferenceKind, PushEntry
from sipstack.timing import SECOND


def push_differences(
    entries: Sequence[PushEntry], played: Played, tolerance_ns: int
) -> tuple[list[Difference], int]:
    """Every difference, and how many pushes of the notes came again."""
    taken = {id(it.entry): it for it in played.pushed if it.entry is not None}
    found: list[Difference] = []
    compared = 0
    for entry in entries:
        pushed = taken.get(id(entry))
        if pushed is None:
            detail = f"of {entry.node}"
            found.append(_difference(DifferenceKind.MISSING, entry, detail))
            continue
        compared += 1
        found += _unlike(entry, pushed, played, tolerance_ns)
    for pushed in played.pushed:
        if pushed.entry is None:
            push, at_ns = pushed.push, pushed.at - played.began_at
            title, detail = f"push {push.kind}", f"of {push.node}"
            unexpected = DifferenceKind.UNEXPECTED
            found.append(Difference(unexpected, title, push.device, detail, at_ns))
    return found, compared


def _unlike(
    entry: PushEntry, pushed: Pushed, played: Played, tolerance_ns: int
) -> Iterator[Difference]:
    push = pushed.push
    for what, there, here in (
        ("sent by", entry.node, push.node),
        ("names", entry.names_node, push.names_node),
    ):
        if there is not None and there != here:
            detail = f"{what} {there or 'nobody'} in the notes, {here or 'nobody'} now"
            yield _difference(DifferenceKind.TARGET, entry, detail)
    off = out_of_time(pushed.at - played.began_at - round(entry.at * SECOND), tolerance_ns)
    if off is not None:
        yield _difference(off[0], entry, off[1])


def _difference(kind: DifferenceKind, entry: PushEntry, detail: str) -> Difference:
    title = f"push {entry.kind}"
    return Difference(kind, title, entry.device, detail, round(entry.at * SECOND))
