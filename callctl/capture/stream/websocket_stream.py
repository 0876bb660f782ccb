"""SIP over WebSocket in one direction of a connection (RFC 7118, RFC 6455 §5)."""

from __future__ import annotations

from typing import Final

from callctl.capture.captured import Frame, Ignored
from callctl.capture.limits import MESSAGE_OCTETS_MAX
from callctl.capture.start_line import message_start
from callctl.capture.way import Content, Other, Way
from sipstack.limits import WEBSOCKET_FRAMES_MAX

CONTINUATION: Final = 0
DATA: Final = (CONTINUATION, 1, 2)  # text, binary
CLOSE: Final = 8
CONTROL: Final = (CLOSE, 9, 10)  # and ping, pong
PROBE: Final = 512  # octets of a frame that tell whether it is one of SIP


class WebSocketStream:
    """The frames after the handshake."""

    __slots__ = ("_buffer", "_lost", "_parts", "_size", "_way")

    def __init__(self, way: Way) -> None:
        self._way = way
        self._buffer = bytearray()
        self._parts: list[bytes] = []  # of the message under way
        self._size = 0  # octets of them
        self._lost = False  # the buffer does not begin with a frame

    @property
    def held(self) -> int:
        return len(self._buffer) + self._size

    def feed(self, data: bytes, frame: Frame) -> Content:
        if self._lost:
            # A sender begins a frame where a segment begins, nearly always.
            if not _is_sip_frame(data):
                return self
            self._lost = False
        elif not self._buffer and data.startswith(b"GET "):
            return Handshake(self._way).feed(data, frame)  # the first attempt was refused
        return self.take(data, frame)

    def take(self, data: bytes, frame: Frame) -> Content:
        """Octets that are frames."""
        self._buffer += data
        while not self._lost and self._take(frame):
            pass
        return self

    def gap(self, frame: Frame) -> None:
        self._lose()

    def end(self) -> None:
        """What is not whole has no use."""

    def _take(self, frame: Frame) -> bool:
        """Takes the frame that the buffer begins with. Returns: whether it was whole."""
        buffer = self._buffer
        header = _header(buffer)
        if header is None:
            return False
        start, size = header
        if size > MESSAGE_OCTETS_MAX or buffer[0] & 15 not in (*DATA, *CONTROL):
            self._way.tell("no WebSocket frame where one is due", frame.number)
            self._lose()
            return False
        if len(buffer) < start + size:
            return False
        self._way.tally.pieces += 1
        payload = _unmasked(buffer, start, size)
        first = buffer[0]
        del buffer[: start + size]
        if first & 15 in CONTROL:
            if first & 15 != CLOSE:
                self._way.keep_alive()
            return True
        if first & 0x70:
            self._way.tell("compressed WebSocket messages are not read", frame.number)
            self._way.tally.counts[Ignored.OTHER_WEBSOCKET] += 1
            return True
        if first & 15 != CONTINUATION:
            self._clear()
        self._parts.append(payload)
        self._size += len(payload)
        if first & 0x80:
            self._message(b"".join(self._parts), frame)
            self._clear()
        elif self._size > MESSAGE_OCTETS_MAX or len(self._parts) > WEBSOCKET_FRAMES_MAX:
            self._way.tell("a WebSocket message is too large or in too many frames", frame.number)
            self._clear()
        return True

    def _message(self, octets: bytes, frame: Frame) -> None:
        start = message_start(octets)
        if start >= 0:
            self._way.message(octets[start:], frame, websocket=True)
        elif not octets.strip(b"\r\n"):
            self._way.keep_alive()
        else:
            self._way.tally.counts[Ignored.OTHER_WEBSOCKET] += 1

    def _lose(self) -> None:
        self._lost = True
        self._buffer.clear()
        self._clear()

    def _clear(self) -> None:
        self._parts.clear()
        self._size = 0


def _header(octets: bytes | bytearray) -> tuple[int, int] | None:
    """Where the payload of the frame begins and how long it is; None if that is not here yet."""
    if len(octets) < 2:
        return None
    size = octets[1] & 127
    start = 2
    if size >= 126:
        start = 4 if size == 126 else 10
        size = int.from_bytes(octets[2:start])
    if octets[1] & 128:
        start += 4
    return (start, size) if len(octets) >= start else None


def _unmasked(octets: bytes | bytearray, start: int, size: int) -> bytes:
    """So many octets of the payload that begins at `start` (RFC 6455 §5.3)."""
    data = bytes(octets[start : start + size])
    if not octets[1] & 128:
        return data
    mask = bytes(octets[start - 4 : start])
    key = int.from_bytes((mask * (len(data) // 4 + 1))[: len(data)])
    return (int.from_bytes(data) ^ key).to_bytes(len(data))


def _is_sip_frame(octets: bytes) -> bool:
    """Whether a frame that begins a SIP message begins here; it need not be whole."""
    header = _header(octets)
    if header is None or octets[0] & 0x7F not in (1, 2):
        return False
    return message_start(_unmasked(octets, header[0], min(header[1], PROBE))) >= 0


class Handshake:
    """What comes before the frames: one HTTP request or answer (RFC 6455 §4)."""

    __slots__ = ("_buffer", "_way")

    HEAD_MAX: Final = 16_384

    def __init__(self, way: Way) -> None:
        self._way = way
        self._buffer = bytearray()

    @property
    def held(self) -> int:
        return len(self._buffer)

    def feed(self, data: bytes, frame: Frame) -> Content:
        self._buffer += data
        head, end, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        if not end:
            return self if len(head) <= self.HEAD_MAX else Other()
        if not _upgrades(head):
            return Other()
        return WebSocketStream(self._way).take(rest, frame)

    def gap(self, frame: Frame) -> None:
        self._buffer.clear()  # what follows is taken for more of the head, and is then no upgrade

    def end(self) -> None:
        """No frame came."""


def _upgrades(head: bytes) -> bool:
    start_line, *lines = head.lower().split(b"\r\n")
    if not start_line.startswith((b"get ", b"http/1.1 101")):
        return False
    return any(
        name.strip() == b"upgrade" and b"websocket" in value
        for name, _, value in (line.partition(b":") for line in lines)
    )
