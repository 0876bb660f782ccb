"""The admin API's way to what a recording needs beside the trace."""

from __future__ import annotations

from typing import Annotated

import anyio
from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse

from callctl.io.cluster_shell import ClusterShell
from callctl.io.replay_notes import beginning_of, happened_since
from callctl.model.dump import cluster_text
from callctl.replay.happened import Beginning, Happened
from callctl.replay.write import PASSWORD

Since = Annotated[int, Query(ge=0, description="`at_unix_ns` of the beginning.")]


def replay_router(shell: ClusterShell) -> APIRouter:
    """The routes of one cluster."""
    router = APIRouter(prefix="/recording", tags=["cluster"])

    @router.get("/beginning")
    async def beginning() -> Beginning:
        """Who is registered now, who is signed in, which nodes are down."""
        return beginning_of(shell)

    @router.get("/since")
    async def since(at_unix_ns: Since) -> Happened:
        """Pushes, sign-ins and sign-outs since then."""
        return happened_since(shell, at_unix_ns)

    @router.get("/cluster", response_class=PlainTextResponse)
    async def cluster() -> str:
        """The cluster file, with one and the same word for every password."""
        return await anyio.to_thread.run_sync(cluster_text, shell.cluster, lambda _: PASSWORD)

    return router
