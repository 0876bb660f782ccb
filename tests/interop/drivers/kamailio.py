"""Kamailio as the telephone network behind a trunk, with tests/interop/kamailio/pstn.cfg."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from interop.drivers.program import is_bound, running, until

CONFIGURATION: Final = Path(__file__).parent.parent / "kamailio" / "pstn.cfg"
HOST: Final = "127.0.0.1"
START_LIMIT_S: Final = 30.0

USER: Final = "lab"
PASSWORD: Final = "cello"
"""What the configuration asks the cluster for."""


@dataclass(frozen=True, slots=True)
class Network:
    """What one Kamailio is told."""

    port: int
    cluster: tuple[str, int]  # where it brings calls
    subscriber: tuple[str, int]  # who takes calls from the cluster
    asserted: str = "+493055570000"  # the number it vouches for


@asynccontextmanager
async def telephone_network(network: Network, directory: Path) -> AsyncGenerator[None]:
    """A running Kamailio; it ends with its processes on leaving."""
    place = directory / f"kamailio-{network.port}"
    place.mkdir(exist_ok=True)
    values = {
        "PORT": str(network.port),
        "CLUSTER": _quoted(network.cluster),
        "SUBSCRIBER": _quoted(network.subscriber),
        "ASSERTED": f'"{network.asserted}"',
    }
    command = ["kamailio", "-f", str(CONFIGURATION), "-DD", "-E", "-m", "16", "-M", "4"]
    command += ["-w", str(place), "-Y", str(place), "-P", str(place / "pid")]
    for name, value in values.items():
        command += ["-A", f"{name}={value}"]
    log = place / "log"
    async with running(command, log):
        if not await until(lambda: is_bound(network.port), START_LIMIT_S):
            raise TimeoutError(f"kamailio does not listen on {network.port}\n{log.read_text()}")
        yield


def _quoted(address: tuple[str, int]) -> str:
    return f'"{address[0]}:{address[1]}"'
