"""Watches a cluster over sockets, and keeps what passes in the words of the kit."""

from __future__ import annotations

from typing import Final

from callctl.capture.pcapng import Direction
from callctl.io.tapped import Address, PeerNames, push_note
from callctl.phone.phone_event import PhoneAction, PushArrived
from callctl.testing.fact import Fact
from callctl.testing.recording import CLOUD, Message, Recording
from callctl.testing.translation import PUSH_NAMES, Translator, drawn
from sipstack.errors import SipSyntaxError
from sipstack.io.clock import MonotonicClock
from sipstack.message.parser import parse_message
from sipstack.timing import Instant
from sipstack.transport.flow import Flow

KINDS: Final = {kind.value: name for kind, name in PUSH_NAMES.items() if kind is not None}


class Recorder:
    """A watcher of the tap (`callctl.io.tap.Watcher`), and of what phones say."""

    def __init__(self, recording: Recording, clock: MonotonicClock) -> None:
        self.recording = recording
        self.facts: list[Fact] = []
        self.addresses: dict[Address, str] = {}  # of everybody, as in their Via
        self.zero = 0
        self._clock = clock
        self._peers = PeerNames(self.addresses)

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
            peer = self._peers.name(party, flow, None)
            self.recording.entries.append(Message(at, party, peer, data, flow, at))
            return
        peer = self._peers.name(party, flow, message)
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
        push = push_note(text)
        if push is None:
            return
        if push.answered:
            self.recording.push(now - self.zero, CLOUD, party, f"{push.what} (push)")
        else:
            kind = KINDS.get(push.what, "content-free")
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
