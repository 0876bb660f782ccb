"""Datagrams and streams between parties in virtual time: what `sipstack.io` is over real sockets.

A stream keeps order and loses nothing; it can be refused, closed, reset, or fall silent when a host
loses power or a link is cut. Flow numbers and `FlowClosed` events come as from a real shell.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, TypeVar

from callctl.sim.glance import Glance
from callctl.sim.weather import CALM
from callctl.sim.world import World
from sipstack.timing import SECOND, Instant
from sipstack.transport.flow import (
    UNCONNECTED,
    BytesReceived,
    Flow,
    FlowClosed,
    Send,
    TransportEvent,
)

if TYPE_CHECKING:
    from callctl.sim.party import Party

T = TypeVar("T")

SPLIT_PER_MILLE: Final = 20  # messages of a stream that arrive in two pieces
CONNECT_NS: Final = 5 * SECOND  # as `sipstack.io.stream.StreamLimits.connect_s`
SILENCE_NS: Final = 20 * SECOND  # unacknowledged data for so long ends a stream (RFC 5482)
FIRST_EPHEMERAL: Final = 40_000

Address: TypeAlias = tuple[str, str, int]  # transport, host, port
Peer: TypeAlias = tuple[str, str, int]
Waiting: TypeAlias = tuple[Flow, bytes, "Glance | None"]


class Watcher(Protocol):
    """Sees everything that leaves and arrives, before it has an effect."""

    def sent(self, sockets: Sockets, flow: Flow, data: bytes) -> Glance | None:
        """Whatever comes of it; what it returns travels along."""

    def received(self, sockets: Sockets, flow: Flow, glance: Glance | None) -> None:
        """A message is about to be handed over."""

    def closed(self, sockets: Sockets, flow: Flow, reason: str) -> None:
        """A stream's end is about to be told."""


class End:
    """One end of a stream."""

    __slots__ = ("asked_for", "flow", "last_at", "open", "peer", "sockets", "stalled")

    def __init__(self, sockets: Sockets, flow: Flow) -> None:
        self.sockets = sockets
        self.flow = flow
        self.peer: End = self
        self.open = True  # takes and gives octets
        self.last_at = Instant(0)  # arrival at the peer of what was sent last: order is kept
        self.asked_for: dict[Flow, None] = {}  # flows without a connection that were sent over it
        self.stalled: list[tuple[bytes, Glance | None]] = []


class Sockets:
    """The sockets of one party. `take` gets each event of the transport."""

    __slots__ = (
        "_ephemeral",
        "_numbers",
        "by_number",
        "by_peer",
        "dials",
        "host",
        "listeners",
        "owner",
        "powered",
        "take",
    )

    def __init__(
        self,
        owner: Party,
        host: str,
        listeners: tuple[tuple[str, int], ...],
        take: Callable[[TransportEvent], None],
    ) -> None:
        """`owner` is the party; `listeners` are transports and ports."""
        self.owner = owner
        self.host = host
        self.listeners = listeners
        self.take = take
        self.powered = False  # False: the host answers nothing at all
        self.by_number: dict[int, End] = {}
        self.by_peer: dict[Peer, End] = {}
        self.dials: dict[Peer, list[Waiting]] = {}
        self._numbers = 0
        self._ephemeral = FIRST_EPHEMERAL

    def number(self) -> int:
        """A connection number, never used twice."""
        self._numbers += 1
        return self._numbers

    def forget(self) -> None:
        """The process is gone: the next one counts its connections from one again."""
        self.by_number.clear()
        self.by_peer.clear()
        self.dials.clear()
        self._numbers = 0

    def ephemeral(self) -> int:
        """A port to dial from."""
        self._ephemeral += 1
        return self._ephemeral

    def add(self, end: End) -> None:
        """A stream is up."""
        flow = end.flow
        self.by_number[flow.connection] = end
        self.by_peer[flow.transport, flow.remote_host, flow.remote_port] = end

    def leave(self, end: End) -> None:
        """It takes no more: the next message to this peer dials anew."""
        flow = end.flow
        end.open = False
        peer = (flow.transport, flow.remote_host, flow.remote_port)
        if self.by_peer.get(peer) is end:
            del self.by_peer[peer]


class Network:
    """Every link of the world."""

    __slots__ = (
        "_cut",
        "_listening",
        "_powered",
        "_random",
        "_stalled",
        "_watcher",
        "_world",
        "lost",
        "weather",
    )

    def __init__(self, world: World, random: Random, watcher: Watcher) -> None:
        self._world = world
        self._random = random
        self._watcher = watcher
        self.weather = CALM
        self._listening: dict[Address, Sockets] = {}
        self._powered: dict[str, int] = {}  # parties that run on a host
        self._cut: dict[tuple[str, str], None] = {}
        self._stalled: dict[End, None] = {}
        self.lost = 0  # datagrams

    # Hosts and links.

    def crash(self, sockets: Sockets) -> None:
        """The process is gone; its system closes the streams and refuses new ones."""
        ends = tuple(sockets.by_number.values())
        self._vanish(sockets)
        for end in ends:
            self._tell_peer(end, "closed by peer")

    def power_off(self, sockets: Sockets) -> None:
        """The host is gone without a word: nothing is refused, nothing is closed."""
        self._vanish(sockets)
        sockets.powered = False
        self._powered[sockets.host] -= 1

    def power_on(self, sockets: Sockets) -> None:
        """The host is back, nothing runs on it yet: it refuses and resets."""
        if not sockets.powered:
            sockets.powered = True
            self._powered[sockets.host] = self._powered.get(sockets.host, 0) + 1
            self._push_stalled()

    def start(self, sockets: Sockets) -> None:
        """The process runs: it listens."""
        self.power_on(sockets)
        for transport, port in sockets.listeners:
            self._listening[transport, sockets.host, port] = sockets

    def cut(self, one: str, other: str) -> None:
        """Let nothing through between two hosts, either way."""
        self._cut[min(one, other), max(one, other)] = None

    def heal(self) -> None:
        """Mend every cut link; what streams still hold goes out."""
        self._cut.clear()
        self._push_stalled()

    def is_cut(self, one: str, other: str) -> bool:
        """True if nothing gets through between two hosts."""
        return bool(self._cut) and (min(one, other), max(one, other)) in self._cut

    # What a shell performs.

    def send(self, sockets: Sockets, action: Send) -> None:
        """Put one message on the wire."""
        flow, data = action
        glance = self._watcher.sent(sockets, flow, data)
        if flow.transport == "UDP":
            self._send_datagram(flow, data, glance)
        elif flow.connection != UNCONNECTED:
            end = sockets.by_number.get(flow.connection)
            if end is None:
                self._later(self._report, (sockets, flow, "no such connection"))
            else:
                self._write(end, data, glance)
        else:
            self._send_unconnected(sockets, flow, data, glance)

    def close(self, sockets: Sockets, flow: Flow, reason: str = "closed by us") -> None:
        """Close a stream once what was sent has left; nothing if it is gone."""
        end = sockets.by_number.get(flow.connection)
        if end is not None and end.open:
            sockets.leave(end)
            self._tell_peer(end, "closed by peer")
            self._later(self._end, (end, reason))

    # Datagrams.

    def _send_datagram(self, flow: Flow, data: bytes, glance: Glance | None) -> None:
        weather, random = self.weather, self._random
        if self.is_cut(flow.local_host, flow.remote_host):
            self.lost += 1
            return
        there = Flow(
            "UDP", flow.remote_host, flow.remote_port, flow.local_host, flow.local_port, UNCONNECTED
        )
        for _ in range(2 if weather.doubles(random) else 1):
            if weather.loses(random):
                self.lost += 1
                continue
            at = Instant(self._world.now + weather.delay(random))
            self._world.plan(at, self._datagram_arrives, (there, data, glance))

    def _datagram_arrives(self, what: tuple[Flow, bytes, Glance | None]) -> None:
        flow, data, glance = what
        sockets = self._listening.get(("UDP", flow.local_host, flow.local_port))
        if sockets is None:
            self.lost += 1
            return
        self._watcher.received(sockets, flow, glance)
        sockets.take(BytesReceived(flow, data))

    # Streams.

    def _send_unconnected(
        self, sockets: Sockets, flow: Flow, data: bytes, glance: Glance | None
    ) -> None:
        peer = (flow.transport, flow.remote_host, flow.remote_port)
        end = sockets.by_peer.get(peer)
        if end is not None:
            end.asked_for[flow] = None
            self._write(end, data, glance)
            return
        waiting = sockets.dials.get(peer)
        if waiting is not None:
            waiting.append((flow, data, glance))
            return
        sockets.dials[peer] = waiting = [(flow, data, glance)]
        world = self._world
        if self.is_cut(sockets.host, flow.remote_host) or not self._powered.get(flow.remote_host):
            at = Instant(world.now + CONNECT_NS)
            world.plan(at, self._dial_failed, (sockets, peer, waiting, "connect timeout"))
        else:
            at = Instant(world.now + self.weather.stream_delay(self._random))
            world.plan(at, self._dial_arrives, (sockets, peer, waiting))

    def _dial_arrives(self, what: tuple[Sockets, Peer, list[Waiting]]) -> None:
        sockets, peer, waiting = what
        world = self._world
        back_at = Instant(world.now + self.weather.stream_delay(self._random))
        there = self._listening.get(peer)
        if there is None:
            refused = (sockets, peer, waiting, "connection refused")
            world.plan(back_at, self._dial_failed, refused)
            return
        transport, host, port = peer
        client_flow = waiting[0][0]._replace(connection=sockets.number())
        server_flow = Flow(transport, host, port, sockets.host, sockets.ephemeral(), there.number())
        client, server = End(sockets, client_flow), End(there, server_flow)
        client.peer, server.peer = server, client
        there.add(server)
        world.plan(back_at, self._dial_done, (client, peer, waiting))

    def _dial_done(self, what: tuple[End, Peer, list[Waiting]]) -> None:
        end, peer, waiting = what
        sockets = end.sockets
        if sockets.dials.get(peer) is not waiting:
            end.open = False  # who dialled is gone: what comes is reset
            return
        if not end.peer.open:  # who was dialled has died meanwhile
            self._dial_failed((sockets, peer, waiting, "reset by peer"))
            return
        del sockets.dials[peer]
        sockets.add(end)
        for flow, data, glance in waiting:
            end.asked_for[flow] = None
            self._write(end, data, glance)

    def _dial_failed(self, what: tuple[Sockets, Peer, list[Waiting], str]) -> None:
        sockets, peer, waiting, reason = what
        if sockets.dials.get(peer) is waiting:
            del sockets.dials[peer]
            for flow in dict.fromkeys(flow for flow, _, _ in waiting):
                self._report((sockets, flow, reason))

    def _write(self, end: End, data: bytes, glance: Glance | None) -> None:
        if not end.open:
            return
        there = end.peer.sockets
        if end.stalled or not there.powered or self.is_cut(end.sockets.host, there.host):
            if not end.stalled:
                at = Instant(self._world.now + SILENCE_NS)
                self._world.plan(at, self._give_up, end)
                self._stalled[end] = None
            end.stalled.append((data, glance))
            return
        weather = self.weather
        if weather.delay_max_ns and self._random.random() * 1000 < SPLIT_PER_MILLE:
            # A receiver may get any part of a message first.
            cut = self._random.randrange(1, len(data))
            first, data = data[:cut], data[cut:]
            self._world.plan(self._arrival(end), self._stream_arrives, (end.peer, first, None))
        self._world.plan(self._arrival(end), self._stream_arrives, (end.peer, data, glance))

    def _arrival(self, end: End) -> Instant:
        """When something that leaves now gets to the other end; never before what left earlier."""
        at = Instant(self._world.now + self.weather.stream_delay(self._random))
        end.last_at = at = max(at, end.last_at)
        return at

    def _stream_arrives(self, what: tuple[End, bytes, Glance | None]) -> None:
        end, data, glance = what
        sockets = end.sockets
        if not end.open:
            if sockets.powered:
                self._later(self._end, (end.peer, "connection reset by peer"))
            return
        self._watcher.received(sockets, end.flow, glance)
        sockets.take(BytesReceived(end.flow, data))

    def _give_up(self, end: End) -> None:
        """Data was not acknowledged for too long."""
        if end.stalled and end in self._stalled:
            del self._stalled[end]
            end.stalled.clear()
            self._end((end, "timed out"))

    def _push_stalled(self) -> None:
        for end in tuple(self._stalled):
            there = end.peer.sockets
            if there.powered and not self.is_cut(end.sockets.host, there.host):
                del self._stalled[end]
                held, end.stalled = end.stalled, []
                for data, glance in held:
                    self._write(end, data, glance)

    def _tell_peer(self, end: End, reason: str) -> None:
        """Our end is closed: the other hears of it behind what was sent, if it can be reached."""
        there = end.peer.sockets
        if there.powered and not end.stalled and not self.is_cut(end.sockets.host, there.host):
            self._world.plan(self._arrival(end), self._end, (end.peer, reason))

    def _end(self, what: tuple[End, str]) -> None:
        end, reason = what
        sockets = end.sockets
        if sockets.by_number.get(end.flow.connection) is not end:
            end.open = False
            return
        if end.open:
            sockets.leave(end)
        del sockets.by_number[end.flow.connection]
        self._stalled.pop(end, None)
        for flow in (end.flow, *end.asked_for):
            self._report((sockets, flow, reason))

    def _vanish(self, sockets: Sockets) -> None:
        for transport, port in sockets.listeners:
            self._listening.pop((transport, sockets.host, port), None)
        for end in sockets.by_number.values():
            end.open = False
            self._stalled.pop(end, None)
        sockets.forget()

    def _report(self, what: tuple[Sockets, Flow, str]) -> None:
        sockets, flow, reason = what
        self._watcher.closed(sockets, flow, reason)
        sockets.take(FlowClosed(flow, reason))

    def _later(self, do: Callable[[T], None], what: T) -> None:
        """As a loop's call_soon: never inside what the party is doing right now."""
        self._world.plan(self._world.now, do, what)
