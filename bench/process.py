"""Processes of a run, and what the kernel says they cost."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path


class Process:
    """A command pinned to one processor, its output in a log; `stop` ends it and its children."""

    def __init__(self, command: Sequence[str], cpu: int, log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self.popen = subprocess.Popen(
                ["taskset", "-c", str(cpu), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=log.parent,
                start_new_session=True,
            )

    @property
    def pids(self) -> list[int]:
        return tree(self.popen.pid)

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    def stop(self) -> None:
        """SIGTERM, and SIGKILL to the whole session for what is left after 5 s."""
        if self.running:
            self.popen.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.popen.wait(5)
        with suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()


def tree(root: int) -> list[int]:
    """Process `root` and all its descendants."""
    children: dict[int, list[int]] = {}
    for pid in _all_pids():
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            continue
        parent = int(stat[stat.rindex(")") + 2 :].split()[1])
        children.setdefault(parent, []).append(pid)
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def cpu_us(pids: Sequence[int]) -> float:
    """Microseconds that these processes, all threads, have been on a processor (schedstat)."""
    total_ns = 0
    for pid in pids:
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                path = f"/proc/{pid}/task/{thread}/schedstat"
                total_ns += int(Path(path).read_text().split()[0])
        except OSError:
            continue
    return total_ns / 1e3


def busy_us_by_pid() -> dict[int, float]:
    """The same for every process of the machine, main threads only: who else is at work."""
    busy: dict[int, float] = {}
    for pid in _all_pids():
        try:
            busy[pid] = int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e3
        except (OSError, IndexError):
            continue
    return busy


def memory_kib(pids: Sequence[int]) -> int:
    """Proportional set size of the processes: shared pages are counted once."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


def wait_until_gone(pids: Sequence[int], limit_s: float = 5.0) -> None:
    end = time.monotonic() + limit_s
    while time.monotonic() < end and any(Path(f"/proc/{pid}").exists() for pid in pids):
        time.sleep(0.02)


def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]
