"""Load from sipp: users, scenarios, and what sipp counted."""

from __future__ import annotations

import csv
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.place import (
    CALLEE_PORT,
    CLIENT_CPU,
    DOMAIN,
    HERE,
    HOST,
    PASSWORD,
    SERVER_PORT,
    user,
)
from bench.process import Process, cpu_us

RESPONSE_LIMIT_MS: Final = 12_000


@dataclass(frozen=True, slots=True)
class Load:
    """What one sipp counted when it ended."""

    completed: int
    failed: int
    retransmissions: int
    cpu_us: float  # of sipp itself


def write_users(path: Path, first: int, count: int) -> Path:
    """A sipp injection file: user; domain; authentication keyword."""
    lines = ["SEQUENTIAL"]
    for number in range(first, first + count):
        name = user(number)
        keyword = f"[authentication username={name} password={PASSWORD}]"
        lines.append(f"{name};{DOMAIN};{keyword}")
    path.write_text("\n".join(lines) + "\n")
    return path


def start_callee(run: Path) -> Process:
    """The answering end of every call."""
    command = ["sipp", *_common("answer", CALLEE_PORT, run / "callee.csv")]
    return Process(command, CLIENT_CPU, run / "callee.log")


def run_load(scenario: str, port: int, users: Path, *, rate: float, calls: int, run: Path) -> Load:
    """`calls` operations at `rate` a second; returns when the last has ended."""
    statistics = run / f"load-{time.monotonic_ns()}.csv"
    command = [
        "sipp",
        f"{HOST}:{SERVER_PORT}",
        *_common(scenario, port, statistics),
        *("-inf", str(users), "-r", f"{rate:g}", "-m", str(calls), "-l", "30000"),
        *("-timeout", f"{round(calls / rate) + 40}s"),
    ]
    process = Process(command, CLIENT_CPU, run / f"{scenario}.log")
    own_us = 0.0
    while process.running:
        own_us = max(own_us, cpu_us(process.pids))
        time.sleep(0.2)
    return _read_statistics(statistics, own_us)


def _common(scenario: str, port: int, statistics: Path) -> list[str]:
    return [
        *("-sf", str(HERE / "sipp" / f"{scenario}.xml"), "-i", HOST, "-p", str(port)),
        *("-key", "contact", f"{HOST}:{CALLEE_PORT}"),
        *("-nostdin", "-buff_size", "4194304", "-recv_timeout", str(RESPONSE_LIMIT_MS)),
        *("-default_behaviors", "all,-bye"),
        *("-trace_stat", "-stf", str(statistics), "-fd", "1"),
    ]


def _read_statistics(path: Path, own_us: float) -> Load:
    with path.open() as file:
        rows = [row for row in csv.reader(file, delimiter=";") if row]
    last = dict(zip(rows[0], rows[-1], strict=False))
    return Load(
        completed=int(last["SuccessfulCall(C)"]),
        failed=int(last["FailedCall(C)"]),
        retransmissions=int(last["Retransmissions(C)"]),
        cpu_us=own_us,
    )
