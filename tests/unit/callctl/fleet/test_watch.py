"""What the kernel says of processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from callctl.fleet.watch import Watched, busy_s, tree, usage


def test_a_process_that_works_uses_processor_time_and_memory() -> None:
    before = usage([os.getpid()])
    busy_before = busy_s()
    end = time.process_time() + 0.15
    while time.process_time() < end:
        pass
    after = usage([os.getpid()])
    assert after.cpu_s - before.cpu_s >= 0.1
    assert busy_s() - busy_before >= 0.1
    assert after.memory > 10_000_000


def test_what_a_process_has_started_belongs_to_it_unless_it_is_looked_at_alone() -> None:
    script = "print(flush=True); input()"
    child = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        child.stdout.readline()  # until then it may be no more than a copy of ours
        assert child.pid in tree([os.getpid()])
        both, alone = Watched([os.getpid()]), Watched([os.getpid()], descendants=False)
        assert both.usage().memory > alone.usage().memory
    finally:
        child.communicate(b"\n")


def test_a_process_that_is_gone_counts_as_nothing() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    gone = usage([child.pid])
    assert (gone.cpu_s, gone.memory) == (0, 0)
