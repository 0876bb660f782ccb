"""The route `/metrics`, for a Prometheus server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Response
from fastapi.params import Depends

from callctl.io.metrics import CONTENT_TYPE, Metrics


def metrics_router(metrics: Metrics, dependencies: Sequence[Depends] = ()) -> APIRouter:
    """`dependencies` decide who may ask."""
    router = APIRouter(tags=["serviceability"], dependencies=list(dependencies))
    content: dict[int | str, dict[str, Any]] = {200: {"content": {CONTENT_TYPE: {}}}}

    @router.get("/metrics", response_class=Response, responses=content)
    async def read() -> Response:
        """Metrics of every node, in the text format of Prometheus."""
        return Response(metrics.text(), headers={"content-type": CONTENT_TYPE})

    return router
