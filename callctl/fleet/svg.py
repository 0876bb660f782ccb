"""Small plots as inline SVG. Colours are classes of the page around them, light and dark.

Coordinates are pixels of a fixed view box; the page scales the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10
from typing import Final

from callctl.fleet.statistics import Bin, Summary

LEFT: Final = 46  # for the labels of the vertical axis
RIGHT: Final = 14
TOP: Final = 12
BOTTOM: Final = 26
TICKS: Final = (1, 2, 2.5, 5, 10)  # steps that people count in, times a power of ten


@dataclass(frozen=True, slots=True)
class Line:
    """One series of a chart over time."""

    name: str
    style: str  # class
    points: Sequence[tuple[float, float]]
    filled: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Frame:
    """Where the values of a chart lie in its box."""

    width: int
    height: int
    x_max: float
    y_max: float

    def x(self, value: float) -> float:
        """Pixels from the left."""
        return LEFT + value / self.x_max * (self.width - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Pixels from the top."""
        return self.height - BOTTOM - value / self.y_max * (self.height - TOP - BOTTOM)


def time_chart(
    lines: Sequence[Line],
    title: str,
    *,
    marks: Iterable[Mark] = (),
    bars: Line | None = None,
    width: int = 1_000,
    height: int = 240,
    shown: Callable[[float], str] = lambda value: f"{value:g}",
) -> str:
    """Lines over seconds; `bars` stand on the axis, one a point. `shown` writes the values."""
    every = [*lines, *([bars] if bars else [])]
    points = [point for line in every for point in line.points]
    x_max = max((x for x, _ in points), default=1.0) or 1.0
    steps = ticks(max((y for _, y in points), default=1.0) or 1.0, 4)
    frame = Frame(width, height, x_max, steps[-1])
    parts = [_grid(frame, steps, shown), _seconds(frame)]
    if bars:
        parts += [_bar(frame, x, y, bars) for x, y in bars.points if y]
    parts += [_line(frame, line) for line in lines]
    parts += [_mark(frame, mark) for mark in marks if 0 <= mark.at <= x_max]
    return _svg(width, height, title, "".join(parts))


def histogram_chart(bins: Sequence[Bin], summary: Summary, title: str, width: int = 320) -> str:
    """How often which time was seen, on a logarithmic axis; a line stands at p50 and p95."""
    height = 120
    low, high = log10(bins[0].low_ms), log10(bins[-1].high_ms)
    inner = width - 16

    def x(ms: float) -> float:
        share = (log10(max(ms, bins[0].low_ms)) - low) / (high - low)
        return 8 + min(max(share, 0.0), 1.0) * inner

    top = max(each.count for each in bins)
    parts = []
    for each in bins:
        if not each.count:
            continue
        tall = max(each.count / top * (height - 44), 1.0)
        left, right = x(each.low_ms), x(each.high_ms)
        said = f"{axis_text(each.low_ms)} to {axis_text(each.high_ms)}: {each.count}"
        parts.append(
            f'<rect class="bar" x="{left:.1f}" y="{height - 24 - tall:.1f}" '
            f'width="{max(right - left - 1, 1):.1f}" height="{tall:.1f}" rx="1">'
            f"<title>{said}</title></rect>"
        )
    for label, ms in (("p50", summary.p50), ("p95", summary.p95)):
        at = x(ms)
        parts.append(
            f'<line class="cut" x1="{at:.1f}" x2="{at:.1f}" y1="14" y2="{height - 24}"/>'
            f'<text class="tick" x="{at:.1f}" y="10" text-anchor="{_anchor(at, width)}">{label}'
            "</text>"
        )
    parts.append(_base(8, width - 8, height - 24))
    for ms in _decades(bins[0].low_ms, bins[-1].high_ms):
        at = x(ms)
        parts.append(
            f'<text class="tick" x="{at:.1f}" y="{height - 8}" '
            f'text-anchor="{_anchor(at, width)}">{axis_text(ms)}</text>'
        )
    return _svg(width, height, title, "".join(parts))


def span_chart(summary: Summary, low_ms: float, high_ms: float, style: str) -> str:
    """One row: from p50 to p95 thick, to p99 thin, a dot at the longest; the axis is shared."""
    width, height = 240, 18
    low, high = log10(low_ms), log10(high_ms)

    def x(ms: float) -> float:
        return 4 + min(max((log10(max(ms, low_ms)) - low) / (high - low), 0.0), 1.0) * (width - 8)

    middle = height / 2
    p50, p95, p99, longest = map(x, (summary.p50, summary.p95, summary.p99, summary.max))
    drawn = (
        _base(4, width - 4, middle)
        + f'<line class="thin {style}" x1="{p95:.1f}" x2="{p99:.1f}" y1="{middle}" y2="{middle}"/>'
        f'<line class="thick {style}" x1="{p50:.1f}" x2="{max(p95, p50 + 1):.1f}" '
        f'y1="{middle}" y2="{middle}"/>'
        f'<circle class="dot {style}" cx="{longest:.1f}" cy="{middle}" r="2.5"/>'
        f'<line class="middle" x1="{p50:.1f}" x2="{p50:.1f}" y1="3" y2="{height - 3}"/>'
    )
    said = f"p50 {ms_text(summary.p50)}, p95 {ms_text(summary.p95)}, max {ms_text(summary.max)}"
    return _svg(width, height, said, drawn)


def ticks(highest: float, count: int) -> list[float]:
    """About so many round values from 0 to at least `highest`."""
    rough = highest / count
    power = 10.0 ** floor(log10(rough))
    step = next(each * power for each in TICKS if each * power >= rough * (1 - 1e-9))
    return [round(step * at, 10) for at in range(ceil(highest / step - 1e-9) + 1)]


def ms_text(ms: float) -> str:
    """A time as people say it: 0.42 ms, 12.3 ms, 480 ms, 1.25 s, 14.2 s."""
    if ms >= 1_000:
        seconds = ms / 1_000
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    return f"{ms:.0f} ms" if ms >= 100 else f"{ms:.1f} ms" if ms >= 1 else f"{ms:.2f} ms"


def axis_text(ms: float) -> str:
    """A round time at an axis: 0.1 ms, 10 ms, 1 s."""
    return f"{ms / 1_000:g} s" if ms >= 1_000 else f"{ms:g} ms"


def _grid(frame: Frame, steps: Sequence[float], shown: Callable[[float], str]) -> str:
    drawn = []
    for value in steps:
        y = frame.y(value)
        style = "base" if value == 0 else "grid"
        drawn.append(
            f'<line class="{style}" x1="{LEFT}" x2="{frame.width - RIGHT}" '
            f'y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">'
            f"{escape(shown(value))}</text>"
        )
    return "".join(drawn)


def _seconds(frame: Frame) -> str:
    return "".join(
        f'<text class="tick" x="{frame.x(value):.1f}" y="{frame.height - 8}" '
        f'text-anchor="middle">{value:g} s</text>'
        for value in ticks(frame.x_max, 8)
        if value <= frame.x_max
    )


def _line(frame: Frame, line: Line) -> str:
    if not line.points:
        return ""
    path = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in line.points)
    drawn = f'<polyline class="line {line.style}" points="{path}"/>'
    if line.filled:
        first, last = frame.x(line.points[0][0]), frame.x(line.points[-1][0])
        floor_y = frame.y(0)
        around = f"{first:.1f},{floor_y:.1f} {path} {last:.1f},{floor_y:.1f}"
        drawn = f'<polygon class="area {line.style}" points="{around}"/>{drawn}'
    return drawn


def _bar(frame: Frame, x: float, y: float, line: Line) -> str:
    left, right, top = frame.x(x), frame.x(x + 1), frame.y(y)
    return (
        f'<rect class="fill {line.style}" x="{left:.1f}" y="{top:.1f}" '
        f'width="{max(right - left - 1, 1.5):.1f}" height="{frame.y(0) - top:.1f}">'
        f"<title>{escape(line.name)}: {y:g} in second {x:g}</title></rect>"
    )


def _mark(frame: Frame, mark: Mark) -> str:
    at = frame.x(mark.at)
    return (
        f'<line class="mark" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{frame.y(0):.1f}"/>'
        f'<text class="tick mark-text" x="{at + 4:.1f}" y="{TOP + 9}">{escape(mark.text)}</text>'
    )


def _base(left: float, right: float, y: float) -> str:
    return f'<line class="base" x1="{left}" x2="{right}" y1="{y}" y2="{y}"/>'


def _anchor(x: float, width: float) -> str:
    """So that a label at either end stays in the picture."""
    return "start" if x < 24 else "end" if x > width - 24 else "middle"


def _decades(low_ms: float, high_ms: float) -> list[float]:
    """1 ms, 10 ms, ... within a range; its ends where there is hardly one."""
    found = [10.0**power for power in range(-1, 6) if low_ms <= 10.0**power <= high_ms]
    return found if len(found) > 1 else [low_ms, high_ms]


def _svg(width: int, height: int, title: str, body: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">{body}</svg>'
    )
