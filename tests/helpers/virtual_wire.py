"""Two transaction layers and a wire between them that delays, loses, doubles and reorders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random

from sipstack.message.message import Request
from sipstack.message.parser import parse_message
from sipstack.timing import MS, Instant
from sipstack.transaction.events import Output
from sipstack.transaction.layer import TransactionLayer
from sipstack.transport.flow import Flow, Send
from sipstack.transport.rules import response_flow, stamp_received


@dataclass(frozen=True, slots=True)
class Faults:
    """What the wire does to a message; shares are from 0 to 1."""

    loss: float = 0.0
    doubling: float = 0.0
    delay_min_ms: int = 5
    delay_max_ms: int = 5  # above the minimum, messages overtake each other


class Party:
    """One transaction layer with a user above it: a function from output to further outputs."""

    __slots__ = ("flow", "layer", "name", "outputs", "react", "sent")

    def __init__(self, name: str, flow: Flow) -> None:
        self.name = name
        self.flow = flow  # towards the other party
        self.layer = TransactionLayer()
        self.react: Callable[[Output, Instant], tuple[Output, ...]] = lambda output, now: ()
        self.outputs: list[Output] = []  # what the user got, in order
        self.sent: list[tuple[Instant, bytes]] = []


class VirtualWire:
    """Runs two parties in virtual time until nothing is under way and no timer is left.

    Timers of an instant come before its messages. Everything is drawn from one seed.
    """

    def __init__(self, first: Party, second: Party, faults: Faults, seed: int) -> None:
        self.parties = (first, second)
        self.faults = faults  # may be changed while it runs: `Faults(loss=0)` ends the trouble
        self.now = Instant(0)
        self._random = Random(seed)
        self._under_way: list[tuple[Instant, int, Party, bytes]] = []
        self._order = 0
        self._plans: list[tuple[Instant, int, Party, Callable[[Instant], tuple[Output, ...]]]] = []

    def at(self, party: Party, ms: int, plan: Callable[[Instant], tuple[Output, ...]]) -> None:
        """Let the user of `party` do something of its own accord at that time."""
        self._order += 1
        heappush(self._plans, (Instant(ms * MS), self._order, party, plan))

    def run(self, limit_ms: int = 600_000) -> None:
        """Step from event to event until all is quiet."""
        while (now := self._next()) is not None:
            assert now >= self.now
            assert now <= limit_ms * MS, "the two never come to rest"
            self.now = now
            for party in self.parties:
                deadline = party.layer.next_deadline()
                if deadline is not None and deadline <= now:
                    self._perform(party, party.layer.advance(now))
            while self._plans and self._plans[0][0] <= now:
                _, _, party, plan = heappop(self._plans)
                self._perform(party, plan(now))
            while self._under_way and self._under_way[0][0] <= now:
                _, _, party, data = heappop(self._under_way)
                self._deliver(party, data)

    def _next(self) -> Instant | None:
        times = [queue[0][0] for queue in (self._under_way, self._plans) if queue]
        deadlines = [party.layer.next_deadline() for party in self.parties]
        times += [deadline for deadline in deadlines if deadline is not None]
        return min(times, default=None)

    def _perform(self, party: Party, outputs: tuple[Output, ...]) -> None:
        for output in outputs:
            if isinstance(output, Send):
                party.sent.append((self.now, output.data))
                self._carry(party, output)
            else:
                party.outputs.append(output)
                self._perform(party, party.react(output, self.now))

    def _carry(self, sender: Party, send: Send) -> None:
        receiver = self.parties[1] if sender is self.parties[0] else self.parties[0]
        assert send.flow[:5] == sender.flow[:5], "sent to a stranger"
        faults, random = self.faults, self._random
        copies = 0 if random.random() < faults.loss else 1
        copies += random.random() < faults.doubling
        for _ in range(copies):
            delay_ms = random.randint(faults.delay_min_ms, faults.delay_max_ms)
            self._order += 1
            at = Instant(self.now + delay_ms * MS)
            heappush(self._under_way, (at, self._order, receiver, send.data))

    def _deliver(self, party: Party, data: bytes) -> None:
        message = parse_message(data)
        if isinstance(message, Request):
            stamp_received(message, party.flow)
            back = response_flow(message, party.flow)
            outputs = party.layer.receive_request(message, party.flow, back, self.now)
        else:
            outputs = party.layer.receive_response(message, party.flow, self.now)
        self._perform(party, outputs)


def pair(transport: str, faults: Faults, seed: int) -> tuple[Party, Party, VirtualWire]:
    """A caller at 192.0.2.101, a callee at 192.0.2.1, and the wire between them."""
    connection = 0 if transport == "UDP" else 3
    caller = Party("caller", Flow(transport, "192.0.2.101", 5060, "192.0.2.1", 5060, connection))
    callee = Party("callee", Flow(transport, "192.0.2.1", 5060, "192.0.2.101", 5060, connection))
    return caller, callee, VirtualWire(caller, callee, faults, seed)
