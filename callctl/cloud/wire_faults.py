"""Faults of connections: what happens to their octets, whatever these mean.

They act below TLS, on what an emulated server sends and gets.
Source: OP-35; RFC 9293 §3.5.1 (half-open connections).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from callctl.cloud.faults import PER_MILLE
from sipstack.entropy import Entropy
from sipstack.timing import SECOND, Instant


class WireEffect(Enum):
    """What a fault does to a connection."""

    REFUSE = "refuse"  # it is reset as soon as it is made
    RESET = "reset"  # it is reset in the middle
    BLACK_HOLE = "black hole"  # octets are taken, none come back, nobody closes: half-open
    DELAY = "delay"  # what the server sends comes late
    THROTTLE = "throttle"  # what the server sends comes slowly


@dataclass(frozen=True, slots=True)
class WireFault:
    """What goes wrong with connections, from now on: those that are open and those to come."""

    effect: WireEffect
    after_octets: int = 0  # RESET, BLACK_HOLE: once so many have gone to the client meanwhile
    delay_ns: int = 0
    octets_per_s: int = 0
    times: int | None = None  # so many connections
    per_mille: int = PER_MILLE  # how many connections of a thousand
    ends_at: Instant | None = None


class WireFaultInForce:
    """A fault, and which connections it was drawn for."""

    __slots__ = ("drawn", "fault", "hits", "number")

    def __init__(self, number: int, fault: WireFault) -> None:
        self.number = number
        self.fault = fault
        self.hits = 0
        self.drawn: dict[int, bool] = {}  # by connection


class WirePlan:
    """The faults in force, oldest first; the first that was drawn for a connection acts on it."""

    __slots__ = ("_added", "_entropy", "_faults")

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._added = 0
        self._faults: list[WireFaultInForce] = []

    def __iter__(self) -> Iterator[WireFaultInForce]:
        return iter(self._faults)

    def __len__(self) -> int:
        return len(self._faults)

    def add(self, fault: WireFault) -> int:
        """Put `fault` behind those in force. Returns: its number."""
        self._added += 1
        self._faults.append(WireFaultInForce(self._added, fault))
        return self._added

    def remove(self, number: int) -> bool:
        """End one fault; False if it is over already. What was done stays done."""
        before = len(self._faults)
        self._faults = [each for each in self._faults if each.number != number]
        return len(self._faults) < before

    def clear(self) -> None:
        """From now on all is well."""
        self._faults.clear()

    def acts_on(self, connection: int, now: Instant, *, new: bool = False) -> WireFault | None:
        """The fault that acts on this connection now; `new`: it has just been made."""
        if not self._faults:
            return None
        self._faults = [f for f in self._faults if f.fault.ends_at is None or now < f.fault.ends_at]
        for each in self._faults:
            if each.fault.effect is WireEffect.REFUSE and not new:
                continue
            hit = each.drawn.get(connection)
            if hit is None:
                hit = each.drawn[connection] = self._draw(each)
            if hit:
                return each.fault
        return None

    def forget(self, connection: int) -> None:
        """It is gone."""
        for each in tuple(self._faults):
            hit = each.drawn.pop(connection, False)
            is_over = each.hits == each.fault.times and not any(each.drawn.values())
            if hit and is_over:
                self._faults.remove(each)

    def _draw(self, each: WireFaultInForce) -> bool:
        fault = each.fault
        if fault.times is not None and each.hits >= fault.times:
            return False
        if fault.per_mille < PER_MILLE and self._entropy.below(PER_MILLE) >= fault.per_mille:
            return False
        each.hits += 1
        return True


def pace_ns(fault: WireFault, octets: int) -> int:
    """How long after the piece before it a piece of `octets` may reach the client."""
    if fault.effect is WireEffect.DELAY:
        return fault.delay_ns
    if fault.effect is WireEffect.THROTTLE:
        return octets * SECOND // max(1, fault.octets_per_s)
    return 0


CERTIFICATE_FAULTS: Final = {
    "expired": "expired",
    "not_yet_valid": "not valid yet",
    "wrong_host": "for another host",
    "self_signed": "signed by itself",
    "weak_key": "for a key that is too short",
}
"""What can be wrong with the certificate that a server shows, and how that is said."""
