"""Draws where calls go beside their line: hunts, forwarding, mobility identities, trunks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Final

from callctl.model.build import make_user
from callctl.model.hunt_pilot import Distribution, HuntPilot
from callctl.model.line import Forwarding, Line
from callctl.model.trunk import RoutePattern, SipTrunk, TrunkCredentials, TrunkDestination
from callctl.model.user import Secret, User

PILOT_DN: Final = "4930555990"
OUTSIDE: Final = "004989123456"
TRUNK: Final = "PSTN"


@dataclass(frozen=True, slots=True)
class Routing:
    """What the cluster knows of it."""

    lines: tuple[Line, ...]
    users: tuple[User, ...]
    hunt_pilots: tuple[HuntPilot, ...]
    trunks: tuple[SipTrunk, ...]
    route_patterns: tuple[RoutePattern, ...]

    @property
    def numbers(self) -> tuple[str, ...]:
        """Numbers that can be dialled beside lines."""
        outside = (OUTSIDE,) if self.trunks else ()
        return (*(pilot.dn for pilot in self.hunt_pilots), *outside)


def draw_routing(random: Random, lines: list[Line], called: list[str]) -> Routing:
    """`called`: the lines that calls are for; the others are those of callers."""
    trunks = _trunks(random) if random.random() < 0.2 else ()
    numbers = [line.dn for line in lines] + ([OUTSIDE] if trunks else [])
    pilots: tuple[HuntPilot, ...] = ()
    if random.random() < 0.3:
        pilots = (_pilot(random, called, numbers),)
        numbers.append(PILOT_DN)
    forwarded = tuple(
        replace(line, forwarding=_forwarding(random, line.dn, numbers, called))
        if line.dn in called and random.random() < 0.25
        else line
        for line in lines
    )
    users = tuple(
        replace(
            make_user(f"user-{dn}"),
            mobility_identity=random.choice([it for it in numbers if it != dn]),
        )
        for dn in called
        if random.random() < 0.2
    )
    patterns = (RoutePattern("00!", (TRUNK,)),) if trunks else ()
    return Routing(forwarded, users, pilots, trunks, patterns)


def _pilot(random: Random, called: list[str], numbers: list[str]) -> HuntPilot:
    members = random.sample(called, random.randint(1, len(called)))
    return HuntPilot(
        PILOT_DN,
        tuple(members),
        random.choice(tuple(Distribution)),
        member_ring_s=random.choice((3, 8, 13, 20)),
        forward_unanswered=random.choice(numbers) if random.random() < 0.3 else None,
    )


def _forwarding(random: Random, dn: str, numbers: list[str], called: list[str]) -> Forwarding:
    others = [number for number in numbers if number != dn]

    def somewhere() -> str | None:
        return random.choice(others) if random.random() < 0.6 else None

    # Only to lines that forward nothing themselves: a circle of these is a mistake.
    ends = [number for number in others if number not in called]
    always = random.choice(ends) if random.random() < 0.1 else None
    return Forwarding(
        always, somewhere(), somewhere(), somewhere(), no_answer_s=random.choice((1, 4, 12))
    )


def _trunks(random: Random) -> tuple[SipTrunk, ...]:
    transport = random.choice(("UDP", "UDP", "TCP"))
    destinations = tuple(
        TrunkDestination(transport, f"192.0.2.{90 + index}", 5060)
        for index in range(random.randint(1, 2))
    )
    return (
        SipTrunk(
            TRUNK,
            destinations,
            options_ping_s=random.choice((0, 3600)),  # so seldom that all can come to rest
            try_s=random.choice((1, 4)),
            outbound=TrunkCredentials("cluster", Secret("trunk-secret")),
        ),
    )
