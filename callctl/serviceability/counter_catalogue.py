"""The 53 performance counters of the product: name, owner, kind, and what each counts.

Source: CTR-01 to CTR-13, Tables G1 to G3, DIFF-22; the names keep the typos of the product.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from callctl.model.device import SUBSCRIBER_SERVICES, Platform
from callctl.model.release import Release, Since


class Kind(Enum):
    """How a counter goes (CTR-02)."""

    CUMULATIVE = "cumulative"  # events since its service started
    GAUGE = "gauge"  # how many there are now
    INTERVAL = "interval"  # events of the running 60 s


class Owner(Enum):
    """The component a counter belongs to: its object in the Real Time Monitoring Tool."""

    CALL_MANAGER = "Cisco CallManager"
    MOBILITY_MANAGER = "Cisco Mobility Manager"
    CONFIG_MANAGER = "Cisco XCP Config Manager"
    XCP_PUSH = "Cisco XCP Push"

    @property
    def service(self) -> str:
        """The network service whose start begins the counts (OP-25)."""
        return _SERVICES[self]


_SERVICES: Final = {
    Owner.CALL_MANAGER: "Cisco CallManager",
    Owner.MOBILITY_MANAGER: "Cisco CallManager",  # a part of it, not a service of its own
    Owner.CONFIG_MANAGER: "Cisco XCP Config Manager",
    Owner.XCP_PUSH: "Cisco XCP Router",
}


class Part(Enum):
    """The part of this product that moves a counter; the value says what is missing, if it is."""

    CALL_CONTROL = ""
    MESSAGING = "IM and Presence is not part of this version: nothing moves it"
    LOCAL_PUSH = "local push is not part of this version: nothing moves it"


class Family(Enum):
    """What each subscriber service has an own counter of (Table G2)."""

    SESSIONS = "push-enabled sessions"
    ENABLE_REQUESTS = "push enable requests received"
    ERRORS = "push errors received"
    SILENT = "messages pushed to silent sessions: the app is in background"
    SUSPENDED = "messages pushed to suspended sessions: in background, and the connection is gone"


APNS_SERVICES: Final = frozenset(
    name for name, platform in SUBSCRIBER_SERVICES.items() if platform is Platform.IOS
)
"""What "any APNS" stands for (CTR-04)."""

LPNS: Final = frozenset({"LPNS"})


@dataclass(frozen=True, slots=True)
class CounterEntry:
    """One counter."""

    name: str  # as the product has it, typos and all (CTR-13)
    owner: Owner
    kind: Kind
    counts: str
    services: frozenset[str]  # subscriber services that move it, no other does (CTR-03)
    part: Part
    since: Since | None = None  # None: the source names no first release (CTR-10)
    aliases: tuple[str, ...] = ()  # other spellings that are understood

    @property
    def built(self) -> bool:
        """True if the part that moves it is there."""
        return not self.part.value

    @property
    def filter(self) -> str:
        """The subscriber services in words."""
        if self.services == APNS_SERVICES:
            return "any APNS"
        return "any LPNS" if self.services == LPNS else ", ".join(sorted(self.services))

    @property
    def metric(self) -> str:
        """Its name in the style of Prometheus, without prefix and unit: `push_errors_apns`."""
        return _WORD.sub("_", self.name).lower()

    def exists_in(self, release: Release) -> bool:
        """False before its first release (CTR-10)."""
        return self.since is None or self.since.reached_by(release)


_WORD: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

PUSH_REQ_SENT: Final = "NumberOfPushReqSent"
PUSH_RES_RECEIVED: Final = "NumberOfPushResReceived"
PUSH_ERROR_RES_RECEIVED: Final = "NumberOfPushErrorResReceived"
CUSTOM_REGION_CALL: Final = "CustomRegionNumofMsgPushReqSent"
CUSTOM_REGION_MISSED: Final = "CustomRegionNumofMissedCallMsgPushReqSent"
CUSTOM_REGION_CANCEL: Final = "CustomRegionNumofSharedCancelMsgPushReqSent"
EXTENDED_TO_MI: Final = "MobilityPushNotificationCallsExtendedToMIDueToTimeout"
EXTENDED_TO_JABBER: Final = "MobilityPushNotificationCallsExtendedToJabber"

LOCAL_PUSH_SINCE: Final = Since.parse("14SU3")
FCM_SINCE: Final = Since.parse("12.5(1)SU3")


def _g1() -> Iterator[CounterEntry]:
    def of(
        owner: Owner, part: Part, name: str, counts: str, aliases: tuple[str, ...] = ()
    ) -> CounterEntry:
        return CounterEntry(
            name, owner, Kind.CUMULATIVE, counts, APNS_SERVICES, part, aliases=aliases
        )

    calls = (Owner.CALL_MANAGER, Part.CALL_CONTROL)
    yield of(*calls, PUSH_REQ_SENT, "push requests that left for Push REST over a TLS session")
    yield of(*calls, PUSH_RES_RECEIVED, "answers of Push REST to push requests")
    yield of(
        *calls,
        PUSH_ERROR_RES_RECEIVED,
        "push requests that got an answer other than 200 or none at all, and pushes that could not "
        "be sent because the TLS handshake with Push REST failed",
    )
    region = "devices of the custom region, which have no CallKit"
    yield of(*calls, CUSTOM_REGION_CALL, f"call pushes sent as messages to {region}")
    yield of(*calls, CUSTOM_REGION_MISSED, f"missed-call pushes sent as messages to {region}")
    yield of(
        *calls,
        CUSTOM_REGION_CANCEL,
        f"pushes sent as messages to {region}, because a call was answered on another device of "
        "the line, or the hunt went on to another member",
    )
    mobility = (Owner.MOBILITY_MANAGER, Part.CALL_CONTROL)
    yield of(
        *mobility,
        EXTENDED_TO_MI,
        "calls that went to the mobility identity: the client did not register after its push "
        "before the wait timer ended",
    )
    yield of(
        *mobility,
        EXTENDED_TO_JABBER,
        "calls that went to the client: it registered after its push before the wait timer ended",
        ("MobilityPushNotificationCallsExtended ToJabber",),
    )
    messages = (Owner.CONFIG_MANAGER, Part.MESSAGING)
    yield of(*messages, "NumberOfPushSuccess", "message pushes that were sent")
    yield of(*messages, "NumberOfPushFailure", "message pushes that failed")
    yield of(*messages, "TargetInvalid", "message pushes that failed for an invalid target")
    yield of(*messages, "TargetExpired", "message pushes that failed for an expired target")


_G2_STEMS: Final = {
    Family.SESSIONS: "PushEnabledSessions",
    Family.ENABLE_REQUESTS: "PushEnableReqRcvd",
    Family.ERRORS: "PushErrors",
    Family.SILENT: "PushSentSilent",
    Family.SUSPENDED: "PushSentDisconn",
}
_G2_OTHER_NAMES: Final = {
    "PushEnableReqRcvdApns": ("PushEnableReqRcvdAPNs",),
    "PushSentDisconnApnsLoad": ("PushSentDisconnAPNsLoad",),
    "PushErrorFcmDev": ("PushErrorsFcmDev",),
}


def push_counter(family: Family, service: str) -> str:
    """The name of the counter that one subscriber service has of `family` (CTR-03).

    Raises: ValueError for what is no subscriber service.
    """
    if service not in SUBSCRIBER_SERVICES:
        raise ValueError(f"{service!r} is not one of {', '.join(SUBSCRIBER_SERVICES)}")
    name = _G2_STEMS[family] + "".join(word.capitalize() for word in service.split(":"))
    return "PushErrorFcmDev" if name == "PushErrorsFcmDev" else name  # as the product spells it


def _counts(family: Family, service: str) -> str:
    login = family is Family.SESSIONS and service not in APNS_SERVICES
    more = ": one more when a user logs in on an Android device" if login else ""
    return f"{family.value}{more} (Jabber only)"


def _g2() -> Iterator[CounterEntry]:
    order = ("APNS", "APNS:beta", "APNS:dev", "APNS:load", "APNS:test", "FCM", "FCM:dev")
    for service in order:
        for family in Family:
            name = push_counter(family, service)
            yield CounterEntry(
                name,
                Owner.XCP_PUSH,
                Kind.GAUGE if family is Family.SESSIONS else Kind.INTERVAL,
                _counts(family, service),
                frozenset({service}),
                Part.MESSAGING,
                None if service in APNS_SERVICES else FCM_SINCE,
                _G2_OTHER_NAMES.get(name, ()),
            )


def _g3() -> Iterator[CounterEntry]:
    shared = "sent because a call was answered on another device of the line"
    for name, counts, *aliases in (
        ("NumberOfLocalPushReqSent", "local push requests, on the node that sends them"),
        ("NumberOfLocalPushResReceived", "local push answers, on the node that receives them"),
        (
            "NumberOfLocalPushTimout",
            "local push requests without an answer in time",
            "NumberOfLocalPushTimeout",
        ),
        ("NumberOfLocalPushErrorResReceived", "local push answers with an error code"),
        (
            "NumberofMissedCallLocalPushReqSent",
            "local pushes that tell a device of a missed call",
            "NumberOfMissedCallLocalPushReqSent",
        ),
        (
            "NumberofSharedCancelLocalPushReqSent",
            f"local pushes {shared}",
            "NumberOfSharedCancelLocalPushReqSent",
        ),
    ):
        yield CounterEntry(
            name,
            Owner.CALL_MANAGER,
            Kind.CUMULATIVE,
            counts,
            LPNS,
            Part.LOCAL_PUSH,
            LOCAL_PUSH_SINCE,
            tuple(aliases),
        )


TABLES: Final[dict[str, tuple[CounterEntry, ...]]] = {
    "Table G1": tuple(_g1()),
    "Table G2": tuple(_g2()),
    "Table G3": tuple(_g3()),
}
COUNTERS: Final[dict[str, CounterEntry]] = {
    entry.name: entry for table in TABLES.values() for entry in table
}
"""By name, in the order of the tables."""

_SPELLINGS: Final[dict[str, CounterEntry]] = {
    spelling.lower(): entry
    for entry in COUNTERS.values()
    for spelling in (*entry.aliases, entry.name)
}


def counter_named(spelling: str) -> CounterEntry | None:
    """The counter with this name or alias, in whatever case; None if there is none (CTR-13)."""
    return _SPELLINGS.get(spelling.lower())
