"""What the user gets: Tables A1, A2, B1 and B2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from callctl.model.device import ClientType, Platform
from callctl.model.release import Version
from callctl.push.capability.table import Table


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One row of Table A1: a mode of the app and a kind of traffic."""

    name: str
    ios_12: str
    ios_13: str
    android: str

    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        return self.name, self.ios_12, self.ios_13, self.android


@dataclass(frozen=True, slots=True)
class Screens:
    """One row of Table A2: what a call looks like on iOS 13 and later."""

    name: str
    callkit: bool  # shown by the client itself as the push arrives
    locked: str
    unlocked: str


@dataclass(frozen=True, slots=True)
class Compatible:
    """One row of Table B2: who carries a kind of traffic to a client."""

    name: str
    messages: bool  # False: calls
    clients: tuple[ClientType, ...]
    platform: Platform
    service: str
    local_push: str


_SAME: Final = "Same"
_AWAY: Final = "Away"

FOREGROUND_CALL: Final = Behaviour(
    "Foreground, voice or video call",
    "INVITE direct over SIP. Push also sent on the single channel; not used for set-up",
    "INVITE direct over SIP. Push also sent on the VoIP channel; not used for set-up",
    "INVITE direct over SIP. Push also sent on the VoIP channel; not used for set-up",
)
FOREGROUND_MESSAGE: Final = Behaviour(
    "Foreground, message (Jabber only)", "Direct over the IM&P session. No push", _SAME, _SAME
)
SUSPENDED_CALL: Final = Behaviour(
    "Suspended, voice or video call",
    "SIP not available. Push on the single channel. Client registers again, gets the INVITE over "
    "SIP, comes to the foreground by itself, rings",
    "SIP not available. Push on the VoIP channel. Client shows CallKit with caller ID at once, "
    "registers again, gets the INVITE over SIP, user answers",
    "SIP not available. Push on the VoIP channel through Google. Client registers again, gets the "
    "INVITE over SIP, rings with its own UI",
)
SUSPENDED_CALL_REGION: Final = Behaviour(
    "Suspended, voice or video call, custom region (China)",
    "Not defined (feature starts with iOS 13)",
    "No CallKit. Message notification with caller name or number. User taps, app starts, "
    "registers, call is routed. 13 s limit",
    "Not supported",
)
SUSPENDED_MESSAGE: Final = Behaviour(
    "Suspended, message (Jabber only)",
    "Push on the single channel through Push REST and Apple. Notification shown. Tap: foreground, "
    "resume session, download",
    "Push on the Message channel through Push REST and Apple. Tap: foreground, resume, download",
    "Push on the Message channel through Push REST and Google. Tap: foreground, resume, download",
)
SUSPENDED_PRESENCE: Final = Behaviour("Suspended, presence (Jabber)", _AWAY, _AWAY, _AWAY)
SUSPENDED_LOCAL: Final = Behaviour(
    "Suspended, provisioned Wi-Fi, on-premises, voice call",
    "Not supported",
    "iOS 16.5+ only: LPNS push over WebSocket first, APNs if that fails (14SU3+)",
    "Not supported",
)
BEHAVIOURS: Final = (
    FOREGROUND_CALL,
    FOREGROUND_MESSAGE,
    SUSPENDED_CALL,
    SUSPENDED_CALL_REGION,
    SUSPENDED_MESSAGE,
    SUSPENDED_PRESENCE,
    SUSPENDED_LOCAL,
)

CALLKIT_SINCE_JABBER: Final = Version.parse("12.9")

WITH_CALLKIT: Final = Screens(
    "Jabber 12.9 (and later)",
    True,
    "Push arrives; CallKit screen with caller ID; the user can answer or reject from CallKit "
    "without unlocking",
    "Push arrives; incoming-call notification with CallKit view and caller ID; the Jabber app "
    "starts when the user answers, showing caller name and number",
)
WITHOUT_CALLKIT: Final = Screens(
    "Jabber 12.8 and earlier",
    False,
    "Push arrives and makes the app start and register; call information is shown inside the app; "
    "the user can answer on the locked device",
    "Push arrives and makes the app start and register; call information is shown inside the app; "
    "the user answers in the app",
)


def screens_of(client: ClientType, version: Version | None) -> Screens:
    """The row of Table A2 for a client on iOS 13 or later; None is a current version.

    The version of the client alone decides, whatever the server is (MODE-21, MODE-22). The Webex
    app shows CallKit as Jabber 12.9 does (MODE-11), and so do standard clients of today.
    """
    old = client is ClientType.JABBER and version is not None and version < CALLKIT_SINCE_JABBER
    return WITHOUT_CALLKIT if old else WITH_CALLKIT


_BOTH: Final = (ClientType.JABBER, ClientType.WEBEX)
_JABBER: Final = (ClientType.JABBER,)

COMPATIBLE: Final = (
    Compatible(
        "Calls, Jabber and Webex on iPhone and iPad",
        False,
        _BOTH,
        Platform.IOS,
        "APNs (Apple cloud)",
        "From CUCM 14SU3 with Webex app 43.6+ or Jabber 14.2+",
    ),
    Compatible(
        "Calls, Jabber and Webex on Android",
        False,
        _BOTH,
        Platform.ANDROID,
        "Android push (Google cloud)",
        "Not supported",
    ),
    Compatible(
        "Messages, Jabber on iPhone and iPad",
        True,
        _JABBER,
        Platform.IOS,
        "APNs (Apple cloud)",
        "Not supported",
    ),
    Compatible(
        "Messages, Jabber on Android",
        True,
        _JABBER,
        Platform.ANDROID,
        "Android push (Google cloud)",
        "Not supported",
    ),
)


def compatible_row(platform: Platform, *, messages: bool) -> Compatible:
    """The row of Table B2 for a mobile platform."""
    return next(row for row in COMPATIBLE if row.platform is platform and row.messages is messages)


A1: Final = Table(
    "A1",
    "Client mode, platform and traffic",
    ("Mode and traffic", "iOS 12", "iOS 13 and later", "Android (12.5(1)SU3+)"),
    tuple(row.cells() for row in BEHAVIOURS),
)
A2: Final = Table(
    "A2",
    "Call experience by Jabber version on iOS 13 and later",
    ("Client", "Locked screen", "Unlocked screen"),
    tuple((row.name, row.locked, row.unlocked) for row in (WITH_CALLKIT, WITHOUT_CALLKIT)),
)
B1: Final = Table(
    "B1",
    "Supported clients, clouds, services",
    ("Client", "OS", "Partner cloud", "Cloud service"),
    (
        ("Jabber on iPhone and iPad", "iOS", "Apple", "Apple Push Notification Service (APNS)"),
        ("Jabber on Android", "Android", "Google", "Android PNS service (FCM)"),
        ("Webex on iOS", "iOS", "Apple", "Apple Push Notification Service (APNS)"),
        ("Webex on Android", "Android", "Google", "Android PNS service (FCM)"),
    ),
)
B2: Final = Table(
    "B2",
    "Compatible clients by communication type (on-premises)",
    ("Type and clients", "OS", "Partner service", "Local push (LPNS)"),
    tuple(
        (
            row.name,
            "iOS" if row.platform is Platform.IOS else "Android",
            row.service,
            row.local_push,
        )
        for row in COMPATIBLE
    ),
)
