"""What is measured: names, labels and values as plain data."""

from __future__ import annotations

import pytest

from callctl.model.release import Release
from callctl.serviceability.counter_catalogue import COUNTERS, Kind
from callctl.serviceability.counters import CounterTable
from callctl.serviceability.metrics import (
    BUCKETS_NS,
    OTHER,
    ClusterFacts,
    Family,
    Histogram,
    NodeFacts,
    Stage,
    bounded,
    families,
)
from sipstack.timing import MS, SECOND, Instant

LABELS = {
    "node",
    "outcome",
    "service",
    "kind",
    "reason",
    "name",
    "severity",
    "option",
    "store",
    "certificate",
    "stage",
    "object",
    "counter",
}


def facts(*nodes: NodeFacts, release: str = "15", **more: object) -> ClusterFacts:
    empty: dict[str, object] = {
        name: {} for name in ("calls", "wakes", "alarms", "insecure", "certificates")
    }
    return ClusterFacts(Release.parse(release), nodes, **(empty | more))  # type: ignore[arg-type]


def told(facts: ClusterFacts) -> dict[str, Family]:
    made = list(families(facts))
    assert len({family.name for family in made}) == len(made)
    return {family.name: family for family in made}


def node(table: CounterTable, now: Instant = Instant(0), name: str = "ucm1") -> NodeFacts:  # noqa: B008
    return NodeFacts(name, up=True, counters=table.read_all(now))


@pytest.mark.req("CTR-12")
def test_every_counter_is_a_metric_of_its_own_and_a_perfmon_sample() -> None:
    table = CounterTable()
    table.count("NumberOfPushReqSent", Instant(0))
    made = told(facts(node(table), node(CounterTable(), name="ucm2")))
    for name, entry in COUNTERS.items():
        metric = f"callctl_{entry.metric}" + ("_60s" if entry.kind is Kind.INTERVAL else "")
        expected = "counter" if entry.kind is Kind.CUMULATIVE else "gauge"
        assert made[metric].type == expected, name
        assert made[metric].help.startswith(f"{name}: ")
        assert len(made[metric].samples) == 2
    assert list(made["callctl_number_of_push_req_sent"].samples) == [(("ucm1",), 1), (("ucm2",), 0)]
    perfmon = dict(made["perfmon"].samples)
    assert len(perfmon) == 2 * 53
    assert perfmon[("Cisco CallManager", "NumberOfPushReqSent", "ucm1")] == 1


def test_interval_counter_is_also_told_for_its_last_full_minute() -> None:
    table = CounterTable()
    table.count("PushErrorsApns", Instant(0))
    before = told(facts(node(table)))
    assert list(before["callctl_push_errors_apns_60s"].samples) == [(("ucm1",), 1)]
    assert list(before["callctl_push_errors_apns_60s_last"].samples) == []
    after = told(facts(node(table, Instant(61 * SECOND))))
    assert list(after["callctl_push_errors_apns_60s"].samples) == [(("ucm1",), 0)]
    assert list(after["callctl_push_errors_apns_60s_last"].samples) == [(("ucm1",), 1)]


@pytest.mark.req("CTR-10")
def test_counters_that_the_release_has_not_are_no_metrics() -> None:
    made = told(facts(node(CounterTable()), release="12.5(1)SU2"))
    assert "callctl_push_errors_apns_60s" in made
    assert "callctl_push_errors_fcm_60s" not in made
    assert "callctl_number_of_local_push_req_sent" not in made
    assert len(made["perfmon"].samples) == 53 - 10 - 6


def test_node_that_does_not_run_is_told_and_has_no_counts() -> None:
    made = told(facts(NodeFacts("ucm1", up=False)))
    assert list(made["callctl_node_up"].samples) == [(("ucm1",), 0)]
    assert list(made["callctl_number_of_push_req_sent"].samples) == []


def test_facts_of_a_cluster_become_samples() -> None:
    histogram = Histogram()
    histogram.observe(20 * MS)
    first = NodeFacts(
        "ucm1",
        up=True,
        push_service_up=True,
        pushes={("FCM", "incoming", "accepted"): 4},
        calls_in_progress=2,
        registrations=7,
        ignored={"syntax error": 3},
    )
    made = told(
        facts(
            first,
            calls={("ucm1", "2xx"): 5},
            wakes={("ucm1", Stage.PHONE): histogram},
            alarms={("ucm1", "PushNotificationServiceUnavailable", "Critical"): 1},
            insecure={"cloud.insecure_skip_tls_verification": True},
            certificates={("cloud", "IdenTrust Commercial Root CA 1"): -3.5},
        )
    )
    expected: dict[str, tuple[tuple[str, ...], float]] = {
        "push_service_up": (("ucm1",), 1),
        "calls_in_progress": (("ucm1",), 2),
        "registrations": (("ucm1",), 7),
        "calls": (("ucm1", "2xx"), 5),
        "pushes": (("ucm1", "FCM", "incoming", "accepted"), 4),
        "ignored": (("ucm1", "syntax error"), 3),
        "alarms_active": (("ucm1", "PushNotificationServiceUnavailable", "Critical"), 1),
        "insecure_option": (("cloud.insecure_skip_tls_verification",), 1),
        "certificate_expiry_seconds": (("cloud", "IdenTrust Commercial Root CA 1"), -3.5),
    }
    for name, sample in expected.items():
        assert made[f"callctl_{name}"].samples == (sample,), name
    assert made["callctl_wake_latency_seconds"].histograms == ((("ucm1", "phone"), histogram),)


def test_labels_are_of_things_that_there_are_few_of() -> None:
    """No device, number, address of record, user or Call-ID."""
    made = told(facts(NodeFacts("ucm1", up=True)))
    assert {label for family in made.values() for label in family.labels} == LABELS


def test_bound_of_a_bucket_belongs_to_it() -> None:
    histogram = Histogram()
    for ns in (0, MS, MS + 1, 13_000 * MS, 13_000 * MS + 1):
        histogram.observe(ns)
    cumulative = dict(histogram.cumulative())
    assert cumulative["0.001"] == 2
    assert cumulative["0.005"] == 3
    assert cumulative["13"] == 4
    assert cumulative["+Inf"] == 5
    assert len(cumulative) == len(BUCKETS_NS) + 1


def test_reasons_past_the_limit_are_one() -> None:
    counts = {f"reason {number:03}": number for number in range(1, 6)}
    assert bounded(counts, 5) == counts
    assert bounded(counts, 3) == {"reason 004": 4, "reason 005": 5, OTHER: 6}
    assert bounded({OTHER: 9, **counts}, 3) == {OTHER: 9 + 10, "reason 005": 5}
