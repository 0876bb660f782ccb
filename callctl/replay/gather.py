"""Messages on the wire of the system under test to a recording: who is where, who says what."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from callctl.replay.recording import Ended, Place, Recorded, Recording, sorted_out
from sipstack.errors import SipSyntaxError
from sipstack.message.parser import parse_message

Connection: TypeAlias = int
"""Number of a stream, never used twice; 0 for datagrams."""


class Seen(NamedTuple):
    """One message, as a node has it."""

    at: int  # ns, on any clock
    frame: int
    node: str
    inward: bool  # True: to the node
    transport: str
    host: str  # of who is outside
    port: int
    connection: Connection
    dialled: bool  # True: a stream that the one outside has opened
    octets: bytes


class SeenEnd(NamedTuple):
    """The end of a stream."""

    at: int
    node: str
    transport: str
    host: str
    port: int
    connection: Connection
    dialled: bool
    by_party: bool


class Parties:
    """Names of those outside, by address."""

    def __init__(self, named: dict[str, list[str]]) -> None:
        """`named`: addresses of each, with or without port."""
        self._names = {place: name for name, places in named.items() for place in places}

    def name(self, host: str, port: int, *, shared: bool) -> str:
        """Who is there: its name, or its address where nobody has given one.

        `shared`: several parties may be at that host.
        """
        bracketed = f"[{host}]" if ":" in host else host
        with_port = f"{bracketed}:{port}"
        for place in (with_port, f"{host}:{port}", bracketed, host):
            if place in self._names:
                return self._names[place]
        return with_port if shared else host


def gathered(
    seen: Iterable[Seen],
    ends: Iterable[SeenEnd],
    parties: Parties,
    *,
    began_at: int | None = None,
    left_out: dict[str, int] | None = None,
) -> Recording:
    """The recording; its time begins at `began_at`, or with its first message."""
    return _Gathering(parties, left_out).recording(sorted(seen, key=_at), ends, began_at)


def _at(seen: Seen) -> int:
    return seen.at


class _Gathering:
    def __init__(self, parties: Parties, left_out: dict[str, int] | None) -> None:
        self._parties = parties
        self._left_out = dict(left_out or {})
        self._places: dict[tuple[str, str, int, Connection], Place] = {}
        self._shared: set[str] = set()  # hosts with several ports

    def recording(
        self, seen: list[Seen], ends: Iterable[SeenEnd], began_at: int | None
    ) -> Recording:
        ports: dict[str, set[int]] = {}
        for each in seen:
            ports.setdefault(each.host, set()).add(each.port)
        self._shared = {host for host, used in ports.items() if len(used) > 1}
        zero = began_at if began_at is not None else seen[0].at if seen else 0
        messages: list[Recorded] = []
        for each in seen:
            try:
                message = parse_message(each.octets)
                _ = message.top_via, message.cseq, message.call_id, message.from_tag, message.to_tag
            except SipSyntaxError:
                reason = "message that cannot be read"
                self._left_out[reason] = self._left_out.get(reason, 0) + 1
                continue
            where = (each.transport, each.host, each.port, each.connection)
            at_place = self._place(*where, dialled=each.dialled)
            messages.append(
                Recorded(
                    len(messages),
                    each.at - zero,
                    each.frame,
                    each.node,
                    at_place,
                    each.inward,
                    message,
                    each.octets,
                )
            )
        known = [
            Ended(each.at - zero, place, each.by_party)
            for each in ends
            if (place := self._known(each)) is not None
        ]
        return sorted_out(
            messages, ends=tuple(known), left_out=self._left_out, unix_ns_at_zero=zero
        )

    def _place(
        self, transport: str, host: str, port: int, connection: Connection, *, dialled: bool
    ) -> Place:
        # Connections that the system under test opens lead to one listener, whichever they are.
        key = (transport, host, port, connection if dialled else 0)
        known = self._places.get(key)
        if known is not None:
            return known
        party = self._parties.name(host, port, shared=host in self._shared)
        place = Place(len(self._places) + 1, party, transport, host, port, dialled)
        self._places[key] = place
        return place

    def _known(self, end: SeenEnd) -> Place | None:
        """The place that a stream leads to; None for one that carried nothing, and for listeners:
        they stay."""
        return self._places.get((end.transport, end.host, end.port, end.connection))
