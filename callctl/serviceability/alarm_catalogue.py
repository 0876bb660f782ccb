"""Every alarm that exists: what it means, what the administrator does, and in which releases.

Source: ALARM-01 to ALARM-04, Table F; OP-37 for the severity of XCPConfigMgrAccessTokenIsNull.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from callctl.model.release import Release, Since
from callctl.serviceability.severity import Severity

CALLMANAGER: Final = "Cisco CallManager"
CPNS: Final = "Cisco Push Notification Service"
XCP_CONFIG_MANAGER: Final = "Cisco XCP Config Manager"
JABBER: Final = "Cisco Jabber"
LPNS: Final = "Cisco LPNS"
MANAGEMENT_AGENT: Final = "Cisco Management Agent Service"
CERTIFICATES: Final = "Certificates"
ENGINE: Final = "callctl"

FROM_SU3: Final = Since.parse("11.5(1)SU3")  # ALARM-03
FROM_14SU3: Final = Since.parse("14SU3")
ALWAYS: Final = Since(())
UNREAD_MESSAGES_UNTIL: Final = Release.parse("12.5(1)")  # ALARM-04


class Lasting(Enum):
    """What ends an alarm."""

    CONDITION = "condition"  # until it ends
    MOMENT = "moment"  # what follows within the hour is counted


class Scope(Enum):
    """What one condition is."""

    NODE = "node"  # one on each
    DEVICE = "device"  # one in the cluster for each device and token, ALARM-10


@dataclass(frozen=True, slots=True)
class AlarmDefinition:
    """One alarm, under the name that all interfaces use."""

    name: str
    component: str
    severity: Severity
    explanation: str
    action: str
    row: str = ""  # of Table F; "" for an alarm of this project's own
    since: Since = ALWAYS
    before: Release | None = None  # the release from which on there is no such alarm any more
    scope: Scope = Scope.NODE
    lasting: Lasting = Lasting.CONDITION

    @property
    def own(self) -> bool:
        """True if the original product has no such alarm."""
        return not self.row

    @property
    def upload(self) -> bool:
        """True if the management agent is offered it: the vendor knows push alarms (ALARM-07)."""
        return not self.own

    def exists_in(self, release: Release) -> bool:
        """True if that release can raise it (ALARM-03, ALARM-04)."""
        if self.before is not None and release >= self.before:
            return False
        return self.since is ALWAYS or self.since.reached_by(release)


_CHECK_ONBOARDING: Final = (
    "Check on the page Cisco Cloud Onboarding Configuration that onboarding has completed. If it"
    " has and the alarm stays, contact Cisco TAC."
)
_SEE_ERROR_CODE: Final = "Look at the error code and take the action that is given for it."

_DEFINITIONS: Final = (
    AlarmDefinition(
        "PushNotificationServiceUnavailable",
        CALLMANAGER,
        Severity.ALERT,
        "CallManager has no connection to the Cisco Push Notification Service of its node, without"
        " which it sends no push to the Cisco cloud.",
        "See in Cisco Unified Serviceability whether Cisco Push Notification Service runs. Start it"
        " if it is stopped; restart it if it runs.",
        "F1",
        FROM_SU3,
    ),
    AlarmDefinition(
        "PushNotificationInvalidDeviceTokenResponse",
        CALLMANAGER,
        Severity.ERROR,
        "The cloud answered a push with 410: the device token is not valid. This iOS device with"
        " Jabber or Webex is sent no push until it has set a token that is.",
        "The user signs out of Jabber or Webex on that iOS device, and signs in again.",
        "F2",
        FROM_SU3,
        scope=Scope.DEVICE,
    ),
    AlarmDefinition(
        "PushNotificationServiceAccessTokenUnavailable",
        CALLMANAGER,
        Severity.ALERT,
        "Cisco Push Notification Service has no valid access token; the cloud gave none because of"
        " an error of authentication or of the network.",
        _CHECK_ONBOARDING,
        "F3",
        FROM_SU3,
    ),
    AlarmDefinition(
        "StartFailed",
        CPNS,
        Severity.CRITICAL,
        "An internal failure kept Cisco Push Notification Service from starting.",
        "Restart Cisco Push Notification Service. If it fails again, look at its application logs"
        " and contact Cisco TAC.",
        "F4",
        FROM_SU3,
    ),
    AlarmDefinition(
        "AccessTokenInvalid",
        CPNS,
        Severity.ALERT,
        "The access token has expired and is not valid any more, and there is no new one.",
        _CHECK_ONBOARDING,
        "F5",
        FROM_SU3,
    ),
    AlarmDefinition(
        "HttpClientPoolCreationError",
        CPNS,
        Severity.ALERT,
        "The pool of HTTP client connections could not be made.",
        "Check the HTTP proxy settings on the onboarding page, and that onboarding has completed.",
        "F6",
        FROM_SU3,
    ),
    AlarmDefinition(
        "PushNotificationFailed",
        XCP_CONFIG_MANAGER,
        Severity.CRITICAL,
        "XCP Config Manager could not send a push.",
        _SEE_ERROR_CODE,
        "F7",
        FROM_SU3,
        lasting=Lasting.MOMENT,
    ),
    AlarmDefinition(
        "PushNotificationFailedInvalidDeviceToken",
        XCP_CONFIG_MANAGER,
        Severity.CRITICAL,
        "A push to the Cisco cloud failed: the device token is not valid.",
        "The user signs in to Jabber again.",
        "F8",
        FROM_SU3,
        scope=Scope.DEVICE,
    ),
    AlarmDefinition(
        "PushNotificationFailedInvalidAccessToken",
        XCP_CONFIG_MANAGER,
        Severity.CRITICAL,
        "A push to the Cisco cloud failed: the access token is not valid.",
        "See in the logs of XCP Config Manager whether the access token was fetched and renewed in"
        " time. If it was, go on looking on the side of the cloud.",
        "F9",
        FROM_SU3,
    ),
    AlarmDefinition(
        "AccessTokenFetchFailed",
        XCP_CONFIG_MANAGER,
        Severity.CRITICAL,
        "XCP Config Manager asked for an access token and the request failed.",
        _SEE_ERROR_CODE,
        "F10",
        FROM_SU3,
    ),
    AlarmDefinition(
        "XCPConfigMgrAccessTokenIsNull",
        XCP_CONFIG_MANAGER,
        Severity.CRITICAL,
        "XCP Config Manager has no access token: it is null, though no request for one failed.",
        "The IM and Presence nodes have to reach the cloud. Check the access token URL and the"
        " refresh token, the proxy on the onboarding page, and the connection to the Cisco cloud.",
        "F11",
        FROM_SU3,
    ),
    AlarmDefinition(
        "APNSAlarm",
        JABBER,
        Severity.ALERT,
        "A Jabber client on iOS could not process a push.",
        "Contact Cisco TAC.",
        "F12",
        FROM_SU3,
        scope=Scope.DEVICE,
        lasting=Lasting.MOMENT,
    ),
    AlarmDefinition(
        "Unread Messages alert",
        JABBER,
        Severity.ALERT,
        "Jabber on iOS tells that unread messages may time out and be deleted from the server, and"
        " asks to sign in and read them. It comes up while Jabber for iPhone is in the background"
        " and its user closed the app without signing out.",
        "Sign in to Jabber.",
        "F13",
        FROM_SU3,
        before=UNREAD_MESSAGES_UNTIL,
        scope=Scope.DEVICE,
    ),
    AlarmDefinition(
        "LocalPushNotificationInvalidOAuthToken",
        LPNS,
        Severity.ALERT,
        "A Webex client answered that the OAuth token is not valid or has expired. CallManager"
        " removes the connection and sends it no local push any more.",
        "Check the connection between the mobile Webex app and Unified CM, so that the refresh"
        " token and the access token are renewed.",
        "F14",
        FROM_14SU3,
        scope=Scope.DEVICE,
    ),
    AlarmDefinition(
        "LocalPushNotificationServiceUnavailable",
        LPNS,
        Severity.CRITICAL,
        "There is no connection to LPNS, without which CallManager sends no local push.",
        "Restart Cisco Push Notification Service and LPNS. If the alarm stays, look at the"
        " application logs of LPNS and contact Cisco TAC.",
        "F15",
        FROM_14SU3,
    ),
    AlarmDefinition(
        "LocalPushStartFailed",
        LPNS,
        Severity.ALERT,
        "An internal failure kept LPNS from starting.",
        "Restart LPNS. If it fails again, look at its application logs and contact Cisco TAC.",
        "F16",
        FROM_14SU3,
    ),
    AlarmDefinition(
        "EngineFault",
        ENGINE,
        Severity.CRITICAL,
        "Something went wrong inside the engine over one message. That call or request was ended"
        " with 500; all others go on.",
        "The detail names the line. Report it with a trace of the call (`callctl trace`).",
        lasting=Lasting.MOMENT,
    ),
    AlarmDefinition(
        "CertificateExpiring",
        CERTIFICATES,
        Severity.WARNING,
        "A certificate that the cluster trusts or shows expires soon.",
        "Renew the certificate, or let Cisco manage the certificates of the cloud.",
    ),
    AlarmDefinition(
        "CertificateExpired",
        CERTIFICATES,
        Severity.CRITICAL,
        "A certificate that the cluster trusts or shows has expired: what needs it fails.",
        "Replace the certificate, and restart the services that use it.",
    ),
    AlarmDefinition(
        "TlsVerificationDisabled",
        CERTIFICATES,
        Severity.WARNING,
        "The option `insecure_skip_tls_verification` is on: whoever is on the way can pose as the"
        " cloud and read tokens.",
        "Take the option out of the cluster file, and trust the authority of the server instead.",
    ),
    AlarmDefinition(
        "AlarmUploadFailed",
        MANAGEMENT_AGENT,
        Severity.WARNING,
        "Troubleshooting information could not be uploaded to the Cisco cloud. It is kept for the"
        " next interval, at most 24 hours.",
        "The detail tells why. Check the way to the cloud with `callctl cloud check`; after an"
        " upgrade from 11.5(1)SU2, onboard the cluster anew.",
    ),
)

CATALOGUE: Final = MappingProxyType({each.name: each for each in _DEFINITIONS})
"""All alarms by name: those of Table F in its order, then the project's own."""


def exists_in(name: str, release: Release) -> bool:
    """True if there is such an alarm, and `release` can raise it."""
    definition = CATALOGUE.get(name)
    return definition is not None and definition.exists_in(release)
