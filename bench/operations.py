"""The operations: how each is prepared, loaded and counted."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.capture import Latency, latencies, start_capture
from bench.certificate import make_certificate
from bench.load import Load, run_load, start_callee, write_users
from bench.place import CALLER_PORT, CLIENT_CPU, HERE, REGISTRANT_PORT
from bench.process import Process, busy_us_by_pid, cpu_us, memory_kib
from bench.servers import RunningServer, Server

USERS: Final = 1000  # who register and are called, over and over
REGISTER_RATE: Final = 1000.0  # of the preparation and of the memory figure


@dataclass(frozen=True, slots=True)
class Operation:
    name: str
    title: str
    needs: tuple[str, ...]  # keys of Server.options
    scenario: str
    rate: float  # operations a second


OPERATIONS: Final = {
    operation.name: operation
    for operation in (
        Operation("register", "REGISTER", (), "register", 1000),
        Operation("register_auth", "REGISTER with digest", ("auth",), "register_auth", 500),
        Operation("call_rr", "proxied call", ("rr",), "call", 500),
        Operation("push", "push call, plain HTTP", ("rr", "push"), "call", 200),
        Operation("push_tls", "push call, TLS and encryption", ("rr", "push_tls"), "call", 200),
        Operation("memory", "memory of a registration", (), "register", REGISTER_RATE),
    )
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of one operation at one server."""

    server: str
    operation: str
    completed: int
    failed: int
    retransmissions: int
    cpu_us: float = 0.0  # of the server, per completed operation
    server_busy: float = 0.0  # processors used by the server, 0 to 1 or more
    client_busy: float = 0.0  # by this side: near 1 it was the limit
    others_busy: float = 0.0  # by processes that are no part of the run
    bytes_each: float = 0.0  # "memory" only: per registration
    latency: dict[str, Latency] = field(default_factory=dict)


def measure(server: Server, operation: Operation, seconds: float, count: int, run: Path) -> Sample:
    """Start the server, prepare, load it, and stop everything.

    `count` is the number of registrations of the memory figure.
    """
    if "push_tls" in operation.needs:
        make_certificate(run)
    running = RunningServer(server, operation.needs, run)
    helpers: list[Process] = []
    try:
        if operation.name == "memory":
            return _measure_memory(server, running, count, run)
        if operation.scenario == "call":
            helpers.append(start_callee(run))
        pushed = operation.name.startswith("push")
        if pushed:
            helpers.append(_start_sink(run, tls="push_tls" in operation.needs))
        elif "register" in server.operations:
            _register_users(operation, run)
        time.sleep(0.5)
        return _measure_load(server, operation, running, helpers, seconds, run)
    finally:
        for helper in helpers:
            helper.stop()
        running.stop()


def _measure_load(
    server: Server,
    operation: Operation,
    running: RunningServer,
    helpers: list[Process],
    seconds: float,
    run: Path,
) -> Sample:
    calls = int(operation.rate * seconds)
    pushed = operation.name.startswith("push")
    # A pushed user is one without contact, so each call needs another one.
    users = write_users(run / "users.csv", 0, calls if pushed else USERS)
    port = CALLER_PORT if operation.scenario == "call" else REGISTRANT_PORT
    capture = run / f"{server.name}-{operation.name}.pcap"
    if pushed:
        helpers.append(start_capture(capture, run))

    ours = [pid for helper in helpers for pid in helper.pids] + running.pids
    before, begun = _costs(running, helpers), time.monotonic()
    others = busy_us_by_pid()
    load = run_load(operation.scenario, port, users, rate=operation.rate, calls=calls, run=run)
    time.sleep(0.3)
    others_us = sum(
        busy - others.get(pid, 0.0)
        for pid, busy in busy_us_by_pid().items()
        if pid not in ours and pid in others
    )
    after, wall_us = _costs(running, helpers), (time.monotonic() - begun) * 1e6

    latency: dict[str, Latency] = {}
    if pushed:
        helpers.pop().stop()
        latency = latencies(capture, run / "push.log")
    return Sample(
        server.name,
        operation.name,
        load.completed,
        load.failed,
        load.retransmissions,
        cpu_us=(after[0] - before[0]) / max(load.completed, 1),
        server_busy=(after[0] - before[0]) / wall_us,
        client_busy=(after[1] - before[1] + load.cpu_us) / wall_us,
        others_busy=others_us / wall_us,
        latency=latency,
    )


def _costs(running: RunningServer, helpers: list[Process]) -> tuple[float, float]:
    client = sum(cpu_us(helper.pids) for helper in helpers)
    return cpu_us(running.pids), client


def _measure_memory(server: Server, running: RunningServer, count: int, run: Path) -> Sample:
    users = write_users(run / "users.csv", 0, count)
    before = memory_kib(running.pids)
    load = _register(users, count, "register", run)
    time.sleep(0.5)
    grown = (memory_kib(running.pids) - before) * 1024
    return Sample(
        server.name,
        "memory",
        load.completed,
        load.failed,
        load.retransmissions,
        bytes_each=grown / max(load.completed, 1),
    )


def _register_users(operation: Operation, run: Path) -> None:
    """Everybody has a binding, so that the measured REGISTER refreshes it and a call finds it."""
    users = write_users(run / "users.csv", 0, USERS)
    scenario = "register_auth" if "auth" in operation.needs else "register"
    load = _register(users, USERS, scenario, run)
    if load.completed < USERS:
        raise SystemExit(f"only {load.completed} of {USERS} users could register")


def _register(users: Path, count: int, scenario: str, run: Path) -> Load:
    return run_load(
        scenario, REGISTRANT_PORT, users, rate=min(REGISTER_RATE, count), calls=count, run=run
    )


def _start_sink(run: Path, *, tls: bool) -> Process:
    log = run / "push.log"
    log.write_text("")
    command = ["env", f"PYTHONPATH={HERE.parent}", sys.executable, "-m", "bench.push_sink"]
    command += ["--log", str(log)]
    if tls:
        command += ["--certificate", str(run / "sink.pem"), "--key", str(run / "sink.key")]
    return Process(command, CLIENT_CPU, run / "sink.log")
