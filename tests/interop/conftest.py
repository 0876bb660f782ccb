"""Where the tests with real clients live."""

from __future__ import annotations

from pathlib import Path

import pytest

from interop.lab import Site

PCAPS = Path(__file__).parent.parent.parent / "pcaps"


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    """A place for one lab; with --record-pcaps its captures are kept."""
    archive = PCAPS if request.config.getoption("record_pcaps") else None
    return Site(tmp_path, archive)
