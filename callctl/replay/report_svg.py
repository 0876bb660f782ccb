"""The rungs of the ladder, drawn.

Places across are in per cent, so that a drawing is as wide as the page gives it; heights are in
pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from callctl.replay.ladder import Row, RowKind, RowState
from callctl.replay.markup import Attributes, Markup, element, joined
from callctl.replay.notes_schema import DifferenceKind
from callctl.replay.outcome import Side
from callctl.replay.report import Report

CLOUD: Final = "cloud"

MIDDLE: Final = 15  # of a rung, which is 30 high
LINE_Y: Final = 21
NOW_Y: Final = 41  # of the second line, where a message is there twice: as it was, and as it is
ABOVE: Final = 6  # from a line to the feet of its letters

TONES: Final[dict[DifferenceKind, str]] = {
    DifferenceKind.MISSING: "missing",
    DifferenceKind.UNEXPECTED: "unexpected",
    DifferenceKind.STATUS: "other",
    DifferenceKind.TARGET: "other",
    DifferenceKind.HEADER: "other",
    DifferenceKind.LATE: "off-time",
    DifferenceKind.EARLY: "off-time",
}
"""What counts most stands first."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One upright line."""

    name: str
    kind: str  # party, node, cloud


@dataclass(frozen=True, slots=True)
class Lanes:
    """Those of a ladder, from left to right."""

    lanes: tuple[Lane, ...]

    def at(self, name: str, kind: str) -> float | None:
        """Where it is, in per cent; None if there is none."""
        for index, lane in enumerate(self.lanes):
            if (lane.name, lane.kind) == (name, kind):
                return round((index + 0.5) / len(self.lanes) * 100, 3)
        return None

    def drawn(self) -> Markup:
        """The lines, behind a rung, as high as the row is."""
        lines = [
            element(
                "line",
                {
                    "x1": percent(x),
                    "x2": percent(x),
                    "y1": 0,
                    "y2": "100%",
                    "class": f"lane {lane.kind}",
                },
            )
            for lane in self.lanes
            if (x := self.at(lane.name, lane.kind)) is not None
        ]
        nodes = [index for index, lane in enumerate(self.lanes) if lane.kind == "node"]
        band = None
        if nodes:
            step = 100 / len(self.lanes)
            width = (nodes[-1] - nodes[0] + 1) * step
            x = nodes[0] * step
            where: Attributes = {"x": percent(x), "width": percent(width), "height": "100%"}
            band = element("rect", {"class": "tested", **where})
        return joined((band, *lines))


def lanes_of(report: Report) -> Lanes:
    """Callers on the left, nodes in the middle, cloud and who is called on the right."""
    nodes = [speaker.name for speaker in report.speakers if speaker.side is Side.TESTED]
    used = {name for row in report.rows for name in (row.node, row.node_now) if name}
    callers: dict[str, None] = {}
    called: dict[str, None] = {}
    for row in report.rows:
        if row.kind is RowKind.MESSAGE and (row.title or row.title_now) == "INVITE":
            (callers if row.inward else called).setdefault(row.party)
    parties = [speaker.name for speaker in report.speakers if speaker.side is Side.OUTSIDE]
    parties += [row.party for row in report.rows if row.party and row.kind is RowKind.MESSAGE]
    left = [name for name in callers if name not in called]
    right = [name for name in dict.fromkeys(parties) if name not in left]
    if not left and len(right) > 1:
        left, right = right[:1], right[1:]
    cloud = any(row.kind is RowKind.PUSH for row in report.rows)
    ordered = [name for name in dict.fromkeys([*nodes, *sorted(used)]) if name in used]
    return Lanes(
        (
            *(Lane(name, "party") for name in left),
            *(Lane(name, "node") for name in ordered),
            *((Lane(CLOUD, CLOUD),) if cloud else ()),
            *(Lane(name, "party") for name in right),
        )
    )


def rung(row: Row, lanes: Lanes, kinds: frozenset[DifferenceKind]) -> Markup:
    """One row of the ladder: what is, and where that differs what was."""
    tall = row.node_now != "" or bool(kinds & {DifferenceKind.LATE, DifferenceKind.EARLY})
    if row.kind is RowKind.EVENT:
        drawing = _event(row, lanes)
    elif tall:
        was, now = _ends_of(row, lanes, row.node), _ends_of(row, lanes, row.node_now or row.node)
        drawing = joined(
            (
                _arrow(was, LINE_Y, "was", None),
                element("line", stroke(was[1], LINE_Y, now[1], NOW_Y, "off")),
                _arrow(now, NOW_Y, "is", _title(row)),
            )
        )
    else:
        gone = row.captured_ns is not None and row.now_ns is None
        drawing = _arrow(
            _ends_of(row, lanes, row.node), LINE_Y, "gone" if gone else "is", _title(row)
        )
    return element(
        "svg",
        {"class": "tall" if tall else None, "aria-hidden": "true"},
        joined((lanes.drawn(), drawing)),
    )


def _ends_of(row: Row, lanes: Lanes, node: str) -> tuple[float, float]:
    """From where to where."""
    at_node = lanes.at(node, "node")
    other = lanes.at(CLOUD, CLOUD) if row.kind is RowKind.PUSH else lanes.at(row.party, "party")
    party, tested = 0.0 if other is None else other, 100.0 if at_node is None else at_node
    return (party, tested) if row.inward else (tested, party)


def _arrow(span: tuple[float, float], y: int, kind: str, title: Markup | None) -> Markup:
    start, end = span
    tip = "M0,0 l-9,-4.5 v9 z" if end >= start else "M0,0 l9,-4.5 v9 z"
    middle = percent((start + end) / 2)
    return joined(
        (
            element("line", stroke(start, y, end, y, f"arrow {kind}")),
            element(
                "svg",
                {"x": percent(end), "y": y, "class": f"tip {kind}"},
                element("path", {"d": tip}),
            ),
            None
            if title is None
            else element("text", {"x": middle, "y": y - ABOVE, "class": kind}, title),
        )
    )


def _event(row: Row, lanes: Lanes) -> Markup:
    at = lanes.at(row.party, "party") if row.party else lanes.at(row.node, "node")
    place = 50.0 if at is None else at
    # Beside its lane, on the side where there is room.
    x, side = (10, "right") if place < 50 else (-10, "left")
    return element(
        "svg",
        {"x": percent(place), "y": MIDDLE, "class": "tip event"},
        element("circle", {"r": 4}),
        element("text", {"x": x, "y": 4, "class": f"event {side}"}, row.title),
    )


def _title(row: Row) -> Markup:
    was, now = row.title, row.title_now
    if not was or not now or was == now:
        return joined((was or now,))
    return joined((element("tspan", {"class": "struck"}, was), " ", element("tspan", {}, now)))


def tone(row: Row, report: Report) -> str:
    """The class of a row: what it is coloured by."""
    if row.state is not RowState.DIFFERENT:
        return str(row.state.value).replace(" ", "-")
    kinds = {report.differences[number - 1].kind for number in row.differences}
    return next(TONES[kind] for kind in TONES if kind in kinds)


def stroke(x1: float, y1: int, x2: float, y2: int, kind: str) -> Attributes:
    """Of a line: across in per cent, down in pixels."""
    return {"x1": percent(x1), "y1": y1, "x2": percent(x2), "y2": y2, "class": kind}


def percent(value: float) -> str:
    """As SVG has it."""
    return f"{value:.2f}%"
