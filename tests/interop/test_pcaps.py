"""The captures in pcaps/: clean, readable without hints, explained, and small."""

from __future__ import annotations

from pathlib import Path

import pytest

from interop.conftest import PCAPS
from interop.drivers.capture import complaints, ladder

OCTETS_MAX = 1_000_000  # of all captures: they are fetched with every clone


def captures() -> list[Path]:
    """Every capture there is."""
    return sorted(path for path in PCAPS.iterdir() if path.suffix in (".pcap", ".pcapng"))


@pytest.mark.anyio
@pytest.mark.needs("tshark")
@pytest.mark.parametrize("capture", captures(), ids=lambda path: path.stem)
async def test_tshark_reads_every_message_and_finds_none_malformed(capture: Path) -> None:
    """As anybody would open it: no port and no key has to be told."""
    assert await ladder(capture, ())
    assert await complaints(capture, ()) == []


@pytest.mark.parametrize("capture", captures(), ids=lambda path: path.stem)
def test_capture_has_notes_that_tell_where_it_is_from_and_who_is_who(capture: Path) -> None:
    notes = capture.with_suffix(".md").read_text()
    assert notes.startswith(f"# {capture.name}\n")
    assert "**Origin.**" in notes
    assert "| address | who |" in notes


def test_no_notes_are_left_of_a_capture_that_is_gone() -> None:
    notes = {path.stem for path in PCAPS.glob("*.md")} - {"README"}
    assert notes == {capture.stem for capture in captures()}


def test_captures_are_small() -> None:
    assert 0 < sum(capture.stat().st_size for capture in captures()) < OCTETS_MAX
