"""One TCP connection: its two directions, who opened it, and how it ended."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from callctl.capture.captured import CapturedMessage, CapturedStream, Found, Frame, Ignored, Tally
from callctl.capture.host import host
from callctl.capture.packet import Address
from callctl.capture.stream.content import Undecided
from callctl.capture.stream.half import HALF_WRAP, WRAP, Half
from callctl.capture.tls.key_log import KeyLog
from callctl.capture.tls.session import Session
from callctl.capture.way import Way

Key: TypeAlias = tuple[int, str, bytes, bytes, bytes]
"""One direction: interface, what it is a picture of, source, target, both ports.

An interface is one view of the network. In our own captures each party has one, and two of them
show the same connection, each with all of its messages.
"""


class Seen(NamedTuple):
    """What the first message of a connection told of it, as from the side that was seen first."""

    transport: str
    interface: str
    source: Address
    target: Address


class Connection:
    """What was seen of it. Millions may have had no more than a SYN: the rest is made with data."""

    __slots__ = (
        "_begun",
        "_ended_at_ns",
        "_ended_by",
        "_ended_number",
        "_finished",
        "_halves",
        "_reset",
        "_seen",
        "held",
        "key",
        "number",
        "opener",
        "session",
    )

    def __init__(self, number: int, key: Key) -> None:
        """`key` is that of the direction that was seen first."""
        self.number = number
        self.key = key
        self.opener: Key | None = None  # direction of who opened it
        self._seen: Seen | None = None  # None as long as it carried no message
        self._ended_by: Key | None = None  # direction of the first FIN or RST
        self._ended_number: int | None = None
        self._ended_at_ns: int | None = None
        self.session: Session | None = None
        self.held = 0  # octets that wait, when they were counted last
        # Of the direction that was seen first, and the other:
        self._halves: list[Half | None] = [None, None]
        self._begun: list[int | None] = [None, None]
        self._finished: list[int | None] = [None, None]  # sequence number of a FIN
        self._reset = False

    @property
    def closed(self) -> bool:
        """Whether both sides have said so, or one for both."""
        return self._reset or None not in self._finished

    def is_over(self, key: Key, sequence: int) -> bool:
        """Whether octets with that number come too late to be of it: its ports are used again.

        In a picture of our own one FIN ends the whole.
        """
        if self.key[1]:
            return self._ended_by is not None
        finished = self._finished[key != self.key]
        return finished is not None and (sequence - finished) % WRAP < HALF_WRAP

    def begun(self, key: Key) -> int | None:
        """Sequence number of the first octet of a direction, if its SYN was seen."""
        return self._begun[key != self.key]

    def begin(self, key: Key, sequence: int) -> None:
        """A SYN told that number."""
        self._begun[key != self.key] = sequence

    def has(self, key: Key) -> bool:
        """Whether octets came in that direction."""
        return self._halves[key != self.key] is not None

    def half(self, key: Key, key_log: KeyLog, out: list[Found], tally: Tally) -> Half:
        """One direction, for octets of it."""
        side = key != self.key
        half = self._halves[side]
        if half is None:
            if self.session is None:
                self.session = Session(key_log)
            way = Way(self, key, *addresses(key), out, tally)
            half = Half(way, Undecided(way, self.session), self._begun[side])
            self._halves[side] = half
        return half

    def end_side(self, key: Key, sequence: int, frame: Frame, *, both: bool) -> None:
        """A FIN with that number, or with `both` an RST, was seen."""
        if self._ended_by is None:
            self._ended_by = key
            self._ended_number, self._ended_at_ns = frame.number, frame.at_ns
        if not both:
            self._finished[key != self.key] = sequence
            return
        self._reset = True
        for half in self._halves:
            if half is not None:
                half.flush()

    def carries(self, key: object, message: CapturedMessage) -> None:
        """For `Way`: a message was found."""
        if self._seen is None:
            ends = message.source, message.target
            if key != self.key:
                ends = ends[::-1]
            self._seen = Seen(message.transport, message.interface, *ends)

    def count_held(self) -> int:
        """Returns: how much more octets wait than when they were counted last."""
        before = self.held
        self.held = sum(half.held for half in self._halves if half is not None)
        return self.held - before

    def finish(self, out: list[Found], tally: Tally) -> None:
        """No segment comes any more: gives out what waited, and what the whole was."""
        halves = [half for half in self._halves if half is not None]
        for half in halves:
            half.end()
        if self._seen is not None:
            out.append(self._stream(self._seen))
        elif self.session is not None and not self.session.unread:
            tally.counts[Ignored.OTHER_TCP] += not any(half.way.reads for half in halves)
        # They refer to this connection; so the collector need not look for millions of circles.
        self._halves = [None, None]
        if self.session is not None:
            self.session.streams.clear()

    def _stream(self, seen: Seen) -> CapturedStream:
        opener = self.opener or self.key
        ends = (seen.source, seen.target) if opener == self.key else (seen.target, seen.source)
        return CapturedStream(
            number=self.number,
            transport=seen.transport,
            source=ends[0],
            target=ends[1],
            opened=self.opener is not None,
            interface=seen.interface,
            ended_number=self._ended_number,
            ended_at_ns=self._ended_at_ns,
            ended_by_source=None if self._ended_by is None else self._ended_by == opener,
        )


def back(key: Key) -> Key:
    """The key of the other direction."""
    interface, picture_of, source, target, ports = key
    return interface, picture_of, target, source, ports[2:] + ports[:2]


def addresses(key: Key) -> tuple[Address, Address]:
    """Source and target."""
    *_, source, target, ports = key
    return (
        Address(host(source), int.from_bytes(ports[:2])),
        Address(host(target), int.from_bytes(ports[2:])),
    )
