"""Draws a cluster of given sizes."""

from __future__ import annotations

from random import Random
from typing import Final

from callctl.model.build import android, desk_phone, iphone, make_cluster
from callctl.model.cluster import Cluster
from callctl.model.device import ClientType, Device
from callctl.model.line import Line
from callctl.model.node import CM_GROUP_MAX
from callctl.sim.world_file.draw_schema import DrawClusterEntry

FIRST_DN: Final = 4930_555_2000
LINE_NAMES: Final = ("Night Porter", "Reception", "Loading Dock", "Warehouse")
DESKS: Final = "desks"

IPHONE, ABROAD, ANDROID, DESK = "iphone", "iphone of a custom region", "android", "desk phone"


def draw_cluster(random: Random, sizes: DrawClusterEntry) -> Cluster:
    """As many of everything as the sizes allow."""
    nodes = [f"ucm{number}" for number in range(1, sizes.nodes.draw(random) + 1)]
    pools = [f"phones-{number}" for number in range(1, sizes.cm_groups.draw(random) + 1)]
    groups = {pool: random.sample(nodes, min(CM_GROUP_MAX, len(nodes))) for pool in (*pools, DESKS)}
    kinds = [
        *[IPHONE] * sizes.iphones.draw(random),
        *[ABROAD] * sizes.iphones_custom_region.draw(random),
        *[ANDROID] * sizes.androids.draw(random),
        *[DESK] * sizes.desk_phones.draw(random),
    ]
    random.shuffle(kinds)
    numbers = _line_numbers(random, len(kinds), sizes.shared_lines.draw(random))
    for _ in range(sizes.callers.draw(random)):
        kinds.append(DESK)
        numbers.append(numbers[-1] + 1 if numbers else 0)
    devices = [
        _device(random, kind, index, _dn(number), random.choice(pools), sizes)
        for index, (kind, number) in enumerate(zip(kinds, numbers, strict=True))
    ]
    lines = [
        Line(_dn(number), f"{LINE_NAMES[number % len(LINE_NAMES)]} {number}")
        for number in dict.fromkeys(numbers)
    ]
    return make_cluster(
        nodes=nodes,
        cm_groups=groups,
        device_pools={pool: pool for pool in groups},
        lines=lines,
        devices=devices,
        release=sizes.release,
    )


def _line_numbers(random: Random, devices: int, shared: int) -> list[int]:
    """The line of each device: those of shared lines first, then one for each."""
    shared = min(shared, devices // 2)
    sizes = [2] * shared
    left = devices - 2 * shared
    for line in range(shared):
        if left and random.random() < 0.4:
            sizes[line] += 1
            left -= 1
    sizes += [1] * left
    return [line for line, size in enumerate(sizes) for _ in range(size)]


def _device(
    random: Random, kind: str, index: int, dn: str, pool: str, sizes: DrawClusterEntry
) -> Device:
    owner = f"user-{dn}"
    standard = random.randrange(1000) < sizes.standard_clients
    client = ClientType.STANDARD if standard else ClientType.JABBER
    if kind is DESK:
        return desk_phone(owner, dn, name=f"SEPP{index}", device_pool=DESKS)
    if kind is ANDROID:
        return android(owner, dn, name=f"BOTP{index}", device_pool=pool, client=client)
    return iphone(
        owner,
        dn,
        name=f"TCTP{index}",
        device_pool=pool,
        client=client,
        custom_region=kind is ABROAD,
    )


def _dn(number: int) -> str:
    return str(FIRST_DN + number)
