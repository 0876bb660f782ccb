"""The collection of foreign test data that may lie beside the repository, and is no part of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

ENVIRONMENT: Final = "CALLCTL_SHARED"
_BESIDE: Final = Path(__file__).resolve().parents[2].parent / "shared"


def find_shared() -> Path | None:
    """The directory CALLCTL_SHARED names, else `shared` beside the repository, if it is there."""
    path = Path(os.environ[ENVIRONMENT]) if ENVIRONMENT in os.environ else _BESIDE
    return path if path.is_dir() else None


def shared_dir(part: str = "") -> Path:
    """That directory, or a part of it; skips the test where there is none."""
    shared = find_shared()
    if shared is None or not (shared / part).is_dir():
        pytest.skip(f"no {part or 'shared data'}: set {ENVIRONMENT} to a directory that holds it")
    return shared / part
