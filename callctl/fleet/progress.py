"""What a run shows while it lasts: one block that changes, or plain lines where nobody watches."""

from __future__ import annotations

from typing import Final

import anyio
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from callctl.fleet.run import Fleet, Phase
from callctl.fleet.svg import ms_text
from callctl.fleet.text_report import sparkline
from callctl.fleet.watch import FLEET
from sipstack.timing import SECOND

REFRESH_S: Final = 0.5
LINE_EVERY_S: Final = 5.0
SECONDS_SHOWN: Final = 60
BAR_WIDTH: Final = 40
LAST: Final = 1_000  # calls, whose times are shown


async def show_progress(fleet: Fleet, console: Console) -> None:
    """Until cancelled."""
    if not console.is_terminal:
        await _say_lines(fleet, console)
        return
    with Live(_block(fleet), console=console, transient=True, auto_refresh=False) as live:
        while True:
            await anyio.sleep(REFRESH_S)
            live.update(_block(fleet), refresh=True)


async def _say_lines(fleet: Fleet, console: Console) -> None:
    said: Phase | None = None
    waited_s = 0.0
    while True:
        if fleet.phase is not said or waited_s >= LINE_EVERY_S:
            said, waited_s = fleet.phase, 0.0
            console.print(Text(_line(fleet)), soft_wrap=True)
        await anyio.sleep(REFRESH_S)
        waited_s += REFRESH_S


def _line(fleet: Fleet) -> str:
    tally = fleet.tally
    phase: str = fleet.phase.value
    if fleet.phase is Phase.ENROLLING:
        done = 0 if fleet.enrolment is None else fleet.enrolment.done
        return f"{phase}: {done} of {len(fleet.handsets)}"
    if fleet.phase not in (Phase.CALLING, Phase.DRAINING):
        return phase
    return (
        f"{phase}: {_elapsed_s(fleet):.0f} s, {tally.placed} placed, "
        f"{tally.under_way} under way, {tally.as_planned} as planned, {tally.failed} failed"
    )


def _block(fleet: Fleet) -> Group:
    calls, tally = fleet.plan.calls, fleet.tally
    heading = Text.assemble(("callctl fleet  ", "bold"), fleet.phase.value)
    if fleet.phase is Phase.STARTING:
        return Group(heading)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    done = 0 if fleet.enrolment is None else fleet.enrolment.done
    if fleet.phase is Phase.ENROLLING:
        total = max(len(fleet.handsets), 1)
        table.add_row("phones", ProgressBar(total=total, completed=done, width=BAR_WIDTH))
        table.add_row("", Text(f"{done:,} of {total:,}"))
        return Group(heading, table)
    elapsed_s = min(_elapsed_s(fleet), calls.duration_ns / SECOND)
    total_s = calls.duration_ns / SECOND
    table.add_row("time", ProgressBar(total=total_s, completed=elapsed_s, width=BAR_WIDTH))
    table.add_row("", Text(f"{elapsed_s:.0f} of {total_s:.0f} s"))
    recent = [second.placed for second in tally.seconds[-SECONDS_SHOWN:]]
    table.add_row("calls", Text(sparkline(recent, SECONDS_SHOWN), "cyan"))
    numbers = Text(f"{tally.placed:,} placed, {tally.under_way:,} under way, ")
    numbers.append(f"{tally.as_planned:,} as planned, ", "green")
    numbers.append(f"{tally.failed:,} failed", "red" if tally.failed else "dim")
    table.add_row("", numbers)
    for name in ("push", "register", "set-up"):
        summary = tally.stages[name].summary(LAST)
        if summary is not None:
            told = f"p50 {ms_text(summary.p50)}, p95 {ms_text(summary.p95)}"
            table.add_row(name, Text(f"{told}, max {ms_text(summary.max)}"))
    for name in fleet.watch.processes:
        lag = f", event loop {ms_text(fleet.watch.lag_now_ms)} late" if name == FLEET else ""
        table.add_row(name, Text(f"CPU {fleet.watch.cpu(name):.0%}{lag}"))
    return Group(heading, table)


def _elapsed_s(fleet: Fleet) -> float:
    began = fleet.tally.began
    return 0.0 if began is None else max(fleet.clock() - began, 0) / SECOND
