"""Bodies of HTTP/2 answers on their way: as fast as the windows allow, or as a fault has it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import h2.connection
import h2.exceptions

from callctl.cloud.http import Manner

_AT_ONCE = Manner()


class _Body:
    """What is still to be sent on one stream."""

    __slots__ = ("breaks", "pause_s", "rest", "stream_id", "timer")

    def __init__(self, stream_id: int, octets: bytes, manner: Manner) -> None:
        self.stream_id = stream_id
        self.rest = memoryview(octets)
        self.breaks = manner.break_after is not None
        if manner.break_after is not None:
            self.rest = self.rest[: manner.break_after]
        self.pause_s = manner.octet_every_ns / 1e9
        self.timer: asyncio.TimerHandle | None = None


class Bodies:
    """The bodies of one connection.

    `flush` writes what `h2` has made; `break_off` resets the connection under all its streams.
    """

    def __init__(
        self,
        connection: h2.connection.H2Connection,
        flush: Callable[[], None],
        break_off: Callable[[], None],
    ) -> None:
        self._h2 = connection
        self._flush = flush
        self._break_off = break_off
        self._bodies: dict[int, _Body] = {}  # by stream

    def __len__(self) -> int:
        return len(self._bodies)

    def add(self, stream_id: int, octets: bytes, manner: Manner | None) -> None:
        """Send a body whose headers have just been sent."""
        self._bodies[stream_id] = _Body(stream_id, octets, manner or _AT_ONCE)
        self.send()

    def send(self) -> None:
        """Send what the client has room for."""
        for body in tuple(self._bodies.values()):
            if body.timer is None:
                self._send(body)

    def drop(self, stream_id: int) -> None:
        """The client has ended this stream."""
        body = self._bodies.pop(stream_id, None)
        if body is not None and body.timer is not None:
            body.timer.cancel()

    def clear(self) -> None:
        """The connection is gone."""
        for stream_id in tuple(self._bodies):
            self.drop(stream_id)

    def _send(self, body: _Body) -> None:
        while body.rest:
            try:
                room = self._h2.local_flow_control_window(body.stream_id)
                size = min(room, self._h2.max_outbound_frame_size, len(body.rest))
                if size <= 0:
                    return
                size = 1 if body.pause_s else size
                piece, body.rest = body.rest[:size], body.rest[size:]
                ends = not body.rest and not body.breaks
                self._h2.send_data(body.stream_id, bytes(piece), end_stream=ends)
            except h2.exceptions.ProtocolError:  # the stream has ended without it
                self.drop(body.stream_id)
                return
            if body.pause_s and body.rest:
                loop = asyncio.get_running_loop()
                body.timer = loop.call_later(body.pause_s, self._next, body)
                return
        del self._bodies[body.stream_id]
        if body.breaks:
            self._break_off()

    def _next(self, body: _Body) -> None:
        body.timer = None
        self._send(body)
        self._flush()
