"""What happened, in order: kept as it comes, put into words only when somebody reads it."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import TypeAlias
from zlib import crc32

from callctl.sim.glance import Glance
from sipstack.timing import Instant
from sipstack.transport.flow import Flow

Entry: TypeAlias = tuple[Instant, str, str, Flow | None, Glance | str]
"""When, whose, what kind ("<", ">" or a word), over which flow, and the message or a text."""


class Trace:
    """Everything that passed a wire or was said, from the first instant."""

    __slots__ = ("entries",)

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def lines(self) -> Iterator[str]:
        """One line an entry."""
        return map(line_of, self.entries)

    def digest(self) -> str:
        """SHA-256 of all lines: two runs of one seed have the same."""
        digest = sha256()
        for line in self.lines():
            digest.update(line.encode("utf-8", "surrogateescape"))
            digest.update(b"\n")
        return digest.hexdigest()


def line_of(entry: Entry) -> str:
    """An entry in words."""
    at, label, kind, flow, what = entry
    time = f"{at // 1_000_000_000:4d}.{at % 1_000_000_000:09d}"
    if flow is None:
        return f"{time} {label:14} {kind} {what}"
    number = f"#{flow.connection}" if flow.connection else ""
    peer = f"{flow.transport}{number} {flow.remote_host}:{flow.remote_port}"
    assert isinstance(what, Glance)
    return (
        f"{time} {label:14} {kind} {peer:34} {what.start} | {what.number} {what.method} "
        f"{what.call_id} {what.branch} {what.to_tag or '-'} {crc32(what.data):08x}"
    )
