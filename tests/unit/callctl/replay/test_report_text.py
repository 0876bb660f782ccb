"""A replay told in the terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from callctl.cli.replay_text import print_report, print_summary
from callctl.replay.report import Report, headline
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
    "broken",
    "broken.notes.yaml",
    problems=("broken.notes.yaml:3: sut: is 'x'; expected a node", "broken.notes.yaml:4: title"),
)


def told(report: Report, *, width: int = 80, messages: bool = False) -> list[str]:
    """The lines, without the blanks that pad them."""
    console = Console(file=StringIO(), width=width, highlight=False)
    print_report(console, report, messages=messages)
    assert isinstance(console.file, StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def summary(reports: list[Report], *, left_out: int = 0) -> list[str]:
    console = Console(file=StringIO(), width=80, highlight=False)
    print_summary(console, reports, left_out=left_out, real_ns=2_500_000_000)
    assert isinstance(console.file, StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_good_verdict_is_one_line() -> None:
    assert told(same()) == ["ios_13: same, 13 compared  (virtual, 42.3 s in 0.04 s)"]


def test_late_message_is_shown_between_its_neighbours_and_explained_below() -> None:
    assert told(late()) == [
        "nobody_wakes: different, 1 difference, 9 compared  (virtual, 46.1 s in 0.04 s)",
        "",
        "         s captured             s now",
        "           …                      …",
        "    30.060 100 (INVITE)    30.060 100 (INVITE)  ucm3 → SEP1001",
        "    30.060 push incoming   30.060 push incoming ucm3 → cloud (TCT2001)",
        "1   35.060 180 (INVITE)    37.060 180 (INVITE)  ucm3 → SEP1001",
        "    43.060 480 (INVITE)    43.060 480 (INVITE)  ucm3 → SEP1001",
        "    43.060 push missed     43.060 push missed   ucm3 → cloud (TCT2001)",
        "           …                      …",
        "",
        "1  late: 180 (INVITE) for SEP1001 at 35.060 s  2.000 s later than in the capture",
        "",
        "--messages shows both messages of each, --html FILE the whole ladder",
    ]


@pytest.mark.parametrize(
    ("report", "line"),
    [
        (missing, "1   31.300 MESSAGE                 missing        ucm1 → TCT2001"),
        (unexpected, "1          -                  35.340 CANCEL           ucm1 → TCT2001"),
        (status, "1   43.060 486 (INVITE)    43.060 480 (INVITE)  ucm3 → SEP1001"),
        (header, "1   31.300 INVITE           31.300 INVITE         ucm1 → TCT2001"),
        (unsaid, "    30.100 100 (INVITE)          not said     PEER 192.0.2.90 → ucm3"),
    ],
)
def test_what_is_captured_stands_beside_what_came_now(
    report: Callable[[], Report], line: str
) -> None:
    assert line in told(report())


@pytest.mark.parametrize("report", DIFFERENT)
@pytest.mark.parametrize("width", [80, 100, 140])
def test_every_difference_is_told_within_the_width(
    report: Callable[[], Report], width: int
) -> None:
    lines = told(report(), width=width, messages=True)
    for difference in report().open:
        assert any(headline(difference) in line for line in lines)
    assert all(len(line) <= width for line in lines)


def test_name_that_tries_to_be_more_is_told_as_text() -> None:
    text = "\n".join(told(header(), width=140, messages=True))
    assert "<script>alert(1)</script>\\u202e" in text
    assert NAME not in text


def test_accepted_differences_are_told_with_their_reason_and_what_is_no_longer_needed() -> None:
    lines = told(accepted(), width=100)
    assert lines[0].startswith("ios_13: same, 13 compared, 2 accepted differences")
    assert "accepted" in lines
    assert "   header from: INVITE for TCT2001 at 31.300 s, frame 16: renamed since" in lines
    at = lines.index("accepted in the notes, but not seen")
    assert lines[at + 1] == "   late: 180 (INVITE): slow phones"


def test_differences_that_are_accepted_for_one_reason_are_one_line() -> None:
    first = accepted().differences[0]
    more = (first, replace(first, message="BYE"), replace(first, message="BYE", party="SEP1001"))
    lines = told(replace(accepted(), differences=more))
    assert "   header from, 3 times: INVITE, BYE: renamed since" in lines


def test_what_could_not_be_said_is_a_line_for_each_party() -> None:
    lines = told(unsaid())
    at = lines.index("could not be said")
    assert lines[at + 1 : at + 3] == [
        "   PEER 192.0.2.90: 100 (INVITE), 180 (INVITE), 200 (INVITE), 200 (BYE)",
        "   SEP1001: ACK, BYE",
    ]


def test_messages_stand_side_by_side_where_there_is_room_and_over_one_another_elsewhere() -> None:
    wide = told(status(), width=140, messages=True)
    assert any(
        "SIP/2.0 486 Busy Here" in line and "SIP/2.0 480 Temporarily Unavailable" in line
        for line in wide
    )
    narrow = told(status(), width=80, messages=True)
    at = narrow.index("   - SIP/2.0 486 Busy Here")
    assert narrow[at + 1] == "   + SIP/2.0 480 Temporarily Unavailable"
    assert any(line.startswith("     CSeq: ") for line in narrow)


def test_long_lines_of_a_message_are_cut_at_the_width_not_at_a_blank() -> None:
    lines = told(missing(), width=80, messages=True)
    at = next(index for index, line in enumerate(lines) if line.startswith("   Record-Route: "))
    assert len(lines[at]) == 80
    assert lines[at + 1].startswith("       ")


def test_secrets_of_messages_are_masked() -> None:
    text = "".join(told(header(), width=80, messages=True)).replace(" ", "")
    assert 'nonce="xxxx' in text
    assert 'response="xxxx' in text


def test_of_many_differences_the_first_are_told() -> None:
    first = missing().differences[0]
    many = replace(missing(), differences=(first,) * 30)
    lines = told(many)
    assert "… and 18 more: --messages, --json and --html have all" in lines
    assert len(told(many, messages=True)) > len(lines)


def test_what_cannot_be_played_is_told_with_every_mistake() -> None:
    assert told(BROKEN) == ["broken: not played", *(f"  {it}" for it in BROKEN.problems)]


def test_summary_ends_with_what_is_wrong() -> None:
    lines = summary([BROKEN, status(), same(), accepted()])
    names = [line.split()[0] for line in lines if line.startswith(" ") and "CAPTURE" not in line]
    assert names[1:] == ["ios_13", "ios_13", "nobody_wakes", "broken"]
    assert lines[-5:] == [
        "nobody_wakes  other status: 486 (INVITE) for SEP1001 at 43.060 s, frame 15",
        "broken  broken.notes.yaml:3: sut: is 'x'; expected a node (and 1 more)",
        "callctl replay run nobody_wakes.notes.yaml shows more",
        "",
        "4 captures: 2 same, 1 different, 1 not played, in 2.5 s",
    ]


def test_summary_lists_a_few_of_many_that_are_the_same() -> None:
    lines = summary([same()] * 30 + [late()])
    assert sum(" same " in line for line in lines) == 20
    assert "… and 10 more that are the same" in lines
    assert lines[-1] == "31 captures: 30 same, 1 different, in 2.5 s"


def test_summary_says_what_was_left_out() -> None:
    lines = summary([late()], left_out=3)
    assert lines[-1].endswith("in 2.5 s; 3 left out after the first that is not the same")
