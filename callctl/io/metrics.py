"""The metrics of a running cluster in the text format of Prometheus, made when somebody asks.

Nothing is registered in a global registry: a cluster that ends leaves no metric behind. A scraper
that hangs holds a finished text and nothing else, and one that asks too often gets the last text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import anyio
from anyio.abc import TaskStatus
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    UnknownMetricFamily,
)
from prometheus_client.registry import Collector

from callctl.call.story import CallRecord
from callctl.call.tally import CallTally
from callctl.io.node_shell import NodeShell
from callctl.model.cluster import Cluster
from callctl.push.history import PushEntry
from callctl.serviceability.alarm import ActiveAlarm
from callctl.serviceability.metrics import ClusterFacts, Family, NodeFacts, families
from sipstack.timing import SECOND, Instant

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

TAKE_S: Final = 2.0
"""Finished calls are counted this often, also if nobody scrapes: no story may be forgotten first,
and a node keeps its last 2,000."""


KEPT_NS: Final = SECOND
"""A text is given again for so long, so that no crowd of scrapers takes time from calls."""


class Watched(Protocol):
    """What is measured: a `ClusterShell`."""

    @property
    def cluster(self) -> Cluster: ...
    @property
    def clock(self) -> Callable[[], Instant]: ...
    @property
    def node_names(self) -> Sequence[str]: ...
    @property
    def nodes(self) -> Sequence[NodeShell]:
        """Those that run."""

    def records(self) -> Iterable[CallRecord]:
        """The story of every call that is remembered."""

    def pushes(self) -> Iterable[tuple[str, PushEntry]]:
        """Every push that is remembered, with its node."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What other parts know, asked at each scrape."""

    alarms: Callable[[], Mapping[tuple[str, str, str], int]] = dict
    """Active alarms by node, name and severity."""
    certificates: Callable[[], Mapping[tuple[str, str], float]] = dict
    """Seconds until each certificate expires, by store and name."""


NOTHING: Final = Sources()


class Metrics(Collector):
    """The metrics of one cluster, in a registry of their own."""

    def __init__(
        self, watched: Watched, sources: Sources = NOTHING, *, kept_ns: int = KEPT_NS
    ) -> None:
        self._watched = watched
        self._sources = sources
        self._kept_ns = kept_ns
        self._text: tuple[Instant, bytes] | None = None  # the last one, and when it was made
        self._tally = CallTally()
        self.registry = CollectorRegistry()
        self.registry.register(self)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Count finished calls until cancelled."""
        task_status.started()
        while True:
            await anyio.sleep(TAKE_S)
            self.take()

    def take(self) -> None:
        """Count the calls that have finished since the last time."""
        self._tally.take(self._watched.records(), self._watched.pushes())

    def text(self) -> bytes:
        """All metrics, in the text format 0.0.4; at most `kept_ns` old."""
        now = self._watched.clock()
        if self._text is None or now - self._text[0] >= self._kept_ns:
            self._text = now, generate_latest(self.registry)
        return self._text[1]

    def describe(self) -> Iterable[Metric]:
        """Nothing: to be registered costs no collecting."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All metrics as they are now."""
        self.take()
        for family in families(self.facts()):
            yield as_metric(family)

    def facts(self) -> ClusterFacts:
        """What they are made of."""
        watched = self._watched
        cloud = watched.cluster.cloud
        return ClusterFacts(
            release=watched.cluster.release,
            nodes=tuple(self._nodes()),
            calls=self._tally.calls,
            wakes=self._tally.wakes,
            alarms=self._sources.alarms(),
            insecure={"cloud.insecure_skip_tls_verification": cloud.insecure_skip_tls_verification},
            certificates=self._sources.certificates(),
        )

    def _nodes(self) -> Iterator[NodeFacts]:
        watched = self._watched
        now = watched.clock()
        running = {node.name: node for node in watched.nodes}
        registrations = dict.fromkeys(watched.node_names, 0)
        for node in running.values():  # each knows the contacts of the whole cluster
            for binding in node.engine.bindings:
                if binding.node in registrations and binding.lives(now):
                    registrations[binding.node] += 1
            break
        for name in watched.node_names:
            found = running.get(name)
            if found is None:
                yield NodeFacts(name, up=False)
                continue
            counters = found.engine.counters
            yield NodeFacts(
                name,
                up=True,
                push_service_up=found.cpns.running,
                counters=counters.table.read_all(now),
                pushes={
                    (service, kind.value, outcome.value): count
                    for (service, kind, outcome), count in counters.pushes.items()
                },
                calls_in_progress=sum(
                    call.record.status is None for call in found.engine.calls.calls
                ),
                registrations=registrations[name],
                ignored=found.engine.ignored,
            )


def alarms_active(active: Iterable[ActiveAlarm]) -> dict[tuple[str, str, str], int]:
    """What `Sources.alarms` gives, of what an alarm board lists."""
    counts: dict[tuple[str, str, str], int] = {}
    for alarm in active:
        definition = alarm.definition
        key = (alarm.node, definition.name, definition.severity.word)
        counts[key] = counts.get(key, 0) + 1
    return counts


def as_metric(family: Family) -> Metric:
    """One metric as the client library of Prometheus has it."""
    name, text, labels = family.name, family.help, family.labels
    if family.type == "histogram":
        histogram = HistogramMetricFamily(name, text, labels=labels)
        for values, counts in family.histograms:
            histogram.add_metric(values, counts.cumulative(), counts.total_ns / SECOND)
        return histogram
    metric: CounterMetricFamily | GaugeMetricFamily | UnknownMetricFamily
    if family.type == "counter":
        metric = CounterMetricFamily(name, text, labels=labels)
    elif family.type == "gauge":
        metric = GaugeMetricFamily(name, text, labels=labels)
    else:
        metric = UnknownMetricFamily(name, text, labels=labels)
    for values, value in family.samples:
        metric.add_metric(values, value)
    return metric
