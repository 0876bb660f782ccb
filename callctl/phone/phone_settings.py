"""A mobile phone: its app, its operating system, and how quick or faulty they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from callctl.model.device import ClientType, Platform
from callctl.model.release import Version
from callctl.phone.settings import UserAgentSettings
from sipstack.timing import MS, SECOND

NO_INVITE_NS: Final = 5 * SECOND  # OP-06: registered, and no INVITE has come
LOG_MAX: Final = 2_000  # observations kept

_IOS_13: Final = Version((13,))
_CALLKIT_JABBER: Final = Version((12, 9))


@dataclass(frozen=True, slots=True)
class PhoneSettings:
    """One phone with one app. All times in ns."""

    agent: UserAgentSettings  # `answer` is what its owner does; user and password sign in as well
    platform: Platform = Platform.IOS
    os_version: str = "17.4"
    client: ClientType = ClientType.WEBEX
    client_version: str = "44.1"
    subscriber_service: str = "APNS"
    app: str = "org.callctl.phone"  # APNs: bundle id; FCM: project id
    custom_region: bool = False  # mainland China: no CallKit (CHN-01)
    grace_ns: int = 5 * SECOND  # from going to the background to being suspended
    wake_delay_ns: int = 400 * MS  # from the push to the first line of the app
    report_deadline_ns: int = 5 * SECOND  # iOS 13: for telling CallKit of a VoIP push
    reports_calls: bool = True  # False: an app with the fault that iOS punishes
    tap_after_ns: int | None = None  # the owner taps a call's message after so long; None: never
    key_life_ns: int | None = None  # from one key to the next (REG-05); None: only when told to
    unix_ms_at_zero: int = 0  # wall-clock time at Instant 0, to judge how old a push is

    @property
    def managed(self) -> bool:
        """True for a client that signs in; a standard one has RFC 8599 parameters (OP-01)."""
        return self.client is not ClientType.STANDARD

    @property
    def ios_13(self) -> bool:
        """True from iOS 13 on: a VoIP push is for a call, and CallKit must hear of it."""
        if self.platform is not Platform.IOS:
            return False
        try:
            return Version.parse(self.os_version) >= _IOS_13
        except ValueError:
            return True

    @property
    def one_token(self) -> bool:
        """True if one device token serves calls and messages: FCM, and iOS before 13 (OP-63).

        A standard client keeps Apple's double form on any system (OP-01).
        """
        if self.platform is Platform.IOS:
            return self.managed and not self.ios_13
        return True

    @property
    def callkit(self) -> bool:
        """True if the app shows calls by CallKit (MODE-11, MODE-21, CHN-04)."""
        return self.must_report and not self.custom_region

    @property
    def must_report(self) -> bool:
        """True if iOS ends the app over a VoIP push without a call.

        Old builds of Jabber keep the old manner on any system (MODE-21).
        """
        if self.client is not ClientType.JABBER:
            return self.ios_13
        try:
            return self.ios_13 and Version.parse(self.client_version) >= _CALLKIT_JABBER
        except ValueError:
            return self.ios_13

    @property
    def comes_to_front(self) -> bool:
        """True if a call brings the app to the foreground by itself: before CallKit (MODE-10)."""
        return self.platform is Platform.IOS and not self.must_report
