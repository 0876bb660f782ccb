"""`callctl alarm` and `/alarms`: the alarms of a running cluster, asked from outside."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import anyio.to_thread
import pytest
from fastapi import Depends, FastAPI, Header, HTTPException

from callctl.cli import alarm
from callctl.cli.client import AdminClient, Where
from callctl.cli.errors import Refused, Unreachable
from callctl.io.alarm_api import alarm_router
from callctl.io.http_server import serve
from callctl.io.state_dir import StateDir
from callctl.model.release import Release
from callctl.serviceability.alarm_catalogue import CATALOGUE
from callctl.serviceability.alarms import AlarmBoard
from callctl.serviceability.condition import ConditionEntered, ConditionLeft
from helpers.loops import on_each_loop
from sipstack.io.clock import MonotonicClock
from sipstack.io.entropy import OsEntropy
from sipstack.timing import SECOND, Instant

pytestmark = [pytest.mark.anyio, on_each_loop]

NO_CPNS = "PushNotificationServiceUnavailable"
BAD_TOKEN = "PushNotificationInvalidDeviceTokenResponse"


@dataclass
class Cluster:
    """The part of a cluster that is asked."""

    board: AlarmBoard
    where: Where
    capsys: pytest.CaptureFixture[str]

    def condition(self, *event: ConditionEntered | ConditionLeft) -> None:
        for second, each in enumerate(event):
            self.board.receive(each, Instant(second * SECOND))

    async def run(self, command: Callable[..., int], *words: Any, **more: Any) -> tuple[int, str]:  # noqa: ANN401
        """Exit code, and what was printed."""
        code = await anyio.to_thread.run_sync(lambda: command(*words, **more))
        return code, self.capsys.readouterr().out

    async def get(self, *path: str) -> Any:  # noqa: ANN401
        return await anyio.to_thread.run_sync(lambda: AdminClient(self.where).get(*path))


@pytest.fixture
def cluster(
    tmp_path: Any,  # noqa: ANN401
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Any]:
    @asynccontextmanager
    async def running(*, json: bool = False, release: str = "14SU3") -> AsyncIterator[Cluster]:
        state = StateDir(tmp_path / "state")
        token = state.make_token(OsEntropy())
        board = AlarmBoard(Release.parse(release))

        def authorized(authorization: Annotated[str, Header()] = "") -> None:
            if authorization != f"Bearer {token}":
                raise HTTPException(401)

        app = FastAPI()
        app.include_router(
            alarm_router(
                board, MonotonicClock().wall, Release.parse(release), [Depends(authorized)]
            )
        )
        async with serve(app, None) as port:
            where = Where(json=json, state=state.path, url=f"http://127.0.0.1:{port}")
            yield Cluster(board, where, capsys)

    return running


@pytest.mark.req("ALARM-01", "ALARM-10")
async def test_list_shows_what_holds_once_with_severity_node_and_whom_it_is_about(
    cluster: Callable[..., Any],
) -> None:
    async with cluster() as here:
        assert await here.run(alarm.list_, where=here.where) == (0, "no alarms\n")
        here.condition(
            ConditionEntered(NO_CPNS, "ucm1", detail="connection refused"),
            ConditionEntered(NO_CPNS, "ucm1"),
            ConditionEntered(BAD_TOKEN, "ucm2", "TCTALICE"),
            ConditionEntered("StartFailed", "ucm2"),
            ConditionLeft("StartFailed", "ucm2"),
        )
        _, out = await here.run(alarm.list_, where=here.where)
        lines = [line.split() for line in out.splitlines() if "_ALARM" in line]
        assert [line[1:6] for line in lines] == [
            [NO_CPNS, "ALERT_ALARM", "ucm1", "-", "2"],
            [BAD_TOKEN, "ERROR_ALARM", "ucm2", "TCTALICE", "1"],
        ]
        assert "connection refused" in out


@pytest.mark.req("OP-36")
async def test_list_all_shows_what_was_raised_and_cleared_newest_first(
    cluster: Callable[..., Any],
) -> None:
    async with cluster(json=True) as here:
        here.condition(ConditionEntered(NO_CPNS, "ucm1"), ConditionLeft(NO_CPNS, "ucm1"))
        _, out = await here.run(alarm.list_, all=True, where=here.where)
        told = json.loads(out)
        assert [(each["state"], each["number"]) for each in told] == [("cleared", 1), ("raised", 1)]
        assert told[0]["raised_at"] == told[1]["at"]
        _, out = await here.run(alarm.list_, all=True, limit=1, where=here.where)
        assert [each["state"] for each in json.loads(out)] == ["cleared"]
        _, out = await here.run(alarm.list_, where=here.where)
        assert json.loads(out) == []
    async with cluster() as here:
        here.condition(ConditionEntered(NO_CPNS, "ucm1"), ConditionLeft(NO_CPNS, "ucm1"))
        _, out = await here.run(alarm.list_, all=True, where=here.where)
        assert [line.split()[1] for line in out.splitlines() if NO_CPNS in line] == [
            "cleared",
            "raised",
        ]


@pytest.mark.req("ALARM-02", "ALARM-03", "ALARM-04")
async def test_the_catalogue_tells_cause_action_and_whether_the_release_has_it(
    cluster: Callable[..., Any],
) -> None:
    async with cluster(release="12.0(1)") as here:
        entries = {each["alarm"]: each for each in await here.get("alarms", "catalogue")}
        assert list(entries) == list(CATALOGUE)
        assert entries[NO_CPNS]["action"] == CATALOGUE[NO_CPNS].action
        assert entries["Unread Messages alert"]["in_release"] is True
        assert entries["Unread Messages alert"]["releases"] == "from 11.5(1)SU3, before 12.5(1)"
        assert entries["LocalPushStartFailed"]["in_release"] is False
        here.condition(ConditionEntered("LocalPushStartFailed", "ucm1"))
        assert await here.get("alarms", "counts") == {"ignored: not in this release": 1}


async def test_nobody_is_told_without_the_token(
    cluster: Callable[..., Any],
    tmp_path: Any,  # noqa: ANN401
) -> None:
    async with cluster() as here:
        other = StateDir(tmp_path / "other")
        other.make_token(OsEntropy())
        with pytest.raises(Unreachable, match="does not know our token"):
            await here.run(alarm.list_, where=Where(state=other.path, url=here.where.url))


@pytest.mark.req("ALARM-02")
async def test_show_tells_cause_and_action_without_a_cluster(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert alarm.show("accesstokeninvalid") == 0
    out = capsys.readouterr().out
    definition = CATALOGUE["AccessTokenInvalid"]
    assert out.startswith("AccessTokenInvalid  ALERT_ALARM, Cisco Push Notification Service\n")
    assert definition.explanation in out
    assert definition.action in out
    assert alarm.show("AccessTokenInvalid", json=True) == 0
    assert json.loads(capsys.readouterr().out)["row"] == "F5"


async def test_show_of_an_alarm_there_is_not_names_those_that_are_close() -> None:
    with pytest.raises(Refused, match="did you mean AccessTokenInvalid"):
        alarm.show("AccessTokenInvald")
    with pytest.raises(Refused, match=r"there is no alarm 'xyzzy'$"):
        alarm.show("xyzzy")
