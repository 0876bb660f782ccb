"""Both recordings along one line of time, drawn."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from typing import Final

from callctl.replay.ladder import Row, RowKind, RowState
from callctl.replay.markup import Attributes, Markup, element
from callctl.replay.report import Report
from callctl.replay.report_svg import percent, stroke, tone
from sipstack.timing import MS, SECOND

TRACKS: Final = (14, 52)  # captured, now
TIMELINE: Final = 92
LABEL_APART: Final = 8.0  # per cent
UNSEEN_NS: Final = 100 * MS
COARSE_NS: Final = 10 * SECOND  # of a longer recording tenths of a second are told

WEIGHTS: Final = (
    RowState.NOT_COMPARED,
    RowState.SAME,
    RowState.ACCEPTED,
    RowState.NOT_SAID,
    RowState.DIFFERENT,
)
"""What is drawn later lies above."""


def timeline(report: Report, anchor: str) -> Markup:
    """Every message twice, captured above and now below, each pair joined: upright if both came at
    the same time. `anchor`: what the addresses of the rows begin with."""
    numbered = [(at, row) for at, row in enumerate(report.rows) if _has_a_time(row)]
    times = {time for _, row in numbered for time in _times(row) if time is not None}
    scale = _Scale(sorted(times))
    drawn = [_track(y) for y in TRACKS]
    numbered.sort(key=lambda each: WEIGHTS.index(each[1].state))
    drawn += [_tick(row, scale, f"#{anchor}{at}", report) for at, row in numbered]
    drawn += [
        element("text", {"x": percent(x), "y": TIMELINE - 8, "class": "time"}, label)
        for label, x in scale.labels()
    ]
    label = "Messages of the capture above, those of now below, along one line of time"
    attributes: Attributes = {"class": "timeline", "height": TIMELINE, "aria-label": label}
    return element("svg", attributes, *drawn)


def _has_a_time(row: Row) -> bool:
    """False for events, and for ACKs as they were: those follow at once, whatever they did."""
    return row.kind is not RowKind.EVENT and (row.title, row.state) != ("ACK", RowState.SAME)


def _times(row: Row) -> tuple[int | None, int | None]:
    """In the capture and now; the same where nobody would see that they are not."""
    was, now = row.captured_ns, row.now_ns
    if was is not None and now is not None and abs(now - was) < UNSEEN_NS:
        return was, was
    return was, now


class _Scale:
    """Where an instant is. Long silences are drawn short: by their square root."""

    def __init__(self, times: Sequence[int]) -> None:
        """`times`: all that there are, ascending."""
        self._times = list(times)
        places = [0.0]
        for before, after in pairwise(times):
            places.append(places[-1] + sqrt((after - before) / 1e9))
        self._places = [2 + place / (places[-1] or 1) * 96 for place in places]
        self._digits = 1 if times and times[-1] - times[0] > COARSE_NS else 2

    def at(self, time: int) -> float:
        """In per cent."""
        return self._places[max(0, bisect_right(self._times, time) - 1)]

    def labels(self) -> list[tuple[str, float]]:
        """Instants that are told, none too near another."""
        found: list[tuple[str, float]] = []
        for time, place in zip(self._times, self._places, strict=False):
            label = f"{time / 1e9:.{self._digits}f}"
            if not found or (place - found[-1][1] >= LABEL_APART and label != found[-1][0]):
                found.append((label, place))
        return found


def _track(y: int) -> Markup:
    return element("line", stroke(1, y, 99, y, "track"))


def _tick(row: Row, scale: _Scale, address: str, report: Report) -> Markup:
    above, below = TRACKS
    style = tone(row, report)
    marks: list[Markup] = []
    was, now = (None if time is None else scale.at(time) for time in _times(row))
    if was is not None and now is not None:
        marks.append(element("line", stroke(was, above, now, below, "pair")))
    if was is not None:
        marks.append(_dot(was, above, "there"))
        if now is None:
            marks.append(_dot(was, below, "absent"))
    if now is not None:
        marks.append(_dot(now, below, "there"))
        if was is None:
            marks.append(_dot(now, above, "absent"))
    title = element("title", {}, f"{row.title or row.title_now}, {row.party or row.node}")
    return element("a", {"href": address, "class": f"tick {style}", "tabindex": -1}, title, *marks)


def _dot(x: float, y: int, kind: str) -> Markup:
    return element("circle", {"cx": percent(x), "cy": y, "r": 3, "class": kind})
