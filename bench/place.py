"""Addresses, names and processors of a benchmark run. All of it is on loopback."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
HOST: Final = "127.0.0.1"

SERVER_PORT: Final = 15060
CALLER_PORT: Final = 15070
CALLEE_PORT: Final = 15080  # the Contact of every registration
REGISTRANT_PORT: Final = 15090
DEVICE_PORT: Final = 15091  # from where a woken device registers
SINK_PORT: Final = 18099  # pushes over plain HTTP
SINK_TLS_PORT: Final = 18443

DOMAIN: Final = "bench.test"
PASSWORD: Final = "secret"  # of every user

_CPUS: Final = sorted(os.sched_getaffinity(0))
SERVER_CPU: Final = _CPUS[0]
CLIENT_CPU: Final = _CPUS[-1]  # another one, where there is another one


def user(number: int) -> str:
    """u0000000, u0000001, ...: the user names that every server has to know."""
    return f"u{number:07d}"
