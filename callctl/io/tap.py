"""Lets any number of watchers see what parties send and receive, while they run."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from callctl.capture.pcapng import Direction
from sipstack.timing import Instant
from sipstack.transport.flow import Flow


class Watcher(Protocol):
    """A capture, a ladder: sees each SIP message in the clear, and whatever else is worth it."""

    def message(
        self, now: Instant, party: str, flow: Flow, direction: Direction, data: bytes
    ) -> None:
        """A message that `party` received or sent."""

    def note(
        self,
        now: Instant,
        party: str,
        text: str,
        *,
        source: str | None = None,
        target: str | None = None,
    ) -> None:
        """Something that is no SIP message: a push, a node that stops."""


@runtime_checkable
class SeesEnds(Protocol):
    """A watcher that also wants to know when connections end."""

    def closed(self, now: Instant, party: str, flow: Flow, direction: Direction) -> None:
        """A connection of `party` is gone: closed by it (SENT), or by the other end or lost."""


class Tap:
    """Hands on what happens to those who watch at the moment; costs next to nothing for nobody."""

    __slots__ = ("_watchers",)

    def __init__(self) -> None:
        self._watchers: tuple[Watcher, ...] = ()

    def add(self, watcher: Watcher) -> None:
        """Watch from now on."""
        self._watchers = (*self._watchers, watcher)

    def remove(self, watcher: Watcher) -> None:
        """Watch no more."""
        self._watchers = tuple(each for each in self._watchers if each is not watcher)

    def observer(self, party: str) -> PartyTap:
        """What the stack of `party` reports to."""
        return PartyTap(self, party)

    def message(
        self, now: Instant, party: str, flow: Flow, direction: Direction, data: bytes
    ) -> None:
        """A message that `party` received or sent."""
        for watcher in self._watchers:
            watcher.message(now, party, flow, direction, data)

    def closed(self, now: Instant, party: str, flow: Flow, direction: Direction) -> None:
        """A connection of `party` is gone."""
        for watcher in self._watchers:
            if isinstance(watcher, SeesEnds):
                watcher.closed(now, party, flow, direction)

    def note(self, now: Instant, party: str, text: str) -> None:
        """Something that is no SIP message."""
        for watcher in self._watchers:
            watcher.note(now, party, text)


class PartyTap:
    """An observer of one party's stack (`sipstack.stack.Observer`)."""

    __slots__ = ("_party", "_tap")

    def __init__(self, tap: Tap, party: str) -> None:
        self._tap = tap
        self._party = party

    def received(self, now: Instant, flow: Flow, data: bytes) -> None:
        """A message came in."""
        self._tap.message(now, self._party, flow, Direction.RECEIVED, data)

    def sent(self, now: Instant, flow: Flow, data: bytes) -> None:
        """A message goes out."""
        self._tap.message(now, self._party, flow, Direction.SENT, data)
