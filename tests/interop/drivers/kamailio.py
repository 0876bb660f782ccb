"""Kamailio: the telephone network behind a trunk, or a registrar and proxy of its own.

Its configurations are in tests/interop/kamailio.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from interop.drivers.program import is_bound, running, until

CONFIGURATIONS: Final = Path(__file__).parent.parent / "kamailio"
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
    values = {
        "CLUSTER": _quoted(network.cluster),
        "SUBSCRIBER": _quoted(network.subscriber),
        "ASSERTED": f'"{network.asserted}"',
    }
    async with _kamailio("pstn.cfg", network.port, directory, values):
        yield


@asynccontextmanager
async def registrar(port: int, directory: Path) -> AsyncGenerator[None]:
    """A running Kamailio that is the registrar of lab.example; each user has its lab password."""
    async with _kamailio("registrar.cfg", port, directory, {}):
        yield


@asynccontextmanager
async def _kamailio(
    configuration: str, port: int, directory: Path, values: dict[str, str]
) -> AsyncGenerator[None]:
    place = directory / f"kamailio-{port}"
    place.mkdir(exist_ok=True)
    file = CONFIGURATIONS / configuration
    command = ["kamailio", "-f", str(file), "-DD", "-E", "-m", "16", "-M", "4"]
    command += ["-w", str(place), "-Y", str(place), "-P", str(place / "pid")]
    for name, value in {"PORT": str(port), **values}.items():
        command += ["-A", f"{name}={value}"]
    log = place / "log"
    async with running(command, log):
        if not await until(lambda: is_bound(port), START_LIMIT_S):
            raise TimeoutError(f"kamailio does not listen on {port}\n{log.read_text()}")
        yield


def _quoted(address: tuple[str, int]) -> str:
    return f'"{address[0]}:{address[1]}"'
