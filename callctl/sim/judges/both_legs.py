"""I4: at rest no leg is up without its peer."""

from __future__ import annotations

from collections.abc import Sequence

from callctl.sim.party import Party
from callctl.sim.watch import Judge


class BothLegs(Judge):
    """Counts who still talks, by Call-ID.

    A BYE cannot get past a node or a connection that went away during the call; who is left then
    finds out by its media, which these phones do not have.
    """

    invariant = "I4"
    __slots__ = ()

    def rest(self, parties: Sequence[Party]) -> None:
        """At rest each Call-ID is at two parties, or at none."""
        talking: dict[str, list[str]] = {}
        for party in parties:
            for call_id in party.talking():
                talking.setdefault(call_id, []).append(party.label)
        for call_id, labels in talking.items():
            if len(labels) != 2 and call_id not in self.ledger.cut_off:
                self.blame(f"{' and '.join(labels)} in a call with nobody ({call_id})")
