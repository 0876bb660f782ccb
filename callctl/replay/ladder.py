"""Both ladders in one: each message of the capture beside the one that stands for it now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

from callctl.replay.difference import Difference
from callctl.replay.live import Came
from callctl.replay.notes_schema import DifferenceKind
from callctl.replay.outcome import VIRTUAL, Outcome
from callctl.replay.recording import Exchange, Recorded, title_of
from sipstack.timing import SECOND, Instant


class RowKind(Enum):
    """What a row is about."""

    MESSAGE = "message"
    PUSH = "push"  # from a node to the cloud
    EVENT = "event"  # to a node, a device or a connection


class RowState(Enum):
    """What came of it."""

    SAME = "same"
    DIFFERENT = "different"
    ACCEPTED = "accepted"  # different, and the notes say why
    NOT_SAID = "not said"  # by a party outside: what it is about did not come
    NOT_COMPARED = "not compared"


@dataclass(frozen=True, slots=True)
class Row:
    """One rung of the ladder. Times are ns since the recording began."""

    kind: RowKind
    party: str  # outside; of a push the device it is for; "" for what happens to a node
    node: str  # "" for what happens to a party
    inward: bool  # True: from the party to the node
    title: str  # in the capture: INVITE, 180 (INVITE), push incoming; "": not there
    title_now: str  # "": it did not come
    captured_ns: int | None  # None: not in the capture
    now_ns: int | None  # None: it did not come
    state: RowState = RowState.SAME
    node_now: str = ""  # that sent it, if it is another one
    frame: int = 0  # in the capture file, 0 without one
    captured: bytes = b""
    now: bytes = b""  # b"" also where it was not kept
    detail: str = ""  # of a push or an event, in a line
    differences: tuple[int, ...] = ()  # their numbers, from 1, in the order of the verdict


def rows_of(outcome: Outcome) -> tuple[Row, ...]:
    """All of them, in the order of the capture; what is new stands where it came."""
    aligned = _Aligned(outcome)
    captured = [*aligned.messages(), *aligned.pushes(), *aligned.events()]
    captured.sort(key=lambda row: row.captured_ns or 0)  # stable: messages stay in their order
    rows = _merged(captured, sorted(aligned.extras(), key=lambda row: row.now_ns or 0))
    return _judged(rows, outcome.verdict.differences)


class _Aligned:
    """Finds the other half of each message."""

    def __init__(self, outcome: Outcome) -> None:
        self._script = outcome.script
        self._played = outcome.played
        self._file = outcome.file
        self._nodes = outcome.nodes
        self._live = outcome.mode != VIRTUAL
        self._began_at = outcome.played.began_at
        self._unsaid = frozenset(outcome.verdict.unsaid)
        self._of: dict[Recorded, Exchange] = {}
        for exchange in outcome.script.recording.exchanges:
            for message in (exchange.request, *exchange.responses, exchange.ack):
                if message is not None:
                    self._of[message] = exchange

    # What the capture has.

    def messages(self) -> list[Row]:
        """Of the capture, in its order."""
        rows = []
        for message in self._script.recording.messages:
            row = Row(
                RowKind.MESSAGE,
                message.place.party,
                message.node,
                message.inward,
                message.title,
                "",
                message.at,
                None,
                frame=message.frame,
                captured=message.octets,
            )
            exchange = self._of[message]
            if message.inward:
                rows.append(self._said(row, message, exchange))
            else:
                rows.append(self._heard(row, message, exchange))
        return rows

    def _said(self, row: Row, message: Recorded, exchange: Exchange) -> Row:
        """By a party outside."""
        if message in self._unsaid:
            return replace(row, state=RowState.NOT_SAID)
        at, octets = self._played.said_at.get(message), b""
        asked = self._played.asked.get(exchange)
        if message is exchange.ack and asked is not None and asked.acknowledged is not None:
            # Of one hop: sent at once when the failure came.
            at = max(came.at for came in asked.answers)
            octets = asked.acknowledged
        elif message is exchange.request and asked is not None:
            octets = asked.octets
        elif exchange in self._played.called:
            octets = self._answer(message)
        if at is None:
            return replace(row, state=RowState.NOT_COMPARED)
        return replace(row, title_now=message.title, now_ns=self._since(at), now=octets)

    def _answer(self, message: Recorded) -> bytes:
        """What a party said in place of a message of the capture; b"" if it did not."""
        return self._played.said.get(message, b"")

    def _heard(self, row: Row, message: Recorded, exchange: Exchange) -> Row:
        """By a party outside, from a node."""
        came, node_now = self._came(message, exchange)
        if came is None:
            return replace(row, state=RowState.NOT_COMPARED)  # unless a difference says otherwise
        return replace(
            row,
            title_now=title_of(came.message),
            now_ns=self._since(came.at),
            now=came.octets,
            node_now="" if node_now == row.node else node_now,
        )

    def _came(self, message: Recorded, exchange: Exchange) -> tuple[Came | None, str]:
        if exchange.inward:
            asked = self._played.asked.get(exchange)
            answers = () if asked is None else asked.answers
            return next((it for it in answers if it.paired is message), None), ""
        called = self._played.called.get(exchange)
        if called is None:
            return None, ""
        came = called.ack if message is exchange.ack else called.came
        return came, self._nodes.get(called.flow.remote_host, "")

    def pushes(self) -> list[Row]:
        """Of the notes."""
        pushed = {id(it.entry): it for it in self._played.pushed if it.entry is not None}
        rows = []
        for entry in self._script.pushes:
            title = f"push {entry.kind}"
            answer = entry.lost or entry.answer or "no answer"
            row = Row(
                RowKind.PUSH,
                entry.device,
                entry.node,
                False,
                title,
                "",
                round(entry.at * SECOND),
                None,
                detail=_named(entry.names_node, f"answered {answer}"),
            )
            now = pushed.get(id(entry))
            if now is not None:
                node_now = "" if now.push.node == entry.node else now.push.node
                at_ns = self._since(now.at)
                row = replace(row, title_now=title, now_ns=at_ns, node_now=node_now)
            else:
                row = replace(
                    row, state=RowState.NOT_COMPARED
                )  # unless a difference says otherwise
            rows.append(row)
        return rows

    def events(self) -> list[Row]:
        """What befalls nodes, devices and connections; played as the notes and the capture say."""
        found = [(it.at, "", it.node, it.event.value) for it in self._file.node_events]
        found += [(it.at, it.device, "", "signs in") for it in self._file.sign_ins]
        found += [(it.at, it.device, "", "signs out") for it in self._file.sign_outs]
        length_ns = self._played.ended_at - self._began_at
        rows = [
            self._event(round(at * SECOND), *rest)
            for at, *rest in found
            if at * SECOND <= length_ns  # what comes later was never played
        ]
        if self._live:  # nodes and clouds of somebody else are out of reach
            rows = [
                replace(row, title_now="", now_ns=None, state=RowState.NOT_COMPARED) for row in rows
            ]
        ends = (end for end in self._script.recording.ends if end.by_party)
        return rows + [
            self._event(end.at, end.place.party, "", "hangs up", str(end.place)) for end in ends
        ]

    @staticmethod
    def _event(at_ns: int, party: str, node: str, what: str, detail: str = "") -> Row:
        return Row(RowKind.EVENT, party, node, False, what, what, at_ns, at_ns, detail=detail)

    # What it does not have.

    def extras(self) -> Iterable[Row]:
        """Messages and pushes that nothing in the capture stands for."""
        for exchange, asked in self._played.asked.items():
            for came in asked.answers:
                if came.paired is None:
                    yield self._extra(came, exchange.request.node)
        for called in self._played.surprises:
            host = called.flow.remote_host
            yield self._extra(called.came, self._nodes.get(host, host))
        for pushed in self._played.pushed:
            if pushed.entry is None:
                push, at_ns = pushed.push, self._since(pushed.at)
                title, detail = f"push {push.kind}", _named(push.names_node, "")
                state = RowState.NOT_COMPARED
                yield Row(
                    *(RowKind.PUSH, push.device, push.node, False, "", title, None, at_ns, state),
                    detail=detail,
                )

    def _extra(self, came: Came, node: str) -> Row:
        return Row(
            RowKind.MESSAGE,
            came.place.party,
            node,
            False,
            "",
            title_of(came.message),
            None,
            self._since(came.at),
            RowState.NOT_COMPARED,
            now=came.octets,
        )

    def _since(self, at: Instant) -> int:
        return at - self._began_at


def _named(node: str | None, rest: str) -> str:
    return ", ".join(part for part in (f"names {node}" if node else "", rest) if part)


def _merged(captured: list[Row], extras: list[Row]) -> list[Row]:
    """What is new goes behind the last row that came before it, as time runs now."""
    rows: list[Row] = []
    left = list(extras)
    shift = 0  # how much later it is now than in the capture
    for row in captured:
        if row.now_ns is not None and row.captured_ns is not None:
            shift = row.now_ns - row.captured_ns
        here = (row.captured_ns or 0) + shift
        while left and (left[0].now_ns or 0) < here:
            rows.append(left.pop(0))
        rows.append(row)
    return rows + left


def _judged(rows: list[Row], differences: tuple[Difference, ...]) -> tuple[Row, ...]:
    """Each row with the differences that are about it."""
    of_capture: dict[tuple[int | None, str, str], list[int]] = {}
    of_now: dict[tuple[int | None, str, str], list[int]] = {}
    for index, row in enumerate(rows):
        if row.title:
            of_capture.setdefault((row.captured_ns, row.title, row.party), []).append(index)
        else:
            of_now.setdefault((row.now_ns, row.title_now, row.party), []).append(index)
    for number, difference in enumerate(differences, start=1):
        unexpected = difference.kind is DifferenceKind.UNEXPECTED
        candidates = (of_now if unexpected else of_capture).get(
            (difference.at_ns, difference.message, difference.party), []
        )
        octets = difference.now if unexpected else difference.captured
        for index in candidates:
            row = rows[index]
            if octets == (row.now if unexpected else row.captured):
                rows[index] = replace(row, differences=(*row.differences, number))
                break
    return tuple(_with_state(row, differences) for row in rows)


def _with_state(row: Row, differences: tuple[Difference, ...]) -> Row:
    if not row.differences:
        return row
    accepted = all(differences[number - 1].accepted for number in row.differences)
    return replace(row, state=RowState.ACCEPTED if accepted else RowState.DIFFERENT)
