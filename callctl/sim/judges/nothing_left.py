"""I13: at rest no timer, parked call, push job, transaction or task is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from callctl.sim.party import Party
from callctl.sim.watch import Judge

MAY_STAY: Final = frozenset({"streams"})
"""Idle connections of registered phones; everything else has to be gone."""


def left(party: Party) -> dict[str, int]:
    """What a party still holds and should not, by name."""
    return {name: count for name, count in party.counts().items() if count and name not in MAY_STAY}


class NothingLeft(Judge):
    """Asks everybody for its counts."""

    invariant = "I13"
    __slots__ = ()

    def rest(self, parties: Sequence[Party]) -> None:
        """At rest all of them are zero."""
        for party in parties:
            held = left(party)
            talking = party.talking()
            stranded = talking and all(call_id in self.ledger.cut_off for call_id in talking)
            if held and not stranded:  # who talks to somebody that was lost, see I4
                self.blame(f"{party.label} still holds {held}")
