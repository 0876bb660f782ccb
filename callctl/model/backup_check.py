"""Phones that have nowhere to go when a node is down: `callctl check` warns of them (CMG-02)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from callctl.model.cluster import Cluster
from callctl.model.consistency import Mistake
from callctl.model.device import Platform

MOBILE: Final = frozenset({Platform.IOS, Platform.ANDROID})


def backup_warnings(cluster: Cluster) -> Iterator[Mistake]:
    """CM groups of one node that have mobile phones, in a cluster that has more nodes."""
    if len(cluster.nodes) == 1:
        return
    phones = Counter(
        cluster.group_of(device).name
        for device in cluster.devices.values()
        if device.platform in MOBILE
    )
    for group in cluster.cm_groups.values():
        if len(group.nodes) == 1 and phones[group.name]:
            count = phones[group.name]
            whose = "a mobile phone" if count == 1 else f"{count} mobile phones"
            yield Mistake(
                ("cm_groups", group.name),
                f"{group.nodes[0]} has no backup: without it nothing wakes {whose}",
                "two or three nodes, in order (CMG-02)",
            )
