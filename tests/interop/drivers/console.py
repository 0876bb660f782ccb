"""A program that takes commands as lines on its standard input, and answers in its log."""

from __future__ import annotations

import re
from pathlib import Path

import anyio
from anyio.abc import Process

from interop.drivers.program import until

ENDS_WITHIN_S = 5.0


class Console:
    """One running program. What it prints is in `log`."""

    def __init__(self, process: Process, log: Path) -> None:
        self.process = process
        self.log = log

    @property
    def printed(self) -> str:
        """All that it has printed so far."""
        return self.log.read_text(errors="replace")

    @property
    def alive(self) -> bool:
        return self.process.returncode is None

    async def enter(self, line: str) -> None:
        """Give it a command. What it prints of it comes later."""
        assert self.process.stdin is not None
        await self.process.stdin.send(f"{line}\n".encode())

    async def wait_for(self, pattern: str, *, after: int = 0, within_s: float = 10.0) -> str:
        """What it has printed behind `after` characters, up to the first match of `pattern`.

        Raises: TimeoutError, with what it has printed instead.
        """
        found: list[re.Match[str]] = []

        def matches() -> bool:
            found[:] = re.finditer(pattern, self.printed[after:])
            return bool(found)

        if not await until(matches, within_s):
            raise TimeoutError(f"no {pattern!r} within {within_s} s:\n{self.printed[after:]}")
        return found[0].string[: found[0].end()]

    async def kill(self) -> None:
        """SIGKILL: it says nothing more to anybody."""
        self.process.kill()
        await self.process.wait()

    async def leave(self, farewell: str) -> None:
        """Let it end in order, by its own command; it may be gone already."""
        if not self.alive:
            return
        with anyio.CancelScope(shield=True):
            try:
                await self.enter(farewell)
            except anyio.BrokenResourceError:
                return
            with anyio.move_on_after(ENDS_WITHIN_S):
                await self.process.wait()
