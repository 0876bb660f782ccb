"""One direction of a TCP connection: segments in, octets in their order out."""

from __future__ import annotations

from typing import Final

from callctl.capture.captured import Frame, later
from callctl.capture.limits import JUMP_MAX, SEGMENTS_WAITING_MAX
from callctl.capture.parts import Parts
from callctl.capture.way import Content, Other, Way

WRAP: Final = 1 << 32
HALF_WRAP: Final = 1 << 31


class Half:
    """Puts segments in order (RFC 9293 §3.4). Positions count on where sequence numbers wrap.

    What is missing may come later; it is taken for lost when too much waits for it, or when
    nothing more comes. So a message after a gap may be told late, but with the frame it was in.
    """

    __slots__ = ("_content", "_due", "_parts", "way")

    def __init__(self, way: Way, content: Content, begun: int | None) -> None:
        """`begun` is the sequence number of the first octet, if it is known."""
        self.way = way
        self._content = content
        self._due = begun  # position of the next octet
        self._parts = Parts()

    @property
    def held(self) -> int:
        """Octets that wait, here and in the content."""
        return self._parts.cost + self._content.held

    def take(self, sequence: int, data: bytes, frame: Frame) -> None:
        """The octets of one segment."""
        if isinstance(self._content, Other):
            self._due = sequence
            return
        if self._due is None:
            self._due = sequence
        ahead = (sequence - self._due + HALF_WRAP) % WRAP - HALF_WRAP
        if not -JUMP_MAX < ahead < JUMP_MAX:
            self.flush()
            self.way.tell("sequence numbers jump, as if this were another connection", frame.number)
            self._content.gap(frame)
            self._due, ahead = sequence, 0
        if ahead < 0:
            data, ahead = data[-ahead:], 0
        at = self._due + ahead
        if ahead or (self._parts and at + len(data) > self._parts.first_offset):
            self.way.tally.pieces += self._parts.add(at, data, frame)
            self._deliver_parts(frame)
            if len(self._parts) > SEGMENTS_WAITING_MAX:
                self._skip_gap()
        elif data:
            self._deliver(data, frame)
            self._deliver_parts(frame)

    def flush(self) -> None:
        """What is missing will not come: go on behind it."""
        while self._parts:
            self._skip_gap()

    def give_way(self, frame: Frame) -> None:
        """There is no room for all that waits."""
        self.flush()
        self.way.tell("dropped what waits for more, there is too much of it", frame.number)
        self._content.gap(frame)

    def end(self) -> None:
        """No segment comes any more."""
        self.flush()
        self._content.end()

    def _skip_gap(self) -> None:
        frame = self._parts.first_frame
        assert self._due is not None
        missing = self._parts.first_offset - self._due
        self.way.tell(f"{missing:,} octets are missing", frame.number)
        self._content.gap(frame)
        self._due = self._parts.first_offset
        self._deliver_parts(frame)

    def _deliver_parts(self, frame: Frame) -> None:
        """Those that wait no longer. `frame` came last of what they waited for."""
        while self._parts and self._due is not None and self._parts.first_offset <= self._due:
            offset, data, own = self._parts.take_first()
            frame = later(frame, own)
            if offset + len(data) > self._due:
                self._deliver(data[self._due - offset :], frame)

    def _deliver(self, data: bytes, frame: Frame) -> None:
        assert self._due is not None
        self._due += len(data)
        self._content = self._content.feed(data, frame)
        if isinstance(self._content, Other):
            self._parts = Parts()
