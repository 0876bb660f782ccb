"""Nodes that die and come back on a timetable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from anyio.abc import TaskGroup

from callctl.fleet.admin import Admin, NoAnswer
from callctl.fleet.clockwork import Clockwork
from callctl.fleet.plan import Kill
from sipstack.timing import SECOND, Instant


@dataclass(frozen=True, slots=True)
class NodeEvent:
    """Something that was done to a node."""

    at_s: float  # from the first instant of the schedule
    node: str
    what: str  # "killed", "started", or why it could not be done


class Timetable:
    """Does it. `events` has what was done."""

    def __init__(self, kills: Sequence[Kill], clockwork: Clockwork, tasks: TaskGroup) -> None:
        self.events: list[NodeEvent] = []
        self._kills = kills
        self._clockwork = clockwork
        self._tasks = tasks
        self._began = Instant(0)

    def begin(self, began: Instant, admin: Admin) -> None:
        """From the first instant of the schedule on."""
        self._began = began
        for kill in self._kills:
            self._at(began + kill.at_ns, admin, kill.node, up=False)
            if kill.back_after_ns is not None:
                self._at(began + kill.at_ns + kill.back_after_ns, admin, kill.node, up=True)

    def _at(self, instant: int, admin: Admin, node: str, *, up: bool) -> None:
        def due(now: Instant) -> None:
            self._tasks.start_soon(self._do, admin, node, up)

        self._clockwork.at(Instant(instant), due)

    async def _do(self, admin: Admin, node: str, up: bool) -> None:
        try:
            await (admin.start(node) if up else admin.kill(node))
            what = "started" if up else "killed"
        except NoAnswer as error:
            what = str(error)
        at_s = (self._clockwork.clock() - self._began) / SECOND
        self.events.append(NodeEvent(at_s, node, what))
