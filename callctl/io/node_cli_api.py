"""The admin API's way to the nodes' command lines and to the table of their services."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field, SecretStr

from callctl.io.node_cli_desk import NodeCliDesk
from callctl.serviceability.service_table import ServiceTable


class CliLine(BaseModel):
    """One line, as an administrator enters it."""

    line: str
    secret: Annotated[
        SecretStr | None,
        Field(description="The refresh token, if the line has `refreshtoken=-` in its place."),
    ] = None


class CliAnswerView(BaseModel):
    """What the node says to it."""

    node: str
    ok: bool
    usage: bool
    text: str


class DueView(BaseModel):
    """A restart that a change waits for."""

    reason: str
    after: str | None


class ServiceView(BaseModel):
    """A network service on one node."""

    node: str
    service: str
    state: str
    failure: str
    built: bool
    restarts_due: list[DueView]


def node_cli_router(desk: NodeCliDesk) -> APIRouter:
    """The route of one cluster."""
    router = APIRouter(tags=["nodes"])

    @router.post("/nodes/{name}/cli")
    async def enter(name: str, line: CliLine) -> CliAnswerView:
        """Enter one line at the command line of a node."""
        if not desk.knows(name):
            raise HTTPException(404, f"there is no node {name} here")
        secret = None if line.secret is None else line.secret.get_secret_value()
        answer = await desk.answer(name, line.line, secret)
        return CliAnswerView(node=name, ok=answer.ok, usage=answer.usage, text=answer.text)

    return router


def services_router(table: ServiceTable) -> APIRouter:
    """The states of all services, and which restarts are due."""
    router = APIRouter(tags=["nodes"])

    @router.get("/services")
    async def services() -> list[ServiceView]:
        """Every network service of every node, its state, and the restarts that are due."""
        return [
            ServiceView(
                node=entry.node,
                service=entry.service.name,
                state=entry.state.value,
                failure=entry.failure,
                built=entry.service.built,
                restarts_due=[
                    DueView(reason=due.reason, after=None if due.after is None else due.after.name)
                    for due in entry.dues
                ],
            )
            for entry in table.entries()
        ]

    return router
