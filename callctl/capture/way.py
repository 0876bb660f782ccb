"""One direction of a connection: what gives its octets, and where its messages go."""

from __future__ import annotations

from typing import Protocol

from callctl.capture.captured import CapturedMessage, Found, Frame, Ignored, Tally
from callctl.capture.own import restored
from callctl.capture.packet import Address


class Opened(Protocol):
    """What a message says about its connection."""

    number: int

    @property
    def opener(self) -> object:
        """The key of the direction that opened it, None if the capture did not see it."""

    def carries(self, key: object, message: CapturedMessage) -> None:
        """A message was found in the direction of that key."""


class Content(Protocol):
    """What the octets of one direction are: SIP, WebSocket, TLS, or nothing of interest."""

    @property
    def held(self) -> int:
        """Octets kept back until more come."""

    def feed(self, data: bytes, frame: Frame) -> Content:
        """The octets that come next. Returns: who takes those after them."""

    def gap(self, frame: Frame) -> None:
        """Octets are missing before those that come next."""

    def end(self) -> None:
        """No more octets come."""


class Way:
    """What the contents of one direction of one connection have in common."""

    __slots__ = ("_connection", "_key", "_out", "reads", "secure", "source", "tally", "target")

    def __init__(
        self,
        connection: Opened,
        key: object,
        source: Address,
        target: Address,
        out: list[Found],
        tally: Tally,
    ) -> None:
        self.source = source
        self.target = target
        self.tally = tally
        self.secure = False  # inside TLS
        self.reads = False  # some SIP was found, if only a keep-alive
        self._connection = connection
        self._key = key
        self._out = out

    def message(self, octets: bytes, frame: Frame, *, websocket: bool = False) -> None:
        """A SIP message is whole."""
        self.reads = True
        names = ("WS", "WSS") if websocket else ("TCP", "TLS")
        opener = self._connection.opener
        message = CapturedMessage(
            number=frame.number,
            at_ns=frame.at_ns,
            transport=names[self.secure],
            source=self.source,
            target=self.target,
            octets=octets,
            stream=self._connection.number,
            opened_by_source=None if opener is None else opener == self._key,
            interface=frame.interface.name,
            direction=frame.direction,
            comments=frame.comments,
        )
        if frame.comments:
            message = restored(message)
        self._connection.carries(self._key, message)
        self._out.append(message)

    def keep_alive(self, count: int = 1) -> None:
        """So many keep-alives."""
        self.reads = True
        self.tally.counts[Ignored.KEEP_ALIVE] += count

    def tell(self, problem: str, number: int) -> None:
        """Something is wrong with the octets of this direction, in the frame of that number."""
        ends = f"{_shown(self.source)} to {_shown(self.target)}"
        self.tally.tell(f"connection {self._connection.number}, {ends}: {problem}", number)


def _shown(address: Address) -> str:
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{host}:{address.port}"


class Other:
    """Takes what is of no interest."""

    __slots__ = ()

    held = 0

    def feed(self, data: bytes, frame: Frame) -> Content:
        return self

    def gap(self, frame: Frame) -> None:
        """It does not matter."""

    def end(self) -> None:
        """Nothing was kept."""
