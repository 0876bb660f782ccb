"""Tables for people, JSON for scripts."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from json import dumps

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

STYLES = {
    "up": "green",
    "ok": "green",
    "accepted": "green",
    "ready": "green",
    "down": "red",
    "failed": "red",
    "refused": "red",
    "expired": "yellow",
    "withdrawn": "yellow",
}
"""Words that stand out in a cell."""


def print_json(value: object) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(dumps(value, ensure_ascii=False, indent=2) + "\n")
    sys.stdout.flush()  # who reads it may wait for it while we go on


def print_line(*parts: str | tuple[str, str]) -> None:
    """One line of text and (text, style) pairs, never wrapped."""
    Console().print(Text.assemble(*parts), soft_wrap=True)


def print_error(text: str) -> None:
    """One line on stderr."""
    sys.stderr.write("callctl: " + " ".join(text.split()) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, none: str) -> None:
    """A table; the sentence `none` if there are no rows. A file gets all of it."""
    listed = [[cell(value) for value in row] for row in rows]
    console = Console()
    if not listed:
        console.print(none)
        return
    if not console.is_terminal:
        console = Console(width=1_000)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for index, name in enumerate(columns):
        numeric = all(row[index].plain.replace(".", "").isdigit() for row in listed)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in listed:
        table.add_row(*row)
    console.print(table)


def cell(value: object) -> Text:
    """How a value shows in a table."""
    if value is None or value == "":
        return Text("-", "dim")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, list | tuple):
        return Text(" ".join(map(str, value)) or "-")
    text = str(value)
    return Text(text, STYLES.get(text, ""))


def clock_time(iso: str) -> str:
    """The local time of day of an ISO timestamp, to the millisecond."""
    return datetime.fromisoformat(iso).astimezone().strftime("%H:%M:%S.%f")[:-3]
