"""The counters and metrics of a running cluster, served and read over a real socket."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from callctl.io.cluster_shell import ClusterShell
from callctl.io.counter_api import counter_router
from callctl.io.http_server import serve
from callctl.io.metrics import NOTHING, Metrics, Sources
from callctl.io.metrics_api import metrics_router
from callctl.io.state_dir import Running, StateDir

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Scraped:
    """A server of both routes, and a client of it."""

    metrics: Metrics
    client: httpx2.AsyncClient
    port: int

    async def text(self) -> str:
        answer = await self.client.get("/metrics")
        assert answer.status_code == 200
        return answer.text

    async def samples(self) -> dict[tuple[str, Labels], float]:
        """Every sample by name and labels, as a Prometheus server understands the text."""
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(await self.text())
            for sample in family.samples
        }

    async def value(self, name: str, /, **labels: str) -> float | None:
        """One sample; None if there is none."""
        return (await self.samples()).get((name, frozenset(labels.items())))


@asynccontextmanager
async def scraped(
    shell: ClusterShell, sources: Sources = NOTHING, *, kept_ns: int = 0
) -> AsyncIterator[Scraped]:
    """Serve the metrics and counters of `shell` while the context lasts."""
    metrics = Metrics(shell, sources, kept_ns=kept_ns)
    app = FastAPI()
    app.include_router(metrics_router(metrics))
    app.include_router(counter_router(shell))
    async with (
        serve(app, None) as port,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        yield Scraped(metrics, client, port)


def announced(directory: Path, shell: ClusterShell, port: int) -> Path:
    """A state directory by which the command line finds what is served at `port`."""
    state = StateDir(directory / "state")
    state.make_token(shell.entropy)
    state.announce(Running(f"http://127.0.0.1:{port}", shell.cluster.id, os.getpid()))
    return state.path
