"""The alarm board of the simulated world: every node says what it notices, and one board tells."""

from __future__ import annotations

from callctl.model.release import Release
from callctl.serviceability.alarm import ActiveAlarm, AlarmAction, AlarmIgnored
from callctl.serviceability.alarm_catalogue import Lasting, Scope
from callctl.serviceability.alarms import AlarmBoard, AlarmEvent
from callctl.sim.watch import Watch
from callctl.sim.world import World
from sipstack.timing import Instant


class AlarmDesk:
    """Feeds the board, keeps its time, and shows the judges what it tells."""

    __slots__ = ("_watch", "_world", "board", "timer_at")

    def __init__(self, world: World, watch: Watch, release: Release) -> None:
        self.board = AlarmBoard(release)
        self.timer_at: Instant | None = None
        self._world = world
        self._watch = watch

    def feed(self, event: AlarmEvent) -> None:
        """Somebody noticed something."""
        self._tell(self.board.receive(event, self._world.now))
        self._world.watch(self)

    def advance(self, now: Instant) -> None:
        """Tell again what lasts."""
        self._tell(self.board.advance(now))

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        return self.board.next_deadline()

    @property
    def lasting(self) -> tuple[ActiveAlarm, ...]:
        """What holds of whole nodes: it goes by itself once all is well."""
        return tuple(
            alarm
            for alarm in self.board.active
            if alarm.definition.scope is Scope.NODE
            and alarm.definition.lasting is Lasting.CONDITION
        )

    def _tell(self, actions: tuple[AlarmAction, ...]) -> None:
        for action in actions:
            if not isinstance(action, AlarmIgnored):
                self._watch.alarm(action)
