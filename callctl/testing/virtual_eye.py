"""Sees everything that happens in the simulated world, and keeps it in the words of the kit."""

from __future__ import annotations

from collections.abc import Mapping

from callctl.push.events import PushAnswered, PushLost
from callctl.sim.cloud_way import CloudNews
from callctl.sim.glance import Glance
from callctl.sim.party import Party
from callctl.sim.push_eye import SeenPush
from callctl.sim.trace import Trace
from callctl.sim.watch import Judge
from callctl.testing.fact import Fact
from callctl.testing.recording import CLOUD, Message, Recording
from callctl.testing.translation import PUSH_NAMES, Translator, drawn
from sipstack.transport.flow import Flow


class Eye(Judge):
    """A judge that blames nobody. Times are those of the world until the curtain rises."""

    invariant = "none"
    __slots__ = (
        "_hosts",
        "_names",
        "_on_way",
        "_read",
        "_translators",
        "facts",
        "recording",
        "zero",
    )

    def __init__(
        self,
        recording: Recording,
        translators: Mapping[str, Translator],
        hosts: Mapping[str, str],
        names: Mapping[str, str],
    ) -> None:
        """`hosts`: names by address. `names`: of the kit, by those of the simulated world."""
        self.recording = recording
        self.facts: list[Fact] = []
        self.zero = 0  # ns of the world when the test began
        self._translators = translators
        self._hosts = hosts
        self._names = names
        self._on_way: dict[Glance, Message] = {}  # by what travels along
        self._read = 0  # entries of the trace

    def begin(self) -> None:
        """Everybody is in place: the time is 0 now."""
        self.zero = self.now
        self.recording.begin(self.zero)
        self.facts.clear()

    # What the watch shows.

    def sent(self, who: Party, flow: Flow, seen: Glance) -> None:
        target = self._hosts.get(flow.remote_host, flow.remote_host)
        message = Message(self._at, self._name(who), target, seen.data, flow)
        self.recording.entries.append(message)
        self._on_way[seen] = message

    def received(self, who: Party, flow: Flow, seen: Glance) -> None:
        message = self._on_way.get(seen)
        if message is not None and message.arrived_at is None:
            message.arrived_at, message.arrived_by = self._at, flow

    def pushed(self, who: Party, push: SeenPush) -> None:
        kind = PUSH_NAMES[push.kind] if push.call_uuid else "content-free"
        naming = f" {push.active_node.partition('.')[0]}" if push.rings else ""
        self.recording.push(self._at, self._name(who), CLOUD, f"{kind} push{naming}".rstrip())

    def heard(self, who: Party, news: CloudNews) -> None:
        if isinstance(news, PushAnswered):
            self.recording.push(self._at, CLOUD, self._name(who), f"{news.status} (push)")
        elif isinstance(news, PushLost):
            self.recording.push(self._at, CLOUD, self._name(who), f"lost: {news.reason}")

    def told(self, who: Party, event: object) -> None:
        translator = self._translators.get(who.name)
        if translator is None:
            return
        for fact in translator.facts(self._at, event):
            self.facts.append(fact)
            words = drawn(fact)
            if words is not None:
                self.recording.note(fact.at, fact.who, words)

    def catch_up(self, trace: Trace) -> None:
        """Read what only the trace tells: pushes on their last way, to the phones."""
        entries = trace.entries
        for at, label, kind, _, what in entries[self._read :]:
            if kind == "*" and isinstance(what, str):
                name = label.rpartition(".")[0] or label  # a second life has a number
                name = name if name in self._translators else label
                if what.startswith("gets a push: "):
                    text = f"{what.removeprefix('gets a push: ')} push"
                    self.recording.push(at - self.zero, CLOUD, name, text)
                elif what.startswith("is offline"):
                    self.recording.note(at - self.zero, name, "offline: no push")
        self._read = len(entries)

    @property
    def _at(self) -> int:
        return self.now - self.zero

    def _name(self, who: Party) -> str:
        return self._names.get(who.name, who.name)
