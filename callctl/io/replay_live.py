"""Plays a script over sockets, in real time, against any server that runs."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, cast

import anyio

from callctl.replay.learned import Learned
from callctl.replay.live import Played
from callctl.replay.notes_schema import NotesFile
from callctl.replay.play_event import HangUp, Heard, PlayAction, Say
from callctl.replay.player import TAIL_NS, Player
from callctl.replay.recording import Place
from callctl.replay.rewrite import Manner, Passwords, Rewriter
from callctl.replay.script import Script
from sipstack.entropy import Entropy, token
from sipstack.io.clock import MonotonicClock
from sipstack.io.timer import DeadlineTimer
from sipstack.timing import MS, SECOND, Instant
from sipstack.transport.flow import Flow
from sipstack.transport.framer import FramingError, StreamFramer

LEAD_NS: Final = 200 * MS
"""From the opening of the sockets to the first message."""

CONNECT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Target:
    """The server that is asked instead of each node of the capture."""

    host: str  # numeric
    port: int
    transport: str | None = None  # None: as in the capture
    local: str = "127.0.0.1"  # where the parties are
    domain: str | None = None  # in place of the cluster's
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(slots=True)
class Live:
    """One play over sockets, once it is over."""

    played: Played
    same: Callable[[str], str]
    lost: dict[str, int] = field(default_factory=dict)  # what could not be sent, by reason


async def play_live(
    script: Script,
    file: NotesFile,
    target: Target,
    nodes: dict[str, list[str]],
    passwords: Passwords,
    entropy: Entropy,
    *,
    domain: str = "",
) -> Live:
    """Let the parties of a script speak to a server. `nodes`: the addresses under test in the
    capture; `domain`: its SIP domain there.

    Raises: OSError if an address cannot be had.
    """
    async with _Stage.set(script, target) as stage:
        addresses = stage.addresses(nodes)
        if target.domain is not None and domain:
            addresses[domain] = target.domain
        manner = Manner(passwords, addresses, salt=token(entropy, 4))
        lost = await stage.play(script, file, manner)
    return Live(stage.finished(), manner.moved, lost)


class _Stage:
    """The sockets of all places."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._clock = MonotonicClock()
        self._loop = asyncio.get_running_loop()
        self._ends: dict[int, _End] = {}
        self._player: Player | None = None
        self._played: Played | None = None
        self._timer = DeadlineTimer(self._loop, self._clock, self._due)
        self._lost: dict[str, int] = {}

    @classmethod
    @asynccontextmanager
    async def set(cls, script: Script, target: Target) -> AsyncIterator[_Stage]:
        stage = cls(target)
        try:
            for place in script.recording.places:
                end = _End(place, stage, target)
                stage._ends[place.number] = end
                await end.open()
            yield stage
        finally:
            stage._timer.cancel()
            for end in stage._ends.values():
                end.close()

    def addresses(self, nodes: dict[str, list[str]]) -> dict[str, str]:
        """Texts of the capture, to those of now."""
        texts: dict[str, str] = {}
        for end in self._ends.values():
            place = end.place
            texts.setdefault(place.host, self._target.local)
            if not place.dials:
                texts[_joined(place.host, place.port)] = _joined(*end.address)
        for places in nodes.values():
            for text in places:
                host = text.rpartition(":")[0] if text.count(":") == 1 else text
                texts[text] = str(self._target) if host != text else self._target.host
                texts.setdefault(host.strip("[]"), self._target.host)
        return texts

    async def play(self, script: Script, file: NotesFile, manner: Manner) -> dict[str, int]:
        """Everything, to the end. Returns: what could not be sent."""
        began_at = Instant(self._clock() + LEAD_NS)
        player = self._player = Player(script, file, Rewriter(manner, Learned()), began_at)
        self._timer.follow(player.next_deadline())
        await anyio.sleep((LEAD_NS + script.recording.length_ns + TAIL_NS) / SECOND)
        self._played = player.finish(self._clock())
        return self._lost

    def finished(self) -> Played:
        """What came of it."""
        assert self._played is not None
        return self._played

    def heard(self, place: Place, flow: Flow, octets: bytes) -> None:
        """From a socket."""
        if self._player is not None and octets.strip(b"\r\n\0 "):
            self._perform(self._player.receive(Heard(place, flow, octets), self._clock()))

    def lose(self, reason: str) -> None:
        """Count what could not be sent."""
        self._lost[reason] = self._lost.get(reason, 0) + 1

    def _due(self, now: Instant) -> None:
        if self._player is not None:
            self._perform(self._player.advance(now))

    def _perform(self, actions: tuple[PlayAction, ...]) -> None:
        for action in actions:
            if isinstance(action, Say):
                self._ends[action.place.number].say(action)
            elif isinstance(action, HangUp):
                self._ends[action.place.number].hang_up()
            else:  # nodes and clouds of somebody else are out of reach
                self.lose(f"not for a live server: {type(action).__name__}")
        if self._player is not None:
            self._timer.follow(self._player.next_deadline())


class _End:
    """One place: a UDP socket, a listener, or connections to the server."""

    def __init__(self, place: Place, stage: _Stage, target: Target) -> None:
        self.place = place
        self.address = (target.local, 0)
        self._stage = stage
        self._target = target
        self._datagrams: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None
        self._streams: dict[int, _Stream] = {}
        self._dialling: asyncio.Task[None] | None = None
        self._waiting: list[bytes] = []

    @property
    def _transport(self) -> str:
        return self._target.transport or self.place.transport

    async def open(self) -> None:
        """Be there for what comes. Raises: OSError"""
        loop = asyncio.get_running_loop()
        if self._transport == "UDP":
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self._take_datagram), local_addr=self.address
            )
            self._datagrams = transport
            self.address = transport.get_extra_info("sockname")[:2]
        elif not self.place.dials:
            self._server = await loop.create_server(self._accepted, *self.address)
            self.address = self._server.sockets[0].getsockname()[:2]

    def say(self, action: Say) -> None:
        """Send one message."""
        flow = action.flow
        if self._datagrams is not None:
            where = (self._target.host, self._target.port)
            if flow is not None:
                where = (flow.remote_host, flow.remote_port)
            self._datagrams.sendto(action.octets, where)
            return
        stream = self._streams.get(flow.connection) if flow is not None else None
        stream = stream or next(iter(self._streams.values()), None)
        if stream is not None:
            stream.write(action.octets)
            return
        self._waiting.append(action.octets)
        if self._dialling is None or self._dialling.done():
            self._dialling = asyncio.get_running_loop().create_task(self._dial())

    def hang_up(self) -> None:
        """Close connections."""
        for stream in tuple(self._streams.values()):
            stream.close()

    def close(self) -> None:
        """Be gone."""
        if self._dialling is not None:
            self._dialling.cancel()
        if self._datagrams is not None:
            self._datagrams.abort()
        if self._server is not None:
            self._server.close()
        for stream in tuple(self._streams.values()):
            stream.abort()

    async def _dial(self) -> None:
        target = self._target
        tls = target.tls if self._transport in ("TLS", "WSS") else None
        try:
            with anyio.fail_after(CONNECT_S):
                await asyncio.get_running_loop().create_connection(
                    self._accepted,
                    target.host,
                    target.port,
                    ssl=tls,
                    server_hostname=(target.domain or target.host) if tls else None,
                )
        except (OSError, TimeoutError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            for _ in self._waiting:
                self._stage.lose(f"no connection to the server: {why}")
            self._waiting.clear()

    def _accepted(self) -> _Stream:
        return _Stream(self)

    def made(self, stream: _Stream, number: int) -> None:
        """A connection is up."""
        self._streams[number] = stream
        waiting, self._waiting = self._waiting, []
        for octets in waiting:
            stream.write(octets)

    def lost(self, number: int) -> None:
        """A connection is gone."""
        self._streams.pop(number, None)

    def take(self, octets: bytes, flow: Flow) -> None:
        """A whole message came."""
        self._stage.heard(self.place, flow, octets)

    def _take_datagram(self, octets: bytes, source: tuple[str, int]) -> None:
        flow = Flow("UDP", self.address[0], self.address[1], source[0], source[1])
        self._stage.heard(self.place, flow, octets)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, take: Callable[[bytes, tuple[str, int]], None]) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._take(data, (addr[0], addr[1]))


class _Stream(asyncio.Protocol):
    _numbers = 0

    def __init__(self, end: _End) -> None:
        self._end = end
        self._framer = StreamFramer()
        self._transport: asyncio.Transport | None = None
        _Stream._numbers += 1
        self._number = _Stream._numbers
        self._flow: Flow | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        here, there = (transport.get_extra_info(name) for name in ("sockname", "peername"))
        way = self._end.place.transport
        self._flow = Flow(way, here[0], here[1], there[0], there[1], self._number)
        self._end.made(self, self._number)

    def data_received(self, data: bytes) -> None:
        for frame in self._framer.feed(data):
            if isinstance(frame, bytes) and self._flow is not None:
                self._end.take(frame, self._flow)
            elif isinstance(frame, FramingError):
                self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end.lost(self._number)

    def write(self, octets: bytes) -> None:
        if self._transport is not None:
            self._transport.write(octets)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
