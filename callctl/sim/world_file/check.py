"""What the parts of a world file say about one another: names, times, what cannot be drawn."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from ipaddress import ip_address
from typing import Final

from callctl.model.cluster import Cluster
from callctl.model.consistency import Mistake, Path, one_of, unknown
from callctl.model.device import ClientType
from callctl.sim.cloud_way import Way
from callctl.sim.judges import INVARIANTS
from callctl.sim.scenario import CALLS_FROM_NS, Trouble
from callctl.sim.world_file.draw_schema import DrawClusterEntry
from callctl.sim.world_file.place import PEERS_MAX, Placed, transports_of
from callctl.sim.world_file.schema import TroubleEntry, WorldFile
from callctl.sim.world_file.values import seconds_text

DEVICES_MAX: Final = 500
NODES_DRAWN_MAX: Final = 9

AT_NODE: Final = frozenset(
    {
        Trouble.STOP,
        Trouble.KILL,
        Trouble.POWER_OFF,
        Trouble.RESTART,
        Trouble.CPNS_STOP,
        Trouble.CPNS_START,
        Trouble.CPNS_HANG,
        Trouble.CPNS_GO_ON,
        Trouble.CPNS_KILL,
    }
)
"""Troubles of one node."""

UNREACHABLE: Final = frozenset({Trouble.CLOUD_GONE, Trouble.CI_GONE, Trouble.FIRST_ADDRESS_GONE})
"""Troubles that say how far a connection comes."""


def world_mistakes(file: WorldFile, found: Placed | None) -> Iterator[Mistake]:
    """Everything that a single value does not show. `found`: the cluster of the file, if any."""
    yield from _draw_mistakes(file, found)
    yield from _judge_mistakes(file)
    if found is None:
        yield from _without_cluster(file)
        return
    cluster = found.cluster
    yield from _device_mistakes(file, cluster)
    yield from _call_mistakes(file, found)
    if file.faults is not None:
        for index, trouble in enumerate(file.faults.troubles):
            for mistake in _trouble_mistakes(trouble, file, found):
                path: Path = ("faults", "troubles", index, *mistake.path)
                yield mistake._replace(path=path)


def taking_part(file: WorldFile, cluster: Cluster) -> list[str]:
    """Names of the devices that take part, in the order of the cluster."""
    return [
        device.name
        for device in cluster.devices.values()
        if device.owner is not None and (not file.devices or device.name in file.devices)
    ]


def _draw_mistakes(file: WorldFile, found: Placed | None) -> Iterator[Mistake]:
    draw = file.draw
    if draw.cluster is not None:
        if found is not None:
            yield Mistake(("draw", "cluster"), "is given beside a cluster", "one of the two")
        yield from _size_mistakes(draw.cluster)
    if draw.calls is not None and "calls" in file.model_fields_set:
        yield Mistake(("draw", "calls"), "is given beside calls", "one of the two")
    listed = file.faults is not None and "troubles" in file.faults.model_fields_set
    if draw.troubles is not None and listed:
        yield Mistake(("draw", "troubles"), "is given beside faults.troubles", "one of the two")
    if draw.habits is not None and draw.habits.answers + draw.habits.declines > 1000:
        path = ("draw", "habits", "declines")
        yield Mistake(path, "is with answers more than 100 per cent", "100 at most, together")


def _size_mistakes(sizes: DrawClusterEntry) -> Iterator[Mistake]:
    if not 1 <= sizes.nodes.low <= sizes.nodes.high <= NODES_DRAWN_MAX:
        path = ("draw", "cluster", "nodes")
        yield Mistake(path, "is out of range", f"1 to {NODES_DRAWN_MAX}")
    for key in ("callers", "cm_groups"):
        if getattr(sizes, key).low < 1:
            yield Mistake(("draw", "cluster", key), "can be 0", "at least 1")
    kinds = (sizes.iphones, sizes.iphones_custom_region, sizes.androids, sizes.desk_phones)
    if sum(kind.low for kind in kinds) < 1:
        path = ("draw", "cluster", "iphones")
        yield Mistake(path, "leaves nobody to call", "a phone of any kind at least")


def _judge_mistakes(file: WorldFile) -> Iterator[Mistake]:
    for index, name in enumerate(file.judges):
        if name not in INVARIANTS:
            problem = f"there is no judge of {name!r}"
            yield Mistake(("judges", index), problem, one_of(name, INVARIANTS))


def _without_cluster(file: WorldFile) -> Iterator[Mistake]:
    """The names of a cluster that is drawn are not known before."""
    expected = "a cluster in this file, whose names can be used"
    for key in ("devices", "phones", "desk_phones", "peers", "calls"):
        if getattr(file, key):
            yield Mistake((key,), "names devices of a cluster that is drawn", expected)
    faults = file.faults
    for index, trouble in enumerate(faults.troubles if faults is not None else ()):
        if trouble.whom:
            path: Path = ("faults", "troubles", index, "whom")
            yield Mistake(path, "names a part of a cluster that is drawn", expected)
        elif trouble.what in AT_NODE | {Trouble.CUT, Trouble.NEW_TARGETS}:
            path = ("faults", "troubles", index)
            yield Mistake(path, "strikes a cluster that is drawn", expected)
    for key in ("callers", "targets"):
        if file.draw.calls is not None and getattr(file.draw.calls, key):
            path = ("draw", "calls", key)
            yield Mistake(path, "names devices of a cluster that is drawn", expected)


def _device_mistakes(file: WorldFile, cluster: Cluster) -> Iterator[Mistake]:
    for index, name in enumerate(file.devices):
        if name not in cluster.devices:
            yield unknown(("devices", index), "device", name, cluster.devices)
        elif cluster.devices[name].owner is None:
            problem = f"{name} has no owner to register with"
            yield Mistake(("devices", index), problem, "a device that has one")
    names = taking_part(file, cluster)
    if len(names) > DEVICES_MAX:
        problem = f"{len(names)} devices take part"
        yield Mistake(("devices",), problem, f"at most {DEVICES_MAX}, listed here")
    for key, mobile in (("phones", True), ("desk_phones", False)):
        known = [name for name in names if cluster.devices[name].mobile is mobile]
        noun = "mobile phone that takes part" if mobile else "other device that takes part"
        for name, entry in getattr(file, key).items():
            if name not in known:
                yield unknown((key, name), noun, name, known)
            elif entry.host is not None:
                yield from _host_mistakes((key, name, "host"), entry.host)
    for name in names:
        device = cluster.devices[name]
        transports = transports_of(cluster, device)
        section = "phones" if device.mobile else "desk_phones"
        given = getattr(file, section).get(name)
        usable = [it for it in transports if not device.mobile or it != "UDP"]
        if not usable:
            pool = device.device_pool
            problem = f"no transport for {name} that all nodes behind {pool} have"
            yield Mistake(("cluster",), problem, "listeners for tls or tcp at each")
        elif given is not None and given.transport and given.transport.upper() not in usable:
            path = (section, name, "transport")
            expected = " or ".join(usable).lower()
            yield Mistake(path, f"{given.transport} is not taken by its nodes", expected)


def _host_mistakes(path: Path, host: str) -> Iterator[Mistake]:
    try:
        ip_address(host)
    except ValueError:
        yield Mistake(path, f"{host!r} is not a numeric address", "one such as 198.51.100.1")


def _call_mistakes(file: WorldFile, found: Placed) -> Iterator[Mistake]:
    cluster = found.cluster
    if len(found.destinations) > PEERS_MAX:
        problem = f"its trunks have {len(found.destinations)} destinations"
        yield Mistake(("cluster",), problem, f"at most {PEERS_MAX}")
    for text in file.peers:
        if text not in found.destinations:
            yield unknown(("peers", text), "trunk destination", text, found.destinations)
    callers = [*taking_part(file, cluster), *found.destinations]
    for index, call in enumerate(file.calls):
        if call.at < CALLS_FROM_NS:
            yield Mistake(
                ("calls", index, "at"),
                f"is {seconds_text(call.at)}",
                f"at least {seconds_text(CALLS_FROM_NS)}, when everybody has registered",
            )
        yield from _party_mistakes(("calls", index, "caller"), "caller", call.caller, callers)
        yield from _number_mistakes(("calls", index, "target"), call.target, cluster)
    calls = file.draw.calls
    if calls is not None:
        for index, caller in enumerate(calls.callers):
            path: Path = ("draw", "calls", "callers", index)
            yield from _party_mistakes(path, "caller", caller, callers)
        for index, target in enumerate(calls.targets):
            yield from _number_mistakes(("draw", "calls", "targets", index), target, cluster)
    if "calls" not in file.model_fields_set and not (calls is not None and calls.callers):
        fixed = [
            name for name in callers if name not in cluster.devices or not _mobile(cluster, name)
        ]
        if not fixed:
            yield Mistake(
                ("calls",), "is missing, and there is no desk phone to draw callers from", "calls"
            )


def _mobile(cluster: Cluster, name: str) -> bool:
    return cluster.devices[name].mobile


def _party_mistakes(path: Path, noun: str, name: str, known: Collection[str]) -> Iterator[Mistake]:
    if name not in known:
        yield unknown(path, noun, name, known)


def _number_mistakes(path: Path, number: str, cluster: Cluster) -> Iterator[Mistake]:
    if cluster.destination(number) is None:
        known = [*cluster.lines, *cluster.hunt_pilots]
        yield unknown(path, "number", number, known)


def _trouble_mistakes(trouble: TroubleEntry, file: WorldFile, found: Placed) -> Iterator[Mistake]:
    """Whom and how, as each trouble wants it; paths begin at the field."""
    cluster = found.cluster
    names = taking_part(file, cluster)
    known: Collection[str] = ()
    count = 0
    noun = "node"
    if trouble.what in AT_NODE:
        count, known = 1, cluster.nodes
    elif trouble.what is Trouble.CUT:
        count, known, noun = 2, [*cluster.nodes, *names, *found.destinations], "party"
    elif trouble.what is Trouble.NEW_TARGETS:
        noun = "phone that signs in"
        count, known = 1, [name for name in names if _signs_in(cluster, name)]
    if len(trouble.whom) != count:
        words = {0: "nobody", 1: f"one {noun}", 2: "two nodes, devices or addresses"}
        yield Mistake(("whom",), f"names {len(trouble.whom)}", words[count])
    else:
        for index, name in enumerate(trouble.whom):
            if name not in known and not (trouble.what is Trouble.CUT and _is_address(name)):
                yield unknown(("whom", index), noun, name, known)
    ways = "connect, tls, proxy or black hole"
    if (trouble.how is None) is (trouble.what in UNREACHABLE):
        problem = (
            "is missing" if trouble.how is None else f"does not belong to {trouble.what.value}"
        )
        yield Mistake(("how",), problem, ways if trouble.how is None else "nothing")
    elif trouble.how is Way.OPEN:
        yield Mistake(("how",), "is open, which is no trouble", ways)


def _signs_in(cluster: Cluster, name: str) -> bool:
    device = cluster.devices[name]
    return device.mobile and device.client is not ClientType.STANDARD


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
