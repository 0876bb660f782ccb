"""pytest plugin: `--record-pcaps` keeps what the tests with real clients put on the wire.

    python -m pytest tests/interop --record-pcaps

writes pcaps/NAME.pcap (with TLS: NAME.pcapng, its secrets inside), and beside it NAME.md for
people, NAME.notes.yaml and NAME.cluster.yaml for `callctl replay run`.
"""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("real clients")
    group.addoption(
        "--record-pcaps",
        action="store_true",
        help="keep the captures of this run in pcaps/; nodes then use the ports 5060 and 5061, "
        "and standard SIP timers (no xdist)",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.option.record_pcaps and getattr(config.option, "numprocesses", None):
        raise pytest.UsageError("--record-pcaps needs one process: its ports are fixed (-n 0)")
