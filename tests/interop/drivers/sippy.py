"""sippy, a back-to-back user agent in Python: in front of a node, or as a gateway behind it.

In front it is its own `b2bua_simple`: REGISTER passes it, with a Path, and calls if the node asks
for no password, because it loses the challenge. Behind it is programs/sippy_gateway.py.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from interop.drivers.console import Console
from interop.drivers.program import free_port, is_bound, running, until
from interop.drivers.sipp import Account

HOST: Final = "127.0.0.1"
GATEWAY: Final = Path(__file__).parent.parent / "programs" / "sippy_gateway.py"
B2BUA: Final = "from sippy.b2bua_simple import main_func; main_func()"
START_LIMIT_S: Final = 30.0

# Without it, a log of the whole system is written to.
QUIET: Final = {"SIPLOG_BEND": "none", "SIPLOG_LVL": "ERR"}


@asynccontextmanager
async def b2bua_before(directory: Path, node: tuple[str, int]) -> AsyncGenerator[tuple[str, int]]:
    """In front of a node: the address that clients take for the server."""
    port = free_port()
    command = [sys.executable, "-c", B2BUA, "-f", "-l", HOST, "-p", str(port)]
    command += ["-n", f"{node[0]}:{node[1]}"]
    async with running(command, directory / "b2bua.log", env=QUIET):
        if not await until(lambda: is_bound(port), START_LIMIT_S):
            raise TimeoutError(f"sippy does not listen on {port}")
        yield HOST, port


class Gateway:
    """Behind a node. What it tells is in the docstring of its program."""

    def __init__(self, console: Console, port: int) -> None:
        self.address = HOST, port
        self._console = console
        self._heard = 0

    @property
    def story(self) -> list[str]:
        """All that it told."""
        return self._console.printed.splitlines()

    async def told(self, event: str, within_s: float = 10.0) -> None:
        """Wait until it tells that; what it told before is dropped. Raises: TimeoutError."""
        told = await self._console.wait_for(f"{event}\n", after=self._heard, within_s=within_s)
        self._heard += len(told)


@asynccontextmanager
async def gateway_behind(
    directory: Path, node: tuple[str, int], account: Account, callee: str
) -> AsyncGenerator[Gateway]:
    """Registered at a node as `account`; calls for it go on to `callee`."""
    port, log = free_port(), directory / "gateway.log"
    command = [sys.executable, str(GATEWAY), str(port), f"{node[0]}:{node[1]}"]
    command += [account.user, account.domain, callee]
    env = {**QUIET, "SIP_PASSWORD": account.password}
    async with running(command, log, env=env) as process:
        gateway = Gateway(Console(process, log), port)
        await gateway.told("registered", START_LIMIT_S)
        yield gateway
