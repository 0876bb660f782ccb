"""Watches a simulated world as its nodes see it, for a recording."""

from __future__ import annotations

from callctl.push.events import PushAnswered, PushLost
from callctl.registration.push_binding import PushBinding
from callctl.replay.gather import Seen, SeenEnd
from callctl.replay.notes_schema import NodeEvent, NodeEventEntry, PushEntry, SignedEntry
from callctl.sim.cloud_way import CloudNews
from callctl.sim.glance import Glance
from callctl.sim.network import FIRST_EPHEMERAL
from callctl.sim.party import Party, Role
from callctl.sim.push_eye import SeenPush
from callctl.sim.watch import Judge
from sipstack.timing import SECOND, Instant
from sipstack.transport.flow import UNCONNECTED, Flow

_DEATHS = {
    "stops": NodeEvent.STOPS,
    "is killed": NodeEvent.DIES,
    "loses power": NodeEvent.LOSES_POWER,
}


class StoryRecorder(Judge):
    """Judges nothing."""

    __slots__ = (
        "_connections",
        "_hosts",
        "_up",
        "ends",
        "events",
        "pushes",
        "seen",
        "sign_ins",
        "sign_outs",
    )

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.ends: list[SeenEnd] = []
        self.sign_ins: list[SignedEntry] = []
        self.sign_outs: list[SignedEntry] = []
        self.events: list[NodeEventEntry] = []
        self.pushes: list[_Push] = []
        self._hosts: set[str] = set()  # of nodes
        self._connections: dict[tuple[str, str, int], int] = {}
        self._up: set[str] = set()

    # Messages.

    def sent(self, who: Party, flow: Flow, seen: Glance) -> None:
        """A message leaves."""
        self._message(who, flow, seen, inward=False)

    def received(self, who: Party, flow: Flow, seen: Glance) -> None:
        """A message is handed over."""
        self._message(who, flow, seen, inward=True)

    def closed(self, who: Party, flow: Flow, reason: str) -> None:
        """A stream has ended."""
        if who.role is not Role.NODE:
            return
        number = self._connection(who, flow)
        dialled = flow.remote_port >= FIRST_EPHEMERAL
        by_party = reason != "closed by us"
        end = (flow.transport, flow.remote_host, flow.remote_port, number, dialled, by_party)
        self.ends.append(SeenEnd(self.now, who.name, *end))

    def _message(self, who: Party, flow: Flow, seen: Glance, *, inward: bool) -> None:
        if who.role is not Role.NODE:
            return
        self._hosts.add(who.sockets.host)
        self.seen.append(
            Seen(
                self.now,
                0,
                who.name,
                inward,
                flow.transport,
                flow.remote_host,
                flow.remote_port,
                self._connection(who, flow),
                flow.transport != "UDP" and flow.remote_port >= FIRST_EPHEMERAL,
                seen.data,
            )
        )

    def _connection(self, who: Party, flow: Flow) -> int:
        if flow.connection == UNCONNECTED:
            return 0
        key = (who.label, flow.transport, flow.connection)
        return self._connections.setdefault(key, len(self._connections) + 1)

    # Pushes, and what befalls nodes.

    def pushed(self, who: Party, push: SeenPush) -> None:
        """A push leaves."""
        self.pushes.append(_Push(self.now, who.name, push))

    def heard(self, who: Party, news: CloudNews) -> None:
        """A push service hears of a push."""
        if isinstance(news, PushAnswered | PushLost):
            for push in self.pushes:
                if push.seen.tracking_id == news.tracking_id and push.news is None:
                    push.news, push.after = news, self.now - push.at

    def signed_in(self, binding: PushBinding) -> None:
        """A managed client gives its targets."""
        self.sign_ins.append(SignedEntry(at=_seconds(self.now), device=binding.device_name))

    def signed_out(self, device_name: str) -> None:
        """And takes them back."""
        self.sign_outs.append(SignedEntry(at=_seconds(self.now), device=device_name))

    def service(self, who: Party, running: bool) -> None:
        """A push service starts, or is gone; with its node, that tells it."""
        if running and who.name not in self._up:
            if self.now > 0:
                self._event(who, NodeEvent.STARTS)
            self._up.add(who.name)
            return
        self._event(who, NodeEvent.PUSH_SERVICE_STARTS if running else NodeEvent.PUSH_SERVICE_STOPS)

    def died(self, who: Party) -> None:
        """A node is gone; the trace has just been told how."""
        if who.role is not Role.NODE:
            return
        self._up.discard(who.name)
        last = self.events[-1] if self.events else None
        if (
            last is not None
            and last.event is NodeEvent.PUSH_SERVICE_STOPS
            and last.node == who.name
        ):
            self.events.pop()
        how = next(
            str(entry[4])
            for entry in reversed(self.watch.trace.entries)
            if entry[1] == who.label and entry[2] == "*" and entry[4] in _DEATHS
        )
        self._event(who, _DEATHS[how])

    def _event(self, who: Party, event: NodeEvent) -> None:
        self.events.append(NodeEventEntry(at=_seconds(self.now), node=who.name, event=event))

    # Results.

    def outside(self) -> list[Seen]:
        """What passed between nodes and others."""
        return [each for each in self.seen if each.host not in self._hosts]

    def push_entries(self, devices: dict[str, str]) -> list[PushEntry]:
        """Pushes as notes have them; `devices`: what stands for a name that nobody knows."""
        return [push.entry(devices) for push in self.pushes]


class _Push:
    __slots__ = ("after", "at", "news", "node", "seen")

    def __init__(self, at: Instant, node: str, seen: SeenPush) -> None:
        self.at = at
        self.node = node
        self.seen = seen
        self.news: PushAnswered | PushLost | None = None
        self.after = 0

    def entry(self, devices: dict[str, str]) -> PushEntry:
        news = self.news
        body = news.body.decode("utf-8", "replace") if isinstance(news, PushAnswered) else ""
        return PushEntry(
            at=_seconds(self.at),
            node=self.node,
            device=devices.get(self.seen.device_name, self.seen.device_name),
            kind=self.seen.kind.value,
            names_node=self.seen.active_node,
            answer=news.status if isinstance(news, PushAnswered) else None,
            answer_body=body,
            lost=news.reason if isinstance(news, PushLost) else "",
            after_s=_seconds(Instant(self.after)),
        )


def _seconds(at: Instant) -> float:
    return at / SECOND
