"""Phones on the move: they get other addresses, or lose their network for a while."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from random import Random
from typing import Final

from callctl.fleet.clockwork import Clockwork
from callctl.fleet.handset import Handset
from callctl.fleet.plan import Networks
from sipstack.timing import SECOND, Instant

LOOPBACKS: Final = (IPv4Address("127.1.0.1"), 1 << 20)
"""The first of the addresses that phones move to, and how many: all of them are this machine."""


@dataclass(slots=True)
class NetworkCounts:
    """What happened to phones."""

    changes: int = 0
    losses: int = 0
    away: int = 0  # now


class Churn:
    """Draws who moves when, until told to stop."""

    def __init__(
        self, clockwork: Clockwork, networks: Networks, phones: Sequence[Handset], random: Random
    ) -> None:
        self.counts = NetworkCounts()
        self._clockwork = clockwork
        self._networks = networks
        self._phones = phones
        self._random = random
        self._on = False

    def begin(self) -> None:
        """From now on."""
        self._on = True
        self._next(self._networks.changes, self._change)
        self._next(self._networks.losses, self._lose)

    def stop(self) -> None:
        """No more; who is away comes back in its time."""
        self._on = False

    def _next(self, rate: float, happens: Callable[[Handset], None]) -> None:
        """Let it happen to one phone, and to the next, at a rate per phone and second."""
        if not rate or not self._phones:
            return
        wait_ns = round(self._random.expovariate(rate * len(self._phones)) * SECOND)

        def due(now: Instant) -> None:
            if self._on:
                self._next(rate, happens)
                happens(self._random.choice(self._phones))

        self._clockwork.after(wait_ns, due)

    def _change(self, phone: Handset) -> None:
        if phone.wires.up:
            self.counts.changes += 1
            phone.find_network(self._address(phone))

    def _lose(self, phone: Handset) -> None:
        if not phone.wires.up:
            return
        self.counts.losses += 1
        self.counts.away += 1
        phone.lose_network()

        def back(now: Instant) -> None:
            self.counts.away -= 1
            phone.find_network(self._address(phone))

        self._clockwork.after(self._networks.away.draw(self._random), back)

    def _address(self, phone: Handset) -> str:
        """Another address where there is one to have: on this machine alone."""
        if not phone.wires.local_host.startswith("127."):
            return phone.wires.local_host
        first, count = LOOPBACKS
        return str(first + self._random.randrange(count))
