"""What every test of the project shares."""

from __future__ import annotations

import gc

import pytest

pytest_plugins = (
    "plugins.requirements",
    "plugins.priority",
    "plugins.seed",
    "plugins.real_client",
    "plugins.record_pcaps",
    "plugins.emulator_scan",
    "plugins.secret_sweep",
    "pytester",
)


def pytest_collection_finish() -> None:
    """Take what all tests together need out of the garbage collector's sight.

    Tests of sockets collect garbage at their end, so that what they left open warns there.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop that async tests run on: asyncio's own.

    Tests of sockets take both loops with `on_each_loop` of `helpers.loops`.
    """
    return "asyncio", {"use_uvloop": False}
