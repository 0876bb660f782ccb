"""The page of performance counters and metrics: `docs/counters.md`.

`python -m callctl.serviceability.counter_reference` prints it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from callctl.model.release import Release
from callctl.serviceability.counter_catalogue import COUNTERS, TABLES, CounterEntry
from callctl.serviceability.metrics import (
    BUCKETS_NS,
    REASONS_MAX,
    ClusterFacts,
    Stage,
    families,
)
from sipstack.timing import SECOND

INTRO: Final = f"""\
# Counters and metrics

Every node keeps the {len(COUNTERS)} performance counters of the product, under exactly its names,
typos included (CTR-01, CTR-13). This page is generated from the catalogue in the code.

```
callctl rtmt show                            what moves in this cluster, a column for each node
callctl rtmt show NumberOfPushReqSent        one counter
callctl rtmt show 'Cisco XCP Push' --all     an object; a part of a name, * and ? do as well
callctl rtmt show --node ucm1 --json         for scripts
```

The same is at `/perfmon` of the admin API, and at `/metrics` for Prometheus. Corrected spellings
are understood, whatever their case.

## When a counter goes back to 0

One rule for all of them (CTR-14, OP-24, OP-25):

- A counter belongs to a service. The start of that service sets all of its counters to 0, and
  begins its periods. Mobility Manager is a part of Cisco CallManager; what Cisco XCP Push counts
  begins with Cisco XCP Router. A node that starts again starts all of its services.
- *cumulative*: events since that start.
- *gauge*: how many there are now; never below 0.
- *interval*: events of the running period. A period lasts 60 s from the start of the service and
  does not slide; what happens at the very end of one counts in the next. The last full period is
  shown apart, and there is none before the first has ended.
- Nothing else sets a counter to 0: no read, and no administrator.

## How a push of CallManager counts

| What became of it | NumberOfPushReqSent | NumberOfPushResReceived | NumberOfPushErrorResReceived |
|---|---|---|---|
| sent over TLS, answer 200 | +1 | +1 | |
| sent over TLS, any other answer | +1 | +1 | +1 |
| sent over TLS, no answer: the time is up, or the connection ended | +1 | | +1 |
| the TLS handshake failed, or was not over in time | | | +1 |
| it never left for another reason | | | |

A request that is sent again, with a newer token or to the next address, counts once. Second pushes
and those for the custom region count like all others (OP-21, OP-23). Pushes over FCM change none of
these counters (OP-22); `callctl_pushes_total` counts those of every subscriber service.
"""

METRICS: Final = f"""\
## Metrics

`/metrics` of the admin API has the text format of Prometheus, behind the same bearer token. Each
counter above is there twice: under its name in words, as `callctl_number_of_push_req_sent_total`,
and as `perfmon{{object="Cisco CallManager",counter="NumberOfPushReqSent",node="ucm1"}}`. The name
of an interval counter ends in `_60s`, that of its last full period in `_60s_last`. Labels never
hold a number, a device, an address of record or a Call-ID; of the reasons of
`callctl_ignored_total` the {REASONS_MAX} most frequent are told, and the rest as `other`.
"""

STAGES: Final = {
    Stage.QUEUE: "the wish for the push to its post",
    Stage.PROVIDER: "the post to the answer of Push REST",
    Stage.PHONE: "that answer to the first REGISTER of the phone",
    Stage.REGISTER: "that REGISTER to the 200 for the one with credentials",
    Stage.OFFER: "that 200 to the INVITE",
    Stage.TOTAL: "all of it",
}


def page() -> str:
    """The whole page, in Markdown."""
    parts = [INTRO]
    for table, entries in TABLES.items():
        parts.append(f"## {table}: {_title(entries)}\n\n{_counters(entries)}")
    parts.append(f"{METRICS}\n{_metrics()}")
    parts.append(_latency())
    return "\n".join(parts)


def _title(entries: tuple[CounterEntry, ...]) -> str:
    return ", ".join(dict.fromkeys(entry.owner.value for entry in entries))


def _counters(entries: tuple[CounterEntry, ...]) -> str:
    rows = []
    for entry in entries:
        since = "" if entry.since is None else f" From {entry.since.starts[0]} on."
        aliases = ", ".join(entry.aliases)
        also = f" Also: {aliases}." if aliases else ""
        rows.append(
            (
                entry.name,
                entry.owner.value,
                entry.kind.value,
                f"{entry.counts}.{since}{also}",
                entry.filter,
            )
        )
    text = _markdown(("Counter", "Object", "Kind", "Counts", "Services"), rows)
    notes = dict.fromkeys(entry.part.value for entry in entries if not entry.built)
    for note in notes:
        still = [entry.name for entry in entries if entry.part.value == note]
        which = "All of them" if len(still) == len(entries) else ", ".join(still)
        text += f"\n{which}: {note}.\n"
    return text


def _metrics() -> str:
    nothing = ClusterFacts(Release.parse("15"), (), {}, {}, {}, {}, {})
    own = {f"callctl_{entry.metric}" for entry in COUNTERS.values()}
    rows = [
        (
            family.name + ("_total" if family.type == "counter" else ""),
            family.type,
            f"{family.help}.",
            ", ".join(family.labels),
        )
        for family in families(nothing)
        if not any(family.name in (name, f"{name}_60s", f"{name}_60s_last") for name in own)
    ]
    return _markdown(("Metric", "Type", "Tells", "Labels"), rows)


def _latency() -> str:
    bounds = ", ".join(f"{ns / SECOND:g}" for ns in BUCKETS_NS)
    return (
        "## Wake latency\n\n"
        "`callctl_wake_latency_seconds` tells, for each phone that slept and got its INVITE, how\n"
        "long each stage took. They are read from the stories of finished calls, so that a call\n"
        "spends nothing on it.\n\n"
        + _markdown(("Stage", "From, to"), [(it.value, text) for it, text in STAGES.items()])
        + f"\nBuckets: {bounds} s.\n"
    )


def _markdown(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"

    return line(columns) + line(("---",) * len(columns)) + "".join(map(line, rows))


if __name__ == "__main__":
    sys.stdout.buffer.write(page().encode())  # whatever the terminal speaks, the page is UTF-8
