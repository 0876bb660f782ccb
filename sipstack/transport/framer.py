"""Cuts a stream into SIP messages by their Content-Length."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from sipstack.limits import BODY_OCTETS_MAX, HEAD_OCTETS_MAX

HEADER_END: Final = b"\r\n\r\n"
LENGTH_DIGITS_MAX: Final = 10  # more digits cannot be a length that anybody accepts
LENGTH_NAMES: Final = (b"\r\ncontent-length", b"\r\nl")


class KeepAlive(Enum):
    """What a peer sends between messages to say that it is there (RFC 5626 §3.5.1)."""

    PING = b"\r\n\r\n"  # wants a PONG
    PONG = b"\r\n"


@dataclass(frozen=True, slots=True)
class FramingError:
    """Where the next message begins is no longer known: answer what can be answered, then close."""

    status: int  # what to answer, if `head` is a request
    reason: str
    head: bytes  # start line and headers, ended by an empty line, as far as they are known


Frame: TypeAlias = bytes | KeepAlive | FramingError


class StreamFramer:
    """Turns the octets of one stream, however they are cut, into messages and keep-alives.

    A message is start line, headers and as many octets of body as Content-Length says, which a
    stream must carry (RFC 3261 §18.3, §20.14). After a `FramingError` all further octets are void.

    `PONG` is a CRLF that ends what has arrived so far: the first half of a ping that came in two
    pieces shows as one too. A CRLF before a message is skipped (RFC 3261 §7.5).

    The time spent is linear in the octets fed, whether they come one by one or as thousands of
    messages at once.
    """

    __slots__ = ("_buffer", "_failed", "_needed", "_scanned")

    def __init__(self) -> None:
        self._buffer = bytearray()  # from the first octet that is not yet part of a frame
        self._scanned = 0  # the end of the headers does not begin before this index
        self._needed = 0  # length of the first message, 0 until its headers are complete
        self._failed = False

    @property
    def incomplete(self) -> bool:
        """True while a part of a message waits for its rest."""
        return len(self._buffer) > 2 or (bool(self._buffer) and self._buffer != b"\r\n")

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes, in order."""
        if self._failed:
            return []
        frames: list[Frame] = []
        buffer = self._buffer
        buffer += data
        end = len(buffer)
        at = 0
        while at < end:
            if not self._needed:
                if buffer[at] in b"\r\n" and not self._scanned:
                    if end - at < 2:
                        break
                    if buffer[at : at + 4] == HEADER_END:
                        frames.append(KeepAlive.PING)
                        at += 4
                        continue
                    if buffer[at : at + 2] == b"\r\n":
                        if end - at == 2:
                            frames.append(KeepAlive.PONG)
                            break
                        if end - at == 3 and buffer[at + 2] == 0x0D:
                            break
                        at += 2
                        continue
                error = self._measure(at)
                if error is not None:
                    frames.append(error)
                    self._failed = True
                    self._buffer = bytearray()
                    return frames
                if not self._needed:
                    break
            if end - at < self._needed:
                break
            frames.append(bytes(buffer[at : at + self._needed]))
            at += self._needed
            self._needed = 0
        del buffer[:at]
        return frames

    def _measure(self, at: int) -> FramingError | None:
        """Find the length of the message at `at`: sets `_needed`, or leaves it 0 for want of data.

        `_scanned` counts from `at`, which is where the buffer begins once feed() has returned.
        """
        buffer = self._buffer
        head_end = buffer.find(HEADER_END, at + self._scanned)
        bare = buffer.find(b"\n\n", at + self._scanned, len(buffer) if head_end < 0 else head_end)
        if bare >= 0:
            return FramingError(400, "line end without CR", bytes(buffer[at:bare]) + HEADER_END)
        if head_end < 0:
            if len(buffer) - at > HEAD_OCTETS_MAX:
                return _too_long(buffer, at)
            self._scanned = max(len(buffer) - at - 3, 1)
            return None
        head_end += 4
        if head_end - at > HEAD_OCTETS_MAX:
            return _too_long(buffer, at)
        self._scanned = 0
        head = bytes(buffer[at:head_end])
        length = content_length(head)
        if isinstance(length, str):
            return FramingError(400, length, head)
        if length > BODY_OCTETS_MAX:
            return FramingError(513, "Content-Length too large", head)
        self._needed = head_end - at + length
        return None


def _too_long(buffer: bytearray, at: int) -> FramingError:
    """The error for headers above the limit, with the whole lines below it to answer from."""
    last_line = buffer.rfind(b"\r\n", at, at + HEAD_OCTETS_MAX)
    head = bytes(buffer[at:last_line]) + HEADER_END if last_line >= 0 else b""
    return FramingError(513, "headers too long", head)


def content_length(head: bytes) -> int | str:
    """The one Content-Length of `head` (start line and headers), or what is wrong with it."""
    lowered = head.lower()
    if b"\r\n " in lowered or b"\r\n\t" in lowered:
        lowered = lowered.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")
    value: bytes | None = None
    for name in LENGTH_NAMES:
        for piece in lowered.split(name)[1:]:
            rest = piece.lstrip(b" \t")
            if not rest.startswith(b":"):
                continue  # another header whose name begins alike
            if value is not None:
                return "Content-Length given twice"
            value = rest[1:].partition(b"\r\n")[0].strip(b" \t")
    if value is None:
        return "Content-Length missing"
    if not value.isdigit() or len(value) > LENGTH_DIGITS_MAX:
        return "Content-Length is not a number"
    return int(value)
