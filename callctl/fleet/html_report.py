"""The result as one page that needs nothing else: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from html import escape
from typing import Final

from callctl.fleet.outcome import OTHERS
from callctl.fleet.page_style import STYLE
from callctl.fleet.result import FailureResult, FleetResult, ProcessResult, StageResult
from callctl.fleet.svg import (
    Line,
    Mark,
    axis_text,
    histogram_chart,
    ms_text,
    span_chart,
    time_chart,
)
from callctl.fleet.text_report import verdict
from callctl.fleet.watch import FLEET

OUTCOME_COLOURS: Final = {
    "answered": "green",
    "declined": "blue",
    "busy": "violet",
    "given up": "amber",
    "not reachable": "blue faint",
    "failed": "red",
}
PLAIN: Final = "asked"  # grey
SPAN_MS: Final = (0.1, 20_000.0)  # of the axis that all stages share


def html_page(result: FleetResult) -> str:
    """The whole page."""
    title = escape(f"Fleet run: {verdict(result)}")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(_sections(result))
        + "\n</main>\n</body>\n</html>\n"
    )


def _sections(result: FleetResult) -> Iterator[str]:
    yield _header(result)
    if result.calls.placed:
        yield _tiles(result)
        yield _over_time(result)
        yield _stages(result.stages)
        yield _histograms(result.stages)
        yield _outcomes(result)
    if result.failures:
        yield _failures(result.failures)
    yield _processes(result)
    yield _settings(result)
    yield (
        f"<footer>callctl fleet, seed {result.seed}. Times are of the fleet's one clock; a call "
        "counts from the instant at which it was planned.</footer>"
    )


def _header(result: FleetResult) -> str:
    began = datetime.fromisoformat(result.started_at)
    pill = (
        '<span class="pill good">PASS</span>' if result.ok else '<span class="pill bad">FAIL</span>'
    )
    set_up = result.set_up
    lines = [
        f"<header>{pill}<h1>{escape(_capital(verdict(result)))}</h1>",
        f'<p class="soft">{escape(result.ground or "No servers")} · {began:%Y-%m-%d %H:%M:%S %Z} · '
        f"{set_up.ready:,} of {set_up.wanted:,} phones in service after {set_up.seconds:.1f} s · "
        f"seed {result.seed}</p></header>",
    ]
    if result.ended_early:
        lines.append(f'<p class="warning">Ended early: {escape(result.ended_early)}</p>')
    if result.generator.limits:
        told = escape("; ".join(result.generator.limits))
        lines.append(
            f'<p class="warning"><b>The generator was the limit:</b> {told}. '
            "The servers may be better than these figures.</p>"
        )
    return "\n".join(lines)


def _tiles(result: FleetResult) -> str:
    calls = result.calls
    judged = calls.as_planned + calls.failed
    tiles = [
        (f"{calls.placed:,}", f"calls placed of {calls.asked:,.0f} asked"),
        (f"{calls.as_planned / judged:.2%}" if judged else "-", "ended as planned"),
        (f"{calls.rate_achieved:g} /s", f"placed at the full rate, {calls.rate_asked:g} /s asked"),
    ]
    for name, said in (
        ("push", "INVITE to push"),
        ("register", "REGISTER to INVITE"),
        ("set-up", "planned start to ringing"),
    ):
        summary = result.stage(name).summary
        if summary is not None:
            p95 = f"median, {said}; 95%: {ms_text(summary.p95)}"
            tiles.append((ms_text(summary.p50), p95))
    shown = "".join(
        f'<div class="tile"><b>{big}</b><span>{text}</span></div>' for big, text in tiles
    )
    return f'<div class="tiles">{shown}</div>'


def _over_time(result: FleetResult) -> str:
    seconds = result.seconds
    middle = [(it.at_s + 0.5) for it in seconds]
    asked_for = [it for it in seconds if it.asked]
    lines = [
        Line("placed", "blue", [*zip(middle, (it.placed for it in seconds), strict=True)], True),
        Line("rang", "green", [*zip(middle, (it.rang for it in seconds), strict=True)]),
        Line("asked", "asked", [(it.at_s + 0.5, it.asked) for it in asked_for]),
    ]
    failed = Line("failed", "red", [(float(it.at_s), float(it.failed)) for it in seconds])
    chart = time_chart(lines, "Calls per second", marks=_marks(result), bars=failed)
    legend = _legend(
        ("blue", "placed"), ("green", "phone rings"), ("asked", "asked"), ("red", "failed")
    )
    return _section("Calls per second", legend + chart)


def _stages(stages: Iterable[StageResult]) -> str:
    rows = []
    whole = [stage for stage in stages if stage.summary is not None]
    for stage in whole:
        summary = stage.summary
        assert summary is not None
        style = "planned" if stage.planned else "whole" if stage.name == "set-up" else ""
        values = (summary.p50, summary.p90, summary.p95, summary.p99, summary.max)
        cells = "".join(f"<td>{ms_text(value)}</td>" for value in values)
        colour = PLAIN if stage.planned else "blue"
        rows.append(
            f'<tr class="{style}"><td class="words">{escape(stage.name)}'
            f"<small>{escape(stage.text)}</small></td><td>{summary.count:,}</td>{cells}"
            f"<td>{span_chart(summary, *SPAN_MS, colour)}</td></tr>"
        )
    head = "".join(
        f"<th>{name}</th>" for name in ("stage", "calls", "p50", "p90", "p95", "p99", "max")
    )
    low, high = SPAN_MS
    axis = f"{axis_text(low)} to {axis_text(high)}, logarithmic"
    table = (
        f'<div class="scroll"><table><tr>{head}<th>{axis}</th></tr>{"".join(rows)}</table></div>'
    )
    note = (
        '<p class="soft">The bar is from p50 to p95, the line to p99, the dot the longest. Grey '
        "stages are mostly what the plan asks of phones and people.</p>"
    )
    return _section("How a call comes about", note + table)


def _histograms(stages: Iterable[StageResult]) -> str:
    figures = []
    for stage in stages:
        if stage.summary is None or stage.summary.count < 2:
            continue
        chart = histogram_chart(stage.histogram, stage.summary, f"Histogram of {stage.name}")
        caption = f"<b>{escape(stage.name)}</b> <span class='soft'>{escape(stage.text)}</span>"
        figures.append(f"<figure><figcaption>{caption}</figcaption>{chart}</figure>")
    return _section("Spread of each stage", f'<div class="small">{"".join(figures)}</div>')


def _outcomes(result: FleetResult) -> str:
    outcomes = result.calls.outcomes
    total = sum(outcomes.values()) or 1
    parts, named = [], []
    for name, count in outcomes.items():
        colour = OUTCOME_COLOURS.get(name, PLAIN)
        parts.append(
            f'<span class="{colour}" style="flex:{count}" title="{escape(name)}: {count:,}"></span>'
        )
        share = f"{count / total:.1%}"
        named.append(f'<span><i class="{colour}"></i>{escape(name)} {count:,} ({share})</span>')
    body = f'<div class="stack">{"".join(parts)}</div><div class="legend">{"".join(named)}</div>'
    calls = result.calls
    facts = [("to sleeping phones", f"{calls.to_sleepers:,}")]
    facts += [(f"sent to {name}", f"{count:,}") for name, count in calls.nodes.items()]
    if calls.retried:
        facts.append(("tried at another node", f"{calls.retried:,}"))
    if calls.cut_short:
        facts.append(("ended with the run", f"{calls.cut_short:,}"))
    if calls.not_placed:
        facts.append(("not placed, no phone was free", f"{calls.not_placed:,}"))
    return _section("What became of the calls", body + _facts(dict(facts)))


def _failures(failures: Iterable[FailureResult]) -> str:
    shown = []
    for at, failure in enumerate(failures):
        rows = "".join(
            f"<tr><td>{example.at_s:.1f} s</td><td>{escape(example.caller)}</td>"
            f"<td>{escape(example.callee)}</td><td>{escape(example.device)}</td>"
            f"<td>{escape(example.node)}</td><td class='words'>{escape(example.call_id)}</td></tr>"
            for example in failure.examples
        )
        names = ("planned at", "from", "to", "device", "node", "Call-ID")
        head = "".join(f"<th>{name}</th>" for name in names)
        told = ""
        if failure.explanation is not None:
            told = (
                '<p class="soft">The first of them, as <code>callctl explain</code> tells it:</p>'
                f"<pre>{escape(failure.explanation)}</pre>"
            )
        shown.append(
            f"<details{' open' if at == 0 else ''}><summary><b>{failure.count:,} &times;</b> "
            f"{escape(failure.reason)}</summary>"
            f'<div class="scroll"><table><tr>{head}</tr>{rows}</table></div>{told}</details>'
        )
    return _section("Calls that ended otherwise", "".join(shown))


def _processes(result: FleetResult) -> str:
    colours = {FLEET: "amber", OTHERS: PLAIN}
    processes = [process for process in result.processes if process.cpu]
    legend = _legend(*((colours.get(it.name, "blue"), _process_name(it)) for it in processes))
    cpu = [_process_line(it, colours, it.cpu) for it in processes]
    memory = [_process_line(it, colours, it.memory_mb) for it in processes if it.memory_mb]
    marks = _marks(result)
    charts = (
        '<div class="pair"><figure><figcaption>Processors in use</figcaption>'
        + time_chart(cpu, "Processors in use", marks=marks, width=520, height=200)
        + "</figure><figure><figcaption>Memory, MB</figcaption>"
        + time_chart(memory, "Memory in MB", marks=marks, width=520, height=200)
        + "</figure></div>"
    )
    facts = {
        process.name: f"CPU {process.cpu_mean:.0%} of a processor on average, "
        f"{process.cpu_max:.0%} at most"
        + (f"; memory {process.memory_max:,.0f} MB at most" if process.memory_mb else "")
        for process in processes
    }
    generator = result.generator
    if generator.lag is not None and generator.lateness is not None:
        word = "was the limit" if generator.limits else "kept up"
        facts["generator"] = (
            f"{word}: its event loop was {ms_text(generator.lag.p99)} late at p99, "
            f"{ms_text(generator.lag.max)} at most; calls were placed "
            f"{ms_text(generator.lateness.p99)} late at p99, {generator.late:,} more than 20 ms"
        )
    body = (legend + charts if processes else "") + _facts(facts)
    return _section("Servers and generator", body + _list(result.notes))


def _settings(result: FleetResult) -> str:
    set_up = result.set_up
    facts = {
        "phones in service": f"{set_up.ready:,} of {set_up.wanted:,} after {set_up.seconds:.1f} s, "
        f"{set_up.streams:,} streams to the clouds"
    }
    facts |= {f"no service: {reason}": f"{count:,}" for reason, count in set_up.troubles.items()}
    counted = {name: f"{count:,}" for name, count in result.counts.items()}
    ignored = {f"ignored: {name}": f"{count:,}" for name, count in result.ignored.items()}
    body = (
        f'<div class="pair"><div><h2>Plan</h2>{_facts(result.plan)}</div>'
        f"<div><h2>Phones and networks</h2>{_facts(facts | counted | ignored)}</div></div>"
    )
    return f"<section>{body}</section>"


def _marks(result: FleetResult) -> list[Mark]:
    return [Mark(event.at_s, event.text) for event in result.events]


def _process_name(process: ProcessResult) -> str:
    return "fleet (this generator)" if process.name == FLEET else process.name


def _process_line(
    process: ProcessResult, colours: Mapping[str, str], values: Iterable[float]
) -> Line:
    points = [*zip(process.at_s, values, strict=True)]
    filled = process.name not in (FLEET, OTHERS)
    return Line(process.name, colours.get(process.name, "blue"), points, filled)


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def _legend(*entries: tuple[str, str]) -> str:
    shown = "".join(
        f'<span><i class="{style}"></i>{escape(name)}</span>' for style, name in entries
    )
    return f'<div class="legend">{shown}</div>'


def _facts(facts: Mapping[str, str]) -> str:
    shown = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in facts.items())
    return f"<dl>{shown}</dl>"


def _list(texts: Iterable[str]) -> str:
    return "".join(f'<p class="soft">{escape(_capital(text))}.</p>' for text in texts)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
