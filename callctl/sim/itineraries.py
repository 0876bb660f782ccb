"""The numbers a call may come to, by the configuration alone: hunts and forwarding followed."""

from __future__ import annotations

from collections.abc import Iterator

from callctl.model.cluster import Cluster
from callctl.model.hunt_pilot import HuntPilot
from callctl.model.line import Line


def numbers_behind(cluster: Cluster, number: str) -> Iterator[str]:
    """`number` and all it may lead to, each once."""
    waiting, seen = [number], {number: None}
    while waiting:
        at = waiting.pop(0)
        yield at
        found = cluster.destination(at)
        following: list[str | None] = []
        if isinstance(found, Line):
            to = found.forwarding
            following = [to.all, to.busy, to.no_answer, to.unregistered]
            for device in cluster.devices_of_line.get(at, ()):
                owner = cluster.users.get(device.owner or "")
                following.append(None if owner is None else owner.mobility_identity)
        elif isinstance(found, HuntPilot):
            following = [*found.members, found.forward_unanswered]
        for each in following:
            if each is not None and each not in seen:
                seen[each] = None
                waiting.append(each)
