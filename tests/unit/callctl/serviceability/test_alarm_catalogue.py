"""The alarm catalogue against Table F, severities, and the page made from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from callctl.model.release import Release
from callctl.serviceability.alarm_catalogue import CATALOGUE, exists_in
from callctl.serviceability.alarm_reference import page
from callctl.serviceability.severity import Severity, UploadLevel

ROOT = Path(__file__).parents[4]

# Rows F1 to F16 word for word: component, name, severity; F11 as OP-37 decides.
TABLE_F = (
    ("Cisco CallManager", "PushNotificationServiceUnavailable", "ALERT_ALARM"),
    ("Cisco CallManager", "PushNotificationInvalidDeviceTokenResponse", "ERROR_ALARM"),
    ("Cisco CallManager", "PushNotificationServiceAccessTokenUnavailable", "ALERT_ALARM"),
    ("Cisco Push Notification Service", "StartFailed", "CRITICAL_ALARM"),
    ("Cisco Push Notification Service", "AccessTokenInvalid", "ALERT_ALARM"),
    ("Cisco Push Notification Service", "HttpClientPoolCreationError", "ALERT_ALARM"),
    ("Cisco XCP Config Manager", "PushNotificationFailed", "CRITICAL_ALARM"),
    ("Cisco XCP Config Manager", "PushNotificationFailedInvalidDeviceToken", "CRITICAL_ALARM"),
    ("Cisco XCP Config Manager", "PushNotificationFailedInvalidAccessToken", "CRITICAL_ALARM"),
    ("Cisco XCP Config Manager", "AccessTokenFetchFailed", "CRITICAL_ALARM"),
    ("Cisco XCP Config Manager", "XCPConfigMgrAccessTokenIsNull", "CRITICAL_ALARM"),
    ("Cisco Jabber", "APNSAlarm", "ALERT_ALARM"),
    ("Cisco Jabber", "Unread Messages alert", "ALERT_ALARM"),
    ("Cisco LPNS", "LocalPushNotificationInvalidOAuthToken", "ALERT_ALARM"),
    ("Cisco LPNS", "LocalPushNotificationServiceUnavailable", "CRITICAL_ALARM"),
    ("Cisco LPNS", "LocalPushStartFailed", "ALERT_ALARM"),
)
LOCAL_PUSH = [name for component, name, _ in TABLE_F if component == "Cisco LPNS"]
OF_SU3 = [
    name for _, name, _ in TABLE_F if name not in LOCAL_PUSH and name != "Unread Messages alert"
]


@pytest.mark.req("ALARM-01", "OP-37")
def test_the_alarms_of_table_f_are_there_by_name_component_and_severity() -> None:
    ours = [each for each in CATALOGUE.values() if not each.own]
    assert [(it.component, it.name, it.severity.alarm_name) for it in ours] == list(TABLE_F)
    assert [it.row for it in ours] == [f"F{row}" for row in range(1, 17)]


# One word of each row's cause, one of its action: a text in the wrong row would not have both.
@pytest.mark.req("ALARM-02")
@pytest.mark.parametrize(
    ("name", "cause", "action"),
    [
        ("PushNotificationServiceUnavailable", "no connection", "Unified Serviceability"),
        ("PushNotificationInvalidDeviceTokenResponse", "410", "signs out"),
        ("PushNotificationServiceAccessTokenUnavailable", "authentication or of", "Onboarding"),
        ("StartFailed", "from starting", "Restart Cisco Push Notification Service"),
        ("AccessTokenInvalid", "has expired", "Cisco Cloud Onboarding Configuration"),
        ("HttpClientPoolCreationError", "pool of HTTP client", "proxy settings"),
        ("PushNotificationFailed", "could not send a push", "error code"),
        ("PushNotificationFailedInvalidDeviceToken", "device token", "signs in to Jabber"),
        ("PushNotificationFailedInvalidAccessToken", "access token is not", "side of the cloud"),
        ("AccessTokenFetchFailed", "request failed", "error code"),
        ("XCPConfigMgrAccessTokenIsNull", "it is null", "refresh token"),
        ("APNSAlarm", "could not process", "TAC"),
        ("Unread Messages alert", "unread messages", "Sign in to Jabber"),
        ("LocalPushNotificationInvalidOAuthToken", "OAuth token", "mobile Webex app"),
        ("LocalPushNotificationServiceUnavailable", "no connection to LPNS", "and LPNS"),
        ("LocalPushStartFailed", "LPNS from starting", "Restart LPNS"),
    ],
)
def test_each_alarm_says_what_happened_and_what_to_do(name: str, cause: str, action: str) -> None:
    assert cause in CATALOGUE[name].explanation
    assert action in CATALOGUE[name].action


@pytest.mark.req("ALARM-03")
@pytest.mark.parametrize(
    ("release", "push", "local_push"),
    [
        ("11.5(1)SU2", False, False),
        ("11.5(1)SU3", True, False),
        ("12.0(1)", True, False),
        ("12.5(1)SU9", True, False),
        ("14SU2", True, False),
        ("14SU3", True, True),
        ("15", True, True),
    ],
)
def test_push_alarms_exist_from_su3_and_those_of_local_push_from_14su3(
    release: str, push: bool, local_push: bool
) -> None:
    of = Release.parse(release)
    assert [exists_in(name, of) for name in OF_SU3] == [push] * len(OF_SU3)
    assert [exists_in(name, of) for name in LOCAL_PUSH] == [local_push] * len(LOCAL_PUSH)


@pytest.mark.req("ALARM-04")
@pytest.mark.parametrize(
    ("release", "exists"),
    [("11.5(1)SU3", True), ("12.0(1)SU1", True), ("12.5(1)", False), ("14SU3", False)],
)
def test_unread_messages_alert_exists_only_before_12_5_1(release: str, exists: bool) -> None:
    assert exists_in("Unread Messages alert", Release.parse(release)) is exists


def test_alarms_of_our_own_are_marked_exist_everywhere_and_are_not_for_the_cloud() -> None:
    own = [each for each in CATALOGUE.values() if each.own]
    assert [each.name for each in own] == [
        "EngineFault",
        "CertificateExpiring",
        "CertificateExpired",
        "TlsVerificationDisabled",
        "AlarmUploadFailed",
    ]
    assert all(each.exists_in(Release.parse("11.5(1)SU2")) and not each.upload for each in own)


def test_unknown_alarm_exists_nowhere() -> None:
    assert not exists_in("accesstokeninvalid", Release.parse("15"))


@pytest.mark.req("ALARM-09", "OP-36")
def test_severities_are_in_syslog_order_and_alert_is_above_critical() -> None:
    words = [severity.word for severity in Severity]
    assert words[:4] == ["Emergency", "Alert", "Critical", "Error"]
    assert words[4:] == ["Warning", "Notice", "Informational", "Debug"]
    assert [int(severity) for severity in Severity] == list(range(8))
    assert Severity.ALERT < Severity.CRITICAL  # the lower number is the graver
    assert (Severity.ALERT.alarm_name, Severity.CRITICAL.alarm_name) == (
        "ALERT_ALARM",
        "CRITICAL_ALARM",
    )


@pytest.mark.req("TRB-07", "OP-36")
@pytest.mark.parametrize(
    ("level", "highest"),
    [("Critical", 2), ("ERROR", 3), ("warning", 4), ("nOtIcE", 5), ("Information", 6)],
)
def test_a_level_lets_itself_and_all_that_is_graver_through(level: str, highest: int) -> None:
    parsed = UploadLevel.parse(level)
    passed = [severity for severity in Severity if parsed.lets_through(severity)]
    assert passed == [severity for severity in Severity if severity <= highest]
    assert Severity.ALERT in passed


@pytest.mark.req("TRB-07")
@pytest.mark.parametrize("word", ["", "Alert", "Debug", "Informational", "Error ", "ERROR_ALARM"])
def test_no_other_word_is_a_level(word: str) -> None:
    with pytest.raises(ValueError, match="one of Critical, Error, Warning, Notice, Information"):
        UploadLevel.parse(word)


@pytest.mark.req("ALARM-02")
def test_the_page_is_current_and_has_every_alarm() -> None:
    written = (ROOT / "docs" / "alarms.md").read_text(encoding="utf-8")
    assert written == page(), "run `make docs`"
    for each in CATALOGUE.values():
        assert f"### {each.name}\n" in written
        assert each.explanation in written
        assert each.action in written
