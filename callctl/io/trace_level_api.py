"""The admin API's way to the levels of the traces: what each part writes down from now on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field

from callctl.io.trace_files import TraceFiles
from callctl.serviceability.tracing import Source, TraceLevel

ABSENT = "this cluster writes no traces: it has no state directory"


class TraceLevelView(BaseModel):
    """How much one part writes down on one server."""

    part: str
    node: str
    level: str
    file: str


class TraceLevelWish(BaseModel):
    """A level for a part, on one server or on all that it runs on."""

    part: Annotated[str, Field(description="CallManager, CPNS, CMAS, Push REST, APNs or FCM.")]
    level: Annotated[str, Field(description="Error, Warn, Info or Debug.")]
    node: str | None = None


def trace_level_router(traces: TraceFiles | None, nodes: Sequence[str]) -> APIRouter:
    """The routes of one cluster with these nodes."""
    router = APIRouter(tags=["nodes"])

    def views(source: Source, node: str | None = None) -> list[TraceLevelView]:
        assert traces is not None
        return [
            TraceLevelView(
                part=source.label,
                node=each,
                level=traces.levels.of(source, each).label,
                file=f"{each}/{source.folder}/{source.file}",
            )
            for each in source.servers(nodes)
            if node in (None, each)
        ]

    @router.get("/trace/levels")
    def levels() -> list[TraceLevelView]:
        """The level of every part on every server."""
        if traces is None:
            raise HTTPException(409, ABSENT)
        return [view for source in Source for view in views(source)]

    @router.post("/trace/levels")
    def set_level(wish: TraceLevelWish) -> list[TraceLevelView]:
        """Have a part write more or less from now on, until the cluster ends."""
        if traces is None:
            raise HTTPException(409, ABSENT)
        try:
            source, level = Source.named(wish.part), TraceLevel.named(wish.level)
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
        if wish.node is not None and wish.node not in source.servers(nodes):
            raise HTTPException(404, f"{source.label} has no traces of a server {wish.node}")
        for server in source.servers(nodes):
            if wish.node in (None, server):
                traces.levels.set(source, server, level)
        return views(source, wish.node)

    return router
