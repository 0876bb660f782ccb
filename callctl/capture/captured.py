"""What a capture holds, once it is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from callctl.capture.packet import Address
from callctl.capture.pcapng import Direction


class Ignored(StrEnum):
    """What is in a capture beside SIP messages, each with the unit it is counted in."""

    KEEP_ALIVE = "keep-alives"  # CRLF or STUN, one by one
    OTHER_UDP = "other UDP"  # datagrams
    OTHER_TCP = "other TCP"  # connections without SIP
    OTHER_WEBSOCKET = "other WebSocket"  # messages
    UNREAD_TLS = "unread TLS"  # connections, all or the rest of them
    OTHER_IP = "neither UDP nor TCP"  # packets
    NOT_IP = "not IP"  # packets
    UNKNOWN_LINK = "unknown link type"  # packets
    TOO_SHORT = "too short"  # packets that cannot hold an IP header and an octet
    CUT_SHORT = "cut short"  # packets of which the snapshot length left a part
    MALFORMED = "malformed"  # packets
    FRAGMENTS_INCOMPLETE = "fragments incomplete"  # datagrams
    DROPPED = "dropped"  # connections, for want of room


class Interface(NamedTuple):
    """Where packets were captured."""

    number: int  # in the file, over all its sections
    name: str  # "" if it has none
    link: int  # LINKTYPE


class Frame(NamedTuple):
    """What a file says about a packet, beside its octets."""

    number: int  # 1-based, as tshark's frame.number
    at_ns: int  # since 1970
    interface: Interface
    direction: Direction | None = None
    comments: tuple[str, ...] = ()


def later(one: Frame, other: Frame) -> Frame:
    """The one that comes later in the file."""
    return one if one.number > other.number else other


@dataclass(frozen=True, slots=True)
class CapturedMessage:
    """One SIP message: from its start line on, CRLFs before it left out.

    Over UDP that is the rest of the datagram, whatever Content-Length says; over a stream it ends
    as Content-Length says.
    """

    number: int  # of the frame that completed it
    at_ns: int  # of that frame, since 1970
    transport: str  # "UDP", "TCP", "TLS", "WS" or "WSS"
    source: Address
    target: Address
    octets: bytes
    stream: int  # 0 for UDP, else the number of the connection, in the order of their beginning
    opened_by_source: bool | None  # None for UDP, and where the capture did not see who opened it
    interface: str  # its name, "" if it has none
    direction: Direction | None
    comments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CapturedNote:
    """What a party wrote into our own capture that is no SIP message (`Capture.note`)."""

    number: int
    at_ns: int
    interface: str  # the party
    source: str | None  # numeric address, None if the note has none
    target: str | None
    text: str


@dataclass(frozen=True, slots=True)
class CapturedStream:
    """One connection that carried SIP messages."""

    number: int  # `stream` of its messages
    transport: str
    source: Address  # who opened it; if that was not seen, one of both
    target: Address
    opened: bool  # whether that was seen
    interface: str
    ended_number: int | None  # of the frame with the first FIN or RST, None if there is none
    ended_at_ns: int | None
    ended_by_source: bool | None


Found: TypeAlias = CapturedMessage | CapturedNote | CapturedStream


@dataclass(frozen=True, slots=True)
class ReadCounts:
    """How many packets there were, and what became of them."""

    packets: int
    messages: int
    notes: int
    ignored: Mapping[Ignored, int]  # those that are not 0
    problems: int  # also those that are not told in words


@dataclass(frozen=True, slots=True)
class CaptureRead:
    """A capture, read."""

    messages: tuple[CapturedMessage, ...]  # by the frame that completed them
    notes: tuple[CapturedNote, ...]
    streams: tuple[CapturedStream, ...]  # by number
    counts: ReadCounts
    problems: tuple[str, ...]  # each a line, and where a frame is to blame, with its number


class CaptureError(Exception):
    """A file that cannot be read, or not to its end. One line: file, place, what is wrong."""

    def __init__(
        self, file: str, what: str, *, frame: int | None = None, offset: int | None = None
    ) -> None:
        place = "" if frame is None else f"frame {frame}"
        if offset is not None:
            place += f"{' at ' if place else ''}octet {offset}"
        super().__init__(_line(": ".join(part for part in (file, place, what) if part)))
        self.file = file
        self.what = what
        self.frame = frame  # the one that could not be read
        self.offset = offset  # in the file, where that frame or block begins
        self.read: CaptureRead | None = None
        """What was read before it, if anything was."""


class Tally:
    """Counts and problems while a capture is read."""

    __slots__ = ("_problems_max", "counts", "packets", "pieces", "problems", "problems_all")

    def __init__(self, problems_max: int) -> None:
        self.packets = 0
        self.pieces = 0  # connections, segments out of order, fragments
        self.counts: Counter[Ignored] = Counter()
        self.problems: list[str] = []
        self.problems_all = 0
        self._problems_max = problems_max

    def tell(self, problem: str, number: int | None = None) -> None:
        """Something the reader of the capture should know, of the frame with that number."""
        self.problems_all += 1
        if len(self.problems) < self._problems_max:
            where = "" if number is None else f"frame {number}: "
            self.problems.append(_line(where + problem))


def _line(text: str) -> str:
    """Names of files and interfaces may hold anything."""
    return " ".join(text.splitlines())
