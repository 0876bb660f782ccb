"""Serves the admin API of a running cluster, and lets the command line find it."""

from __future__ import annotations

import os

import anyio
from anyio.abc import TaskStatus

from callctl.io.admin_api import AdminApi
from callctl.io.cluster_shell import ClusterShell
from callctl.io.http_server import serve
from callctl.io.parties import Parties
from callctl.io.state_dir import Running, StateDir


class AdminServer:
    """Plain HTTP, on loopback unless told otherwise: the token would be readable on a network."""

    def __init__(
        self,
        cluster: ClusterShell,
        parties: Parties,
        state: StateDir,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        """`port` 0 is any free one; the state directory tells which."""
        self.url = ""  # known once it runs
        self._cluster = cluster
        self._parties = parties
        self._state = state
        self._host = host
        self._port = port

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled.

        Raises: OSError if the port is taken or the state directory cannot be written.
        """
        token = self._state.make_token(self._cluster.entropy)
        api = AdminApi(self._cluster, self._parties, token)
        async with serve(
            api.app, None, host=self._host, port=self._port, before_stop=api.close
        ) as port:
            host = f"[{self._host}]" if ":" in self._host else self._host
            self.url = f"http://{host}:{port}"
            running = Running(self.url, self._cluster.cluster.id, os.getpid())
            self._state.announce(running)
            try:
                task_status.started()
                await anyio.sleep_forever()
            finally:
                self._state.withdraw(running)
