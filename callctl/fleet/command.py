"""Runs a plan for somebody who watches, and writes the reports."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import TaskStatus
from rich.console import Console
from rich.text import Text

from callctl.fleet.html_report import html_page
from callctl.fleet.outcome import plan_lines, result_of
from callctl.fleet.plan import Plan
from callctl.fleet.progress import show_progress
from callctl.fleet.result import FleetResult
from callctl.fleet.run import CannotRun, Elsewhere, Fleet, RunSettings
from callctl.fleet.text_report import print_report
from callctl.io.host import first_of

INTERRUPTED: Final = "Ctrl-C"
ENDED: Final = "asked to end"
FILE_WIDTH: Final = 132  # columns, where the report goes into a file or a pipe


async def run_plan(plan: Plan, settings: RunSettings, *, quiet: bool = False) -> FleetResult:
    """Run it to its end, or until Ctrl-C, and show how far it is.

    Raises: Elsewhere, CannotRun, OSError as `Fleet.run`.
    """
    console = Console(quiet=quiet)
    if not console.is_terminal:
        console = Console(quiet=quiet, width=FILE_WIDTH)
    fleet = Fleet(plan, settings)
    _print_plan(console, plan)
    try:
        async with anyio.create_task_group() as tasks:
            await tasks.start(_end_by_signal, fleet)
            tasks.start_soon(show_progress, fleet, console)
            await fleet.run()
            tasks.cancel_scope.cancel()
    except BaseExceptionGroup as errors:
        known = first_of(errors, (Elsewhere, CannotRun))
        if known is None:
            raise
        raise known from errors
    result = result_of(fleet)
    print_report(console, result)
    return result


def report_to(
    result: FleetResult, json: Path | None, html: Path | None, *, to_stdout: bool = False
) -> None:
    """Write the other reports. Raises: OSError."""
    if to_stdout:
        sys.stdout.write(result.json())
    if json is not None:
        json.write_text(result.json(), "utf-8")
    if html is not None:
        html.write_text(html_page(result), "utf-8")


async def _end_by_signal(
    fleet: Fleet, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    """The first signal ends the run with its report; more of them change nothing."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for number in signals:
            fleet.end(INTERRUPTED if number is signal.SIGINT else ENDED)


def _print_plan(console: Console, plan: Plan) -> None:
    lines = dict(plan_lines(plan))
    console.print(Text.assemble(("callctl fleet", "bold"), f", seed {plan.seed}"))
    for name in ("phones", "calls"):
        console.print(Text(f"  {name}: {lines[name]}", "dim"), soft_wrap=True)
