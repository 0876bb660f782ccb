"""The catalogue of counters, held against the tables it is made from."""

from __future__ import annotations

import pytest

from callctl.model.device import SUBSCRIBER_SERVICES
from callctl.model.release import Release
from callctl.serviceability.counter_catalogue import (
    APNS_SERVICES,
    COUNTERS,
    TABLES,
    CounterEntry,
    Family,
    Kind,
    Owner,
    counter_named,
    push_counter,
)

G1 = [
    "NumberOfPushReqSent",
    "NumberOfPushResReceived",
    "NumberOfPushErrorResReceived",
    "CustomRegionNumofMsgPushReqSent",
    "CustomRegionNumofMissedCallMsgPushReqSent",
    "CustomRegionNumofSharedCancelMsgPushReqSent",
    "MobilityPushNotificationCallsExtendedToMIDueToTimeout",
    "MobilityPushNotificationCallsExtendedToJabber",
    "NumberOfPushSuccess",
    "NumberOfPushFailure",
    "TargetInvalid",
    "TargetExpired",
]
G2 = [
    "PushEnabledSessionsApns",
    "PushEnableReqRcvdApns",
    "PushErrorsApns",
    "PushSentSilentApns",
    "PushSentDisconnApns",
    "PushEnabledSessionsApnsBeta",
    "PushEnableReqRcvdApnsBeta",
    "PushErrorsApnsBeta",
    "PushSentSilentApnsBeta",
    "PushSentDisconnApnsBeta",
    "PushEnabledSessionsApnsDev",
    "PushEnableReqRcvdApnsDev",
    "PushErrorsApnsDev",
    "PushSentSilentApnsDev",
    "PushSentDisconnApnsDev",
    "PushEnabledSessionsApnsLoad",
    "PushEnableReqRcvdApnsLoad",
    "PushErrorsApnsLoad",
    "PushSentSilentApnsLoad",
    "PushSentDisconnApnsLoad",
    "PushEnabledSessionsApnsTest",
    "PushEnableReqRcvdApnsTest",
    "PushErrorsApnsTest",
    "PushSentSilentApnsTest",
    "PushSentDisconnApnsTest",
    "PushEnabledSessionsFcm",
    "PushEnableReqRcvdFcm",
    "PushErrorsFcm",
    "PushSentSilentFcm",
    "PushSentDisconnFcm",
    "PushEnabledSessionsFcmDev",
    "PushEnableReqRcvdFcmDev",
    "PushErrorFcmDev",
    "PushSentSilentFcmDev",
    "PushSentDisconnFcmDev",
]
G3 = [
    "NumberOfLocalPushReqSent",
    "NumberOfLocalPushResReceived",
    "NumberOfLocalPushTimout",
    "NumberOfLocalPushErrorResReceived",
    "NumberofMissedCallLocalPushReqSent",
    "NumberofSharedCancelLocalPushReqSent",
]


def names_of(kind: Kind) -> set[str]:
    return {name for name, entry in COUNTERS.items() if entry.kind is kind}


@pytest.mark.req("CTR-01")
def test_all_53_counters_have_exactly_the_names_of_the_tables() -> None:
    assert [entry.name for entry in TABLES["Table G1"]] == G1
    assert [entry.name for entry in TABLES["Table G2"]] == G2
    assert [entry.name for entry in TABLES["Table G3"]] == G3
    assert list(COUNTERS) == G1 + G2 + G3
    assert len(COUNTERS) == 53


@pytest.mark.req("CTR-02", "CTR-07")
def test_sessions_are_gauges_the_other_counters_of_xcp_push_go_back_to_0_and_the_rest_do_not() -> (
    None
):
    assert names_of(Kind.GAUGE) == {name for name in G2 if name.startswith("PushEnabledSessions")}
    interval = ("PushEnableReqRcvd", "PushError", "PushSentSilent", "PushSentDisconn")
    assert names_of(Kind.INTERVAL) == {name for name in G2 if name.startswith(interval)}
    assert names_of(Kind.CUMULATIVE) == set(G1 + G3)


def test_each_counter_belongs_to_the_component_of_its_table() -> None:
    owners = {owner: [n for n, it in COUNTERS.items() if it.owner is owner] for owner in Owner}
    assert owners[Owner.CALL_MANAGER] == G1[:6] + G3
    assert owners[Owner.MOBILITY_MANAGER] == G1[6:8]
    assert owners[Owner.CONFIG_MANAGER] == G1[8:]
    assert owners[Owner.XCP_PUSH] == G2


@pytest.mark.req("CTR-03")
@pytest.mark.parametrize("service", SUBSCRIBER_SERVICES)
def test_only_the_counters_of_the_exact_service_are_for_it(service: str) -> None:
    own = {push_counter(family, service) for family in Family}
    for_it = {name for name in G2 if service in COUNTERS[name].services}
    assert for_it == own
    assert len(own) == 5
    for name in own:
        assert COUNTERS[name].services == {service}


def test_a_service_that_there_is_not_has_no_counter() -> None:
    with pytest.raises(ValueError, match="'APNS:prod' is not one of APNS, APNS:beta"):
        push_counter(Family.ERRORS, "APNS:prod")


@pytest.mark.req("CTR-04")
def test_any_apns_is_each_of_the_five_services_and_not_fcm() -> None:
    assert {"APNS", "APNS:beta", "APNS:dev", "APNS:test", "APNS:load"} == APNS_SERVICES
    for name in G1:
        assert COUNTERS[name].services == APNS_SERVICES
        assert COUNTERS[name].filter == "any APNS"


def test_silent_is_a_session_in_background_and_suspended_one_without_connection() -> None:
    assert "in background" in COUNTERS["PushSentSilentFcm"].counts
    assert "the connection is gone" in COUNTERS["PushSentDisconnFcm"].counts


def test_messaging_counters_say_that_they_are_of_jabber_alone() -> None:
    assert all("Jabber only" in COUNTERS[name].counts for name in G2)


@pytest.mark.req("CTR-10")
def test_fcm_counters_exist_from_12_5_1_su3_and_those_of_local_push_from_14_su3() -> None:
    def new_between(before: str, after: str) -> set[str]:
        def there(release: str) -> set[str]:
            parsed = Release.parse(release)
            return {name for name, entry in COUNTERS.items() if entry.exists_in(parsed)}

        return there(after) - there(before)

    fcm = {name for name in G2 if "Fcm" in name}
    assert len(fcm) == 10
    assert new_between("12.5(1)SU2", "12.5(1)SU3") == fcm
    assert new_between("14SU2", "14SU3") == set(G3)
    assert new_between("11.5(1)SU3", "12.5(1)SU2") == set()
    assert new_between("11.5(1)SU3", "15") == fcm | set(G3)
    oldest = Release.parse("11.5(1)SU3")
    assert sum(entry.exists_in(oldest) for entry in COUNTERS.values()) == 53 - 10 - 6


@pytest.mark.req("CTR-13")
@pytest.mark.parametrize(
    ("corrected", "name"),
    [
        ("PushErrorsFcmDev", "PushErrorFcmDev"),
        ("NumberOfLocalPushTimeout", "NumberOfLocalPushTimout"),
        ("NumberOfMissedCallLocalPushReqSent", "NumberofMissedCallLocalPushReqSent"),
        ("NumberOfSharedCancelLocalPushReqSent", "NumberofSharedCancelLocalPushReqSent"),
        ("PushEnableReqRcvdAPNs", "PushEnableReqRcvdApns"),
        ("PushSentDisconnAPNsLoad", "PushSentDisconnApnsLoad"),
        (
            "MobilityPushNotificationCallsExtended ToJabber",
            "MobilityPushNotificationCallsExtendedToJabber",
        ),
        ("numberofpushreqsent", "NumberOfPushReqSent"),
    ],
)
def test_typos_of_the_product_stay_and_the_corrected_spelling_is_understood(
    corrected: str, name: str
) -> None:
    found = counter_named(corrected)
    assert found is not None
    assert found.name == name


def test_a_name_that_nothing_has_is_no_counter() -> None:
    assert counter_named("PushErrorsWns") is None


def test_what_is_not_built_says_so_and_only_call_processing_is() -> None:
    built = [name for name, entry in COUNTERS.items() if entry.built]
    assert built == G1[:8]
    for name, entry in COUNTERS.items():
        assert ("is not part of this version" in entry.part.value) is (name not in built)


def test_names_for_prometheus_are_words_and_no_two_are_one() -> None:
    def metric(name: str) -> str:
        return COUNTERS[name].metric

    assert metric("NumberOfPushReqSent") == "number_of_push_req_sent"
    assert (
        metric("MobilityPushNotificationCallsExtendedToMIDueToTimeout")
        == "mobility_push_notification_calls_extended_to_mi_due_to_timeout"
    )
    entries: list[CounterEntry] = list(COUNTERS.values())
    assert len({entry.metric for entry in entries}) == 53
