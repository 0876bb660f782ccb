"""The performance counters of a node's call processing (Table G1): cumulative since its start.

Source: CHN-08, MOB-02 to MOB-06, CTR-01 to CTR-04.
"""

from __future__ import annotations

from typing import Final

from callctl.call.event import MobilityOutcome
from callctl.push.kind import PushKind
from callctl.registration.push_binding import PushBinding

APNS: Final = "APNS"  # begins the name of every subscriber service of Apple's

CUSTOM_REGION: Final = {
    PushKind.INCOMING: "CustomRegionNumofMsgPushReqSent",
    PushKind.MISSED: "CustomRegionNumofMissedCallMsgPushReqSent",
    PushKind.ANSWERED_ELSEWHERE: "CustomRegionNumofSharedCancelMsgPushReqSent",
    PushKind.CANCELLED: "CustomRegionNumofSharedCancelMsgPushReqSent",
}


class Counters:
    """Counts by the names of the catalogue; every name is there from the start."""

    __slots__ = ("values",)

    def __init__(self) -> None:
        names = [*CUSTOM_REGION.values(), *(outcome.value for outcome in MobilityOutcome)]
        self.values: dict[str, int] = dict.fromkeys(names, 0)

    def pushed(self, kind: PushKind, binding: PushBinding) -> None:
        """A call push was wanted for a device; only those for custom regions count here."""
        if binding.custom_region and binding.subscriber_service.startswith(APNS):
            self.values[CUSTOM_REGION[kind]] += 1

    def extended(self, outcome: MobilityOutcome) -> None:
        """The wait of an iPhone with a mobility identity has ended (MOB-06)."""
        self.values[outcome.value] += 1
