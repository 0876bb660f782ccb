"""What the kernel says of processes, and how far behind the fleet's own event loop is."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import anyio

from callctl.fleet.statistics import Samples
from sipstack.io.clock import MonotonicClock
from sipstack.timing import MS, SECOND, Instant

SAMPLE_S: Final = 1.0
LAG_STEP_NS: Final = 50 * MS
TICK: Final = os.sysconf("SC_CLK_TCK")  # per second
PAGE: Final = os.sysconf("SC_PAGE_SIZE")  # octets
FLEET: Final = "fleet"


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one or more processes."""

    cpu_s: float  # so far
    memory: int  # octets in real memory


@dataclass(slots=True)
class Sample:
    """One second of one group of processes."""

    at_s: float  # from the beginning of the watch
    cpu: float  # processors in use: 1.0 is one of them
    memory: int  # octets


@dataclass(slots=True)
class Watched:
    """One group of processes."""

    pids: Sequence[int]
    descendants: bool = True  # what they have started belongs to them
    samples: list[Sample] = field(default_factory=list)
    last: Usage | None = None

    def usage(self) -> Usage:
        """As it is now."""
        return usage(tree(self.pids) if self.descendants else self.pids)


class Watch:
    """Looks once a second, and often at its own lateness."""

    def __init__(self, clock: MonotonicClock) -> None:
        self.processes: dict[str, Watched] = {FLEET: Watched([os.getpid()], descendants=False)}
        self.others: list[Sample] = []
        """Processors that everybody else on this machine used."""
        self.lag = Samples()
        """How many ms late the event loop came to what was due, at each look."""
        self.lag_now_ms = 0.0  # the worst of the last second
        self._clock = clock
        self._began = clock()
        self._busy_s = busy_s()

    def add(self, processes: Mapping[str, Sequence[int]]) -> None:
        """Look at these too."""
        for name, pids in processes.items():
            self.processes[name] = Watched(pids)

    def restart(self) -> None:
        """Forget what was: the run begins now."""
        self._began = self._clock()
        self._busy_s = busy_s()
        self.lag = Samples()
        self.others.clear()
        for watched in self.processes.values():
            watched.samples.clear()
            watched.last = watched.usage()

    async def run(self) -> None:
        """Look until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._look_at_lag)
            looked = self._clock()
            while True:
                await anyio.sleep(SAMPLE_S)
                now = self._clock()
                self._look(now, (now - looked) / SECOND)
                looked = now

    def cpu(self, name: str) -> float:
        """Processors in use in the last second."""
        samples = self.processes[name].samples if name in self.processes else []
        return samples[-1].cpu if samples else 0.0

    def _look(self, now: Instant, since_s: float) -> None:
        at_s = (now - self._began) / SECOND
        busy, self._busy_s = busy_s() - self._busy_s, busy_s()
        for watched in self.processes.values():
            found, before = watched.usage(), watched.last
            watched.last = found
            if before is not None:
                used_s = max(found.cpu_s - before.cpu_s, 0.0)
                busy -= used_s
                watched.samples.append(Sample(at_s, used_s / since_s, found.memory))
        self.others.append(Sample(at_s, max(busy, 0.0) / since_s, 0))

    async def _look_at_lag(self) -> None:
        worst, until = 0.0, self._clock() + SECOND
        while True:
            due = self._clock() + LAG_STEP_NS
            await anyio.sleep(LAG_STEP_NS / SECOND)
            now = self._clock()
            lag_ms = max(now - due, 0) / MS
            self.lag.add(lag_ms)
            worst = max(worst, lag_ms)
            if now >= until:
                self.lag_now_ms, worst, until = worst, 0.0, now + SECOND


def open_as_many_files_as_allowed() -> None:
    """Raise the limit of this process, and of those that it starts, to what the system allows it:
    each connection is a file."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def busy_s() -> float:
    """Seconds that all processors of this machine have worked so far, 0 if it does not tell."""
    try:
        fields = Path("/proc/stat").read_text().partition("\n")[0].split()[1:]
    except OSError:
        return 0.0
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, fields[:8])  # proc(5)
    return (user + nice + system + irq + softirq + steal) / TICK


def usage(pids: Iterable[int]) -> Usage:
    """Of processes; those that are gone count as nothing."""
    cpu_s, memory = 0.0, 0
    for pid in pids:
        place = Path("/proc") / str(pid)
        try:
            fields = (place / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        cpu_s += (int(fields[11]) + int(fields[12])) / TICK  # utime, stime: proc(5)
        memory += int(fields[21]) * PAGE
    return Usage(cpu_s, memory)


def tree(pids: Iterable[int]) -> set[int]:
    """Processes and their descendants."""
    found: set[int] = set()
    waiting = list(pids)
    while waiting:
        pid = waiting.pop()
        if pid in found:
            continue
        found.add(pid)
        try:
            for task in (Path("/proc") / str(pid) / "task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return found
