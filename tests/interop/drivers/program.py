"""A real program as a child of a test: started, watched, and always ended."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT

import anyio
from anyio.abc import Process

from plugins.real_client import find_program
from sipstack.io.entropy import OsEntropy

END_LIMIT_S = 3.0
FIRST_PORT, PORTS = 15_000, 5_000  # below those of outgoing connections, above those of labs
POLL_S = 0.02


@asynccontextmanager
async def running(
    command: Sequence[str],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    console: bool = False,
) -> AsyncGenerator[Process]:
    """`command` with its output in `log`; asked to end on leaving, killed if it does not.

    `env` comes on top of our environment. `console`: it takes commands on its standard input.
    """
    program = find_program(command[0])
    assert program is not None, f"{command[0]} is not installed: mark the test with needs(...)"
    with log.open("ab") as output:
        process = await anyio.open_process(
            [program, *command[1:]],
            stdin=PIPE if console else DEVNULL,
            stdout=output,
            stderr=STDOUT,
            cwd=log.parent,
            env={**os.environ, **(env or {})},
        )
    try:
        yield process
    finally:
        with anyio.CancelScope(shield=True):
            await _end(process)


async def _end(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    with anyio.move_on_after(END_LIMIT_S) as patience:
        await process.wait()
    if patience.cancelled_caught:
        process.kill()
        await process.wait()
    await process.aclose()


async def until(condition: Callable[[], bool], within_s: float) -> bool:
    """True once `condition` holds, False if it does not in time."""
    with anyio.move_on_after(within_s):
        while not condition():  # noqa: ASYNC110 (a file that another program writes sets no event)
            await anyio.sleep(POLL_S)
        return True
    return False


def is_bound(port: int) -> bool:
    """True if some socket has this port. Asks Linux: trying it would get in its owner's way."""
    suffix = f":{port:04X}"
    for table in ("/proc/net/udp", "/proc/net/tcp"):
        for line in Path(table).read_text().splitlines()[1:]:
            if line.split(maxsplit=2)[1].endswith(suffix):
                return True
    return False


def free_port(host: str = "127.0.0.1") -> int:
    """A port that is free for UDP and TCP, and whose successor is too (TLS of baresip).

    None of those that the system gives to outgoing connections: it would be gone at any moment.
    """
    while True:
        port = FIRST_PORT + 2 * OsEntropy().below(PORTS // 2)
        if _is_free(host, port) and _is_free(host, port + 1):
            return port


def _is_free(host: str, port: int) -> bool:
    with contextlib.ExitStack() as sockets:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            probe = sockets.enter_context(socket.socket(socket.AF_INET, kind))
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True
