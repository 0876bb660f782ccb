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


def out_of_time(off_ns: int, tolerance_ns: int) -> tuple[DifferenceKind, str] | None:
    """What a message is called that comes so much later, or earlier if it is below 0, than in the
    capture, and in words how much; None if that is tolerated."""
    if abs(off_ns) <= tolerance_ns:
        return None
    late = off_ns > 0
    how = f"{abs(off_ns) / 1e9:.3f} s {'later' if late else 'earlier'} than in the capture"
    return DifferenceKind.LATE if late else DifferenceKind.EARLY, how
