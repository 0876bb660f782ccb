"""The report for scripts: one JSON document, of one capture and of many alike.

The classes below are its shape. What is there stays; new keys may come, and `version` grows when
one changes its meaning. Times are seconds since the recording began, None where there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypedDict

from callctl.replay.difference import Difference
from callctl.replay.ladder import Row
from callctl.replay.outcome import Speaker
from callctl.replay.report import Report
from callctl.replay.shown import shown

VERSION: Final = 1


class DifferenceJson(TypedDict):
    """One difference. `captured` and `now` are whole messages with secrets masked, or None."""

    number: int  # from 1
    difference: str  # as in `accept` of the notes: missing, unexpected, header, ...
    header: str  # in lower case; "" where it is about none
    message: str  # INVITE, 180 (INVITE), push incoming
    party: str
    detail: str
    at_s: float
    frame: int | None
    row: int | None  # index into `ladder`
    accepted: bool
    reason: str  # why it is accepted
    captured: str | None
    now: str | None


class RowJson(TypedDict):
    """One rung of the ladder."""

    kind: str  # message, push, event
    state: str  # same, different, accepted, not said, not compared
    party: str
    node: str
    node_now: str | None  # if another node sends it now
    inward: bool  # from the party to the node
    title: str | None  # None: not in the capture
    title_now: str | None  # None: it did not come
    captured_s: float | None
    now_s: float | None
    frame: int | None
    detail: str
    differences: list[int]  # their numbers


class SpeakerJson(TypedDict):
    """Somebody in the capture."""

    name: str
    side: str  # under test, outside
    places: list[str]
    messages: int


class UnusedJson(TypedDict):
    """An entry of `accept` that nothing was about. "" matches everything."""

    difference: str
    message: str
    party: str
    header: str
    reason: str


class CaptureJson(TypedDict):
    """One capture."""

    name: str
    title: str
    notes: str
    capture: str
    verdict: str  # same, different, not played
    problems: list[str]  # why it could not be played
    mode: str  # virtual, live HOST:PORT
    seed: int
    virtual_s: float
    real_s: float
    compared: int
    open: int
    accepted: int
    differences: list[DifferenceJson]
    unused_accepts: list[UnusedJson]
    not_said: list[int]  # indexes into `ladder`
    left_out: dict[str, int]
    ignored: dict[str, int]
    roles: list[SpeakerJson]
    ladder: list[RowJson]


class ReportJson(TypedDict):
    """The document."""

    version: int
    same: int  # captures
    different: int
    not_played: int
    captures: list[CaptureJson]


def report_json(reports: Sequence[Report]) -> ReportJson:
    """For `json.dumps`."""
    verdicts = [report.verdict for report in reports]
    return {
        "version": VERSION,
        "same": verdicts.count("same"),
        "different": verdicts.count("different"),
        "not_played": verdicts.count("not played"),
        "captures": [_capture(report) for report in reports],
    }


def _capture(report: Report) -> CaptureJson:
    return {
        "name": report.name,
        "title": report.title,
        "notes": report.notes,
        "capture": report.capture,
        "verdict": report.verdict,
        "problems": list(report.problems),
        "mode": report.mode,
        "seed": report.seed,
        "virtual_s": report.virtual_ns / 1e9,
        "real_s": round(report.real_ns / 1e9, 6),
        "compared": report.compared,
        "open": len(report.open),
        "accepted": len(report.accepted),
        "differences": [
            _difference(number, difference, report)
            for number, difference in enumerate(report.differences, start=1)
        ],
        "unused_accepts": [
            {
                "difference": entry.difference.value,
                "message": entry.message,
                "party": entry.party,
                "header": entry.header,
                "reason": entry.reason,
            }
            for entry in report.unused
        ],
        "not_said": [report.rows.index(row) for row in report.not_said],
        "left_out": dict(report.left_out),
        "ignored": dict(report.ignored),
        "roles": [_speaker(speaker) for speaker in report.speakers],
        "ladder": [_row(row) for row in report.rows],
    }


def _difference(number: int, difference: Difference, report: Report) -> DifferenceJson:
    return {
        "number": number,
        "difference": difference.kind.value,
        "header": difference.header,
        "message": difference.message,
        "party": difference.party,
        "detail": difference.detail,
        "at_s": difference.at_ns / 1e9,
        "frame": difference.frame or None,
        "row": report.row_of(number),
        "accepted": difference.accepted,
        "reason": difference.reason,
        "captured": shown(difference.captured) or None,
        "now": shown(difference.now) or None,
    }


def _row(row: Row) -> RowJson:
    return {
        "kind": row.kind.value,
        "state": row.state.value,
        "party": row.party,
        "node": row.node,
        "node_now": row.node_now or None,
        "inward": row.inward,
        "title": row.title or None,
        "title_now": row.title_now or None,
        "captured_s": _seconds(row.captured_ns),
        "now_s": _seconds(row.now_ns),
        "frame": row.frame or None,
        "detail": row.detail,
        "differences": list(row.differences),
    }


def _speaker(speaker: Speaker) -> SpeakerJson:
    return {
        "name": speaker.name,
        "side": speaker.side.value,
        "places": list(speaker.places),
        "messages": speaker.messages,
    }


def _seconds(at_ns: int | None) -> float | None:
    return None if at_ns is None else at_ns / 1e9
