"""User agents and phones on a virtual network of datagrams, run until all is quiet."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from random import Random
from typing import Any, Protocol, TypeAlias

from callctl.phone.event import UserAgentAction
from sipstack.message.message import Request, Response
from sipstack.message.parser import parse_message
from sipstack.timing import MS, Instant
from sipstack.transport.flow import BytesReceived, Flow, Send

Filter: TypeAlias = Callable[[Request | Response], bool]
Step: TypeAlias = Callable[[Instant], tuple[Any, ...]]


class Seeded:
    """A source of chance that gives the same each time."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def octets(self, count: int) -> bytes:
        return self._random.randbytes(count)

    def below(self, limit: int) -> int:
        return self._random.randrange(limit)


class Party(Protocol):
    """What lives at an address."""

    @property
    def receive(self) -> Callable[..., tuple[Any, ...]]: ...

    def advance(self, now: Instant) -> tuple[Any, ...]: ...

    def next_deadline(self) -> Instant | None: ...


class PhoneWire:
    """Carries datagrams between parties with one delay; `lose` decides what gets lost."""

    def __init__(self, delay_ms: int = 10) -> None:
        self.now = Instant(0)
        self.delay_ms = delay_ms
        self.lose: Filter = lambda message: False
        self.spoil: Callable[[bytes], bytes] = lambda data: data
        self.sent: list[tuple[int, str, str]] = []  # ms, sender, "INVITE" or "200 INVITE"
        self.messages: list[Request | Response] = []
        self._parties: dict[tuple[str, int], tuple[str, Party]] = {}
        self._events: dict[str, list[tuple[int, Any]]] = {}
        self._order = 0
        self._due: list[tuple[Instant, int, str, Step]] = []

    def add(self, name: str, host: str, port: int, party: Party) -> None:
        self._parties[host, port] = (name, party)
        self._events[name] = []

    def at(self, ms: int, name: str, step: Step) -> None:
        """Let something be done to a party at that time; what it returns is carried out."""
        self._put(Instant(ms * MS), name, step)

    def run(self, until_ms: int = 600_000) -> None:
        """Step from event to event until nothing is left, or up to that time."""
        while True:
            times = [self._due[0][0]] if self._due else []
            for _, party in self._parties.values():
                deadline = party.next_deadline()
                if deadline is not None:
                    times.append(deadline)
            if not times or min(times) > until_ms * MS:
                return
            self.now = max(self.now, min(times))
            for name, party in tuple(self._parties.values()):
                deadline = party.next_deadline()
                if deadline is not None and deadline <= self.now:
                    self._perform(name, party.advance(self.now))
            while self._due and self._due[0][0] <= self.now:
                _, _, name, step = heappop(self._due)
                self._perform(name, step(self.now))

    def events(self, name: str, *kinds: type) -> list[Any]:
        """What a party told its owner, of these kinds if any are given."""
        return [event for _, event in self._events[name] if not kinds or isinstance(event, kinds)]

    def timed(self, name: str, kind: type) -> list[tuple[int, Any]]:
        """As `events`, with times in ms."""
        return [(ms, event) for ms, event in self._events[name] if isinstance(event, kind)]

    def ladder(self, *names: str) -> list[str]:
        """What was sent, as "name: INVITE" or "name: 200 INVITE", lost messages too."""
        return [f"{who}: {what}" for _, who, what in self.sent if not names or who in names]

    def _put(self, at: Instant, name: str, step: Step) -> None:
        self._order += 1
        heappush(self._due, (at, self._order, name, step))

    def _perform(self, name: str, actions: tuple[UserAgentAction, ...]) -> None:
        for action in actions:
            if isinstance(action, Send):
                self._carry(name, action)
            else:
                self._events[name].append((self.now // MS, action))

    def _carry(self, name: str, send: Send) -> None:
        message = parse_message(send.data)
        cseq = message.cseq.method
        what = cseq if isinstance(message, Request) else f"{message.status} {cseq}"
        self.sent.append((self.now // MS, name, what))
        self.messages.append(message)
        flow = send.flow
        found = self._parties.get((flow.remote_host, flow.remote_port))
        if found is None or self.lose(message):
            return
        receiver, party = found
        back = Flow("UDP", flow.remote_host, flow.remote_port, flow.local_host, flow.local_port)
        event = BytesReceived(back, self.spoil(send.data))
        at = Instant(self.now + self.delay_ms * MS)
        self._put(at, receiver, lambda now: party.receive(event, now))
