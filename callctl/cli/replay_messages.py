"""The two messages of a difference, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from callctl.replay.report import Report, about
from callctl.replay.shown import Lines, Mark, shown, side_by_side

TWO_COLUMNS: Final = 100  # from which two messages stand side by side
APART: Final = 3
MARKS: Final = {Mark.SAME: " ", Mark.ANEW: "~", Mark.DIFFERS: "≠"}
"""Between them, for those who see no colours."""


def both_messages(report: Report, number: int, width: int) -> RenderableType:
    """Side by side where there is room, else with - and + in one; secrets are masked."""
    difference = report.differences[number - 1]
    if not (difference.captured and difference.now):
        which = "captured" if difference.captured else "now"
        text = shown(difference.captured or difference.now)
        lines = [_folded(line, width) for line in text.rstrip("\n").split("\n")]
        return Group(Text(which, "bold dim"), Text("\n".join(lines)))
    at = report.row_of(number)
    headers = about(report.rows[at], report) if at is not None else frozenset()
    pairs = side_by_side(difference.captured, difference.now, headers)
    if width < TWO_COLUMNS:
        return Group(*_stacked(pairs, width))
    return _in_columns(pairs, (width - APART) // 2)


def _in_columns(lines: Sequence[Lines], width: int) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold dim")
    table.add_column("captured", width=width)
    table.add_column("", width=1)
    table.add_column("now", width=width)
    for line in lines:
        old, new = _styles(line.mark)
        captured, now = (_folded(each or "", width) for each in (line.captured, line.now))
        table.add_row(Text(captured, old), Text(MARKS[line.mark], new), Text(now, new))
    return table


def _stacked(lines: Sequence[Lines], width: int) -> Iterator[Text]:
    yield Text("- captured, + now", "bold dim")
    for line in lines:
        old, new = _styles(line.mark)
        if line.mark is Mark.SAME:
            yield Text(_folded(f"  {line.captured}", width), old)
            continue
        if line.captured is not None:
            yield Text(_folded(f"- {line.captured}", width), old)
        if line.now is not None:
            yield Text(_folded(f"+ {line.now}", width), new)


def _folded(line: str, width: int) -> str:
    """A long line cut where it ends, not at a blank far before: SIP has few."""
    rest = range(width, len(line), max(1, width - 4))
    return "\n    ".join([line[:width], *(line[at : at + width - 4] for at in rest)])


def _styles(mark: Mark) -> tuple[str, str]:
    """Of the line of the capture, and of the one now."""
    if mark is Mark.DIFFERS:
        return "red", "green"
    return ("dim", "dim") if mark is Mark.SAME else ("", "")
