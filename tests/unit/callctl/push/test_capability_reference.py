"""The page in the repository is the one that the tables make."""

from __future__ import annotations

from pathlib import Path

from callctl.push.capability.reference import page
from callctl.push.capability.tables import TABLES

ROOT = Path(__file__).parents[4]


def test_the_page_is_current() -> None:
    written = (ROOT / "docs" / "capabilities.md").read_text(encoding="utf-8")
    assert written == page(), "run `make docs`"


def test_every_row_is_on_the_page() -> None:
    text = page()
    for table in TABLES.values():
        assert f"## {table.name}: {table.title}\n" in text
        for name in table.row_names:
            assert f"| {name} |" in text
