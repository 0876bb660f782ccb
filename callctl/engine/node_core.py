"""CallManager of one node as its shell sees it: the engine and its link to the push service.

The engine hands pushes to the push service of its own node and to no other (CPNS-03); what comes
of them goes straight back. Everything else is for the shell.
"""

from __future__ import annotations

from typing import TypeAlias

from callctl.cluster.membership import Publish
from callctl.engine.engine import Engine
from callctl.engine.event import (
    CpnsChanged,
    EngineAction,
    EngineEvent,
    FaultContained,
    LookUp,
    SendPush,
    WithdrawPush,
)
from callctl.push.call_manager_link import (
    CallManagerLink,
    LinkAction,
    LinkClosed,
    LinkEvent,
    LinkOctets,
    LinkOpened,
    LinkOutput,
    ServiceReached,
)
from callctl.push.events import Ignored as PushIgnored
from callctl.push.events import PushOutcome, PushSent
from callctl.serviceability.condition import Condition
from sipstack.timing import Instant
from sipstack.transaction.events import Ignored
from sipstack.transport.flow import CloseFlow, Send

NodeEvent: TypeAlias = EngineEvent | LinkEvent
NodeAction: TypeAlias = (
    Send | CloseFlow | Publish | LinkOutput | LookUp | FaultContained | Condition | Ignored
)


class NodeCore:
    """Engine and link of one node, kept in step."""

    __slots__ = ("engine", "link", "name")

    def __init__(self, engine: Engine) -> None:
        self.name = engine.name
        self.engine = engine
        self.link = CallManagerLink(engine.name)

    def start(self, now: Instant) -> tuple[NodeAction, ...]:
        """Come into service."""
        return (
            *self._from_link(self.link.start(now), now),
            *self._from_engine(self.engine.start(now), now),
        )

    def stop(self, now: Instant) -> tuple[NodeAction, ...]:
        """Leave the cluster in order. The node is not to be used any more."""
        return (
            *self._from_engine(self.engine.stop(now), now),
            *self._from_link(self.link.stop(), now),
        )

    def look_for_service(self, now: Instant) -> tuple[NodeAction, ...]:
        """The push service of this node was just started."""
        return self._from_link(self.link.look_again(), now)

    def receive(self, event: NodeEvent, now: Instant) -> tuple[NodeAction, ...]:
        """What an event leads to, in order."""
        if isinstance(event, LinkOctets | LinkOpened | LinkClosed):
            return self._from_link(self.link.receive(event, now), now)
        return self._from_engine(self.engine.receive(event, now), now)

    def advance(self, now: Instant) -> tuple[NodeAction, ...]:
        """Fire every timer that is due: the link's first, its outcomes free calls."""
        return (
            *self._from_link(self.link.advance(now), now),
            *self._from_engine(self.engine.advance(now), now),
        )

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        first, second = self.engine.next_deadline(), self.link.next_deadline()
        if first is None or (second is not None and second < first):
            return second
        return first

    def counts(self) -> dict[str, int]:
        """What is alive; all zero at rest but idle streams (I13)."""
        return {**self.engine.counts(), **self.link.counts()}

    def _from_engine(
        self, actions: tuple[EngineAction, ...], now: Instant
    ) -> tuple[NodeAction, ...]:
        for action in actions:
            if isinstance(action, SendPush | WithdrawPush):
                break
        else:
            return actions  # type: ignore[return-value]  # nothing in it is for the push service
        out: list[NodeAction] = []
        for action in actions:
            if isinstance(action, SendPush):
                out += self._from_link(self.link.push(action.intent, now), now)
            elif isinstance(action, WithdrawPush):
                out += self._from_link(self.link.withdraw(action.withdrawn), now)
            else:
                out.append(action)
        return tuple(out)

    def _from_link(self, actions: tuple[LinkAction, ...], now: Instant) -> tuple[NodeAction, ...]:
        out: list[NodeAction] = []
        for action in actions:
            if isinstance(action, PushOutcome | PushSent):
                out += self._from_engine(self.engine.receive(action, now), now)
            elif isinstance(action, ServiceReached):
                changed = CpnsChanged(action.reached)
                out += self._from_engine(self.engine.receive(changed, now), now)
            elif isinstance(action, PushIgnored):
                out.append(Ignored(action.reason, action.detail))
            else:
                out.append(action)
        return tuple(out)
