"""The page in the repository is the one that the catalogue makes."""

from __future__ import annotations

from pathlib import Path

from callctl.serviceability.counter_catalogue import COUNTERS
from callctl.serviceability.counter_reference import page
from callctl.serviceability.metrics import Stage

ROOT = Path(__file__).parents[4]


def test_the_page_is_current() -> None:
    written = (ROOT / "docs" / "counters.md").read_text(encoding="utf-8")
    assert written == page(), "run `make docs`"


def test_every_counter_is_on_the_page_with_what_is_known_of_it() -> None:
    text = page()
    for name, entry in COUNTERS.items():
        (row,) = [line for line in text.splitlines() if line.startswith(f"| {name} |")]
        assert f"| {entry.owner.value} | {entry.kind.value} | {entry.counts}." in row
        for alias in entry.aliases:
            assert alias in row


def test_every_stage_and_every_own_metric_is_on_the_page() -> None:
    text = page()
    for stage in Stage:
        assert f"| {stage.value} | " in text
    for name in ("pushes_total", "calls_total", "alarms_active", "wake_latency_seconds"):
        assert f"| callctl_{name} |" in text
    assert "| perfmon | untyped |" in text
