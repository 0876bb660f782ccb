"""Plays a script over sockets, in real time, against any server that runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import anyio

from callctl.io.replay_sockets import End, Target, reach
from callctl.replay.from_capture import split_place
from callctl.replay.learned import Learned
from callctl.replay.live import Played
from callctl.replay.notes_schema import NotesFile
from callctl.replay.play_event import HangUp, Heard, PlayAction, Say
from callctl.replay.player import REGISTERED_NS, TAIL_NS, Player
from callctl.replay.recording import Place
from callctl.replay.rewrite import Manner, Passwords, Rewriter
from callctl.replay.script import Script
from sipstack.entropy import Entropy, token
from sipstack.io.clock import MonotonicClock
from sipstack.io.timer import DeadlineTimer
from sipstack.timing import MS, SECOND, Instant
from sipstack.transport.flow import WEBSOCKET, Flow

LEAD_NS: Final = 200 * MS
"""From the opening of the sockets to what is said first."""


class CannotPlay(Exception):
    """The server says nothing, or nobody can speak to it as the capture did. One line: why."""


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

    Raises: OSError if an address cannot be had, or nobody is at that of the server; CannotPlay.
    """
    ways = {target.transport or place.transport for place in script.recording.places}
    if ways & WEBSOCKET:
        raise CannotPlay("WebSocket is not spoken here: take another with ;transport=tcp")
    await reach(target, ways)
    async with _Stage.set(script, target) as stage:
        addresses = stage.addresses(nodes)
        if target.domain is not None and domain:
            addresses[domain] = target.domain
        manner = Manner(passwords, addresses, salt=token(entropy, 4))
        lost = await stage.play(script, file, manner, domain)
    return Live(stage.finished(), manner.moved, lost)


class _Stage:
    """The sockets of all places."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._clock = MonotonicClock()
        self._loop = asyncio.get_running_loop()
        self._ends: dict[int, End] = {}
        self._player: Player | None = None
        self._played: Played | None = None
        self._timer = DeadlineTimer(self._loop, self._clock, self._due)
        self._lost: dict[str, int] = {}
        self._heard = 0  # messages

    @classmethod
    @asynccontextmanager
    async def set(cls, script: Script, target: Target) -> AsyncIterator[_Stage]:
        stage = cls(target)
        try:
            for place in script.recording.places:
                end = End(place, stage, target)
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
                host, port = split_place(text)
                texts[text] = self._target.host if port is None else str(self._target)
                texts.setdefault(host, self._target.host)
        return texts

    async def play(
        self, script: Script, file: NotesFile, manner: Manner, domain: str
    ) -> dict[str, int]:
        """Everything, to the end. Returns: what could not be sent. Raises: CannotPlay."""
        lead_ns = LEAD_NS + (REGISTERED_NS if file.registered else 0)
        began_at = Instant(self._clock() + lead_ns)
        rewriter = Rewriter(manner, Learned())
        player = self._player = Player(script, file, rewriter, began_at, domain)
        self._timer.follow(player.next_deadline())
        await anyio.sleep((lead_ns + script.recording.length_ns + TAIL_NS) / SECOND)
        for end in self._ends.values():
            end.give_up()
        self._played = player.finish(self._clock())
        if not self._heard:
            why = ", ".join(self._lost) or "nothing came"
            raise CannotPlay(f"it says nothing: {why}")
        return self._lost

    def finished(self) -> Played:
        """What came of it."""
        assert self._played is not None
        return self._played

    def heard(self, place: Place, flow: Flow, octets: bytes) -> None:
        """From a socket."""
        if self._player is not None and octets.strip(b"\r\n\0 "):
            self._heard += 1
            self._perform(self._player.receive(Heard(place, flow, octets), self._clock()))

    def lose(self, reason: str) -> None:
        """Count what could not be sent."""
        self._lost[reason] = self._lost.get(reason, 0) + 1

    def _ignore(self, reason: str) -> None:
        if self._player is not None:
            self._player.played.ignore(reason)

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
                self._ignore(f"not for a live server: {type(action).__name__}")
        if self._player is not None:
            self._timer.follow(self._player.next_deadline())


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
