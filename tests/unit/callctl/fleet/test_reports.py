"""The three reports of one result: JSON, HTML and the terminal."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from xml.etree import ElementTree

import msgspec
import pytest
from rich.console import Console

from callctl.fleet.html_report import html_page
from callctl.fleet.result import (
    FORMAT,
    CallsResult,
    EventResult,
    Example,
    FailureResult,
    FleetResult,
    GeneratorResult,
    ProcessResult,
    SecondResult,
    SetUpResult,
    StageResult,
)
from callctl.fleet.statistics import Samples
from callctl.fleet.text_report import print_report, sparkline, verdict, verdict_of

STORY = """Call 0c8a438e-a650-4401-a839-dafde42ab968
  from <8000020> to 7000083, taken by ucm1

    +0.000 s  INVITE taken by ucm1, 100 sent at once    CALL-19

Not answered: the caller got 480, because
TCT7000083 did not register."""


def stage(name: str, *times_ms: float, planned: bool = False) -> StageResult:
    samples = Samples()
    for ms in times_ms:
        samples.add(ms)
    return StageResult(name, f"of {name}", planned, samples.summary(), samples.histogram())


def samples_of(*times_ms: float) -> Samples:
    samples = Samples()
    for ms in times_ms:
        samples.add(ms)
    return samples


RESULT = FleetResult(
    started_at="2026-01-02T03:04:05+00:00",
    ground="own cluster",
    seed=7,
    plan={"phones": "100", "calls": "5 per second"},
    notes=("all 3 nodes run in one process",),
    ended_early="",
    ok=False,
    allowed_failures=0.0,
    set_up=SetUpResult(100, 99, 2.5, {"did not register": 1}, 4),
    calls=CallsResult(
        12.0, 12, 10, 1, 1, 0, 2, 11, 4.0, 3.0, 2.9, {"answered": 10, "failed": 1}, {"ucm1": 12}
    ),
    stages=(
        stage("late start", 0.4, 0.9),
        stage("push", 5.0, 7.0, 2_600.0),
        stage("wake", 480.0, 520.0, planned=True),
        stage("register", 6.0, 7.0),
        stage("answer"),
        stage("set-up", 490.0, 3_100.0),
    ),
    seconds=tuple(SecondResult(at, 3.0, 3, 3, 2, int(at == 2)) for at in range(4)),
    failures=(
        FailureResult(
            "480, no <push> came",
            1,
            (Example("c1", 2.0, "8000020", "7000083", "TCT7000083", "ucm1"),),
            STORY,
        ),
    ),
    processes=(
        ProcessResult("fleet", (1.0, 2.0), (0.1, 0.3), (100.0, 101.0)),
        ProcessResult("cluster", (1.0, 2.0), (0.4, 0.5), (120.0, 130.0)),
    ),
    generator=GeneratorResult((), samples_of(0.2, 3.0).summary(), samples_of(0.4).summary(), 0),
    events=(EventResult(2.0, "ucm1 killed"),),
    counts={"pushes": 12},
    ignored={"asleep": 3},
)

EMPTY = replace(
    RESULT,
    ended_early="Ctrl-C",
    calls=CallsResult(0, 0, 0, 0, 0, 0, 0, 0, 0.0, 3.0, 0.0, {}, {}),
    stages=tuple(stage(name) for name in ("push", "register", "set-up")),
    seconds=(),
    failures=(),
    processes=(ProcessResult("fleet", (), (), ()),),
    generator=GeneratorResult((), None, None, 0),
    events=(),
)


def printed(result: FleetResult, width: int) -> str:
    console = Console(file=StringIO(), width=width)
    print_report(console, result)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_json_has_every_field_and_is_read_into_the_same_result() -> None:
    fields = json.loads(RESULT.json())
    assert fields.pop("format") == FORMAT
    assert msgspec.convert(fields, FleetResult) == RESULT
    assert fields["stages"][1]["summary"] == {
        "count": 3, "p50": 7.0, "p90": 2600.0, "p95": 2600.0, "p99": 2600.0, "max": 2600.0,
        "mean": pytest.approx(870.667, abs=0.001),
    }  # fmt: skip


class Reader(HTMLParser):
    """Sees to it that every element is closed, in order, and notes what is loaded."""

    VOID = frozenset({"meta", "link", "br", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: set[str] = set()
        self.loads: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "srcset")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("result", [RESULT, EMPTY], ids=["full", "empty"])
def test_page_is_well_formed_and_needs_nothing_else(result: FleetResult) -> None:
    page = html_page(result)
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    assert reader.loads == []
    assert not reader.names & {"script", "link", "img", "iframe", "object"}
    assert not any(way in page for way in ("://", "url(", "@import"))


def test_every_plot_is_well_formed_svg() -> None:
    page = html_page(RESULT)
    plots = [f"<svg{part.partition('</svg>')[0]}</svg>" for part in page.split("<svg")[1:]]
    assert len(plots) > 8
    for plot in plots:
        assert ElementTree.fromstring(plot).get("aria-label")
        assert "nan" not in plot.lower()


def test_page_shows_the_verdict_the_failures_and_their_story() -> None:
    reader = Reader()
    reader.feed(html_page(RESULT))
    for text in (
        "FAIL",
        "10 of 11 calls ended as planned, 1 did not (9.09%)",
        "480, no <push> came",
        "from <8000020> to 7000083",
        "TCT7000083",
        "ucm1 killed",
        "did not register",
        "All 3 nodes run in one process.",
        "2.60 s",
    ):
        assert text in reader.text
    assert "generator was the limit" not in reader.text


def test_page_has_a_light_and_a_dark_set_of_colours() -> None:
    page = html_page(RESULT)
    light, dark = page.split("@media (prefers-color-scheme: dark)")
    for colour in ("--ground", "--ink", "--red", "--blue"):
        assert f"{colour}:" in light
        assert f"{colour}:" in dark


def test_a_generator_that_was_the_limit_is_told_in_front() -> None:
    limited = replace(
        RESULT, generator=replace(RESULT.generator, limits=("its event loop was 90 ms late",))
    )
    reader = Reader()
    reader.feed(html_page(limited))
    assert "The generator was the limit: its event loop was 90 ms late." in reader.text
    assert "was the limit: its event loop was 90 ms late" in printed(limited, 132)


@pytest.mark.parametrize("width", [80, 132])
def test_terminal_shows_all_figures_at_any_width(width: int) -> None:
    text = printed(RESULT, width)
    assert all(len(line.rstrip()) <= width for line in text.splitlines())
    flat = " ".join(text.split())
    for part in (
        "FAIL 10 of 11 calls ended as planned, 1 did not (9.09%)",
        "99 of 100 phones in service after 2.5 s; seed 7",
        "push 3 7.0 ms 2.60 s 2.60 s 2.60 s 2.60 s",
        "1 x 480, no <push> came",
        "Not answered: the caller got 480",
        "kept up",
        "2.0 s: ucm1 killed",
        "phones that did not come into service: 1, did not register",
    ):
        assert part in flat
    assert "answer" not in flat.partition("Times")[2].partition("Failures")[0]


def test_a_run_without_calls_is_told_as_such() -> None:
    assert verdict(EMPTY) == "no call was placed"
    text = printed(EMPTY, 80)
    assert "ended early: Ctrl-C" in text
    assert "Times" not in text


def test_verdict_of_a_story_is_its_last_paragraph_in_one_line() -> None:
    assert verdict_of(STORY) == (
        "Not answered: the caller got 480, because TCT7000083 did not register."
    )


def test_sparkline_shows_highest_values_and_leaves_nothing_out() -> None:
    assert sparkline([0, 1, 8], 10) == " ▁█"
    assert sparkline([0, 1_000], 10) == " █"
    assert sparkline([1, 1_000], 10) == "▁█"
    assert sparkline([0, 0, 9, 0, 0, 0], 3) == " █ "
    assert sparkline([0.5], 5, top=1.0) == "▄"
    assert sparkline([], 5) == ""
