"""Which nodes are in service, by their heartbeats.

A node that leaves in order says so and counts as gone at once; one that dies or is cut off is
suspected when its heartbeats stop. Source: CMG-10, OP-30; design section 2.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from callctl.cluster.event import ClusterEvent, Heartbeat, NodeLeaving
from sipstack.timing import Instant


@dataclass(frozen=True, slots=True)
class Publish:
    """Tell this to every other node."""

    event: ClusterEvent


@dataclass(frozen=True, slots=True)
class NodeUp:
    """A node came into service, or came back after a restart."""

    node: str


@dataclass(frozen=True, slots=True)
class NodeDown:
    """A node went out of service."""

    node: str


MembershipAction: TypeAlias = Publish | NodeUp | NodeDown


class Membership:
    """The view one node has of the others and of itself."""

    __slots__ = (
        "_beat_at",
        "_cpns",
        "_heard_at",
        "_heartbeat_ns",
        "_incarnation",
        "_incarnations",
        "_others",
        "_suspect_ns",
        "node",
    )

    def __init__(
        self,
        node: str,
        others: Iterable[str],
        *,
        heartbeat_ns: int,
        suspect_ns: int,
        incarnation: int = 1,
    ) -> None:
        self.node = node
        self._others = tuple(name for name in others if name != node)
        self._heartbeat_ns = heartbeat_ns
        self._suspect_ns = suspect_ns
        self._incarnation = incarnation
        self._incarnations: dict[str, int] = {}
        self._heard_at: dict[str, Instant] = {}  # members only: a node that is down is not in it
        self._cpns: dict[str, bool] = {node: True}
        self._beat_at: Instant | None = None

    def start(self, now: Instant) -> tuple[MembershipAction, ...]:
        """Come into service."""
        return self._beat(now)

    def stop(self) -> tuple[MembershipAction, ...]:
        """Leave in order; nothing is sent after this."""
        self._beat_at = None
        return (Publish(NodeLeaving(self.node)),)

    def set_cpns(self, running: bool, now: Instant) -> tuple[MembershipAction, ...]:
        """The push service of this node was started or stopped (CPNS-03)."""
        self._cpns[self.node] = running
        return self._beat(now)

    def receive(self, event: ClusterEvent, now: Instant) -> tuple[MembershipAction, ...]:
        """Heartbeats and leavings; other cluster events are not membership's."""
        if isinstance(event, Heartbeat) and event.node in self._others:
            known = self._incarnations.get(event.node)
            was_up = event.node in self._heard_at
            self._incarnations[event.node] = event.incarnation
            self._heard_at[event.node] = now
            self._cpns[event.node] = event.cpns
            if not was_up:
                return (NodeUp(event.node),)
            if known != event.incarnation:
                # It died and came back between two heartbeats: what it held is gone all the same.
                return (NodeDown(event.node), NodeUp(event.node))
        elif isinstance(event, NodeLeaving):
            return self._lose(event.node)
        return ()

    def advance(self, now: Instant) -> tuple[MembershipAction, ...]:
        """Send what heartbeat is due; suspect who was not heard for too long."""
        actions: list[MembershipAction] = []
        if self._beat_at is not None and self._beat_at <= now:
            actions.extend(self._beat(now))
        for node, heard_at in tuple(self._heard_at.items()):
            if now - heard_at >= self._suspect_ns:
                actions.extend(self._lose(node))
        return tuple(actions)

    def next_deadline(self) -> Instant | None:
        """The next heartbeat or suspicion."""
        if self._beat_at is None:
            return None
        heard_at = min(self._heard_at.values(), default=None)
        if heard_at is None:
            return self._beat_at
        return min(self._beat_at, Instant(heard_at + self._suspect_ns))

    def is_up(self, node: str) -> bool:
        """True for this node and for every other whose heartbeats arrive."""
        return node == self.node or node in self._heard_at

    def incarnation(self, node: str) -> int | None:
        """Which life of a node we know of; None if it was never heard."""
        return self._incarnation if node == self.node else self._incarnations.get(node)

    def in_service(self, node: str) -> bool:
        """Call processing and push service both up (OP-30)."""
        return self.is_up(node) and self._cpns.get(node, False)

    def _beat(self, now: Instant) -> tuple[MembershipAction, ...]:
        self._beat_at = Instant(now + self._heartbeat_ns)
        return (Publish(Heartbeat(self.node, self._incarnation, self._cpns[self.node])),)

    def _lose(self, node: str) -> tuple[MembershipAction, ...]:
        if self._heard_at.pop(node, None) is None:
            return ()
        return (NodeDown(node),)
