"""The result for people at a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from callctl.fleet.result import FailureResult, FleetResult, StageResult
from callctl.fleet.statistics import Bin
from callctl.fleet.svg import ms_text

BLOCKS: Final = " ▁▂▃▄▅▆▇█"
WIDE: Final = 124  # columns of a terminal, from which on a table has all that it may have
SHAPE_WIDTH: Final = 16  # characters of a histogram
RATE_WIDTH: Final = 60  # characters of the calls over time
FAILURES_SHOWN: Final = 8
INDENT: Final = 2


def print_report(console: Console, result: FleetResult) -> None:
    """Print everything."""
    console.print(Group(*_parts(result, wide=console.width >= WIDE)))


def verdict(result: FleetResult) -> str:
    """The result in one sentence."""
    calls = result.calls
    if not calls.placed:
        return "no call was placed"
    judged = calls.as_planned + calls.failed
    text = f"{calls.as_planned:,} of {judged:,} calls ended as planned"
    if calls.failed:
        text += f", {calls.failed:,} did not ({calls.failed / judged:.2%})"
    if calls.not_placed:
        text += f", {calls.not_placed:,} could not be placed"
    return text


def _parts(result: FleetResult, *, wide: bool) -> Iterator[RenderableType]:
    yield _heading(result)
    if result.calls.placed:
        yield _section("Calls", _calls(result))
        yield _section("Times", _stages(result.stages, wide=wide))
    if result.failures:
        yield _section("Failures", Group(*_failures(result.failures)))
    yield _section("Servers and generator", _processes(result))
    remarks = [*result.notes, *(f"{event.at_s:.1f} s: {event.text}" for event in result.events)]
    if remarks or result.set_up.troubles:
        yield _section("Notes", Group(*_notes(result, remarks)))
    yield Text()


def _heading(result: FleetResult) -> Text:
    word, style = ("PASS", "bold green") if result.ok else ("FAIL", "bold red")
    text = Text.assemble("\n", (word, style), f"  {verdict(result)}")
    if result.ended_early:
        text.append(f"\n      ended early: {result.ended_early}", "yellow")
    set_up = result.set_up
    text.append(
        f"\n      {result.ground or 'no servers'}; {set_up.ready:,} of {set_up.wanted:,} phones in "
        f"service after {set_up.seconds:.1f} s; seed {result.seed}",
        "dim",
    )
    return text


def _section(title: str, body: RenderableType) -> RenderableType:
    return Group(Text(), Text(title, "bold"), Padding(body, (0, 0, 0, INDENT)))


def _calls(result: FleetResult) -> RenderableType:
    calls = result.calls
    table = _grid()
    rate = f"{calls.rate_achieved:g} per second placed, {calls.rate_asked:g} asked"
    table.add_row("rate", Text(f"{rate}; {calls.placed:,} calls in {calls.seconds:.0f} s"))
    placed = [second.placed for second in result.seconds]
    table.add_row("", Text(sparkline(placed, RATE_WIDTH), "cyan"))
    outcomes = ", ".join(f"{count:,} {name}" for name, count in calls.outcomes.items())
    table.add_row("outcomes", Text(outcomes))
    if len(calls.nodes) > 1:
        nodes = ", ".join(f"{name} {count:,}" for name, count in calls.nodes.items())
        table.add_row("sent to", Text(nodes))
    more = []
    if calls.retried:
        more.append(f"{calls.retried:,} tried at another node")
    if calls.cut_short:
        more.append(f"{calls.cut_short:,} under way when the run ended")
    if more:
        table.add_row("", Text("; ".join(more)))
    return table


def _stages(stages: Sequence[StageResult], *, wide: bool) -> Table:
    """Figures always; what they are of, and how they spread, where there is room."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True, min_width=10)
    for name in ("calls", "p50", "p90", "p95", "p99", "max"):
        table.add_column(name, justify="right", no_wrap=True, min_width=7)
    if wide:
        table.add_column("spread", no_wrap=True, min_width=SHAPE_WIDTH)
        table.add_column("", style="dim", no_wrap=True)
    for stage in stages:
        summary = stage.summary
        if summary is None:
            continue
        style = "dim" if stage.planned else "bold" if stage is stages[-1] else ""
        values = (summary.p50, summary.p90, summary.p95, summary.p99, summary.max)
        cells = [Text(stage.name, style), Text(f"{summary.count:,}", style)]
        cells += [Text(ms_text(value), style) for value in values]
        if wide:
            cells.append(Text(shape(stage.histogram), "dim" if stage.planned else "cyan"))
            cells.append(Text(stage.text))
        table.add_row(*cells)
    return table


def _failures(failures: Sequence[FailureResult]) -> Iterator[RenderableType]:
    """The most frequent with the whole story of a call, the others with its verdict."""
    for at, failure in enumerate(failures[:FAILURES_SHOWN]):
        yield Text.assemble((f"{failure.count:,} x ", "bold red"), failure.reason)
        example = failure.examples[0]
        place = f" at {example.node}" if example.node else ""
        yield Text(
            f"    at {example.at_s:.1f} s, {example.caller} to {example.callee} "
            f"({example.device}){place}, Call-ID {example.call_id}",
            "dim",
        )
        if failure.explanation is not None:
            told = failure.explanation if at == 0 else verdict_of(failure.explanation)
            yield Padding(Text(told, "dim", no_wrap=at == 0), (0, 0, 1, 4))
    if len(failures) > FAILURES_SHOWN:
        yield Text(f"and {len(failures) - FAILURES_SHOWN} other kinds", "dim")
    if len(failures) > 1:
        yield Text("--html and --json have the story of a call of each kind", "dim")


def _processes(result: FleetResult) -> RenderableType:
    table = _grid()
    for process in result.processes:
        if process.cpu:
            told = f"CPU {process.cpu_mean:.0%} of a processor, {process.cpu_max:.0%} at most"
            if process.memory_mb:
                told += f"; memory {process.memory_max:.0f} MB"
            table.add_row(
                process.name,
                Text(told),
                Text(sparkline(process.cpu, SHAPE_WIDTH, top=1.0), "cyan"),
            )
    generator = result.generator
    if generator.limits:
        limits = Text("; ".join(generator.limits), "bold yellow")
        table.add_row("generator", Text.assemble(("was the limit: ", "bold yellow"), limits))
    elif generator.lag is not None and generator.lateness is not None:
        late = f"calls placed {ms_text(generator.lateness.p99)} late at p99"
        lag = f"its event loop {ms_text(generator.lag.p99)}"
        table.add_row("generator", Text(f"kept up: {late}, {lag}"))
    return table


def _notes(result: FleetResult, remarks: Iterable[str]) -> Iterator[RenderableType]:
    for reason, count in result.set_up.troubles.items():
        yield Text(f"phones that did not come into service: {count:,}, {reason}", "yellow")
    for remark in remarks:
        yield Text(remark)


def _grid() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    return table


def verdict_of(explanation: str) -> str:
    """The last paragraph of a call's story, as one line."""
    return " ".join(explanation.rpartition("\n\n")[2].split())


def shape(bins: Sequence[Bin]) -> str:
    """A histogram in one line."""
    return sparkline([each.count for each in bins], SHAPE_WIDTH)


def sparkline(values: Sequence[float], width: int, *, top: float | None = None) -> str:
    """Values as a row of blocks, joined by their highest where there are more than fit."""
    if not values:
        return ""
    if len(values) > width:
        bounds = [round(at * len(values) / width) for at in range(width + 1)]
        values = [max(values[low:high]) for low, high in pairwise(bounds)]
    highest = max(top or 0.0, *values) or 1.0
    last = len(BLOCKS) - 1
    # Whatever is not nothing is to be seen.
    return "".join(BLOCKS[max(round(it / highest * last), 1 if it else 0)] for it in values)
