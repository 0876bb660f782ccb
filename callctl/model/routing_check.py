"""What a cluster says about where calls go: numbers, hunts, trunks, forwarding, mobility.

Judged on the whole cluster, because a number may stand for a line of a bulk file, a hunt pilot or
a way out.
"""

from __future__ import annotations

from collections.abc import Iterator

from callctl.model.cluster import Cluster
from callctl.model.consistency import NOTHING_SPOILED, Mistake, Path, Spoiled, unknown
from callctl.model.line import NO_FORWARDING, Line
from callctl.model.trunk import RoutePattern

A_NUMBER = "a line, a hunt pilot, or a number that a route pattern matches"


def routing_mistakes(cluster: Cluster, spoiled: Spoiled = NOTHING_SPOILED) -> Iterator[Mistake]:
    """Everything that would send a call nowhere, in a circle, or to one of two places."""
    yield from _trunks(cluster, spoiled)
    yield from _patterns(cluster, spoiled)
    yield from _hunt_pilots(cluster, spoiled)
    for line in cluster.lines.values():
        if line.forwarding is not NO_FORWARDING:
            yield from _forwarding(cluster, line, spoiled)
    for user_id, user in cluster.users.items():
        if user.mobility_identity is not None:
            path = ("users", user_id, "mobility_identity")
            devices = cluster.devices_of_user.get(user_id, ())
            if any(user.mobility_identity in device.lines for device in devices):
                yield Mistake(path, "is the user's own line", "the number of the mobile network")
            else:
                yield from _target(cluster, path, user.mobility_identity, spoiled)


def _trunks(cluster: Cluster, spoiled: Spoiled) -> Iterator[Mistake]:
    ours = {
        (listener.host, listener.port): node.name
        for node in cluster.nodes.values()
        for listener in node.listeners
    }
    taken: dict[tuple[str, int], str] = {}
    for trunk in cluster.trunks.values():
        for index, destination in enumerate(trunk.destinations):
            path: Path = ("trunks", trunk.name, "destinations", index)
            place = (destination.host, destination.port)
            if place in ours:
                yield Mistake(path, f"{destination} is {ours[place]} itself", "a peer's address")
                continue
            if destination in trunk.destinations[:index]:
                yield Mistake(path, f"{destination} comes again", "each destination once")
            # A peer that calls is known by its address, over whatever transport it comes.
            other = taken.setdefault(place, trunk.name)
            if other != trunk.name:
                yield Mistake(path, f"{destination} is a destination of {other}", "one trunk's")
        name = trunk.sip_profile
        if name is None or name in cluster.sip_profiles or spoiled.covers("sip_profiles", name):
            continue
        path = ("trunks", trunk.name, "sip_profile")
        yield unknown(path, "SIP profile", name, cluster.sip_profiles)


def _patterns(cluster: Cluster, spoiled: Spoiled) -> Iterator[Mistake]:
    patterns = cluster.route_patterns
    for index, way in enumerate(patterns):
        path = ("route_patterns", way.pattern)
        for position, name in enumerate(way.trunks):
            if name not in cluster.trunks and not spoiled.covers("trunks", name):
                yield unknown((*path, "trunks", position), "trunk", name, cluster.trunks)
        if len(set(way.trunks)) != len(way.trunks):
            yield Mistake((*path, "trunks"), "names a trunk twice", "each trunk once")
        shortest = len(way.pattern)  # "!" stands for one digit at least
        if way.strip > shortest or (way.strip == shortest and not way.prefix):
            problem = f"is {way.strip}, and the shortest number that matches has {shortest}"
            expected = "fewer, so that something of the number is left"
            yield Mistake((*path, "strip"), problem, expected)
        if way.pattern in cluster.lines or way.pattern in cluster.hunt_pilots:
            kind = "line" if way.pattern in cluster.lines else "hunt pilot"
            yield Mistake(path, f"is a {kind}, which is found first", "a number of nobody inside")
        yield from _rivals(way, patterns[:index])


def _rivals(way: RoutePattern, before: tuple[RoutePattern, ...]) -> Iterator[Mistake]:
    for other in before:
        if way.rivals(other):
            yield Mistake(
                ("route_patterns", way.pattern),
                f"some numbers match {other.pattern} just as well",
                "patterns of which one is more exact, or that match different numbers",
            )
            return


def _hunt_pilots(cluster: Cluster, spoiled: Spoiled) -> Iterator[Mistake]:
    for pilot in cluster.hunt_pilots.values():
        path = ("hunt_pilots", pilot.dn)
        if pilot.dn in cluster.lines:
            yield Mistake(path, "is a line already", "a directory number of its own")
        for index, dn in enumerate(pilot.members):
            if dn not in cluster.lines and not spoiled.covers("lines", dn):
                yield unknown((*path, "members", index), "line", dn, cluster.lines)
        if len(set(pilot.members)) != len(pilot.members):
            yield Mistake((*path, "members"), "names a line twice", "each line once")
        target = pilot.forward_unanswered
        if target == pilot.dn:
            yield Mistake((*path, "forward_unanswered"), "is the hunt pilot itself", "another")
        elif target is not None:
            yield from _target(cluster, (*path, "forward_unanswered"), target, spoiled)


def _forwarding(cluster: Cluster, line: Line, spoiled: Spoiled) -> Iterator[Mistake]:
    path = ("lines", line.dn, "forwarding")
    for kind in ("all", "busy", "no_answer", "unregistered"):
        target: str | None = getattr(line.forwarding, kind)
        if target == line.dn:
            yield Mistake((*path, kind), "is the line itself", "another number")
        elif target is not None:
            yield from _target(cluster, (*path, kind), target, spoiled)
    # Other conditions may end a circle; where every call is forwarded nothing can.
    seen = [line.dn]
    onward = line.forwarding.all
    while onward is not None and onward not in seen and (there := cluster.lines.get(onward)):
        seen.append(onward)
        onward = there.forwarding.all
    if onward == line.dn and len(seen) > 1:
        yield Mistake((*path, "all"), f"goes round: {' to '.join([*seen, onward])}", "an end to it")


def _target(cluster: Cluster, path: Path, number: str, spoiled: Spoiled) -> Iterator[Mistake]:
    known = (
        cluster.destination(number) is not None
        or spoiled.covers("lines", number)
        or spoiled.covers("hunt_pilots", number)
        or spoiled.touches("route_patterns")
    )
    if not known:
        yield Mistake(path, f"{number!r} leads nowhere", A_NUMBER)
