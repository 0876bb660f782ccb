"""What has been seen of each INVITE, hop by hop: the judges' common memory.

It is kept from messages alone, and is written after the judges have looked: they see the state that
a message met.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from callctl.sim.glance import Glance
from callctl.sim.party import Party, Role
from sipstack.timing import Instant
from sipstack.transport.flow import Flow

Hop: TypeAlias = tuple[str, str]
"""Label of a party, and a branch: one transaction as that party has it."""


@dataclass(slots=True)
class Taken:
    """An INVITE somebody received: its server transaction."""

    label: str  # whose it is
    branch: str
    at: Instant
    flow: Flow
    call_id: str
    number: int  # CSeq
    vias: int  # 1: straight from who made it
    dialled: str  # the number in its Request-URI
    start: str  # its first line
    finals: list[tuple[Instant, int, str]] = field(default_factory=list)  # at, status, To tag
    cancelled_at: Instant | None = None  # a CANCEL came before any final response

    @property
    def over(self) -> bool:
        """True once the one who sent it has been answered, or has given up."""
        return bool(self.finals) or self.cancelled_at is not None


@dataclass(slots=True)
class Copy:
    """An INVITE somebody sent: its client transaction."""

    label: str
    at: Instant
    flow: Flow
    call_id: str
    number: int
    parent: Taken | None  # what it is a copy of; None for one that a user agent made
    provisional: bool = False
    cancelled_at: Instant | None = None
    accepted_at: Instant | None = None  # first 2xx
    failed_at: Instant | None = None  # first other final


@dataclass(slots=True)
class Cause:
    """The message that an event brought: what happens in the same step follows from it."""

    step: int = -1
    who: Party | None = None
    glance: Glance | None = None


class Ledger:
    """Every INVITE, every 2xx, every call that was pushed."""

    __slots__ = (
        "accepted",
        "call_of_uuid",
        "carried",
        "cause",
        "copies",
        "cut_off",
        "nodes_lost",
        "taken",
        "taken_by",
    )

    def __init__(self) -> None:
        self.taken: dict[Hop, Taken] = {}
        # By label, Call-ID and CSeq number: usually one, several where a fork meets again.
        self.taken_by: dict[tuple[str, str, int], list[Taken]] = {}
        self.copies: dict[Hop, Copy] = {}
        self.accepted: dict[tuple[str, str], str] = {}  # Call-ID and To tag of a 2xx, to its sender
        self.call_of_uuid: dict[str, tuple[Hop, str]] = {}  # who took it, by which branch; Call-ID
        self.cause = Cause()
        # Calls whose streams ended, or whose node was lost, while they were under way.
        self.carried: dict[tuple[str, int], dict[str, None]] = {}  # stream to Call-IDs
        self.cut_off: dict[str, None] = {}  # Call-IDs
        self.nodes_lost = False  # a node was down, or out of another one's reach

    def sent(self, who: Party, flow: Flow, seen: Glance, now: Instant) -> None:
        """After the judges: book what left."""
        self._carry(who, flow, seen)
        hop = (who.label, seen.branch)
        if seen.status:
            if seen.method == "INVITE" and seen.status >= 200:
                if seen.status < 300:
                    self.accepted.setdefault((seen.call_id, seen.to_tag), who.label)
                taken = self.taken.get(hop)
                if taken is not None:
                    taken.finals.append((now, seen.status, seen.to_tag))
        elif seen.method == "INVITE":
            if hop not in self.copies:
                parent = self.parent_of(who, seen)
                self.copies[hop] = Copy(who.label, now, flow, seen.call_id, seen.number, parent)
        elif seen.method == "CANCEL":
            copy = self.copies.get(hop)
            if copy is not None and copy.cancelled_at is None:
                copy.cancelled_at = now

    def received(self, who: Party, flow: Flow, seen: Glance, now: Instant, step: int) -> None:
        """After the judges: book what arrived."""
        self._carry(who, flow, seen)
        self.cause.step, self.cause.who, self.cause.glance = step, who, seen
        hop = (who.label, seen.branch)
        if seen.status:
            copy = self.copies.get(hop) if seen.method == "INVITE" else None
            if copy is None:
                return
            if seen.status < 200:
                copy.provisional = True
            elif seen.status < 300:
                copy.accepted_at = copy.accepted_at or now
            else:
                copy.failed_at = copy.failed_at or now
        elif seen.method == "INVITE":
            if hop not in self.taken:
                new = Taken(
                    who.label,
                    seen.branch,
                    now,
                    flow,
                    seen.call_id,
                    seen.number,
                    seen.vias,
                    seen.dialled,
                    seen.start,
                )
                self.taken[hop] = new
                self.taken_by.setdefault((who.label, seen.call_id, seen.number), []).append(new)
        elif seen.method == "CANCEL":
            taken = self.taken.get(hop)
            if taken is not None and not taken.over:
                taken.cancelled_at = now

    def parent_of(self, who: Party, seen: Glance) -> Taken | None:
        """What an INVITE that somebody is about to send is a copy of.

        A fork can meet again at one node: then it is the one that caused the copy, else one that
        still waits: the one that is passed on as it came, or the one from the caller itself, which
        may be released late.
        """
        cause = self.cause
        if cause.who is who and cause.glance is not None and cause.glance.method == "INVITE":
            taken = self.taken.get((who.label, cause.glance.branch))
            if taken is not None and (taken.call_id, taken.number) == (seen.call_id, seen.number):
                return taken
        known = self.taken_by.get((who.label, seen.call_id, seen.number), [])
        return min(
            known,
            key=lambda taken: (taken.over, taken.start != seen.start, taken.vias),
            default=None,
        )

    def closed(self, who: Party, flow: Flow) -> None:
        """A stream of somebody ended: the calls it carried may lose a leg."""
        for call_id in self.carried.pop((who.label, flow.connection), ()):
            self.cut_off[call_id] = None

    def died(self, who: Party) -> None:
        """Somebody forgot everything."""
        label = who.label
        self.nodes_lost = self.nodes_lost or who.role is Role.NODE
        for (name, _), calls in self.carried.items():
            if name == label:
                self.cut_off.update(calls)

    def _carry(self, who: Party, flow: Flow, seen: Glance) -> None:
        """Note which stream a call uses; datagrams of a party are one stream, number 0."""
        self.carried.setdefault((who.label, flow.connection), {})[seen.call_id] = None
