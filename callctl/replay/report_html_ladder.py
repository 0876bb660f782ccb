"""The ladder of the page: each rung a line that opens to both messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from callctl.replay.difference import Difference
from callctl.replay.ladder import Row, RowKind, RowState
from callctl.replay.markup import Markup, element, joined
from callctl.replay.notes_schema import DifferenceKind
from callctl.replay.report import Report, about, name_of, ways
from callctl.replay.report_svg import Lanes, rung, tone
from callctl.replay.shown import Lines, shown, shown_text, side_by_side

NEAR: Final = 2  # rows before and after a difference that are never folded away
FOLD_MIN: Final = 5  # fewer rows are shown

_OFF: Final = frozenset({DifferenceKind.LATE, DifferenceKind.EARLY})


def ladder(report: Report, lanes: Lanes, anchor: str) -> Markup:
    names = [element("span", {"class": lane.kind}, lane.name) for lane in lanes.lanes]
    head = element(
        "div",
        {"class": "heads", "aria-hidden": "true"},
        *(element("span", {}, text) for text in ("", "captured", "now")),
        element("span", {"class": "lanes"}, *names),
        element("span", {}),
    )
    drawn = [_row(report, at, lanes, anchor) for at in range(len(report.rows))]
    plain = all(row.state is RowState.SAME and not row.node_now for row in report.rows)
    return element(
        "section",
        {
            "class": "ladder plain" if plain else "ladder",
            "aria-label": "Ladder",
            "style": f"--lanes: {len(lanes.lanes)}",
        },
        element("div", {"class": "sheet"}, head, *_folded(report, drawn)),
    )


def _folded(report: Report, drawn: list[Markup]) -> Iterator[Markup]:
    """Long runs of rows that are far from any difference, folded; a good ladder is shown whole."""
    marked = [
        at
        for at, row in enumerate(report.rows)
        if row.state in (RowState.DIFFERENT, RowState.NOT_SAID)
    ]
    near = {it for at in marked for it in range(at - NEAR, at + NEAR + 1)}
    run: list[Markup] = []
    for at, row in enumerate([*drawn, None]):
        if row is not None and marked and at not in near:
            run.append(row)
            continue
        if len(run) >= FOLD_MIN:
            heading = element("summary", {}, f"{len(run)} more without an open difference")
            yield element("details", {"class": "fold"}, heading, *run)
        else:
            yield from run
        run = []
        if row is not None:
            yield row


def _row(report: Report, at: int, lanes: Lanes, anchor: str) -> Markup:
    row = report.rows[at]
    found = [report.differences[number - 1] for number in row.differences]
    kinds = frozenset(difference.kind for difference in found)
    spoken = f"{row.title or row.title_now}, {ways(row)}, {', '.join(_words(row, found))}"
    summary = element(
        "summary",
        {},
        element("span", {"class": "numbers"}, " ".join(map(str, row.differences))),
        element("span", {"class": "time"}, _time(row.captured_ns)),
        element("span", {"class": "time off" if kinds & _OFF else "time"}, _time(row.now_ns)),
        element("span", {"class": "drawing"}, rung(row, lanes, kinds)),
        element("span", {"class": "words"}, *_chips(row, found)),
        element("span", {"class": "spoken"}, spoken),
    )
    return element(
        "details",
        {"class": f"row {row.kind.value} {tone(row, report)}", "id": f"{anchor}-r{at}"},
        summary,
        _detail(report, row, anchor),
    )


def _words(row: Row, found: list[Difference]) -> list[str]:
    """What came of it, for the margin."""
    words = [_word(row, difference) for difference in found]
    if row.node_now:
        words.append(f"by {row.node_now}")
    if not words and row.state is not RowState.SAME:
        words.append(row.state.value)
    return list(dict.fromkeys(words))


def _word(row: Row, difference: Difference) -> str:
    if difference.kind in _OFF:
        return difference.detail.partition(" than ")[0]
    return difference.header or name_of(difference)


def _chips(row: Row, found: list[Difference]) -> Iterator[Markup]:
    return (element("span", {"class": "chip"}, word) for word in _words(row, found))


def _time(at_ns: int | None) -> str:
    return "" if at_ns is None else f"{at_ns / 1e9:.3f}"


def _detail(report: Report, row: Row, anchor: str) -> Markup:
    links = [
        element(
            "p",
            {},
            element(
                "a",
                {"href": f"#{anchor}-d{number}", "class": "number"},
                str(number),
            ),
            f" {name_of(difference)}: {difference.detail}",
            joined((". ", reason_of(difference.reason))) if difference.accepted else None,
        )
        for number, difference in ((it, report.differences[it - 1]) for it in row.differences)
    ]
    facts = [ways(row)]
    if row.frame:
        facts.append(f"frame {row.frame}")
    if row.detail:
        facts.append(shown_text(row.detail))
    return element(
        "div",
        {"class": "detail"},
        element("p", {"class": "facts"}, *(element("span", {}, fact) for fact in facts)),
        *links,
        _messages(report, row) if row.kind is RowKind.MESSAGE else None,
    )


def _messages(report: Report, row: Row) -> Markup:
    if row.captured and row.now:
        lines = side_by_side(row.captured, row.now, about(row, report))
        return element("div", {"class": "pair"}, *_pair(lines))
    text, other = ("captured", "now") if row.captured else ("now", "captured")
    why = {
        RowState.NOT_SAID: "Not said: what it is about did not come.",
        RowState.NOT_COMPARED: "Not compared.",
        RowState.SAME: "Said as in the capture, with the tags and routes of now.",
    }.get(row.state, "Nothing.")
    whole = element("pre", {"class": text}, shown(row.captured or row.now).rstrip("\n"))
    sides = {
        text: (element("h4", {}, text), whole),
        other: (element("h4", {}, other), element("p", {"class": "nothing"}, why)),
    }
    (head, body), (head_now, body_now) = sides["captured"], sides["now"]
    return element("div", {"class": "pair"}, head, head_now, body, body_now)


def _pair(lines: Sequence[Lines]) -> Iterator[Markup]:
    yield element("h4", {}, "captured")
    yield element("h4", {}, "now")
    for line in lines:
        for text, side in ((line.captured, "captured"), (line.now, "now")):
            style = "line absent" if text is None else f"line {side} {line.mark.value}"
            yield element("code", {"class": style}, text or "")


def reason_of(reason: str) -> Markup | None:
    return element("i", {}, shown_text(reason)) if reason else None
