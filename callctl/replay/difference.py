"""A difference between what came in the capture and what comes now."""

from __future__ import annotations

from dataclasses import dataclass

from callctl.replay.notes_schema import AcceptEntry, DifferenceKind


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference, in words and with both messages."""

    kind: DifferenceKind
    message: str  # INVITE, 180 (INVITE), push incoming
    party: str  # whom it is for
    detail: str  # what differs, in a line
    at_ns: int  # since the recording began
    header: str = ""  # in lower case, or "body"
    captured: bytes = b""
    now: bytes = b""
    frame: int = 0  # in the capture file, 0 without one
    reason: str = ""  # why the notes accept it

    @property
    def accepted(self) -> bool:
        """True if the notes say why it is no failure."""
        return bool(self.reason)

    def __str__(self) -> str:
        name = f"header {self.header}" if self.header else self.kind.value
        return f"{self.at_ns / 1e9:.3f} s  {name}: {self.message} for {self.party}: {self.detail}"


def accepts(entry: AcceptEntry, difference: Difference) -> bool:
    """True if the entry is about this difference; `reason` is not looked at."""
    return (
        entry.difference is difference.kind
        and entry.message in ("", difference.message)
        and entry.party in ("", difference.party)
        and entry.header in ("", difference.header)
    )
