"""A test drawn as a ladder: who sent what to whom, when, and what never arrived."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from callctl.testing.fact import SECOND_NS
from callctl.testing.pcapng_file import write_pcapng
from callctl.testing.recording import Message, Recording

TIME_WIDTH: Final = 11
LANE_MIN: Final = 15
LANE_USUAL: Final = 20
WIDTH_MAX: Final = 132
ROOM: Final = 2  # columns of a lane that no name fills
RUNGS_MAX: Final = 160  # of a ladder that is printed; the pcapng has them all
HEAD_RUNGS: Final = 60
SHOWN_WITH_METHOD: Final = frozenset({"INVITE", "REGISTER"})
"""Methods whose responses are told apart without naming it."""

NOTHING: Final = "(nothing was sent)"


@dataclass(frozen=True, slots=True)
class Rung:
    """One message, or one thing that happened at one party (`source` is `target`)."""

    at: float  # s since the test began
    source: str
    target: str
    text: str
    lost: bool = False  # it never arrived

    @property
    def local(self) -> bool:
        """True for what happened at one party."""
        return self.source == self.target


class Ladder:
    """What has happened so far, from the moment at which everybody was in place."""

    def __init__(self, recorded: Callable[[], Recording | None]) -> None:
        """`recorded` gives what has happened; None if the test has not begun."""
        self._recorded = recorded

    def __str__(self) -> str:
        """The drawing; of a very long one the middle is left out."""
        recording = self._recorded()
        if recording is None:
            return NOTHING
        rungs = self.rungs
        left_out = len(rungs) - RUNGS_MAX
        if left_out <= 0:
            return "\n".join(draw(rungs, recording.lanes))
        shown = (*rungs[:HEAD_RUNGS], *rungs[HEAD_RUNGS + left_out :])
        lines = draw(shown, recording.lanes)
        lines.insert(HEAD_RUNGS + 1, f"{'':{TIME_WIDTH}}... {left_out} more, see the pcapng ...")
        return "\n".join(lines)

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """All of it, in order."""
        recording = self._recorded()
        return () if recording is None else tuple(_rungs(recording))

    def find(self, text: str, source: str = "", target: str = "") -> tuple[Rung, ...]:
        """The rungs whose text begins like this (`INVITE`, `180`, `ring push`), from and to these
        parties where they are named."""
        return tuple(
            rung
            for rung in self.rungs
            if rung.text.startswith(text)
            and source in ("", rung.source)
            and target in ("", rung.target)
        )

    def save_text(self, path: Path) -> Path:
        """Write the drawing. Raises: OSError."""
        path.write_text(f"{self}\n", "utf-8")
        return path

    def save_pcapng(self, path: Path) -> Path:
        """Write every message, TLS in the clear, with pushes and node events as notes, for
        Wireshark, tshark and sngrep. Raises: OSError."""
        write_pcapng(path, self._recorded())
        return path


def _rungs(recording: Recording) -> Iterator[Rung]:
    for entry in recording.entries:
        at = entry.at / SECOND_NS
        if at < 0:
            continue  # everybody comes and registers
        if not isinstance(entry, Message):
            yield Rung(at, entry.source, entry.target, entry.text)
            continue
        seen = entry.glance
        if not seen.status:
            text = seen.start.partition(" ")[0]
        elif seen.method in SHOWN_WITH_METHOD:
            text = seen.start.removeprefix("SIP/2.0 ")
        else:
            text = f"{seen.status} ({seen.method})"
        yield Rung(at, entry.source, entry.target, text, lost=entry.arrived_at is None)


def draw(rungs: Sequence[Rung], lanes: Sequence[str]) -> list[str]:
    """The ladder as lines of text, its head first; lanes that nobody used are left out."""
    used = {rung.source for rung in rungs} | {rung.target for rung in rungs}
    lanes = [lane for lane in lanes if lane in used]
    if not lanes:
        return [NOTHING]
    widest = max(LANE_USUAL, *(len(lane) + ROOM for lane in lanes))
    step = max(LANE_MIN, min(widest, (WIDTH_MAX - TIME_WIDTH) // len(lanes)))
    centres = {lane: index * step + step // 2 for index, lane in enumerate(lanes)}
    lines = [" " * TIME_WIDTH + "".join(lane[: step - 1].center(step) for lane in lanes).rstrip()]
    width = step * len(lanes)
    for rung in rungs:
        time = f"{f'{rung.at:8.3f} s':{TIME_WIDTH}}"
        if rung.source in centres and rung.target in centres:
            lines.append(f"{time}{_line(rung, centres, width)}".rstrip())
        elif rung.local:
            lines.append(f"{time}{f' {rung.source}: {rung.text} ':╌^{width}}")
    return lines


def _line(rung: Rung, centres: dict[str, int], width: int) -> str:
    cells = [" "] * width
    for centre in centres.values():
        cells[centre] = "│"
    start, end = sorted((centres[rung.source], centres[rung.target]))
    if rung.local:
        text = f"• {rung.text}"
        at = max(0, min(width - len(text), start - len(text) // 2))
        cells[at : at + len(text)] = text
        return "".join(cells)
    cells[start + 1 : end] = "─" * (end - start - 1)
    text = f" {_shortened(rung.text, end - start - 6)} "
    at = (start + end - len(text)) // 2 + 1
    cells[at : at + len(text)] = text
    head = end - 1 if centres[rung.target] == end else start + 1
    arrow = "▶" if head == end - 1 else "◀"
    cells[head] = "✗" if rung.lost else arrow
    return "".join(cells)


def _shortened(text: str, room: int) -> str:
    """As much of a text as fits between two lanes: of a response its status."""
    if len(text) <= room:
        return text
    first = text.partition(" ")[0]
    return first if first[:1].isdigit() else text[:room].rstrip()
