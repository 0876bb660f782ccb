"""Asks the cluster why a call failed, for the first calls of each failure."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import anyio
from anyio.abc import TaskGroup

from callctl.call.explanation import explanation
from callctl.fleet.admin import Admin, NoAnswer
from callctl.fleet.call_track import CallTrack
from callctl.fleet.tally import Failure

TOLD_MAX: Final = 20  # failures of different kinds
SETTLES_S: Final = 0.5  # for the node to be done with the call, too
LASTS_S: Final = 10.0


class Explainer:
    """`told` has the story of a call for each reason, where the cluster could tell it."""

    def __init__(self, admin: Admin | None, tasks: TaskGroup) -> None:
        self.told: dict[str, str] = {}
        self._admin = admin
        self._tasks = tasks
        self._asked: set[str] = set()
        self._under_way = 0
        self._idle = anyio.Event()

    def failed(self, failure: Failure, track: CallTrack) -> None:
        """A call failed. The cluster forgets, so it is asked now."""
        if self._admin is None or failure.reason in self._asked or not track.call_id:
            return
        if len(self._asked) < TOLD_MAX:
            self._asked.add(failure.reason)
            self._under_way += 1
            self._tasks.start_soon(self._ask, self._admin, failure.reason, track)

    async def wait(self) -> None:
        """Until what was asked is told, or it lasts too long."""
        with anyio.move_on_after(LASTS_S):
            while self._under_way:
                self._idle = anyio.Event()
                await self._idle.wait()

    async def _ask(self, admin: Admin, reason: str, track: CallTrack) -> None:
        try:
            await anyio.sleep(SETTLES_S)
            story = await admin.story(track.call_id)
            began = datetime.fromisoformat(story["started_at"]).astimezone()
            self.told[reason] = explanation(story, began)
        except NoAnswer as error:
            self.told[reason] = f"the cluster cannot tell: {error}"
        finally:
            self._under_way -= 1
            self._idle.set()
