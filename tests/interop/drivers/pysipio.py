"""PySIPio, the worst-behaved phone: see lesson 11 of test_lessons.py for what it does."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from interop.drivers.console import Console
from interop.drivers.program import running
from interop.drivers.sipp import Account

PHONE: Final = Path(__file__).parent.parent / "programs" / "pysipio_phone.py"
START_LIMIT_S: Final = 60.0  # it loads SciPy, which is seconds of work and much to read from disk


class PySipio:
    """A running phone. What it tells is in the docstring of its program."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._heard = 0

    async def told(self, event: str, within_s: float = 15.0) -> None:
        """Wait until it tells that; what it told before is dropped. Raises: TimeoutError."""
        told = await self._console.wait_for(f"{event}\n", after=self._heard, within_s=within_s)
        self._heard += len(told)


@asynccontextmanager
async def pysipio(
    directory: Path, server: tuple[str, int], account: Account, *does: str
) -> AsyncGenerator[PySipio]:
    """Starts one, to `"answer"` what comes or to `"call", CALLEE, SECONDS`."""
    log = directory / "pysipio.log"
    command = [sys.executable, str(PHONE), f"{server[0]}:{server[1]}"]
    command += [account.user, *does]
    async with running(command, log, env={"SIP_PASSWORD": account.password}) as process:
        phone = PySipio(Console(process, log))
        await phone.told("loaded", START_LIMIT_S)
        yield phone
