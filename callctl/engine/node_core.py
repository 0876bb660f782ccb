"""One node as its shell sees it: the engine and the push service beside it, behind the three doors.

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
from callctl.push.cpns import Cpns
from callctl.push.events import (
    AbandonPush,
    ChannelAction,
    CpnsAction,
    PostPush,
    PushAnswered,
    PushLost,
    PushOutcome,
    ServiceStarted,
    ServiceStopped,
    TokenChanged,
    TokenFetched,
    TokenFetchLost,
)
from callctl.push.events import Ignored as PushIgnored
from sipstack.timing import Instant
from sipstack.transaction.events import Ignored
from sipstack.transport.flow import CloseFlow, Send

PushEvent: TypeAlias = PushAnswered | PushLost | TokenChanged | TokenFetched | TokenFetchLost
NodeEvent: TypeAlias = EngineEvent | PushEvent
NodeAction: TypeAlias = (
    Send
    | CloseFlow
    | Publish
    | PostPush
    | AbandonPush
    | ChannelAction
    | LookUp
    | FaultContained
    | Ignored
)


class NodeCore:
    """Engine and push service of one node, kept in step."""

    __slots__ = ("cpns", "engine", "name")

    def __init__(self, engine: Engine, cpns: Cpns) -> None:
        self.name = engine.name
        self.engine = engine
        self.cpns = cpns

    def start(self, now: Instant) -> tuple[NodeAction, ...]:
        """Come into service."""
        return self._from_engine(self.engine.start(now), now)

    def stop(self, now: Instant) -> tuple[NodeAction, ...]:
        """Leave the cluster in order. The node is not to be used any more."""
        return self._from_engine(self.engine.stop(now), now)

    def receive(self, event: NodeEvent, now: Instant) -> tuple[NodeAction, ...]:
        """What an event leads to, in order."""
        if isinstance(event, PushEvent):
            return self._from_cpns(self.cpns.receive(event, now), now)
        if isinstance(event, CpnsChanged):
            changed = ServiceStarted() if event.running else ServiceStopped()
            return (
                *self._from_cpns(self.cpns.receive(changed, now), now),
                *self._from_engine(self.engine.receive(event, now), now),
            )
        return self._from_engine(self.engine.receive(event, now), now)

    def advance(self, now: Instant) -> tuple[NodeAction, ...]:
        """Fire every timer that is due: the push service's first, its outcomes free calls."""
        return (
            *self._from_cpns(self.cpns.advance(now), now),
            *self._from_engine(self.engine.advance(now), now),
        )

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        first, second = self.engine.next_deadline(), self.cpns.next_deadline()
        if first is None or (second is not None and second < first):
            return second
        return first

    def counts(self) -> dict[str, int]:
        """What is alive; all zero at rest but idle streams and remembered rings (I13)."""
        return {**self.engine.counts(), **self.cpns.counts()}

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
                out += self._from_cpns(self.cpns.receive(action.intent, now), now)
            elif isinstance(action, WithdrawPush):
                out += self._from_cpns(self.cpns.receive(action.withdrawn, now), now)
            else:
                out.append(action)
        return tuple(out)

    def _from_cpns(self, actions: tuple[CpnsAction, ...], now: Instant) -> tuple[NodeAction, ...]:
        out: list[NodeAction] = []
        for action in actions:
            if isinstance(action, PushOutcome):
                out += self._from_engine(self.engine.receive(action, now), now)
            elif isinstance(action, PushIgnored):
                out.append(Ignored(action.reason, action.detail))
            else:
                out.append(action)
        return tuple(out)
