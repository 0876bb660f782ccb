"""F. Capture files that mean harm end in a clear error, or in what they hold, cheaply.

Each is read by a process of its own, and that may take 10 s of processor time and 300 MB at most.
By default files are of a megabyte or so, and the reader has limits to match. With
CALLCTL_FULL_SIZE=1 they have 100 MB, or as much as it takes to reach the limits that everybody has.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hostile.captures import FULL, KINDS, MEMORY_MAX, SECONDS_MAX, SHORT, Size, cost_of, write

ALWAYS_FULL = ("ten_million_empty_packets",)
"""Costs less than a second."""


def size_of(name: str) -> Size:
    full = os.environ.get("CALLCTL_FULL_SIZE") == "1"
    return FULL if full or name in ALWAYS_FULL else SHORT


@pytest.mark.parametrize("name", KINDS)
def test_file_costs_little_and_says_what_is_wrong(name: str, tmp_path: Path) -> None:
    path, size = tmp_path / "harm.pcap", size_of(name)
    try:
        error = write(name, path, size)
        cost = cost_of(path, size.limits)
    finally:
        path.unlink()  # pytest would keep it for days
    assert cost.error.startswith(error)
    assert bool(cost.error) is bool(error), cost.error
    assert cost.memory < MEMORY_MAX
    assert cost.seconds < SECONDS_MAX
