"""From which release, client and system on there is what: Tables C1 and C2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from callctl.model.device import ClientType, Platform
from callctl.model.release import ExpresswayVersion, Since, Version
from callctl.push.capability.table import Table, words

SYSTEM_NAMES: Final = {Platform.IOS: "iOS", Platform.ANDROID: "Android"}
CLIENT_NAMES: Final = {
    ClientType.JABBER: "Jabber",
    ClientType.WEBEX: "Webex app",
    ClientType.STANDARD: "standard client",
}

_version = Version.parse
_expressway = ExpresswayVersion.parse


@dataclass(frozen=True, slots=True)
class Support:
    """One row of Table C1: what a service needs at least."""

    name: str
    cucm: Since
    im_and_presence: Since | None  # None: takes no part
    expressway: ExpresswayVersion | None  # None: not for devices that come in through it
    jabber: Version
    webex: Version | None  # None: not for the Webex app
    platform: Platform
    system: Version  # of that platform
    needs: str

    def client_minimum(self, client: ClientType) -> Version | None:
        """The least version of a client; None for one that may have any (RFC 8599 clients)."""
        if client is ClientType.JABBER:
            return self.jabber
        return self.webex if client is ClientType.WEBEX else None

    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        return (
            self.name,
            str(self.cucm),
            words(self.im_and_presence),
            "not supported" if self.expressway is None else str(self.expressway),
            str(self.jabber),
            words(self.webex),
            f"{SYSTEM_NAMES[self.platform]} {self.system}",
            self.needs,
        )


@dataclass(frozen=True, slots=True)
class Minimum:
    """One row of Table C2: the least of everything for basic push to some systems."""

    name: str
    platform: Platform
    system_from: Version
    system_below: Version | None  # None: all later systems
    cucm: Since
    im_and_presence: Since | None
    jabber: Version
    webex: Version | None  # None: the row names none, Table C1 has it
    expressway: ExpresswayVersion | None
    remarks: str
    server_recommended: Since | None = None  # both of CUCM and of IM and Presence
    jabber_recommended: Version | None = None
    expressway_recommended: ExpresswayVersion | None = None

    def covers(self, platform: Platform, system: Version | None) -> bool:
        """True if the row is about such a device; an unknown system (None) is a current one."""
        if platform is not self.platform:
            return False
        if system is None:
            return self.system_below is None
        return system >= self.system_from and (
            self.system_below is None or system < self.system_below
        )

    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        messaging = "messaging not supported"
        return (
            self.name,
            _with(self.cucm, self.server_recommended),
            messaging
            if self.im_and_presence is None
            else _with(self.im_and_presence, self.server_recommended),
            _with(self.jabber, self.jabber_recommended),
            "-" if self.webex is None else str(self.webex),
            "not over MRA"
            if self.expressway is None
            else _with(self.expressway, self.expressway_recommended),
            self.remarks,
        )


def _with(minimum: object, recommended: object | None) -> str:
    return str(minimum) if recommended is None else f"{minimum}; recommended {recommended}"


_CLOUD: Final = "Apple and Cisco cloud"

MESSAGING: Final = Support(
    "Apple, APNs messaging",
    Since.parse("11.5(1)SU2"),
    Since.parse("11.5(1)SU2"),
    _expressway("X8.9.1"),
    _version("11.8.1"),
    None,
    Platform.IOS,
    _version("12"),
    _CLOUD,
)
CALLING: Final = Support(
    "Apple, APNs calling",
    Since.parse("11.5(1)SU3"),
    Since.parse("11.5(1)SU3"),
    _expressway("X8.10.1"),
    _version("11.9.0"),
    _version("40.6"),
    Platform.IOS,
    _version("12"),
    _CLOUD,
)
CALLKIT: Final = Support(
    "Apple, APNs with CallKit",
    Since.parse("11.5(1)SU8", "12.5(1)SU3", "14"),
    None,
    _expressway("X12.6"),
    _version("12.9"),
    _version("40.6"),
    Platform.IOS,
    _version("13"),
    _CLOUD,
)
CUSTOM_REGION: Final = Support(
    "Apple, APNs China region",
    Since.parse("12.5(1)SU3", "14"),
    Since.parse("12.5(1)SU3"),
    _expressway("X12.6"),
    _version("12.9 MR"),
    _version("41.4"),
    Platform.IOS,
    _version("13"),
    _CLOUD,
)
FCM: Final = Support(
    "Android, FCM",
    Since.parse("12.5(1)SU3", "14"),
    Since.parse("12.5(1)SU3"),
    _expressway("X12.6.2"),
    _version("12.9.1"),
    _version("40.8"),
    Platform.ANDROID,
    _version("8.0"),
    "Google and Cisco cloud",
)
LOCAL_PUSH: Final = Support(
    "Apple, LPNS",
    Since.parse("14SU3"),
    None,
    None,
    _version("14.2"),
    _version("43.6"),
    Platform.IOS,
    _version("16.5"),
    "Wi-Fi deployment",
)
SUPPORT: Final = (MESSAGING, CALLING, CALLKIT, CUSTOM_REGION, FCM, LOCAL_PUSH)

MINIMUM_LOCAL: Final = Minimum(
    "iOS 16.5+ (LPNS)",
    Platform.IOS,
    _version("16.5"),
    None,
    Since.parse("14SU3"),
    None,
    _version("14.2"),
    _version("43.6"),
    None,
    "Not on Android",
)
MINIMUM_IOS_12: Final = Minimum(
    "iOS 12 (APNs)",
    Platform.IOS,
    _version("12"),
    _version("13"),
    Since.parse("11.5(1)SU4"),
    Since.parse("11.5(1)SU4"),
    _version("11.9"),
    None,
    _expressway("X8.10.1"),
    "No longer supported (FN70555)",
    Since.parse("11.5(1)SU7", "12.5(1)SU2"),
    _version("12.8"),
    _expressway("X12.6"),
)
MINIMUM_IOS_13: Final = Minimum(
    "iOS 13+ (APNs)",
    Platform.IOS,
    _version("13"),
    None,
    Since.parse("11.5(1)SU8", "12.5(1)SU3"),
    Since.parse("11.5(1)SU8", "12.5(1)SU3"),
    _version("12.9"),
    None,
    _expressway("X12.6"),
    "Upgrade order, Table C5",
)
MINIMUM_ANDROID: Final = Minimum(
    "Android",
    Platform.ANDROID,
    _version("8.0"),
    None,
    Since.parse("12.5(1)SU3"),
    Since.parse("12.5(1)SU3"),
    _version("12.9.1"),
    None,
    _expressway("X12.6.2"),
    "Upgrade order, Table C5",
)
MINIMUMS: Final = (MINIMUM_LOCAL, MINIMUM_IOS_12, MINIMUM_IOS_13, MINIMUM_ANDROID)

C1: Final = Table(
    "C1",
    "Support matrix by service",
    (
        "Service",
        "CUCM",
        "IM&P",
        "Expressway (MRA)",
        "Jabber",
        "Webex app",
        "Mobile OS",
        "Needs",
    ),
    tuple(row.cells() for row in SUPPORT),
)
C2: Final = Table(
    "C2",
    "Minimum releases for basic push",
    ("OS", "CUCM", "IM&P", "Jabber", "Webex app", "Expressway (MRA)", "Remarks"),
    tuple(row.cells() for row in MINIMUMS),
)
