"""The addresses behind the name of the proxy: kept for an hour, tried in the order of the answer.

Source: PROXY-04 to PROXY-07, OP-35, OP-55.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final

from sipstack.timing import SECOND, Instant

LIFETIME_S: Final = 3_600  # PROXY-07: whatever the records say
UNANSWERED_S: Final = (
    60  # between questions while no name server answers and there is an old answer
)


class ProxyAddresses:
    """The answer of the DNS for one name, of one set of settings (OP-55)."""

    def __init__(self) -> None:
        self._addresses: tuple[str, ...] = ()
        self._until: Instant | None = None

    def known(self, now: Instant) -> tuple[str, ...] | None:
        """The addresses as kept; None if the name has to be asked for."""
        if self._until is None or now >= self._until:
            return None
        return self._addresses

    def answered(self, addresses: tuple[str, ...], now: Instant) -> tuple[str, ...]:
        """The DNS answered; () says that there is no such name, which is not kept."""
        self._addresses = tuple(dict.fromkeys(addresses))
        self._until = Instant(now + LIFETIME_S * SECOND) if addresses else None
        return self._addresses

    def unanswered(self, now: Instant) -> tuple[str, ...]:
        """No name server answered: the old addresses are better than none; () if there are none."""
        self._until = Instant(now + UNANSWERED_S * SECOND) if self._addresses else None
        return self._addresses


def in_turn(addresses: tuple[str, ...], used: str | None) -> tuple[str, ...]:
    """The addresses in the order to try them.

    Of a push that was sent over `used` and not answered, the next time begins with the one behind
    it, and does without it (PROXY-06).
    """
    if used is None:
        return addresses
    for place, address in enumerate(addresses):
        if ip_address(address) == ip_address(used):
            return addresses[place + 1 :] + addresses[:place]
    return addresses  # the name has moved meanwhile: each of them is another address
