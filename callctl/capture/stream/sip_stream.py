"""SIP in a stream, cut by Content-Length; what is no SIP is searched for the next message.

It differs from `sipstack.transport.framer` in what it is for: a peer that breaks the rules is cut
off there, and here it is what somebody looks for in a capture.
"""

from __future__ import annotations

from typing import Final

from callctl.capture.captured import Frame
from callctl.capture.limits import SEARCH_OCTETS_MAX
from callctl.capture.start_line import LINE_OCTETS_MAX, find_start, message_start
from callctl.capture.way import Content, Other, Way
from sipstack.limits import BODY_OCTETS_MAX, HEAD_OCTETS_MAX
from sipstack.transport.framer import HEADER_END, content_length
from sipstack.transport.stun import COOKIE

STUN_HEADER: Final = 20


class SipStream:
    """The octets of one direction of a connection that carries SIP, or may do so."""

    __slots__ = (
        "_buffer",
        "_endless",
        "_last",
        "_lost",
        "_needed",
        "_scanned",
        "_searched",
        "_skipped",
        "_way",
    )

    def __init__(self, way: Way) -> None:
        self._way = way
        self._buffer = bytearray()
        self._needed = 0  # length of the message at the beginning, 0 until its headers are whole
        self._scanned = 0  # up to where a start line was looked for, if it is lost
        self._endless = 0  # no end of headers begins before this index
        self._lost = False  # the buffer does not begin with a message
        self._skipped = 0  # octets since it is lost
        self._searched = 0  # octets before the first message
        self._last = 0  # number of the frame that was fed last

    @property
    def held(self) -> int:
        return len(self._buffer)

    def feed(self, data: bytes, frame: Frame) -> Content:
        self._buffer += data
        self._last = frame.number
        while self._buffer and (self._search(frame) if self._lost else self._take(frame)):
            pass
        if self._searched > SEARCH_OCTETS_MAX and not self._way.reads:
            return Other()
        return self

    def gap(self, frame: Frame) -> None:
        self._drop(len(self._buffer))
        self._lose()

    def end(self) -> None:
        if not self._lost and message_start(self._buffer) == 0:
            self._way.tell("the last message is not whole", self._last)

    def _take(self, frame: Frame) -> bool:
        """Takes what the buffer begins with. Returns: whether it was whole."""
        buffer = self._buffer
        if not self._needed:
            if buffer[0] in b"\r\n":
                return self._skip_line_ends()
            if buffer[0] < 4:
                return self._skip_stun()
            head_end = buffer.find(HEADER_END, self._endless) + 4
            if head_end < 4:
                self._endless = max(len(buffer) - 3, 0)
                head_end = len(buffer)
                if head_end <= HEAD_OCTETS_MAX:
                    return False
            if head_end > HEAD_OCTETS_MAX:
                self._leave(head_end - HEAD_OCTETS_MAX)
                self._lose()
                return True
            head = bytes(buffer[:head_end])
            if message_start(head) != 0:
                self._lose()
                return True
            self._needed = head_end + self._body_octets(head, frame)
        if len(buffer) < self._needed:
            return False
        self._way.message(bytes(buffer[: self._needed]), frame)
        self._drop(self._needed)
        self._needed = 0
        return True

    def _body_octets(self, head: bytes, frame: Frame) -> int:
        """How long the body is; if that is not told, it ends where the next message begins."""
        length = content_length(head)
        if isinstance(length, int):
            if length <= BODY_OCTETS_MAX:
                return length
            length = f"Content-Length is more than {BODY_OCTETS_MAX:,}"
        why = f"{length}: the message ends before the next, or with its segment"
        self._way.tell(why, frame.number)
        rest = self._buffer[len(head) :]
        found = find_start(rest)
        return found.start if found.whole else len(rest)

    def _skip_line_ends(self) -> bool:
        """Keep-alives (RFC 5626 §3.5.1), or line ends before a message (RFC 3261 §7.5)."""
        size = len(self._buffer) - len(self._buffer.lstrip(b"\r\n"))
        followed = size < len(self._buffer)
        if size < 2 and not followed:
            return False  # the rest of it will come
        pings = (size + (0 if followed else 2)) // 4
        if pings:
            self._way.keep_alive(pings)
        self._drop(size)
        return True

    def _skip_stun(self) -> bool:
        buffer = self._buffer
        if len(buffer) >= 8 and buffer[4:8] != COOKIE:
            self._lose()
            return True
        size = STUN_HEADER + int.from_bytes(buffer[2:4])
        if len(buffer) < size:
            return False
        self._way.keep_alive()
        self._drop(size)
        return True

    def _search(self, frame: Frame) -> bool:
        """Looks for the next message. Returns: whether it was found."""
        found = find_start(self._buffer, self._scanned)
        self._drop(found.start)
        self._skipped += found.start
        if not self._way.reads:
            self._searched += found.start
        if not found.whole:
            self._scanned = max(found.scanned - found.start, 0)
            return False
        if self._skipped:
            self._way.tell(
                f"{self._skipped:,} octets that are no SIP message left out", frame.number
            )
        self._lost = False
        self._scanned = self._skipped = 0
        return True

    def _leave(self, octets: int) -> None:
        """No message that begins in so many octets can be whole: leaves them, up to a line end."""
        cut = self._buffer.find(b"\n", octets - 1) + 1
        cut = cut or max(len(self._buffer) - LINE_OCTETS_MAX, octets)
        self._drop(cut)
        self._skipped += cut

    def _lose(self) -> None:
        """No message that can be read is at the beginning."""
        self._lost = True
        self._needed = self._scanned = 0

    def _drop(self, octets: int) -> None:
        del self._buffer[:octets]
        self._endless = max(self._endless - octets, 0)
