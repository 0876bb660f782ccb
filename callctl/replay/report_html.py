"""The report as one page, which needs nothing but itself: no script to be read, no address."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Final

from callctl.replay.difference import Difference
from callctl.replay.markup import Markup, element
from callctl.replay.outcome import Side
from callctl.replay.report import Report, counted, entry_text, name_of, ways
from callctl.replay.report_html_ladder import ladder, reason_of
from callctl.replay.report_svg import TONES, lanes_of
from callctl.replay.report_timeline import timeline
from callctl.replay.shown import shown_text

OPENED_MAX: Final = 5  # remarks of one kind; of more, the number is shown


def report_html(reports: Sequence[Report], *, made: str = "") -> str:
    """The page. `made`: when and by what, in a line."""
    one = len(reports) == 1
    title = f"{reports[0].name}: {_verdict(reports[0])}" if one else _counts(reports)
    resources = files("callctl.replay")
    head = element(
        "head",
        {},
        element("meta", {"charset": "utf-8"}),
        element("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        element("meta", {"name": "color-scheme", "content": "light dark"}),
        element("title", {}, shown_text(title)),
        element("style", {}, Markup(resources.joinpath("report.css").read_text("utf-8"))),
    )
    numbered = [(f"c{number}", report) for number, report in enumerate(reports, start=1)]
    numbered.sort(key=lambda each: -each[1].exit_code)  # what is wrong is read first
    body = element(
        "body",
        {},
        None if one else _overview(numbered),
        element("main", {}, *(_capture(report, name, alone=one) for name, report in numbered)),
        element("footer", {}, made) if made else None,
        element("script", {}, Markup(resources.joinpath("report.js").read_text("utf-8"))),
    )
    return f"<!DOCTYPE html>\n{element('html', {'lang': 'en'}, head, body)}\n"


# Several captures.


def _overview(numbered: Sequence[tuple[str, Report]]) -> Markup:
    """All of them in a list."""
    rows = [
        element(
            "li",
            {"class": report.verdict.replace(" ", "-")},
            element(
                "a",
                {"href": f"#{anchor}"},
                element("b", {}, shown_text(report.name)),
                element("span", {"class": "badge"}, _verdict(report)),
                element(
                    "span", {"class": "hint"}, shown_text(report.first_problem or report.title)
                ),
            ),
        )
        for anchor, report in numbered
    ]
    return element(
        "header",
        {"class": "overview"},
        element("h1", {}, _counts([report for _, report in numbered])),
        element("nav", {"aria-label": "Captures"}, element("ol", {}, *rows)),
    )


def _counts(reports: Sequence[Report]) -> str:
    verdicts = [report.verdict for report in reports]
    parts = [
        f"{verdicts.count(verdict)} {verdict}"
        for verdict in ("different", "not played", "same")
        if verdict in verdicts
    ]
    return f"{counted(len(reports), 'capture')}: {', '.join(parts)}"


def _verdict(report: Report) -> str:
    return counted(len(report.open), "difference") if report.open else report.verdict


# One capture.


def _capture(report: Report, anchor: str, *, alone: bool) -> Markup:
    heading = element(
        "h1" if alone else "h2",
        {},
        shown_text(report.name),
        " ",
        element("span", {"class": "badge"}, _verdict(report)),
    )
    style = f"capture {report.verdict.replace(' ', '-')}"
    parts: list[Markup | None] = [
        element("p", {"class": "title"}, shown_text(report.title)) if report.title else None
    ]
    if not report.played:
        problems = [element("li", {}, shown_text(problem)) for problem in report.problems]
        parts.append(element("ul", {"class": "problems"}, *problems))
    else:
        parts += [
            element("p", {"class": "meta"}, *_meta(report)),
            element("figure", {}, *_figure(report, anchor)),
            _differences(report, anchor),
            _remarks(report, anchor),
            ladder(report, lanes_of(report), anchor),
            _roles(report),
        ]
    if alone or not report.same:
        return element("article", {"class": style, "id": anchor}, heading, *parts)
    folded = element("details", {}, element("summary", {}, heading), *parts)
    return element("article", {"class": style, "id": anchor}, folded)


def _meta(report: Report) -> Iterator[Markup]:
    played, took = report.virtual_ns / 1e9, report.real_ns / 1e9
    facts = [
        shown_text(report.capture),
        f"{report.compared} compared",
        f"{played:.1f} s played in {took:.2f} s",
        report.mode if report.mode.startswith("live") else f"{report.mode}, seed {report.seed}",
    ]
    return (element("span", {}, fact) for fact in facts)


def _figure(report: Report, anchor: str) -> Iterator[Markup]:
    labels = [element("span", {}, "captured"), element("span", {}, "now"), element("span", {}, "s")]
    yield element("div", {"class": "tracks", "aria-hidden": "true"}, *labels)
    yield timeline(report, f"{anchor}-r")


def _differences(report: Report, anchor: str) -> Markup | None:
    if not report.open:
        return None
    items = [
        _difference(report, number, difference, anchor)
        for number, difference in enumerate(report.differences, start=1)
        if not difference.accepted
    ]
    return element(
        "section",
        {"class": "differences", "aria-label": "Differences"},
        element("h3", {}, "Differences"),
        element("ol", {}, *items),
    )


def _difference(report: Report, number: int, difference: Difference, anchor: str) -> Markup:
    row = report.row_of(number)
    frame = f", frame {difference.frame}" if difference.frame else ""
    return element(
        "li",
        {"class": TONES[difference.kind], "id": f"{anchor}-d{number}"},
        element(
            "a",
            {"href": None if row is None else f"#{anchor}-r{row}"},
            element("span", {"class": "number"}, str(number)),
            element("span", {"class": "name"}, name_of(difference)),
            element(
                "span",
                {},
                f"{difference.message} for {difference.party} ",
                element("span", {"class": "what"}, difference.detail),
            ),
            element("span", {"class": "when"}, f"{difference.at_ns / 1e9:.3f} s{frame}"),
        ),
    )


def _remarks(report: Report, anchor: str) -> Markup | None:
    accepted = [
        element(
            "li",
            {"id": f"{anchor}-d{number}"},
            f"{name_of(it)}: {it.message} for {it.party}, {it.detail}. ",
            reason_of(it.reason),
        )
        for number, it in enumerate(report.differences, start=1)
        if it.accepted
    ]
    unused = [
        element("li", {}, f"{entry_text(it)}. ", reason_of(it.reason)) for it in report.unused
    ]
    not_said = [element("li", {}, f"{row.title}, {ways(row)}") for row in report.not_said]
    left_out = [element("li", {}, f"{count} {why}") for why, count in report.left_out.items()]
    ignored = [element("li", {}, f"{count} {why}") for why, count in report.ignored.items()]
    lists = [
        _list("Could not be said", not_said, opened=True),
        _list("Accepted in the notes, but not seen", unused, opened=True),
        _list("Accepted", accepted),
        _list("Left out of the capture", left_out),
        _list("Left out of what came", ignored),
    ]
    if not any(lists):
        return None
    return element("section", {"class": "remarks", "aria-label": "Remarks"}, *lists)


def _list(heading: str, items: list[Markup], *, opened: bool = False) -> Markup | None:
    if not items:
        return None
    return element(
        "details",
        {"open": "" if opened and len(items) <= OPENED_MAX else None},
        element("summary", {}, f"{heading} ({len(items)})"),
        element("ul", {}, *items),
    )


def _roles(report: Report) -> Markup:
    items = [
        element(
            "li",
            {},
            element("b", {}, speaker.name),
            " ",
            element("span", {}, f"{speaker.side.value}, {counted(speaker.messages, 'message')}"),
            " ",
            element("code", {}, " ".join(speaker.places)),
        )
        for speaker in report.speakers
        if speaker.messages or speaker.side is Side.OUTSIDE
    ]
    heading = element("summary", {}, f"Who is who ({len(items)})")
    return element("details", {"class": "roles"}, heading, element("ul", {}, *items))
