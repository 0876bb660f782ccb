"""The bus of a cluster whose nodes share one process: cluster events, in order, never at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from callctl.cluster.event import ClusterEvent

OnClusterEvent: TypeAlias = Callable[[ClusterEvent], None]


class Bus:
    """Takes what a node publishes to every other node that has joined.

    Delivery is the next turn of the event loop, so that a node never hears another in the middle of
    its own actions. Order is kept from each node to each other.
    """

    __slots__ = ("_loop", "_members")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._members: dict[str, OnClusterEvent] = {}

    def join(self, node: str, receive: OnClusterEvent) -> None:
        """`node` hears what others publish from now on; in place of an earlier life of it."""
        self._members[node] = receive

    def leave(self, node: str) -> None:
        """`node` hears nothing more, not even what is under way to it."""
        self._members.pop(node, None)

    def publish(self, sender: str, event: ClusterEvent) -> None:
        """Tell every other node."""
        for node, receive in self._members.items():
            if node != sender:
                self._loop.call_soon(self._deliver, node, receive, event)

    def _deliver(self, node: str, receive: OnClusterEvent, event: ClusterEvent) -> None:
        if self._members.get(node) is receive:
            receive(event)
