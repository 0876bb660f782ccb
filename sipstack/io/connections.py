"""All stream connections of one party: accepted, dialled, found again, kept within limits."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from itertools import count
from typing import TypeAlias

from sipstack.io.stream import StreamConnection, StreamLimits
from sipstack.io.websocket import DialledWebSocket
from sipstack.transport.flow import (
    SECURE,
    UNCONNECTED,
    WEBSOCKET,
    Flow,
    FlowClosed,
    TransportEvent,
)

OnEvent: TypeAlias = Callable[[TransportEvent], None]
Peer: TypeAlias = tuple[str, str, int]  # transport, remote host, remote port


class Connections:
    """Sends over the connection a flow names, or for a flow without one over any to that peer.

    The end of a connection is reported once for its own flow, and once for each flow without a
    connection number whose messages it carried, unless a newer connection carries those by now.
    """

    def __init__(
        self, on_event: OnEvent, limits: StreamLimits, client_tls: ssl.SSLContext | None
    ) -> None:
        self.on_event = on_event
        self.limits = limits
        self.loop = asyncio.get_running_loop()
        self.refused = 0  # connections that a limit refused or removed
        self._client_tls = client_tls
        self._numbers = count(1)
        self._by_number: dict[int, StreamConnection] = {}
        self._by_peer: dict[Peer, StreamConnection] = {}
        self._of_address: dict[str, int] = {}
        # By address, oldest first: accepted, nothing sent yet. The inner dict is an ordered set.
        self._unanswered: dict[str, dict[StreamConnection, None]] = {}
        self._dials: dict[Peer, _Dial] = {}
        self._sweep: asyncio.TimerHandle | None = None
        self._sweep_s = min(limits.unanswered_s, limits.ping_after_s, limits.ping_answer_s) / 4
        self._closing = False
        self._all_lost = asyncio.Event()
        self._all_lost.set()

    def __len__(self) -> int:
        return len(self._by_number)

    def send(self, flow: Flow, data: bytes) -> None:
        """Write to the connection of `flow`, or to one to the same peer, dialled if need be."""
        if flow.connection != UNCONNECTED:
            connection = self._by_number.get(flow.connection)
            if connection is None:
                self._report_closed(flow, "no such connection")
            else:
                connection.send(data)
            return
        peer = (flow.transport, flow.remote_host, flow.remote_port)
        connection = self._by_peer.get(peer)
        if connection is not None:
            connection.send_for(flow, data)
            return
        dial = self._dials.get(peer)
        if dial is None:
            if self._closing or len(self._dials) >= self.limits.dials_max:
                self._report_closed(flow, "too many connections are being opened")
                return
            dial = self._dials[peer] = _Dial()
            dial.task = self.loop.create_task(self._dial(peer, flow, dial))
        if dial.size + len(data) > self.limits.queue_max:
            self._report_closed(flow, "too much is waiting for the connection")
            return
        dial.size += len(data)
        dial.waiting.append((flow, data))

    def close(self, flow: Flow) -> None:
        """Close a connection once what was sent before has left; nothing if it is gone."""
        connection = self._by_number.get(flow.connection)
        if connection is not None:
            connection.close("closed by us")

    async def aclose(self) -> None:
        """Close everything. No event comes once this was called."""
        self._closing = True
        if self._sweep is not None:
            self._sweep.cancel()
        tasks = [dial.task for dial in self._dials.values() if dial.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in list(self._by_number.values()):
            connection.close("endpoint closed")
        try:
            await asyncio.wait_for(self._all_lost.wait(), self.limits.close_s)
        except TimeoutError:
            for connection in list(self._by_number.values()):
                connection.abort("endpoint closed")
            await self._all_lost.wait()

    # What a connection asks and tells.

    def accepts(self, host: str) -> bool:
        """True if one more connection from `host` may come in; an older one may have to go."""
        limits = self.limits
        full = len(self._by_number) >= limits.connections_max
        full_of_address = self._of_address.get(host, 0) >= limits.per_address_max
        silent = self._unanswered.get(host, {})
        if full or full_of_address or len(silent) >= limits.unanswered_per_address_max:
            crowd = full or full_of_address
            if full and not silent and self._unanswered:
                silent = max(self._unanswered.values(), key=len)
            oldest = next(iter(silent), None)
            old_enough = self.loop.time() - limits.unanswered_grace_s
            if oldest is not None and (crowd or oldest.made_at <= old_enough):
                self.refused += 1
                self.answered(oldest)
                oldest.abort("made room for another connection")
            elif crowd:
                self.refused += 1
                return False
        return not self._closing

    def add(self, connection: StreamConnection, flow: Flow, *, accepted: bool) -> Flow:
        """Number a connection. Returns: its flow."""
        flow = flow._replace(connection=next(self._numbers))
        host = flow.remote_host
        self._by_number[flow.connection] = connection
        self._by_peer[flow.transport, host, flow.remote_port] = connection
        self._of_address[host] = self._of_address.get(host, 0) + 1
        if accepted:
            self._unanswered.setdefault(host, {})[connection] = None
        self._all_lost.clear()
        if self._sweep is None:
            self._sweep = self.loop.call_later(self._sweep_s, self._on_sweep)
        return flow

    def answered(self, connection: StreamConnection) -> None:
        """Something is sent to this peer for the first time: it is no stranger any more."""
        assert connection.flow is not None
        host = connection.flow.remote_host
        silent = self._unanswered.get(host)
        if silent is not None:
            silent.pop(connection, None)
            if not silent:
                del self._unanswered[host]

    def leave(self, connection: StreamConnection) -> None:
        """It will take no more for its peer: the next message there dials anew."""
        flow = connection.flow
        if flow is not None:
            peer = (flow.transport, flow.remote_host, flow.remote_port)
            if self._by_peer.get(peer) is connection:
                del self._by_peer[peer]

    def lost(self, connection: StreamConnection, flow: Flow, reason: str) -> None:
        """The connection is gone; called once for each."""
        del self._by_number[flow.connection]
        left = self._of_address[flow.remote_host] - 1
        if left:
            self._of_address[flow.remote_host] = left
        else:
            del self._of_address[flow.remote_host]
        self.answered(connection)
        if not self._by_number:
            self._all_lost.set()
        self._deliver(FlowClosed(flow, reason))
        for asked_for in connection.asked_for:
            if not self._carried(asked_for):
                self._deliver(FlowClosed(asked_for, reason))

    # Inside

    def _carried(self, flow: Flow) -> bool:
        """True if messages for this flow without a connection are on a live one, or wait for one.

        They must not fail with an older connection to the same peer. What went over that one and
        has no answer yet is left to its timers: both have the same name.
        """
        peer = (flow.transport, flow.remote_host, flow.remote_port)
        connection, dial = self._by_peer.get(peer), self._dials.get(peer)
        if connection is not None and flow in connection.asked_for:
            return True
        return dial is not None and any(waiting == flow for waiting, _ in dial.waiting)

    def _on_sweep(self) -> None:
        """Close what has been silent too long: one timer for all connections."""
        self._sweep = None
        now = self.loop.time()
        limits = self.limits
        for connection in list(self._by_number.values()):
            if not connection.answered and now - connection.made_at > limits.unanswered_s:
                connection.abort("nothing to answer came in time")
            elif now - connection.heard_at > limits.idle_s:
                connection.close("idle")
            else:
                connection.tick(now)
        if self._by_number:
            self._sweep = self.loop.call_later(self._sweep_s, self._on_sweep)

    def _report_closed(self, flow: Flow, reason: str) -> None:
        # Never from inside send(): the caller is in the middle of its own actions.
        self.loop.call_soon(self._deliver, FlowClosed(flow, reason))

    def _deliver(self, event: FlowClosed) -> None:
        if not self._closing:
            self.on_event(event)

    async def _dial(self, peer: Peer, flow: Flow, dial: _Dial) -> None:
        transport, host, port = peer
        tls = self._client_tls if transport in SECURE else None
        kind = DialledWebSocket if transport in WEBSOCKET else StreamConnection
        any_host = flow.local_host in ("0.0.0.0", "::")
        try:
            if transport in SECURE and tls is None:
                raise OSError("no TLS context to dial with")
            async with asyncio.timeout(self.limits.connect_s):
                _, connection = await self.loop.create_connection(
                    lambda: kind(self, transport, flow),
                    host,
                    port,
                    ssl=tls,
                    server_hostname=host if tls else None,
                    local_addr=None if any_host else (flow.local_host, 0),
                )
        except TimeoutError:
            failed = "connect timeout"
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            failed = str(error) or type(error).__name__
        else:
            failed = connection.reason if connection.closing else ""
        del self._dials[peer]
        if failed:
            for asked_for in dict.fromkeys(asked_for for asked_for, _ in dial.waiting):
                self._deliver(FlowClosed(asked_for, failed))
            return
        for asked_for, data in dial.waiting:
            connection.send_for(asked_for, data)


class _Dial:
    """A connection being opened, and what waits for it."""

    __slots__ = ("size", "task", "waiting")

    def __init__(self) -> None:
        self.waiting: list[tuple[Flow, bytes]] = []
        self.size = 0
        self.task: asyncio.Task[None] | None = None
