"""The metrics of a cluster as plain data: what is measured, under which names and labels.

Labels hold what there are few of: nodes, services, outcomes, names of alarms. No number, address of
record, device or Call-ID is one (I14). Everything is made from facts when somebody asks; a call
spends nothing on it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Literal, TypeAlias, TypeVar

from callctl.model.release import Release
from callctl.serviceability.counter_catalogue import COUNTERS, CounterEntry, Kind
from callctl.serviceability.counters import Reading
from sipstack.timing import MS, SECOND

PREFIX: Final = "callctl_"
REASONS_MAX: Final = 100  # values of a label that other parties have a say in
OTHER: Final = "other"

FamilyType: TypeAlias = Literal["counter", "gauge", "histogram", "untyped"]


class Stage(Enum):
    """The parts of the time from a call to the INVITE on a phone that slept."""

    QUEUE = "queue"  # wish for a push to its post
    PROVIDER = "provider"  # post to the 200 of Push REST
    PHONE = "phone"  # that 200 to the first REGISTER of the phone
    REGISTER = "register"  # that REGISTER to the 200 for the one with credentials
    OFFER = "offer"  # that 200 to the INVITE
    TOTAL = "total"


BUCKETS_NS: Final = tuple(
    ms * MS
    for ms in (1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_000, 3_000, 5_000, 8_000, 10_000, 13_000)
)
"""With the limits of calls among them: 180 at 5 s, mobility at 10 s, the end at 13 s."""


class Histogram:
    """How many of the observed durations are in each bucket."""

    __slots__ = ("counts", "total_ns")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_NS) + 1)  # the last: above all bounds
        self.total_ns = 0

    def observe(self, ns: int) -> None:
        """One more; a bound belongs to the bucket that it ends."""
        self.counts[bisect_left(BUCKETS_NS, ns)] += 1
        self.total_ns += ns

    def cumulative(self) -> list[tuple[str, int]]:
        """(upper bound in seconds, how many are not above it), as Prometheus wants them."""
        bounds = [f"{ns / SECOND:g}" for ns in BUCKETS_NS]
        running, out = 0, []
        for bound, count in zip([*bounds, "+Inf"], self.counts, strict=True):
            running += count
            out.append((bound, running))
        return out


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """One node. One that does not run has no counts: they begin anew with it (OP-25)."""

    name: str
    up: bool
    push_service_up: bool = False
    counters: tuple[Reading, ...] = ()
    pushes: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    """Ended pushes by subscriber service, kind and outcome."""
    calls_in_progress: int = 0  # without a final answer to the caller
    registrations: int = 0
    ignored: Mapping[str, int] = field(default_factory=dict)  # by reason


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """What the metrics of a cluster are made of."""

    release: Release
    nodes: tuple[NodeFacts, ...]
    calls: Mapping[tuple[str, str], int]  # with a final answer, by node and outcome
    wakes: Mapping[tuple[str, Stage], Histogram]  # by node of the call
    alarms: Mapping[tuple[str, str, str], int]  # active, by node, name and severity
    insecure: Mapping[str, bool]  # options that weaken security: whether they are on
    certificates: Mapping[tuple[str, str], float]  # by store and name: seconds until it expires


Labels: TypeAlias = tuple[str, ...]
L = TypeVar("L", bound=Labels)


@dataclass(frozen=True, slots=True)
class Family:
    """One metric with all its samples."""

    name: str  # without `_total`: that is the style of writing it down
    type: FamilyType
    help: str
    labels: Labels
    samples: tuple[tuple[Labels, float], ...] = ()
    histograms: tuple[tuple[Labels, Histogram], ...] = ()


def families(facts: ClusterFacts) -> Iterator[Family]:
    """Every metric of a cluster."""
    nodes = facts.nodes

    def of_nodes(name: str, type_: FamilyType, text: str, values: Iterable[float]) -> Family:
        samples = tuple(((node.name,), value) for node, value in zip(nodes, values, strict=True))
        return Family(PREFIX + name, type_, text, ("node",), samples)

    yield of_nodes("node_up", "gauge", "1 if the node runs", (it.up for it in nodes))
    running = (it.push_service_up for it in nodes)
    yield of_nodes("push_service_up", "gauge", "1 if its push service runs", running)
    pending = (it.calls_in_progress for it in nodes)
    yield of_nodes("calls_in_progress", "gauge", "Calls without a final answer", pending)
    yield of_nodes(
        "registrations", "gauge", "Contacts at the node", (it.registrations for it in nodes)
    )
    yield _labelled("calls", "counter", "Calls that have ended", ("node", "outcome"), facts.calls)
    yield Family(
        PREFIX + "pushes",
        "counter",
        "Pushes that have ended, of every subscriber service",
        ("node", "service", "kind", "outcome"),
        tuple(((it.name, *key), count) for it in nodes for key, count in sorted(it.pushes.items())),
    )
    yield Family(
        PREFIX + "ignored",
        "counter",
        "What had no effect, by reason",
        ("node", "reason"),
        tuple(((it.name, why), n) for it in nodes for why, n in bounded(it.ignored).items()),
    )
    yield _labelled(
        "alarms_active",
        "gauge",
        "Alarms whose condition holds",
        ("node", "name", "severity"),
        facts.alarms,
    )
    yield _labelled(
        "insecure_option",
        "gauge",
        "1 if an option that weakens security is on",
        ("option",),
        {(name,): int(on) for name, on in facts.insecure.items()},
    )
    yield _labelled(
        "certificate_expiry_seconds",
        "gauge",
        "Time until a certificate expires; negative: since it has",
        ("store", "certificate"),
        facts.certificates,
    )
    yield Family(
        PREFIX + "wake_latency_seconds",
        "histogram",
        "From a call to the INVITE on a phone that slept, by stage",
        ("node", "stage"),
        histograms=tuple(
            ((node, stage.value), histogram)
            for (node, stage), histogram in sorted(
                facts.wakes.items(), key=lambda it: (it[0][0], list(Stage).index(it[0][1]))
            )
        ),
    )
    yield from _counter_families(facts)


def _labelled(
    name: str, type_: FamilyType, text: str, labels: Labels, values: Mapping[L, float]
) -> Family:
    return Family(PREFIX + name, type_, text, labels, tuple(sorted(values.items())))


def _counter_families(facts: ClusterFacts) -> Iterator[Family]:
    """The counters of the catalogue, each under its own name and all as `perfmon`."""
    readings = [
        (node.name, {reading.name: reading for reading in node.counters}) for node in facts.nodes
    ]
    there = [entry for entry in COUNTERS.values() if entry.exists_in(facts.release)]
    aliases: list[tuple[Labels, float]] = []
    for entry in there:
        samples = [(node, known[entry.name]) for node, known in readings if entry.name in known]
        values = tuple(((node,), reading.value) for node, reading in samples)
        aliases += [
            ((entry.owner.value, entry.name, node), reading.value) for node, reading in samples
        ]
        yield Family(_metric(entry), _TYPES[entry.kind], _help(entry), ("node",), values)
        if entry.kind is Kind.INTERVAL:
            last = tuple(
                ((node,), reading.last_full)
                for node, reading in samples
                if reading.last_full is not None
            )
            text = f"{entry.name} in the last full 60 s"
            yield Family(f"{_metric(entry)}_last", "gauge", text, ("node",), last)
    yield Family(
        "perfmon",
        "untyped",
        "The counters by the names that the product has",
        ("object", "counter", "node"),
        tuple(aliases),
    )


_TYPES: Final[dict[Kind, FamilyType]] = {
    Kind.CUMULATIVE: "counter",
    Kind.GAUGE: "gauge",
    Kind.INTERVAL: "gauge",  # it goes back to 0 each minute
}


def _metric(entry: CounterEntry) -> str:
    return PREFIX + entry.metric + ("_60s" if entry.kind is Kind.INTERVAL else "")


def _help(entry: CounterEntry) -> str:
    text = f"{entry.name}: {entry.counts}"
    return text if entry.built else f"{text}. {entry.part.value}"


def bounded(counts: Mapping[str, int], most: int = REASONS_MAX) -> dict[str, int]:
    """At most `most` names: the most frequent, and the rest as one."""
    if len(counts) <= most:
        return dict(sorted(counts.items()))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    kept = dict(sorted(ordered[: most - 1]))
    kept[OTHER] = kept.get(OTHER, 0) + sum(count for _, count in ordered[most - 1 :])
    return kept
