"""What is told of a replay, as plain data: every way to show it begins here.

Texts of captures are harmless from here on (`shown_text`); octets of messages are as they were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from callctl.replay.difference import Difference
from callctl.replay.ladder import Row, RowKind, RowState, rows_of
from callctl.replay.notes_schema import AcceptEntry, DifferenceKind
from callctl.replay.outcome import DIFFERENT, NOT_PLAYED, SAME, Outcome, Speaker, speakers_of
from callctl.replay.shown import shown_text


@dataclass(frozen=True, slots=True)
class Report:
    """One capture. With `problems` it could not be played, and there is nothing but names."""

    name: str
    notes: str
    capture: str = ""
    title: str = ""  # what it shows, from the notes
    problems: tuple[str, ...] = ()
    mode: str = ""
    seed: int = 0
    virtual_ns: int = 0
    real_ns: int = 0
    compared: int = 0  # messages of the capture that came again
    differences: tuple[Difference, ...] = ()  # their numbers begin with 1
    unused: tuple[AcceptEntry, ...] = ()
    rows: tuple[Row, ...] = ()
    speakers: tuple[Speaker, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)  # of the capture, by reason
    ignored: Mapping[str, int] = field(default_factory=dict)  # of what came, by reason

    @property
    def played(self) -> bool:
        """False if capture, notes or cluster cannot be used."""
        return not self.problems

    @property
    def same(self) -> bool:
        """True if it was played, and nothing is open."""
        return self.played and not self.open

    @property
    def open(self) -> tuple[Difference, ...]:
        """Differences that nothing explains."""
        return tuple(it for it in self.differences if not it.accepted)

    @property
    def accepted(self) -> tuple[Difference, ...]:
        """Differences that the notes explain."""
        return tuple(it for it in self.differences if it.accepted)

    @property
    def not_said(self) -> tuple[Row, ...]:
        """What parties outside could not say."""
        return tuple(row for row in self.rows if row.state is RowState.NOT_SAID)

    @property
    def verdict(self) -> str:
        """In a word or two."""
        if not self.played:
            return "not played"
        return "same" if self.same else "different"

    @property
    def exit_code(self) -> int:
        """Of a command that plays this capture alone."""
        if not self.played:
            return NOT_PLAYED
        return SAME if self.same else DIFFERENT

    @property
    def first_problem(self) -> str:
        """The first thing that is wrong, in a line; "" if nothing is."""
        if self.problems:
            return self.problems[0]
        return headline(self.open[0]) if self.open else ""

    def row_of(self, number: int) -> int | None:
        """Index of the row that a difference is about."""
        return next((at for at, row in enumerate(self.rows) if number in row.differences), None)


def report_of(outcome: Outcome, nodes: Mapping[str, Sequence[str]]) -> Report:
    """Raises nothing. `nodes`: addresses in the capture of each node under test."""
    verdict = outcome.verdict
    return Report(
        name=outcome.name,
        notes=str(outcome.notes),
        capture=str(outcome.capture),
        title=outcome.file.title,
        mode=outcome.mode,
        seed=outcome.seed,
        virtual_ns=outcome.virtual_ns,
        real_ns=outcome.real_ns,
        compared=verdict.compared,
        differences=tuple(map(_harmless_difference, verdict.differences)),
        unused=verdict.unused,
        rows=tuple(map(_harmless_row, rows_of(outcome))),
        speakers=tuple(
            replace(speaker, name=shown_text(speaker.name))
            for speaker in speakers_of(outcome.script.recording, nodes)
        ),
        left_out=dict(outcome.script.recording.left_out),
        ignored={shown_text(why): count for why, count in outcome.played.ignored.items()},
    )


def name_of(difference: Difference) -> str:
    """What it is called: late, header from, ..."""
    named = difference.kind is DifferenceKind.HEADER and difference.header
    return f"header {difference.header}" if named else difference.kind.value


def headline(difference: Difference) -> str:
    """It in a line, without its detail."""
    where = f", frame {difference.frame}" if difference.frame else ""
    at = f"{difference.at_ns / 1e9:.3f} s"
    return f"{name_of(difference)}: {difference.message} for {difference.party} at {at}{where}"


def about(row: Row, report: Report) -> frozenset[str]:
    """What the differences of a row are about, as `side_by_side` has it."""
    found: set[str] = set()
    for number in row.differences:
        difference = report.differences[number - 1]
        if difference.header:
            found.add(difference.header)
        elif difference.kind in (DifferenceKind.STATUS, DifferenceKind.TARGET):
            found.add("start-line")
    return frozenset(found)


def entry_text(entry: AcceptEntry) -> str:
    """An entry of `accept`, in words."""
    name = f"header {entry.header}" if entry.header else entry.difference.value
    parts = [f"{name}: {entry.message or 'any message'}"]
    if entry.party:
        parts.append(f"for {entry.party}")
    return " ".join(parts)


def ways(row: Row) -> str:
    """Who sends it to whom."""
    if row.kind is RowKind.EVENT:
        return row.party or row.node
    other = f"cloud ({row.party})" if row.kind is RowKind.PUSH else row.party
    return f"{other} → {row.node}" if row.inward else f"{row.node} → {other}"


def counted(count: int, noun: str) -> str:
    """A number and what it counts."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _harmless_difference(difference: Difference) -> Difference:
    return replace(
        difference,
        message=shown_text(difference.message),
        party=shown_text(difference.party),
        detail=shown_text(difference.detail),
    )


def _harmless_row(row: Row) -> Row:
    return replace(
        row,
        party=shown_text(row.party),
        title=shown_text(row.title),
        title_now=shown_text(row.title_now),
    )
