"""A replay told in the terminal: a line if all is as in the capture, else what is not and where."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from callctl.cli.replay_messages import both_messages
from callctl.replay.difference import Difference
from callctl.replay.ladder import Row, RowState
from callctl.replay.notes_schema import DifferenceKind
from callctl.replay.report import (
    Report,
    counted,
    entry_text,
    headline,
    name_of,
    ways,
)

WIDTH_MAX: Final = 150
PIPE_WIDTH: Final = 120  # of a log, where nobody says how wide it is
INDENT: Final = 3
TWO_COLUMNS: Final = 110  # columns from which two messages stand side by side
CONTEXT: Final = 2  # rows before and after a difference
FEW: Final = 3  # differences; of more, less is shown around each
TOLD_MAX: Final = 12  # differences that are told in full
REMARKS_MAX: Final = 6
SAME_MAX: Final = 20  # captures without a difference that are listed one by one

VERDICT_STYLES: Final = {"same": "bold green", "different": "bold red", "not played": "bold yellow"}
OPEN, ACCEPTED, NOT_SAID, QUIET = "red", "dim", "yellow", "dim"


def console_for_report() -> Console:
    """Stdout, at a width at which lines can be read."""
    console = Console(highlight=False)
    told = console.is_terminal or "COLUMNS" in os.environ
    width = min(console.width, WIDTH_MAX) if told else PIPE_WIDTH
    return Console(highlight=False, width=width)


def print_report(console: Console, report: Report, *, messages: bool = False) -> None:
    """One capture. `messages`: the whole messages of each difference as well."""
    _print_verdict(console, report)
    for problem in report.problems:
        console.print(Text(f"  {problem}"), soft_wrap=True)
    told = _told(report, len(report.differences) if messages else TOLD_MAX)
    if told:
        console.print()
        console.print(_ladder(report, told, console.width))
        console.print()
    for number in told:
        _print_difference(console, report, number, messages=messages)
    left = len(report.open) - len(told)
    if left > 0:
        console.print(Text(f"… and {left} more: --messages, --json and --html have all", QUIET))
    _print_remarks(console, report)
    if told and not messages:
        hint = "--messages shows both messages of each, --html FILE the whole ladder"
        console.print(Text(f"\n{hint}", QUIET))


def print_summary(
    console: Console, reports: Sequence[Report], *, left_out: int = 0, real_ns: int = 0
) -> None:
    """Several captures: what is wrong stands last, where a log is read first."""
    same = [report for report in reports if report.same]
    others = [report for report in reports if not report.same]
    others.sort(key=lambda report: report.exit_code)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("CAPTURE", overflow="fold")
    table.add_column("VERDICT")
    for name in ("COMPARED", "DIFFERENCES", "PLAYED", "IN"):
        table.add_column(name, justify="right")
    for report in (*same[:SAME_MAX], *others):
        table.add_row(*_summary_row(report))
    console.print(table)
    if len(same) > SAME_MAX:
        console.print(Text(f"… and {len(same) - SAME_MAX} more that are the same", QUIET))
    for report in others:
        more = max(len(report.open), len(report.problems)) - 1
        tail = f" (and {more} more)" if more > 0 else ""
        style = VERDICT_STYLES[report.verdict]
        line = Text.assemble((report.name, style), f"  {report.first_problem}{tail}")
        console.print(line, soft_wrap=True)
    if others:
        hint = f"callctl replay run {others[0].notes} shows more"
        console.print(Text(f"{hint}\n", QUIET), soft_wrap=True)
    counts = [
        (sum(report.verdict == verdict for report in reports), verdict, style)
        for verdict, style in VERDICT_STYLES.items()
    ]
    parts: list[str | tuple[str, str]] = [f"{counted(len(reports), 'capture')}: "]
    for count, verdict, style in counts:
        if count:
            parts += [(f"{count} {verdict}", style), ", "]
    parts.append(f"in {real_ns / 1e9:.1f} s")
    if left_out:
        parts.append(f"; {left_out} left out after the first that is not the same")
    console.print(Text.assemble(*parts), soft_wrap=True)


def _summary_row(report: Report) -> list[Text]:
    verdict = Text(report.verdict, VERDICT_STYLES[report.verdict])
    if not report.played:
        return [Text(report.name), verdict, *(Text("-", QUIET) for _ in range(4))]
    parts = [(str(len(report.open)), OPEN)] if report.open else []
    if report.accepted:
        parts.append((f"{', ' if parts else ''}{len(report.accepted)} accepted", QUIET))
    differences = Text.assemble(*parts or [("-", QUIET)])
    return [
        Text(report.name),
        verdict,
        Text(str(report.compared)),
        differences,
        Text(f"{report.virtual_ns / 1e9:.1f} s"),
        Text(f"{report.real_ns / 1e9:.2f} s"),
    ]


def _print_verdict(console: Console, report: Report) -> None:
    parts: list[str | tuple[str, str]] = [
        (report.name, "bold"),
        ": ",
        (report.verdict, VERDICT_STYLES[report.verdict]),
    ]
    if report.played:
        if report.open:
            parts.append(f", {counted(len(report.open), 'difference')}")
        parts.append(f", {report.compared} compared")
        if report.accepted:
            parts.append(f", {counted(len(report.accepted), 'accepted difference')}")
    line = Text.assemble(*parts)
    played, took = report.virtual_ns / 1e9, report.real_ns / 1e9
    how = f"  ({report.mode}, {played:.1f} s in {took:.2f} s)"
    if report.played and len(line) + len(how) <= console.width:
        line.append(how, QUIET)
    console.print(line, soft_wrap=True)


def _told(report: Report, at_most: int) -> list[int]:
    """Numbers of the open differences that are told."""
    numbered = enumerate(report.differences, start=1)
    return [number for number, it in numbered if not it.accepted][:at_most]


# The ladder: captured | now.


def _ladder(report: Report, told: Sequence[int], width: int) -> Table:
    title_max = 16 if width < 100 else 24
    rows = report.rows
    shown_rows = _around(report, told)
    used = [rows[at] for at in shown_rows if at is not None]
    title = min(title_max, max((len(row.title or row.title_now) for row in used), default=1))
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("", justify="right", width=len(str(told[-1])))
    for heading in ("captured", "now"):
        table.add_column("s", justify="right", min_width=8, header_style=QUIET)
        table.add_column(heading, width=title, no_wrap=True)
    table.add_column("", no_wrap=True, overflow="ellipsis")
    for at in shown_rows:
        if at is None:
            table.add_row("", "", Text("…", QUIET), "", Text("…", QUIET), "")
        else:
            table.add_row(*_cells(rows[at], report))
    return table


def _around(report: Report, told: Sequence[int]) -> list[int | None]:
    """Indexes of rows near these differences; None for those that are left out between."""
    marked = [at for at, row in enumerate(report.rows) if set(row.differences) & set(told)]
    context = CONTEXT if len(told) <= FEW else 1
    near = {it for at in marked for it in range(at - context, at + context + 1)}
    found: list[int | None] = []
    last = -1
    for at in sorted(near & set(range(len(report.rows)))):
        if at == last + 2:
            found.append(at - 1)  # takes no more room than to say that it is left out
        elif at > last + 2:
            found.append(None)
        found.append(at)
        last = at
    if found and last != len(report.rows) - 1:
        found.append(None)
    return found


def _cells(row: Row, report: Report) -> list[Text]:
    kinds = {report.differences[number - 1].kind for number in row.differences}
    style = {RowState.DIFFERENT: OPEN, RowState.ACCEPTED: ACCEPTED}.get(row.state, "")
    numbers = [it for it in row.differences if not report.differences[it - 1].accepted]
    number = Text(str(numbers[0]) if numbers else "", f"bold {style}")
    off = kinds & {DifferenceKind.LATE, DifferenceKind.EARLY}
    now = Text(row.title_now, style if kinds - {DifferenceKind.LATE, DifferenceKind.EARLY} else "")
    captured = Text(row.title)
    if row.captured_ns is None:
        captured = Text("-", QUIET)
    elif row.now_ns is None:
        word = row.state.value if row.state is not RowState.DIFFERENT else "missing"
        styles = {RowState.DIFFERENT: OPEN, RowState.NOT_SAID: NOT_SAID}
        now = Text(word, styles.get(row.state, QUIET))
    way = Text(ways(row), QUIET)
    if row.node_now:
        way.append(f", now {row.node_now}", NOT_SAID)
    return [
        number,
        _time(row.captured_ns, QUIET),
        captured,
        _time(row.now_ns, style if off else QUIET),
        now,
        way,
    ]


def _time(at_ns: int | None, style: str) -> Text:
    return Text("" if at_ns is None else f"{at_ns / 1e9:.3f}", style)


# One difference.


def _print_difference(console: Console, report: Report, number: int, *, messages: bool) -> None:
    difference = report.differences[number - 1]
    width = len(str(len(report.differences)))
    heading = Text.assemble(
        (f"{number:>{width}}", f"bold {OPEN}"), "  ", (headline(difference), "bold")
    )
    if len(heading) + len(difference.detail) + 2 <= console.width:
        console.print(heading.append(f"  {difference.detail}", "not bold"))
    else:
        console.print(heading, soft_wrap=True)
        console.print(Padding(Text(difference.detail), (0, 0, 0, INDENT)))
    if messages and (difference.captured or difference.now):
        both = both_messages(report, number, console.width - INDENT)
        console.print(Padding(both, (0, 0, 1, INDENT)))


# What is no failure and should be known.


def _print_remarks(console: Console, report: Report) -> None:
    unused = [": ".join(filter(None, (entry_text(it), it.reason))) for it in report.unused]
    for label, style, lines in (
        ("accepted", QUIET, _accepted(report)),
        ("could not be said", NOT_SAID, _not_said(report)),
        ("accepted in the notes, but not seen", NOT_SAID, unused),
    ):
        if not lines:
            continue
        console.print(Text(f"\n{label}", style))
        for line in lines[:REMARKS_MAX]:
            console.print(Padding(Text(line, QUIET), (0, 0, 0, INDENT)))
        if len(lines) > REMARKS_MAX:
            console.print(Text(f"   … and {len(lines) - REMARKS_MAX} more", QUIET))
    if not report.open:
        return
    for label, counts in (("of the capture", report.left_out), ("of what came", report.ignored)):
        if counts:
            parts = ", ".join(f"{count} {reason}" for reason, count in counts.items())
            console.print(Text(f"\nleft out {label}: {parts}", QUIET), soft_wrap=True)


def _accepted(report: Report) -> list[str]:
    """A line for each reason and kind of difference: one change often shows in many messages."""
    alike: dict[tuple[str, str], list[Difference]] = {}
    for difference in report.accepted:
        alike.setdefault((name_of(difference), difference.reason), []).append(difference)
    lines = []
    for (name, reason), each in alike.items():
        messages = ", ".join(dict.fromkeys(it.message for it in each))
        what = headline(each[0]) if len(each) == 1 else f"{name}, {len(each)} times: {messages}"
        lines.append(f"{what}: {reason}")
    return lines


def _not_said(report: Report) -> list[str]:
    """A line for each party that could not say something."""
    titles: dict[str, list[str]] = {}
    for row in report.not_said:
        titles.setdefault(row.party, []).append(row.title)
    return [f"{party}: {', '.join(each)}" for party, each in titles.items()]
