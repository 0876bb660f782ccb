"""The process of a fleet's own cluster: `python -m callctl.fleet.cluster_process FILE STATE`.

It is what `callctl run` runs, and ends when its standard input does: whatever becomes of the fleet,
nothing is left behind.
"""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

from callctl.io.host import hosted
from callctl.io.process import run_loop, settled_memory
from callctl.io.state_dir import StateDir
from callctl.model.load import load_cluster


async def serve(file: Path, state: Path) -> None:
    """Run the cluster of a file until standard input ends."""
    async with hosted(load_cluster(file), StateDir(state)):
        with settled_memory():
            await anyio.to_thread.run_sync(sys.stdin.buffer.read, abandon_on_cancel=True)


if __name__ == "__main__":
    run_loop(serve, Path(sys.argv[1]), Path(sys.argv[2]))
