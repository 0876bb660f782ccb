"""The admin API's way to the repair of the refresh token: `/cloud/repair-token`."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field, SecretStr

from callctl.io.repair_desk import RepairDesk, RepairRefused
from callctl.serviceability.node_cli import UsageError
from callctl.serviceability.repair_steps import READ, Step


class StepView(BaseModel):
    """One step of the repair."""

    number: int
    title: str
    by: str
    command: str
    state: str
    detail: str

    @classmethod
    def of(cls, step: Step, *, emulated: bool) -> StepView:
        """How a step shows; the emulated cloud does those of the other cluster itself."""
        by = "emulator" if emulated and step.number < READ else step.by.value
        return cls(
            number=step.number,
            title=step.title,
            by=by,
            command=step.command,
            state=step.state.value,
            detail=step.detail,
        )


class RepairView(BaseModel):
    """A repair, or that none is needed."""

    needed: bool
    refused_on: list[str]
    state: Literal["not needed", "waits for a token", "under way", "failed", "done"]
    emulated: bool
    steps: list[StepView]


class RepairWish(BaseModel):
    """What to do. The token stands nowhere but in this body."""

    token: Annotated[SecretStr | None, Field(description="The new refresh token.")] = None
    from_emulator: bool = False
    resume: bool = False
    force: bool = False


def repair_router(desk: RepairDesk) -> APIRouter:
    """The routes of one cluster."""
    router = APIRouter(tags=["cloud"])

    @router.get("/cloud/repair-token")
    async def shown() -> RepairView:
        """Whether the refresh token needs a repair, and how far one is."""
        return view_of(desk)

    @router.post("/cloud/repair-token")
    async def repair(wish: RepairWish) -> RepairView:
        """Begin a repair with a new refresh token, or go on at the step that failed."""
        if (wish.token is not None) + wish.from_emulator + wish.resume != 1:
            raise HTTPException(400, "one of token, from_emulator and resume is needed")
        try:
            if wish.resume:
                desk.resume()
            else:
                token = None if wish.token is None else wish.token.get_secret_value()
                await desk.begin(token, force=wish.force)
        except RepairRefused as error:
            raise HTTPException(409, str(error)) from error
        except UsageError as error:
            raise HTTPException(400, str(error)) from error
        return view_of(desk)

    return router


def view_of(desk: RepairDesk) -> RepairView:
    """How things are."""
    refused_on = desk.refused_on()
    states = {step.state.value for step in desk.repair.steps}
    if desk.repair.under_way:
        state: Literal["not needed", "waits for a token", "under way", "failed", "done"] = (
            "under way"
        )
    elif "failed" in states:
        state = "failed"
    elif refused_on:
        state = "waits for a token"
    else:
        state = "done" if desk.repair.done else "not needed"
    return RepairView(
        needed=bool(refused_on),
        refused_on=refused_on,
        state=state,
        emulated=desk.emulated,
        steps=[StepView.of(step, emulated=desk.emulated) for step in desk.repair.steps],
    )
