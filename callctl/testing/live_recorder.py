"""Watches a cluster over sockets, and keeps what passes in the words of the kit."""

from __future__ import annotations

from typing import Final

from callctl.capture.pcapng import Direction
from callctl.phone.phone_event import PhoneAction, PushArrived
from callctl.testing.fact import Fact
from callctl.testing.recording import CLOUD, Message, Recording
from callctl.testing.translation import PUSH_NAMES, Translator, drawn
from sipstack.errors import SipSyntaxError
from sipstack.io.clock import MonotonicClock
from sipstack.message.message import Request
from sipstack.message.parser import parse_message
from sipstack.timing import Instant
from sipstack.transport.flow import Flow

SIP_PORT: Final = 5060
KINDS: Final = {kind.value: name for kind, name in PUSH_NAMES.items() if kind is not None}

Address = tuple[str, int]


class Recorder:
    """A watcher of the tap (`callctl.io.tap.Watcher`), and of what phones say."""

    def __init__(self, recording: Recording, clock: MonotonicClock) -> None:
        self.recording = recording
        self.facts: list[Fact] = []
        self.addresses: dict[Address, str] = {}  # of everybody, as in their Via
        self.zero = 0
        self._clock = clock
        self._peers: dict[tuple[str, str, int], str] = {}  # by node, remote host and port

    @property
    def now(self) -> int:
        """ns since the test began."""
        return self._clock() - self.zero

    def begin(self) -> None:
        """Everybody is in place."""
        self.zero = self._clock()
        self.recording.epoch_unix_ns = self._clock.unix_ns(Instant(self.zero))
        self.recording.begin(self.zero)
        self.facts.clear()

    # From the tap.

    def message(
        self, now: Instant, party: str, flow: Flow, direction: Direction, data: bytes
    ) -> None:
        """A message that a node received or sent."""
        try:
            message = parse_message(data)
        except SipSyntaxError:
            return  # a keep-alive
        at = now - self.zero
        if direction is Direction.SENT:
            peer = self._peer(party, flow, None)
            self.recording.entries.append(Message(at, party, peer, data, flow, at))
            return
        peer = self._peer(party, flow, message if isinstance(message, Request) else None)
        if peer not in self.recording.nodes:  # else it was seen as it left
            self.recording.entries.append(Message(at, peer, party, data, None, at, flow))

    def note(
        self,
        now: Instant,
        party: str,
        text: str,
        *,
        source: str | None = None,
        target: str | None = None,
    ) -> None:
        """A node posted a push, or has its answer; what nodes do themselves the words tell."""
        what, _, rest = text.partition(": ")
        if not what.startswith("push "):
            return
        if rest[:1].isdigit() or rest.startswith("lost"):
            self.recording.push(now - self.zero, CLOUD, party, f"{rest} (push)")
        else:
            kind = KINDS.get(rest.partition(" ")[0], "content-free")
            self.recording.push(now - self.zero, party, CLOUD, f"{kind} push")

    # From phones.

    def told(self, translator: Translator, now: Instant, event: object) -> None:
        """A phone says something of itself."""
        for fact in translator.facts(now - self.zero, event):
            self.facts.append(fact)
            words = drawn(fact)
            if words is not None:
                self.recording.note(fact.at, fact.who, words)

    def phone_told(
        self, name: str, translator: Translator, now: Instant, event: PhoneAction | PushArrived
    ) -> None:
        """A mobile phone, which also tells of pushes that reach it."""
        if isinstance(event, PushArrived):
            self.recording.push(now - self.zero, CLOUD, name, f"{event.push_type} push")
        else:
            self.told(translator, now, event)

    def _peer(self, party: str, flow: Flow, request: Request | None) -> str:
        key = party, flow.remote_host, flow.remote_port
        known = self._peers.get(key) or self.addresses.get(key[1:])
        if known is None and request is not None:
            via = request.top_via
            known = self.addresses.get((via.host, via.port or SIP_PORT))
        if known is None:
            return f"{flow.remote_host}:{flow.remote_port}"
        self._peers[key] = known
        return known
