"""Connections that their clients keep alive: one that falls silent is dead (RFC 5626 §4.4, OP-29).

Only a client that has sent a keep-alive is held to it: others never send any, and learn that their
connection is gone from TCP. Of a WebSocket the shell finds out by its own pings.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sipstack.timing import SECOND, DeadlineQueue, Instant, Timed
from sipstack.transport.flow import UNCONNECTED, WEBSOCKET, Flow

GRACE_S: Final = 10
"""Beyond the time that Flow-Timer allows, for a network that is slow (RFC 5626 §4.4.1)."""


class _KeptFlow(Timed):
    __slots__ = ("flow",)

    def __init__(self, flow: Flow) -> None:
        super().__init__()
        self.flow = flow


class KeptFlows:
    """Connections of one node, by number, each with the time it may stay silent."""

    __slots__ = ("_deadlines", "_silence_ns", "flows")

    def __init__(self, flow_timer_s: int) -> None:
        """`flow_timer_s`: 0 holds nobody to anything."""
        self._silence_ns = (flow_timer_s + GRACE_S) * SECOND if flow_timer_s else 0
        self._deadlines: DeadlineQueue[_KeptFlow] = DeadlineQueue()
        self.flows: dict[int, _KeptFlow] = {}

    def pinged(self, flow: Flow, now: Instant) -> None:
        """A keep-alive came: from now on the client is expected to go on."""
        if flow.connection == UNCONNECTED or flow.transport in WEBSOCKET or not self._silence_ns:
            return
        kept = self.flows.get(flow.connection)
        if kept is None:
            kept = self.flows[flow.connection] = _KeptFlow(flow)
        self._deadlines.set(kept, Instant(now + self._silence_ns))

    def heard(self, connection: int, now: Instant) -> None:
        """Anything at all came over a connection in `flows`."""
        self._deadlines.set(self.flows[connection], Instant(now + self._silence_ns))

    def ended(self, flow: Flow) -> None:
        """The connection is gone."""
        kept = self.flows.pop(flow.connection, None)
        if kept is not None:
            self._deadlines.set(kept, None)

    def silent(self, now: Instant) -> Iterator[Flow]:
        """Connections to close: nothing came for too long."""
        for kept in self._deadlines.due(now):
            self.flows.pop(kept.flow.connection, None)
            yield kept.flow

    def next_deadline(self) -> Instant | None:
        """When the next connection has been silent for too long."""
        return self._deadlines.next_deadline()
