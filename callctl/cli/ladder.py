"""A call drawn as a ladder: who sent what to whom, and when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.text import Text

from callctl.capture.pcapng import Direction
from callctl.io.tapped import Address, PeerNames, push_note
from sipstack.errors import SipSyntaxError
from sipstack.message.message import Response
from sipstack.message.parser import parse_message
from sipstack.timing import MS, Instant
from sipstack.transport.flow import Flow

CLOUD: Final = "push cloud"
TIME_WIDTH: Final = 11
LANE_MIN: Final = 17
LANE_MAX: Final = 26


@dataclass(frozen=True, slots=True)
class Rung:
    """One message, or one thing that happened at one party (`source` is `target`)."""

    at: Instant
    source: str
    target: str
    text: str
    method: str = ""  # of SIP: the request's, or that of the request it answers
    status: int | None = None
    call_id: str = ""


class Ladder:
    """Watches a tap and keeps what passes; parties that are no nodes are known by their address."""

    def __init__(self, nodes: Iterable[str], addresses: dict[Address, str]) -> None:
        """`addresses`: host and port of each party, as in its Via, and its name."""
        self.rungs: list[Rung] = []
        self.nodes = tuple(nodes)
        self._peers = PeerNames(addresses)

    def message(
        self, now: Instant, party: str, flow: Flow, direction: Direction, data: bytes
    ) -> None:
        """From the tap: a message of a node."""
        try:
            message = parse_message(data)
        except SipSyntaxError:
            return  # a keep-alive
        received = direction is Direction.RECEIVED
        peer = self._peers.name(party, flow, message if received else None)
        if received and peer in self.nodes:
            return  # seen as it left the other node
        source, target = (peer, party) if received else (party, peer)
        method = message.cseq.method
        if isinstance(message, Response):
            text, status = f"{message.status} {message.reason}", message.status
            if method not in ("INVITE", "REGISTER"):
                text = f"{message.status} ({method})"
        else:
            text, status = message.method, None
        self.rungs.append(Rung(now, source, target, text, method, status, message.call_id))

    def note(
        self,
        now: Instant,
        party: str,
        text: str,
        *,
        source: str | None = None,
        target: str | None = None,
    ) -> None:
        """From the tap: a node posted a push, or has its answer."""
        push = push_note(text)
        if push is None:
            return
        if push.answered:
            self.rungs.append(Rung(now, CLOUD, party, f"{push.what} (push)"))
        else:
            self.rungs.append(Rung(now, party, CLOUD, f"{push.what} push"))

    def add(self, now: Instant, source: str, target: str, text: str) -> None:
        """Something that no node saw."""
        self.rungs.append(Rung(now, source, target, text))

    def first(
        self, method: str, status: int | None = None, *, source: str = "", target: str = ""
    ) -> Rung | None:
        """The first SIP message of this kind, from and to these parties where they are named."""
        for rung in self.rungs:
            if (rung.method, rung.status) != (method, status):
                continue
            if source in ("", rung.source) and target in ("", rung.target):
                return rung
        return None


def draw(rungs: Sequence[Rung], lanes: Sequence[str], width: int) -> list[Text]:
    """The ladder as lines of text; lanes nobody used are left out."""
    used = {rung.source for rung in rungs} | {rung.target for rung in rungs}
    lanes = [lane for lane in lanes if lane in used]
    step = max(LANE_MIN, min(LANE_MAX, (width - TIME_WIDTH) // max(len(lanes), 1)))
    centres = {lane: index * step + step // 2 for index, lane in enumerate(lanes)}
    began = rungs[0].at if rungs else Instant(0)
    head = Text(" " * TIME_WIDTH)
    for lane in lanes:
        head.append(lane.center(step)[:step], "bold")
    lines = [head]
    for rung in sorted(rungs, key=lambda rung: rung.at):
        if rung.source in centres and rung.target in centres:
            time = f"{(rung.at - began) / MS / 1000:+9.3f} s"
            lines.append(_line(rung, centres, step * len(lanes), time))
    return lines


def _line(rung: Rung, centres: dict[str, int], width: int, time: str) -> Text:
    cells = [" "] * width
    for centre in centres.values():
        cells[centre] = "│"
    start, end = sorted((centres[rung.source], centres[rung.target]))
    if start == end:
        text = f"• {rung.text}"
        at = max(0, min(width - len(text), start - len(text) // 2))
        cells[at : at + len(text)] = text
    else:
        cells[start + 1 : end] = "─" * (end - start - 1)
        room = end - start - 5
        short = rung.text if len(rung.text) <= room else str(rung.status or rung.text[:room])
        text = f" {short} "
        at = (start + end - len(text)) // 2 + 1
        cells[at : at + len(text)] = text
        if centres[rung.target] == end:
            cells[end - 1] = "▶"
        else:
            cells[start + 1] = "◀"
    return Text.assemble((time.ljust(TIME_WIDTH), "dim"), ("".join(cells), _style(rung)))


def _style(rung: Rung) -> str:
    if not rung.method:
        return "magenta"
    if rung.status is None:
        return "cyan"
    return "green" if rung.status < 300 else "yellow"
