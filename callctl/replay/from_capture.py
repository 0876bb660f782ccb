"""A capture that was read to a recording: which addresses are under test, and which are outside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from callctl.capture.captured import CapturedMessage, CapturedStream, CaptureRead
from callctl.capture.packet import Address
from callctl.replay.gather import Parties, Seen, SeenEnd, gathered
from callctl.replay.notes import Notes
from callctl.replay.recording import Recording
from sipstack.errors import SipSyntaxError
from sipstack.message.parser import parse_message

BETWEEN: Final = "message between nodes"
EPHEMERAL_MIN: Final = 32_768
"""From here on a port is one that was dialled from, where the capture does not show who dialled."""


_REGISTER: Final = re.compile(
    rb"^cseq[ \t]*:[ \t]*\d+[ \t]+REGISTER\b", re.IGNORECASE | re.MULTILINE
)


class Inside:
    """The addresses of the system under test."""

    def __init__(self, nodes: Mapping[str, list[str]]) -> None:
        """`nodes`: addresses of each, with or without port."""
        self._of_host: dict[str, str] = {}
        self._of_port: dict[tuple[str, int, bool], str] = {}  # address, port, is it UDP
        for node, places in nodes.items():
            for place in places:
                host, port = split_place(place)
                if port is None:
                    self._of_host[host] = node
                else:
                    self._of_port[host, port, True] = self._of_port[host, port, False] = node

    @classmethod
    def of(cls, notes: Notes) -> Inside:
        """What the notes say, or else the listeners of the cluster.

        A phone that shares an address with a node may have the number of its TLS port for UDP.
        """
        if notes.file.sut:
            return cls(notes.file.sut)
        inside = cls({})
        for name, node in notes.cluster.nodes.items():
            for listener in node.listeners:
                datagram = listener.transport == "UDP"
                inside._of_port[listener.host, listener.port, datagram] = name
        return inside

    def node(self, address: Address, transport: str) -> str | None:
        """Which node is there; None outside."""
        place = address.host, address.port, transport == "UDP"
        return self._of_port.get(place) or self._of_host.get(address.host)


def split_place(place: str) -> tuple[str, int | None]:
    """Address and port of a text with or without one; IPv6 with a port is in brackets."""
    if place.startswith("["):
        host, _, port = place[1:].partition("]")
        return host, int(port[1:]) if port[1:] else None
    host, colon, port = place.rpartition(":")
    if not colon or ":" in host:
        return place, None
    return host, int(port)


def nodes_of(notes: Notes) -> dict[str, list[str]]:
    """Where the notes, or the listeners of the cluster, say that the nodes are."""
    if notes.file.sut:
        return {node: list(places) for node, places in notes.file.sut.items()}
    found: dict[str, list[str]] = {}
    for name, node in notes.cluster.nodes.items():
        places = found.setdefault(name, [])
        for listener in node.listeners:
            host = f"[{listener.host}]" if ":" in listener.host else listener.host
            places.append(f"{host}:{listener.port}")
    return found


def recording_of(read: CaptureRead, notes: Notes) -> Recording:
    """What the capture shows between the nodes of the notes and everybody else."""
    inside = Inside.of(notes)
    left_out: dict[str, int] = {}
    # A capture of ours has an interface for each party: what nodes saw is the whole.
    by_node = {message.interface for message in read.messages} & set(notes.cluster.nodes)
    between = _between_nodes(read, inside)
    seen: list[Seen] = []
    if notes.inserted:
        return _inserted(read, notes)
    for message in read.messages:
        if by_node and message.interface not in by_node:
            continue
        found = BETWEEN if message.stream in between else _seen(message, inside)
        if isinstance(found, Seen):
            seen.append(found)
        else:
            left_out[found] = left_out.get(found, 0) + 1
    of_stream = {each.connection: each for each in seen if each.connection}
    ends = [
        end
        for stream in read.streams
        if (first := of_stream.get(stream.number)) and (end := _end(stream, first, inside))
    ]
    # What we have recorded says when it begins; elsewhere that is the first message.
    began_at = min([note.at_ns for note in read.notes] + [it.at for it in seen[:1]], default=0)
    return gathered(seen, ends, Parties(notes.file.parties), began_at=began_at, left_out=left_out)


def _between_nodes(read: CaptureRead, inside: Inside) -> set[int]:
    """Connections that a node has opened to another: its port there is one that it dialled from,
    but in its Via it says where it listens (RFC 3261 §18.1.1)."""
    found: set[int] = set()
    for message in read.messages:
        if not message.stream or message.octets.startswith(b"SIP/2.0 "):
            continue
        way = message.transport
        if inside.node(message.source, way) is not None or inside.node(message.target, way) is None:
            continue
        try:
            via = parse_message(message.octets).top_via
        except SipSyntaxError:
            continue
        says = Address(via.host, via.port or 5060)
        if says.host == message.source.host and inside.node(says, way) is not None:
            found.add(message.stream)
    return found


def _inserted(read: CaptureRead, notes: Notes) -> Recording:
    """Parties that spoke to one another, as if the engine had been between them.

    What one said is said to the engine, and has to come out at the other. A registrar is the
    engine itself, and so is who says 100: neither is passed on (RFC 3261 §10, §16.2).
    """
    (node,) = notes.cluster.nodes
    seen: list[Seen] = []
    for message in read.messages:
        registers = _REGISTER.search(message.octets) is not None
        answers = message.octets.startswith(b"SIP/2.0 ")
        if not (registers and answers):
            seen.append(_half(message, node, message.source, inward=True))
        if answers if registers else not message.octets.startswith(b"SIP/2.0 100"):
            seen.append(_half(message, node, message.target, inward=False))
    return gathered(seen, (), Parties(notes.file.parties))


def _half(message: CapturedMessage, node: str, outside: Address, *, inward: bool) -> Seen:
    stream = message.transport != "UDP"
    # Each party has its own connection to the engine, where there was one between them.
    return Seen(
        message.at_ns,
        message.number,
        node,
        inward,
        message.transport,
        outside.host,
        outside.port,
        message.stream,
        stream and outside.port >= EPHEMERAL_MIN,
        message.octets,
    )


def _seen(message: CapturedMessage, inside: Inside) -> Seen | str:
    """Or why it is left out."""
    way = message.transport
    source, target = inside.node(message.source, way), inside.node(message.target, way)
    if source is not None and target is not None:
        return BETWEEN
    if source is None and target is None:
        return "message of nobody under test"
    outside = message.source if source is None else message.target
    return Seen(
        message.at_ns,
        message.number,
        source or target or "",
        source is None,
        message.transport,
        outside.host,
        outside.port,
        message.stream,
        _dialled(message, source is None, outside.port),
        message.octets,
    )


def _dialled(message: CapturedMessage, inward: bool, port: int) -> bool:
    if message.transport == "UDP":
        return False
    if message.opened_by_source is None:
        return port >= EPHEMERAL_MIN
    return message.opened_by_source is inward


def _end(stream: CapturedStream, seen: Seen, inside: Inside) -> SeenEnd | None:
    """The end of a stream that `seen` came over; None if it does not end in the capture."""
    if stream.ended_at_ns is None:
        return None
    by_party = stream.ended_by_source is (inside.node(stream.source, seen.transport) is None)
    where = (seen.transport, seen.host, seen.port, seen.connection, seen.dialled)
    return SeenEnd(stream.ended_at_ns, seen.node, *where, by_party)
