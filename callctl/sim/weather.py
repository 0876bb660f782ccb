"""What a network does to what travels: it delays, loses, doubles and reorders."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

from sipstack.timing import MS

RESEND_NS: Final = 200 * MS
"""A stream whose segment was lost brings it this much later, twice as late each time (RFC 6298)."""

RESENDS_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class Weather:
    """The manners of a link. Shares are of a thousand, delays in ns and evenly spread."""

    loss: int = 0
    duplicates: int = 0
    delay_min_ns: int = 0
    delay_max_ns: int = 0  # above the least, datagrams overtake each other

    def delay(self, random: Random) -> int:
        """How long one packet takes, in ns."""
        spread = self.delay_max_ns - self.delay_min_ns
        return self.delay_min_ns + (int(random.random() * spread) if spread else 0)

    def loses(self, random: Random) -> bool:
        """True if this packet is lost."""
        return self.loss > 0 and random.random() * 1000 < self.loss

    def doubles(self, random: Random) -> bool:
        """True if this datagram comes twice."""
        return self.duplicates > 0 and random.random() * 1000 < self.duplicates

    def stream_delay(self, random: Random) -> int:
        """How long a piece of a stream takes: nothing is lost, but what was, comes late."""
        delay = self.delay(random)
        resend_ns = RESEND_NS
        for _ in range(RESENDS_MAX):
            if not self.loses(random):
                break
            delay += resend_ns
            resend_ns *= 2
        return delay


STILL: Final = Weather()
"""Everything arrives in the instant it was sent: for stories that count nanoseconds."""

CALM: Final = Weather(delay_min_ns=MS, delay_max_ns=MS)
"""A good network: what a run settles in."""
