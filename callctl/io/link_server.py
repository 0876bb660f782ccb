"""Port 9966 of a node: where its push service listens, on this machine only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeAlias, cast

from callctl.push.service import ClosePeer, PeerGone, PeerOctets, WritePeer

PEERS_MAX: Final = 16
UNSENT_MAX: Final = 4 << 20  # octets that a peer may leave unread
CLOSE_S: Final = 1.0  # for what was written to leave before the service ends

OnPeerEvent: TypeAlias = Callable[[PeerOctets | PeerGone], None]


class LinkServer:
    """Performs `WritePeer` and `ClosePeer`; `on_event` is called from the event loop."""

    def __init__(self, host: str, port: int, on_event: OnPeerEvent) -> None:
        self._host = host
        self._port = port
        self._on_event = on_event
        self._server: asyncio.Server | None = None
        self._peers: dict[int, _Peer] = {}
        self._last = 0
        self.dropped = 0  # connections that were too many

    async def start(self) -> None:
        """Listen. Raises: OSError if the port cannot be had."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._peer, self._host, self._port, reuse_address=True
        )

    async def aclose(self) -> None:
        """Stop listening, end every connection once what was written has left, or soon."""
        if self._server is not None:
            self._server.close()
            self._server = None
        ended = [peer.ended for peer in self._peers.values()]
        for peer in tuple(self._peers.values()):
            peer.close()
        if ended:
            await asyncio.wait(ended, timeout=CLOSE_S)
        for peer in tuple(self._peers.values()):
            peer.abort()
        if ended:
            await asyncio.wait(ended)

    def write(self, action: WritePeer) -> None:
        """Write to a peer; nothing if it is gone."""
        peer = self._peers.get(action.peer)
        if peer is not None:
            peer.write(action.octets)

    def close(self, action: ClosePeer) -> None:
        """End a connection once what was written has left."""
        peer = self._peers.get(action.peer)
        if peer is not None:
            peer.close()

    def _peer(self) -> asyncio.Protocol:
        if len(self._peers) >= PEERS_MAX:
            self._drop_one()
        self._last += 1
        peer = self._peers[self._last] = _Peer(self._last, self._on_event, self._gone)
        return peer

    def _drop_one(self) -> None:
        """Who says nothing makes room: CallManager's heartbeats keep its place (NET-06)."""
        number = min(self._peers, key=lambda it: self._peers[it].heard_at)
        self._peers.pop(number).abort()
        self.dropped += 1

    def _gone(self, number: int) -> None:
        self._peers.pop(number, None)


class _Peer(asyncio.Protocol):
    def __init__(self, number: int, on_event: OnPeerEvent, on_gone: Callable[[int], None]) -> None:
        self._number = number
        self._on_event = on_event
        self._on_gone = on_gone
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._aborted = False
        self.heard_at = 0.0  # never
        self.ended: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop has its own
        if self._aborted:  # before it was there
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._loop.time()
        self._on_event(PeerOctets(self._number, data))

    def connection_lost(self, error: Exception | None) -> None:
        self._on_gone(self._number)
        if not self.ended.done():
            self.ended.set_result(None)
        self._on_event(PeerGone(self._number))

    def write(self, octets: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > UNSENT_MAX:
            transport.abort()  # it does not read: it will come again and hear what is then
            return
        transport.write(octets)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        self._aborted = True
        if self._transport is not None:
            self._transport.abort()
