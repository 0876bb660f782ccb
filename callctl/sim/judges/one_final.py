"""I1: each INVITE that was taken gets exactly one distinct final response."""

from __future__ import annotations

from collections.abc import Sequence

from callctl.sim.glance import Glance
from callctl.sim.party import Party, Role
from callctl.sim.watch import Judge
from sipstack.transport.flow import Flow


class OneFinal(Judge):
    """As the sender of each INVITE sees it, at every hop.

    Further 2xx of a fork, and a 2xx that comes late, are the only exceptions (RFC 3261 §16.7). Who
    dies takes its transactions along: that call fails, its sender's timers see to it (CALL-22). A
    phone cannot answer over a connection that is gone.
    """

    invariant = "I1"
    __slots__ = ()

    def sent(self, who: Party, flow: Flow, seen: Glance) -> None:
        """Compare a final response with those before."""
        if seen.status < 200 or seen.method != "INVITE":
            return
        taken = self.ledger.taken.get((who.label, seen.branch))
        if taken is None:
            self.blame(f"{who.label} answers {seen.status} to an INVITE it never got")
            return
        if seen.status < 300:
            return
        before = [(status, tag) for _, status, tag in taken.finals]
        if before and (seen.status, seen.to_tag) not in before:
            self.blame(f"{who.label} answers {seen.status} after {before[0][0]} ({seen.call_id})")

    def rest(self, parties: Sequence[Party]) -> None:
        """At rest nothing may be left without an answer."""
        alive = {party.label: party.role for party in parties}
        for taken in self.ledger.taken.values():
            role = alive.get(taken.label)
            if taken.finals or role is None:
                continue
            if role is Role.NODE or taken.call_id not in self.ledger.cut_off:
                self.blame(f"{taken.label} never answered the INVITE of {taken.call_id}")
