"""The routes `/alarms`: what holds now, what was told, and what each alarm means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.params import Depends
from pydantic import BaseModel, Field

from callctl.model.release import Release
from callctl.serviceability.alarm import ActiveAlarm, AlarmNotice, state_of
from callctl.serviceability.alarm_catalogue import CATALOGUE, AlarmDefinition
from callctl.serviceability.alarm_reference import releases
from callctl.serviceability.alarms import HISTORY_MAX, AlarmBoard
from sipstack.timing import Instant

Wall = Callable[[Instant], datetime]


class ActiveAlarmView(BaseModel):
    """An alarm whose condition holds."""

    number: int = Field(description="Of the condition; the same in the history.")
    alarm: str
    severity: str = Field(description="Such as `ALERT_ALARM`.")
    component: str
    node: str = Field(description="Who noticed first.")
    subject: str = Field(description="The device or other thing it is about; may be personal.")
    detail: str
    raised_at: datetime
    last_seen_at: datetime
    occurrences: int = Field(description="How often it was noticed.")


class AlarmNoticeView(BaseModel):
    """One line of the history."""

    at: datetime
    state: Literal["raised", "repeated", "cleared"]
    number: int
    alarm: str
    severity: str
    component: str
    node: str
    subject: str
    detail: str
    raised_at: datetime
    occurrences: int


class AlarmDefinitionView(BaseModel):
    """One entry of the catalogue."""

    alarm: str
    severity: str
    component: str
    explanation: str
    action: str
    row: str = Field(description="Of Table F; empty for an alarm of this project's own.")
    releases: str
    in_release: bool = Field(description="The release of this cluster can raise it.")
    upload: bool = Field(description="The management agent is offered it.")


Limit = Annotated[int, Query(ge=1, le=HISTORY_MAX, description="The newest so many.")]


def alarm_router(
    board: AlarmBoard, wall: Wall, release: Release, dependencies: Sequence[Depends] = ()
) -> APIRouter:
    """`dependencies` decide who may ask; `wall` is the clock's."""
    router = APIRouter(tags=["serviceability"], dependencies=list(dependencies))

    @router.get("/alarms")
    async def active() -> list[ActiveAlarmView]:
        """The alarms whose condition holds, oldest first."""
        return [_active(each, wall) for each in board.active]

    @router.get("/alarms/history")
    async def history(limit: Limit = 200) -> list[AlarmNoticeView]:
        """What was raised, repeated and cleared, newest first."""
        return [_notice(each, wall) for each in reversed(board.history[-limit:])]

    @router.get("/alarms/catalogue")
    async def catalogue() -> list[AlarmDefinitionView]:
        """Every alarm: what it means and what to do."""
        return [_definition(each, release) for each in CATALOGUE.values()]

    @router.get("/alarms/counts")
    async def counts() -> dict[str, int]:
        """How many were raised, repeated, cleared, and ignored, by reason."""
        return dict(board.counts)

    return router


def _active(alarm: ActiveAlarm, wall: Wall) -> ActiveAlarmView:
    definition = alarm.definition
    return ActiveAlarmView(
        number=alarm.number,
        alarm=definition.name,
        severity=definition.severity.alarm_name,
        component=definition.component,
        node=alarm.node,
        subject=alarm.subject,
        detail=alarm.detail,
        raised_at=wall(alarm.raised_at),
        last_seen_at=wall(alarm.last_seen_at),
        occurrences=alarm.occurrences,
    )


def _notice(notice: AlarmNotice, wall: Wall) -> AlarmNoticeView:
    return AlarmNoticeView(
        at=wall(notice.at),
        state=state_of(notice),
        number=notice.number,
        alarm=notice.name,
        severity=notice.severity.alarm_name,
        component=notice.definition.component,
        node=notice.node,
        subject=notice.subject,
        detail=notice.detail,
        raised_at=wall(notice.raised_at),
        occurrences=notice.occurrences,
    )


def _definition(definition: AlarmDefinition, release: Release) -> AlarmDefinitionView:
    return AlarmDefinitionView(
        alarm=definition.name,
        severity=definition.severity.alarm_name,
        component=definition.component,
        explanation=definition.explanation,
        action=definition.action,
        row=definition.row,
        releases=releases(definition),
        in_release=definition.exists_in(release),
        upload=definition.upload,
    )
