"""The samples as a page: medians, and ratios against the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from statistics import median
from typing import Final

from bench.operations import OPERATIONS, Sample
from bench.servers import REFERENCE, SERVERS

TARGETS: Final = {"register": 4.0, "register_auth": 4.0, "call_rr": 3.0, "push": 2.0}
"""The most that the engine may cost, in times the reference."""

LATENCIES: Final = {
    "invite_to_push": "INVITE in to push out",
    "register_to_invite": "REGISTER in to INVITE out",
}

COMPARED_WITH: Final = {"push_tls": "push"}  # what the reference cannot do, and what it does then


class Samples:
    """All runs, asked by server and operation."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self.all = list(samples)

    def median(
        self, server: str, operation: str, figure: Callable[[Sample], float]
    ) -> float | None:
        values = [figure(s) for s in self.all if (s.server, s.operation) == (server, operation)]
        return median(values) if values else None

    def ratio(self, server: str, operation: str, figure: Callable[[Sample], float]) -> float | None:
        mine = self.median(server, operation, figure)
        other = self.median(REFERENCE, COMPARED_WITH.get(operation, operation), figure)
        return mine / other if mine is not None and other else None


def page(samples: Samples, command: str, machine: str) -> str:
    """Markdown."""
    repeats = max((_repeats(samples, s) for s in samples.all), default=0)
    return "\n".join(
        [
            "# Benchmark",
            "",
            "Cost of one operation, measured beside the peers on one machine in one run. Servers",
            f"take turns; each figure is the median of {repeats} runs. Only ratios carry over to",
            "another machine. Made by:",
            "",
            f"    {command}",
            "",
            f"{machine}",
            "",
            "## Processor time per operation",
            "",
            *_cost_table(samples),
            "",
            "## Time inside the server, push calls",
            "",
            *_latency_table(samples),
            "",
            "## Memory",
            "",
            *_memory_table(samples),
            "",
            "## How clean the runs were",
            "",
            *_health_table(samples),
            "",
            "## Who",
            "",
            *(f"- `{s.name}`: {s.note}." for s in SERVERS.values() if s.note),
            "- `engine`: this project, started by `python -m bench.engine`.",
            "",
        ]
    )


def _cost_table(samples: Samples) -> list[str]:
    rows: list[list[str]] = []
    for operation in OPERATIONS.values():
        if operation.name == "memory":
            continue
        row = [operation.title]
        for server in SERVERS:
            cost = samples.median(server, operation.name, _cpu_us)
            ratio = samples.ratio(server, operation.name, _cpu_us)
            row.append("" if cost is None else f"{cost:.0f} us{_times(ratio)}")
        row.append(_verdict(operation.name, samples.ratio("engine", operation.name, _cpu_us)))
        rows.append(row)
    return _table(["operation", *SERVERS, f"engine / {REFERENCE}, at most"], rows)


def _verdict(operation: str, ratio: float | None) -> str:
    target = TARGETS.get(operation)
    if target is None:
        return ""
    if ratio is None:
        return f"{target:.0f}"
    return f"{target:.0f}: {'met' if ratio <= target else 'MISSED'}"


def _latency_table(samples: Samples) -> list[str]:
    rows: list[list[str]] = []
    for operation in ("push", "push_tls"):
        for key, title in LATENCIES.items():
            row = [f"{OPERATIONS[operation].title}: {title}"]
            for server in (REFERENCE, "engine"):
                p50 = samples.median(server, operation, partial(_percentile, key, "p50_ms"))
                p99 = samples.median(server, operation, partial(_percentile, key, "p99_ms"))
                row.append("" if p50 is None or p99 is None else f"{p50:.2f} / {p99:.2f} ms")
            if any(row[1:]):
                rows.append(row)
    return _table(["p50 / p99", REFERENCE, "engine"], rows)


def _memory_table(samples: Samples) -> list[str]:
    row = ["MB per 100,000 registrations"]
    for server in (REFERENCE, "engine"):
        each = samples.median(server, "memory", _bytes_each)
        ratio = samples.ratio(server, "memory", _bytes_each)
        row.append("" if each is None else f"{each * 100_000 / 1e6:.0f}{_times(ratio)}")
    return _table(["", REFERENCE, "engine"], [row])


def _health_table(samples: Samples) -> list[str]:
    rows: list[list[str]] = []
    for key in dict.fromkeys((s.server, s.operation) for s in samples.all):
        chosen = [s for s in samples.all if (s.server, s.operation) == key]
        rows.append(
            [
                key[0],
                key[1],
                str(sum(s.completed for s in chosen)),
                str(sum(s.failed for s in chosen)),
                str(sum(s.retransmissions for s in chosen)),
                f"{max(s.server_busy for s in chosen):.2f}",
                f"{max(s.client_busy for s in chosen):.2f}",
                f"{max(s.others_busy for s in chosen):.2f}",
            ]
        )
    titles = ["server", "operation", "done", "failed", "sent again", "server", "client", "others"]
    return ["The last three are processors in use, at most.", "", *_table(titles, rows)]


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [titles, ["---"] * len(titles), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def _cpu_us(sample: Sample) -> float:
    return sample.cpu_us


def _percentile(key: str, which: str, sample: Sample) -> float:
    return float(getattr(sample.latency[key], which))


def _bytes_each(sample: Sample) -> float:
    return sample.bytes_each


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f" ({ratio:.2f})"


def _repeats(samples: Samples, of: Sample) -> int:
    return sum((s.server, s.operation) == (of.server, of.operation) for s in samples.all)
