"""The route `/perfmon`: the performance counters of every node, as the product names them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from fastapi.params import Depends
from pydantic import BaseModel, Field

from callctl.io.metrics import Watched
from callctl.model.release import Release
from callctl.serviceability.counter_catalogue import TABLES, CounterEntry, counter_named
from sipstack.timing import SECOND

WILDCARDS = frozenset("*?[")


class CounterValue(BaseModel):
    """One counter of one node."""

    node: str
    value: int = Field(description="Of an interval counter: in the running 60 s.")
    last_full: int | None = Field(
        description="In the last full 60 s. Null: no interval counter, or none is full yet."
    )
    age_s: float = Field(description="Since the count, or its running period, began.")


class CounterView(BaseModel):
    """One counter of the catalogue."""

    name: str = Field(description="As the product has it, its typos kept.")
    aliases: list[str] = Field(description="Other spellings that are understood.")
    object: str = Field(description="The component that owns it.")
    kind: str = Field(description="cumulative, gauge, or interval: back to 0 every 60 s.")
    table: str
    counts: str
    services: str = Field(description="The subscriber services that move it; no other does.")
    since: str | None = Field(description="The first release that has it, where one is known.")
    in_release: bool = Field(description="The release of this cluster has it.")
    built: bool = Field(description="The part that moves it is there.")
    note: str = Field(description="Why it stands still, if it does.")
    values: list[CounterValue] = Field(description="Of each node that runs.")


def counter_router(watched: Watched, dependencies: Sequence[Depends] = ()) -> APIRouter:
    """`dependencies` decide who may ask."""
    router = APIRouter(tags=["serviceability"], dependencies=list(dependencies))

    @router.get("/perfmon")
    async def read(
        pattern: Annotated[
            str, Query(description="A counter, an object, or both with * and ? in them.")
        ] = "*",
        node: Annotated[str | None, Query(description="This node alone.")] = None,
    ) -> list[CounterView]:
        """The counters of every node that runs, in the order of the tables."""
        if node is not None and node not in watched.node_names:
            raise HTTPException(404, f"there is no node {node} here")
        found = list(counter_views(watched, pattern, node))
        if not found:
            raise HTTPException(404, f"no counter and no object is named {pattern}")
        return found

    return router


def counter_views(
    watched: Watched, pattern: str = "*", node: str | None = None
) -> Iterator[CounterView]:
    """The counters that `pattern` names, by name, alias or owner."""
    now, release = watched.clock(), watched.cluster.release
    nodes = [it for it in watched.nodes if node in (None, it.name)]
    for table, entries in TABLES.items():
        for entry in entries:
            if not named_by(entry, pattern):
                continue
            readings = [(it.name, it.engine.counters.table.read(entry.name, now)) for it in nodes]
            there = entry.exists_in(release)
            yield CounterView(
                name=entry.name,
                aliases=list(entry.aliases),
                object=entry.owner.value,
                kind=entry.kind.value,
                table=table,
                counts=entry.counts,
                services=entry.filter,
                since=None if entry.since is None else str(entry.since.starts[0]),
                in_release=there,
                built=entry.built,
                note=_note(entry, release),
                values=[
                    CounterValue(
                        node=name,
                        value=reading.value,
                        last_full=reading.last_full,
                        age_s=round((now - reading.since) / SECOND, 1),
                    )
                    for name, reading in readings
                    if there
                ],
            )


def named_by(entry: CounterEntry, pattern: str) -> bool:
    """True for its name or an alias, its owner, or a pattern that fits one, in whatever case.

    A pattern without wildcard may also be a part of the name.
    """
    exact = counter_named(pattern)
    if exact is not None:
        return entry is exact
    wanted = pattern.lower()
    names = [name.lower() for name in (entry.name, *entry.aliases, entry.owner.value)]
    if WILDCARDS & set(wanted):
        return any(fnmatchcase(name, wanted) for name in names)
    return any(wanted in name for name in names)


def _note(entry: CounterEntry, release: Release) -> str:
    if not entry.exists_in(release):
        assert entry.since is not None
        return f"from {entry.since.starts[0]} on; this cluster is {release}"
    return entry.part.value
