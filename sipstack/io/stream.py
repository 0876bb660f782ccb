"""One TCP or TLS connection: numbered, bounded, closed once. WebSocket builds on it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from sipstack.transport.flow import BytesReceived, Flow

if TYPE_CHECKING:
    from sipstack.io.connections import Connections


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """What a peer may cost. Times in seconds, sizes in octets."""

    connect_s: float = 5.0  # an unreachable next hop must fail well before Timer B
    handshake_s: float = 10.0
    unanswered_s: float = 10.0  # for a connection over which nothing was ever sent to the peer
    idle_s: float = 7_200.0  # above the longest usual registration without keep-alives
    half_closed_s: float = 1.0  # for answers to what came just before the peer's end
    close_s: float = 5.0  # for the peer to read what was sent before a close
    ping_after_s: float = 30.0  # of silence on a WebSocket, to find out a browser that vanished
    ping_answer_s: float = 10.0
    queue_max: int = 1024 * 1024  # octets that wait for the peer to read, or for a dial
    dials_max: int = 1_024  # connections being opened at once
    connections_max: int = 60_000
    per_address_max: int = 20_000  # a host full of simulated phones is one address
    unanswered_per_address_max: int = 200  # past it the oldest of them makes room,
    unanswered_grace_s: float = 1.0  # if it is as old as this: a burst of phones is no attack


class StreamConnection(asyncio.Protocol):
    """One connection, from its making until it is lost."""

    __slots__ = (
        "_all",
        "_dialled_for",
        "_reason",
        "_timer",
        "_transport",
        "_transport_name",
        "answered",
        "asked_for",
        "flow",
        "heard_at",
        "made_at",
    )

    _transport: asyncio.Transport
    flow: Flow | None
    """What the stack knows it by: None until it is made, and for good if it was refused."""

    def __init__(self, all_: Connections, transport_name: str, dialled_for: Flow | None) -> None:
        """`dialled_for` is the flow of the first message if it is dialled, None if accepted."""
        self._all = all_
        self._transport_name = transport_name
        self._dialled_for = dialled_for
        self._reason = ""  # why it closes, "" while it lives
        self._timer: asyncio.TimerHandle | None = None  # ends a close that takes too long
        self.flow = None
        self.asked_for: dict[Flow, None] = {}  # unconnected flows that were sent over this
        self.answered = False  # something was sent to the peer: it is one we talk with

    @property
    def closing(self) -> bool:
        """True once it will take no more to send."""
        return bool(self._reason) or self.flow is None

    @property
    def reason(self) -> str:
        """Why it is closing or closed."""
        return self._reason

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's derives from nothing
        self.made_at = self.heard_at = self._all.loop.time()
        self._transport.set_write_buffer_limits(high=self._all.limits.queue_max)
        local = transport.get_extra_info("sockname")
        remote = transport.get_extra_info("peername")
        dialled_for = self._dialled_for
        if remote is None or (dialled_for is None and not self._all.accepts(remote[0])):
            self._reason = "refused"  # by a limit, or it was reset before it came here
            self._transport.abort()
            return
        if dialled_for is None:
            flow = Flow(self._transport_name, local[0], local[1], remote[0], remote[1])
        else:
            # Known by the listener's port: the port it was dialled from means nothing above.
            flow = dialled_for._replace(local_host=local[0])
        self.flow = self._all.add(self, flow, accepted=dialled_for is None)

    def data_received(self, data: bytes) -> None:
        if self.flow is not None and not self._reason:
            self.heard_at = self._all.loop.time()
            self._hear(self.flow, data)

    def _hear(self, flow: Flow, data: bytes) -> None:
        try:
            self._all.on_event(BytesReceived(flow, data))
        except Exception as error:
            # One message must not cost the others that share its connection.
            self._all.loop.call_exception_handler(
                {"message": "what came over a stream could not be processed", "exception": error}
            )

    def send(self, data: bytes) -> None:
        """Write one message. One that is closing takes none: its end is reported soon."""
        if self._reason:
            return
        if not self.answered:
            self.answered = True
            self._all.answered(self)
        self._write(data)

    def _write(self, data: bytes) -> None:
        self._transport.write(data)

    def send_for(self, flow: Flow, data: bytes) -> None:
        """Write one message that was not meant for this connection but for this peer."""
        self.asked_for[flow] = None
        self.send(data)

    def pause_writing(self) -> None:
        # Called from within write(), which is not to find its transport gone.
        self._give_up("peer does not read")
        self._all.loop.call_soon(self._transport.abort)

    def eof_received(self) -> bool:
        """The peer will send no more. Keep our half for an answer that may be on its way.

        Only for a moment and only if it has just sent something: a phone that the system has put
        to sleep ends its connection like this too, and must be known at once to be away.
        """
        quiet_s = self._all.loop.time() - self.heard_at
        half_closed_s = self._all.limits.half_closed_s
        if self.closing or self._transport_name != "TCP" or quiet_s >= half_closed_s:
            return False
        self._all.leave(self)
        self._timer = self._all.loop.call_later(half_closed_s, self.close, "closed by peer")
        return True

    def close(self, reason: str) -> None:
        """Close once what was written has left, or after a while if the peer does not read."""
        if not self._reason:
            self._give_up(reason)
            self._transport.close()
            close_s = self._all.limits.close_s
            self._timer = self._all.loop.call_later(close_s, self._transport.abort)

    def abort(self, reason: str) -> None:
        """Close now; what was written may be lost."""
        self._give_up(reason)
        self._transport.abort()

    def tick(self, now: float) -> None:
        """Called every few seconds; `now` is the loop's. TCP and TLS leave pings to their peer."""

    def _give_up(self, reason: str) -> None:
        self._reason = self._reason or reason
        self._all.leave(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self.flow is None:
            return  # nobody above has heard of it
        why = "closed by peer" if exc is None else str(exc) or type(exc).__name__
        self._give_up(why)
        self._all.lost(self, self.flow, self._reason)
