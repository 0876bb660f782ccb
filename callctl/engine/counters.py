"""What a node's call processing counts: the counters of CallManager and of Mobility Manager.

Pushes count if their subscriber service is one of Apple's; `PushesUnderWay` knows when. Those for
Android change none of these counters; `pushes` counts them beside Apple's, for the project's own
metrics.

Source: CHN-08, MOB-02 to MOB-06, CTR-01 to CTR-05.
"""

from __future__ import annotations

from typing import Final

from callctl.call.event import MobilityOutcome
from callctl.push.events import Outcome
from callctl.push.kind import PushKind
from callctl.registration.push_binding import PushBinding
from callctl.serviceability.counter_catalogue import (
    COUNTERS,
    CUSTOM_REGION_CALL,
    CUSTOM_REGION_CANCEL,
    CUSTOM_REGION_MISSED,
    PUSH_ERROR_RES_RECEIVED,
    PUSH_REQ_SENT,
    PUSH_RES_RECEIVED,
    Part,
)
from callctl.serviceability.counters import SERVICES, CounterTable
from sipstack.timing import Instant

APNS: Final = "APNS"  # begins the name of every subscriber service of Apple's

CUSTOM_REGION: Final = {
    PushKind.INCOMING: CUSTOM_REGION_CALL,
    PushKind.MISSED: CUSTOM_REGION_MISSED,
    PushKind.ANSWERED_ELSEWHERE: CUSTOM_REGION_CANCEL,
    PushKind.CANCELLED: CUSTOM_REGION_CANCEL,
}
OWN: Final = tuple(name for name, entry in COUNTERS.items() if entry.part is Part.CALL_CONTROL)
"""The counters that call processing moves."""


class Counters:
    """Counts by the names of the catalogue; every name is there from the start."""

    __slots__ = ("pushes", "table")

    def __init__(self) -> None:
        self.table = CounterTable()
        self.pushes: dict[tuple[str, PushKind, Outcome], int] = {}
        """Ended pushes by subscriber service, kind and outcome: not counters of the product."""

    @property
    def values(self) -> dict[str, int]:
        """Where the counters of call processing stand."""
        totals = self.table.totals
        return {name: totals[name] for name in OWN}

    def start(self, now: Instant) -> None:
        """The node comes into service: every count begins (OP-25)."""
        for service in SERVICES:
            self.table.start(service, now)

    def ended(self, binding: PushBinding, kind: PushKind, outcome: Outcome) -> None:
        """A push has its outcome, whatever service it was for."""
        key = (binding.subscriber_service, kind, outcome)
        self.pushes[key] = self.pushes.get(key, 0) + 1

    def sent(self, binding: PushBinding, kind: PushKind) -> None:
        """A request was written over a TLS session with Push REST (OP-21, OP-23)."""
        if not binding.subscriber_service.startswith(APNS):
            return
        totals = self.table.totals
        totals[PUSH_REQ_SENT] += 1
        if binding.custom_region and kind in CUSTOM_REGION:
            totals[CUSTOM_REGION[kind]] += 1

    def answered(self, binding: PushBinding, status: int) -> None:
        """Push REST answered a request."""
        if not binding.subscriber_service.startswith(APNS):
            return
        self.table.totals[PUSH_RES_RECEIVED] += 1
        if status != 200:
            self.table.totals[PUSH_ERROR_RES_RECEIVED] += 1

    def failed(self, binding: PushBinding) -> None:
        """A request got no answer, or there was no TLS session to send it over (CTR-05)."""
        if binding.subscriber_service.startswith(APNS):
            self.table.totals[PUSH_ERROR_RES_RECEIVED] += 1

    def extended(self, outcome: MobilityOutcome) -> None:
        """The wait of an iPhone with a mobility identity has ended (MOB-06)."""
        self.table.totals[outcome.value] += 1
