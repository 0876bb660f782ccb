"""What a capture shows between the system under test and those outside it.

Every message is between one node of the system under test and one place outside. Messages between
nodes, repetitions and responses to nothing are left out, and counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from sipstack.message.message import Message, Request, Response

INITIAL: Final = frozenset({"INVITE", "SUBSCRIBE", "REFER"})
"""Requests that make a dialog (RFC 3261 §12.1, RFC 6665 §4.4.1)."""


class Place(NamedTuple):
    """Where somebody outside is: a UDP socket, a listener, or one connection that it opened."""

    number: int
    party: str  # who is there; several places may be one party's
    transport: str  # "UDP", "TCP", "TLS", "WS" or "WSS"
    host: str
    port: int
    dials: bool = False  # True: one connection, opened by the party, to a node

    def __str__(self) -> str:
        return f"{self.party} at {self.transport.lower()}:{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """One message of the capture."""

    index: int  # order of the capture
    at: int  # ns since the recording began
    frame: int  # number in the capture file
    node: str  # of the system under test
    place: Place
    inward: bool  # True: to the system under test
    message: Message
    octets: bytes

    @property
    def request(self) -> Request | None:
        """It, if it is one."""
        return self.message if isinstance(self.message, Request) else None

    @property
    def status(self) -> int:
        """Of a response; 0 for a request."""
        return self.message.status if isinstance(self.message, Response) else 0

    @property
    def method(self) -> str:
        """Of a response: that of the request it answers."""
        return method_of(self.message)

    @property
    def title(self) -> str:
        """INVITE, or 180 (INVITE)."""
        return title_of(self.message)


@dataclass(frozen=True, slots=True)
class Ended:
    """A connection of somebody outside is gone, closed by it or lost."""

    at: int
    place: Place
    by_party: bool  # False: the system under test has closed it


@dataclass(slots=True, eq=False)
class Exchange:
    """One request and its responses, as the party outside has them.

    `ack`: the ACK of a final response that is no success, hop by hop (RFC 3261 §17.1.1.3).
    """

    request: Recorded
    responses: list[Recorded] = field(default_factory=list)
    ack: Recorded | None = None

    @property
    def inward(self) -> bool:
        """True if the party outside asks."""
        return self.request.inward

    @property
    def final(self) -> Recorded | None:
        """The first final response."""
        return next((each for each in self.responses if each.status >= 200), None)


Happening: TypeAlias = Recorded | Ended


@dataclass(frozen=True, slots=True)
class Recording:
    """A capture, sorted."""

    messages: tuple[Recorded, ...]
    exchanges: tuple[Exchange, ...]  # in the order of their requests
    ends: tuple[Ended, ...] = ()
    places: tuple[Place, ...] = ()
    left_out: dict[str, int] = field(default_factory=dict)  # messages by reason
    unix_ns_at_zero: int = 0

    @property
    def length_ns(self) -> int:
        """From the first message to the last."""
        return self.messages[-1].at if self.messages else 0


def method_of(message: Message) -> str:
    """Of a request, or of the request that a response answers."""
    return message.method if isinstance(message, Request) else message.cseq.method


def title_of(message: Message) -> str:
    """A message in a word: INVITE, or 180 (INVITE)."""
    if isinstance(message, Response):
        return f"{message.status} ({message.cseq.method})"
    return method_of(message)


def sorted_out(
    messages: list[Recorded],
    *,
    ends: tuple[Ended, ...] = (),
    left_out: dict[str, int] | None = None,
    unix_ns_at_zero: int = 0,
) -> Recording:
    """The recording of messages that are in the order of the capture."""
    sorter = _Sorter(dict(left_out or {}))
    for message in messages:
        sorter.take(message)
    places = {message.place.number: message.place for message in sorter.kept}
    places.update({end.place.number: end.place for end in ends})
    return Recording(
        tuple(sorter.kept),
        tuple(sorter.exchanges),
        tuple(sorted(ends, key=lambda end: end.at)),
        tuple(places[number] for number in sorted(places)),
        sorter.left_out,
        unix_ns_at_zero,
    )


_Key: TypeAlias = tuple[bool, str, str, str]  # inward, branch, method, Call-ID


class _Sorter:
    """Finds the transaction of each message."""

    def __init__(self, left_out: dict[str, int]) -> None:
        self.kept: list[Recorded] = []
        self.exchanges: list[Exchange] = []
        self.left_out = left_out
        self._open: dict[_Key, Exchange] = {}

    def take(self, recorded: Recorded) -> None:
        """Raises: SipSyntaxError for a message that lacks what every message has."""
        message = recorded.message
        via = message.top_via
        # Before RFC 3261 a branch told nothing; the Call-ID and the number do (§17.2.3).
        branch = via.branch or f"{via.host}:{via.port}:{message.cseq.number}"
        if isinstance(message, Request):
            self._request(recorded, (recorded.inward, branch, message.method, message.call_id))
        else:
            key = (not recorded.inward, branch, message.cseq.method, message.call_id)
            self._response(recorded, key)

    def _request(self, recorded: Recorded, key: _Key) -> None:
        inward, branch, method, call_id = key
        if method == "ACK":
            invite = self._open.get((inward, branch, "INVITE", call_id))
            if invite is not None and (final := invite.final) is not None and final.status >= 300:
                if invite.ack is not None:
                    self._leave_out("repeated ACK")
                    return
                invite.ack = recorded
                self.kept.append(recorded)
                return
        if key in self._open:
            self._leave_out("repeated request")
            return
        exchange = self._open[key] = Exchange(recorded)
        self.exchanges.append(exchange)
        self.kept.append(recorded)

    def _response(self, recorded: Recorded, key: _Key) -> None:
        exchange = self._open.get(key)
        if exchange is None:
            self._leave_out("response to a request that is not in the capture")
            return
        if any(_same_response(recorded, other) for other in exchange.responses):
            self._leave_out("repeated response")
            return
        exchange.responses.append(recorded)
        self.kept.append(recorded)

    def _leave_out(self, reason: str) -> None:
        self.left_out[reason] = self.left_out.get(reason, 0) + 1


def _same_response(one: Recorded, other: Recorded) -> bool:
    if one.octets == other.octets:
        return True
    # A provisional response may say something new; a final one that comes again does not.
    return (
        one.status == other.status
        and one.status >= 200
        and one.message.to_tag == other.message.to_tag
    )
