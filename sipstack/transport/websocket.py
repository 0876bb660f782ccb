"""SIP over WebSocket without a socket: who may connect, and one SIP message from its frames.

Source: RFC 7118 §4 and §5; RFC 6455 §5.4 (fragments), §7.4.1 (close codes), §10.2 (Origin).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from sipstack.limits import WEBSOCKET_FRAMES_MAX

SUBPROTOCOL: Final = "sip"
ANY_ORIGIN: Final = "any"
ANY_PORT: Final = ":*"

INVALID_DATA: Final = 1007  # RFC 6455 §7.4.1
POLICY_VIOLATION: Final = 1008


@dataclass(frozen=True, slots=True)
class OriginPolicy:
    """Which web pages may connect. Only browsers send an Origin, and they cannot forge it.

    `allowed` holds origins as RFC 6454 §6.1 writes them (`https://phone.example`), such with `:*`
    for every port, and `any` for all there are. Without any, no browser is let in.
    """

    allowed: tuple[str, ...] = ()
    required: bool = False  # who sends no Origin, and so is no browser, is refused too

    def admits(self, origin: str | None) -> bool:
        """True for an Origin header that may pass; None where there is none."""
        if origin is None:
            return not self.required
        if ANY_ORIGIN in self.allowed:
            return True
        origin = origin.lower()
        if origin in self.allowed:
            return True
        host, _, port = origin.rpartition(":")
        without_port = host if port.isdigit() else origin
        return without_port + ANY_PORT in self.allowed


class FrameKind(IntEnum):
    """The opcodes of data frames (RFC 6455 §5.2)."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2


class Refusal(NamedTuple):
    """The connection is to be closed with this code."""

    code: int
    reason: str


class MessageAssembler:
    """Puts the data frames of one connection together: a SIP message is one WebSocket message.

    What is below has checked the order of frames and the size of what they add up to.
    """

    __slots__ = ("_parts", "_text", "speaks_text")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._text = True  # the message under way
        self.speaks_text = True
        """The kind of the last message: some clients read no other than the one they write."""

    def add(self, kind: FrameKind, data: bytes, *, final: bool) -> bytes | Refusal | None:
        """One frame more. Returns: the message it completes, if it does."""
        if kind is not FrameKind.CONTINUATION:
            self._text = kind is FrameKind.TEXT
        if not final or self._parts:
            if len(self._parts) >= WEBSOCKET_FRAMES_MAX:
                return Refusal(POLICY_VIOLATION, "message in too many frames")
            self._parts.append(data)
            if not final:
                return None
            data = b"".join(self._parts)
            self._parts = []
        if self._text and not is_utf8(data):
            return Refusal(INVALID_DATA, "text is not UTF-8")
        self.speaks_text = self._text
        return data

    def kind_for(self, data: bytes) -> FrameKind:
        """How to send a message to this peer: as it does, but text is UTF-8 (RFC 7118 §4.2)."""
        return FrameKind.TEXT if self.speaks_text and is_utf8(data) else FrameKind.BINARY


def is_utf8(data: bytes) -> bool:
    """True if `data` may travel in a text frame."""
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
