"""The report for machines: JSON, JUnit XML and one HTML page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any, get_type_hints
from xml.etree import ElementTree

import pytest

from callctl.replay.report import Report
from callctl.replay.report_html import report_html
from callctl.replay.report_json import (
    CaptureJson,
    DifferenceJson,
    ReportJson,
    RowJson,
    SpeakerJson,
    UnusedJson,
    report_json,
)
from callctl.replay.report_junit import report_junit
from helpers.replay_rig import (
    DIFFERENT,
    NAME,
    accepted,
    header,
    late,
    missing,
    same,
    status,
    unexpected,
    unsaid,
)

BROKEN = Report(
    "broken\x1b<b>",
    "broken.notes.yaml",
    problems=("broken.notes.yaml:3: sut: is '<x>'; expected a node", "another"),
)
ALL = (same, *DIFFERENT, accepted)


# JSON.


def loaded(*reports: Report) -> dict[str, Any]:
    found = json.loads(json.dumps(report_json(reports)))
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("report", ALL)
def test_json_has_the_shape_that_is_written_down(report: Callable[[], Report]) -> None:
    found = loaded(report())
    assert found.keys() == get_type_hints(ReportJson).keys()
    (capture,) = found["captures"]
    assert capture.keys() == get_type_hints(CaptureJson).keys()
    for key, shape in (
        ("differences", DifferenceJson),
        ("ladder", RowJson),
        ("roles", SpeakerJson),
        ("unused_accepts", UnusedJson),
    ):
        for entry in capture[key]:
            assert entry.keys() == get_type_hints(shape).keys()
    for difference in capture["differences"]:
        assert difference["number"] in capture["ladder"][difference["row"]]["differences"]


def test_json_counts_captures_by_verdict() -> None:
    found = loaded(same(), accepted(), late(), BROKEN)
    assert (found["same"], found["different"], found["not_played"]) == (2, 1, 1)
    assert [it["verdict"] for it in found["captures"]] == [
        "same",
        "same",
        "different",
        "not played",
    ]
    assert found["captures"][3]["problems"] == list(BROKEN.problems)


def test_json_of_a_difference_has_both_messages_masked() -> None:
    (capture,) = loaded(header())["captures"]
    first = capture["differences"][0]
    assert (first["difference"], first["header"], first["message"]) == ("header", "from", "INVITE")
    assert (first["at_s"], first["frame"], first["accepted"]) == (31.3, 16, False)
    assert "<script>" in first["captured"]
    assert "<script>" not in first["now"]
    assert 'nonce="xxxx' in first["now"]


def test_json_says_what_is_missing_and_what_is_new_by_null() -> None:
    (capture,) = loaded(missing())["captures"]
    gone = capture["ladder"][capture["differences"][0]["row"]]
    assert (gone["title"], gone["title_now"], gone["now_s"]) == ("MESSAGE", None, None)
    (capture,) = loaded(unexpected())["captures"]
    new = capture["ladder"][capture["differences"][0]["row"]]
    assert (new["title"], new["title_now"], new["captured_s"]) == (None, "CANCEL", None)
    assert (capture["differences"][0]["captured"], new["frame"]) == (None, None)


def test_json_tells_accepts_that_were_not_needed_and_what_was_not_said() -> None:
    (capture,) = loaded(accepted())["captures"]
    assert [it["difference"] for it in capture["unused_accepts"]] == ["late"]
    assert (capture["open"], capture["accepted"]) == (0, 2)
    (capture,) = loaded(unsaid())["captures"]
    assert [capture["ladder"][it]["state"] for it in capture["not_said"]] == ["not said"] * 6


# JUnit XML.

SUITE_NEEDS = {
    "name",
    "package",
    "id",
    "timestamp",
    "hostname",
    "tests",
    "failures",
    "errors",
    "time",
}


def test_junit_has_a_case_for_each_capture_and_counts_them() -> None:
    octets = report_junit(
        [same(), late(), header(), BROKEN], began_at="2026-03-01T10:00:00", hostname="ci"
    )
    root = ElementTree.fromstring(octets)
    (suite,) = root
    assert (root.tag, root.attrib, suite.tag) == ("testsuites", {}, "testsuite")
    assert suite.attrib.keys() == SUITE_NEEDS
    counts = [suite.attrib[key] for key in ("tests", "failures", "errors", "time")]
    assert counts == ["4", "2", "1", "0.120"]
    assert (suite.attrib["timestamp"], suite.attrib["hostname"]) == ("2026-03-01T10:00:00", "ci")
    # The schema of Ant wants its parts in this order, and one of each but the cases.
    assert [it.tag for it in suite] == [
        "properties",
        *["testcase"] * 4,
        "system-out",
        "system-err",
    ]
    for case in suite.iter("testcase"):
        assert case.attrib.keys() == {"classname", "name", "time"}
        assert len(case) <= 1


def test_junit_failure_names_the_first_difference_and_has_all_as_text() -> None:
    root = ElementTree.fromstring(report_junit([header()]))
    (failure,) = root.iter("failure")
    assert failure.attrib == {
        "type": "header from",
        "message": "header from: INVITE for TCT2001 at 31.300 s, frame 16",
    }
    text = failure.text or ""
    assert text.startswith("2 differences, 13 compared\n1  header from: INVITE")
    assert "2  header p-asserted-identity: INVITE" in text
    assert '"<script>alert(1)</script>\\u202e" <sip:1001@lab.example> in the capture' in text


def test_junit_error_has_every_mistake_of_what_cannot_be_played() -> None:
    root = ElementTree.fromstring(report_junit([BROKEN]))
    (case,) = root.iter("testcase")
    assert case.attrib["name"] == "broken\\x1b<b>"
    (error,) = case
    assert error.attrib == {"type": "not played", "message": BROKEN.problems[0]}
    assert error.text == "\n".join(BROKEN.problems)


def test_junit_tells_accepted_differences_without_failing() -> None:
    root = ElementTree.fromstring(report_junit([accepted()]))
    assert not list(root.iter("failure"))
    out = next(root.iter("system-out")).text or ""
    assert out.splitlines() == [
        "ios_13: accepted: header from: INVITE for TCT2001 at 31.300 s, frame 16: renamed since",
        "ios_13: accepted: header p-asserted-identity: INVITE for TCT2001 at 31.300 s, frame 16: "
        "renamed since",
        "ios_13: accepted in the notes, but not seen: late: 180 (INVITE)",
    ]


# The page.

ADDRESSES = ("href", "src", "action", "data", "srcset", "poster", "xlink:href")


class Page(HTMLParser):
    """Collects what a browser would fetch or run, ids and links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for key, value in attrs:
            if key in ADDRESSES:
                self.links.append(value or "")
            if key.startswith("on"):
                self.handlers.append(key)
            if key == "id":
                self.ids.append(value or "")


def tree(text: str) -> ElementTree.Element:
    doctype, _, rest = text.partition("\n")
    assert doctype == "<!DOCTYPE html>"
    return ElementTree.fromstring(rest)


@pytest.mark.parametrize("report", ALL)
def test_page_needs_nothing_but_itself(report: Callable[[], Report]) -> None:
    text = report_html([report()])
    page = Page(text)
    assert not {"link", "img", "iframe", "object", "embed", "base"} & set(page.tags)
    assert page.tags.count("script") == 1
    assert not page.handlers
    assert all(link.startswith("#") for link in page.links)
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]


@pytest.mark.parametrize("report", ALL)
def test_page_is_well_formed_and_its_links_lead_somewhere(report: Callable[[], Report]) -> None:
    text = report_html([report()])
    page = Page(text)
    assert len(set(page.ids)) == len(page.ids)
    assert {link[1:] for link in page.links} <= set(page.ids)
    root = tree(text)
    rows = [it for it in root.iter("details") if "row" in (it.get("class") or "").split()]
    assert len(rows) == len(report().rows)
    assert all(row[0].tag == "summary" for row in rows)  # which the keyboard reaches


@pytest.mark.parametrize("report", DIFFERENT)
def test_page_has_every_difference_with_a_link_to_its_row(report: Callable[[], Report]) -> None:
    root = tree(report_html([report()]))
    section = next(it for it in root.iter("section") if it.get("class") == "differences")
    items = list(section.iter("li"))
    assert len(items) == len(report().open)
    for item, difference in zip(items, report().open, strict=True):
        text = "".join(item.itertext())
        assert difference.kind.value in text
        assert f"{difference.message} for {difference.party}" in text
        assert difference.detail in text
        link = item.find("a")
        assert link is not None
        number = (item.get("id") or "").partition("-d")[2]
        assert link.get("href") == f"#c1-r{report().row_of(int(number))}"


@pytest.mark.parametrize(
    ("report", "title", "tone"),
    [
        (late, "180 (INVITE)", "off-time"),
        (missing, "MESSAGE", "missing"),
        (unexpected, "CANCEL", "unexpected"),
        (status, "486 (INVITE) 480 (INVITE)", "other"),
        (header, "INVITE", "other"),
    ],
)
def test_ladder_of_the_page_shows_at_once_what_is_different(
    report: Callable[[], Report], title: str, tone: str
) -> None:
    root = tree(report_html([report()]))
    (found,) = [it for it in root.iter("details") if tone in (it.get("class") or "").split()]
    drawn = next(found.iter("svg"))
    assert ["".join(it.itertext()) for it in drawn.iter("text")] == [title]
    ticks = [it for it in root.iter("a") if tone in (it.get("class") or "").split()]
    assert len(ticks) == 1


def test_missing_arrow_is_drawn_as_gone_and_a_late_one_twice() -> None:
    def lines(report: Report, tone: str) -> list[str]:
        root = tree(report_html([report]))
        (found,) = [it for it in root.iter("details") if tone in (it.get("class") or "").split()]
        return [it.get("class") or "" for it in found.iter("line")]

    assert "arrow gone" in lines(missing(), "missing")
    assert {"arrow was", "off", "arrow is"} <= set(lines(late(), "off-time"))


def test_line_of_time_joins_a_message_upright_unless_it_is_late() -> None:
    def joints(report: Report) -> set[tuple[str, bool]]:
        ticks = [
            it for it in tree(report_html([report])).iter("a") if "tick" in it.get("class", "")
        ]
        return {
            (tick.get("class", ""), line.get("x1") == line.get("x2"))
            for tick in ticks
            for line in tick.iter("line")
        }

    assert joints(same()) == {("tick same", True)}
    assert joints(late()) == {("tick same", True), ("tick off-time", False)}


def test_lines_that_differ_are_marked_in_both_messages() -> None:
    root = tree(report_html([header()]))
    marked = [
        (it.get("class"), it.text)
        for it in root.iter("code")
        if "differs" in (it.get("class") or "") and (it.text or "").startswith("From: ")
    ]
    assert [style for style, _ in marked] == ["line captured differs", "line now differs"]
    assert "<script>" in (marked[0][1] or "")


def test_name_that_tries_to_be_markup_is_text() -> None:
    text = report_html([header(), BROKEN])
    assert NAME not in text
    assert text.count("<script>") == 1
    assert "&lt;script&gt;alert(1)" in text
    assert "\x1b" not in text


def test_rows_far_from_any_difference_are_folded_and_a_good_ladder_is_not() -> None:
    folds = [it for it in tree(report_html([late()])).iter("details") if it.get("class") == "fold"]
    assert folds
    good = tree(report_html([same()]))
    assert not [it for it in good.iter("details") if it.get("class") == "fold"]


def test_page_of_a_folder_has_all_captures_those_that_differ_first() -> None:
    root = tree(report_html([same(), late(), BROKEN, accepted()], made="callctl 0.1.0"))
    articles = [it.get("class") for it in root.iter("article")]
    assert articles == ["capture not-played", "capture different", "capture same", "capture same"]
    heading = next(root.iter("h1"))
    assert heading.text == "4 captures: 1 different, 1 not played, 2 same"
    assert "".join(next(root.iter("footer")).itertext()) == "callctl 0.1.0"
    ids = Page(report_html([same(), late()])).ids
    assert len(set(ids)) == len(ids)


def test_page_has_colours_for_light_and_dark() -> None:
    text = report_html([same()])
    assert "@media (prefers-color-scheme: dark)" in text
    assert 'content="light dark"' in text
