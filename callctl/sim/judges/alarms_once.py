"""ALARM-10: one alarm for each condition, and none that outlives what caused it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from callctl.push.events import PostPush, PushAnswered
from callctl.serviceability.alarm import AlarmCleared, AlarmNotice, AlarmRaised, AlarmRepeated
from callctl.serviceability.alarm_catalogue import Lasting, Scope
from callctl.serviceability.alarms import REPEAT_NS
from callctl.sim.cloud_way import CloudNews
from callctl.sim.party import Party
from callctl.sim.watch import Judge
from sipstack.timing import Instant

UNKNOWN: Final = ("AccessTokenInvalid", True)
"""Of a node whose token was refused twice nobody knows that it is well, until a push says so."""

_Key = tuple[str, str, str]  # alarm, node ("" for a device's), subject


class AlarmsOnce(Judge):
    """Follows each condition from notice to notice. Those of devices may last: see `Refusals`."""

    invariant = "ALARM-10"
    __slots__ = ("_distrusting", "_posted_at", "_served", "_told_at")

    def __init__(self) -> None:
        self._told_at: dict[_Key, Instant] = {}  # of what holds
        self._served: dict[str, None] = {}  # nodes whose push service runs
        self._posted_at: dict[str, Instant] = {}  # by tracking id
        self._distrusting: dict[str, Instant] = {}  # nodes: when a token of theirs was refused

    def alarm(self, notice: AlarmNotice) -> None:
        """Compare it with what holds."""
        if notice.definition.lasting is Lasting.MOMENT:
            return
        node = notice.node if notice.definition.scope is Scope.NODE else ""
        key = (notice.name, node, notice.subject)
        before = self._told_at.get(key)
        match notice:
            case AlarmRaised():
                if before is not None:
                    self.blame(f"{notice.name} of {node or 'a device'} is raised twice")
                self._told_at[key] = self.now
            case AlarmRepeated():
                if before is None or self.now - before < REPEAT_NS:
                    self.blame(f"{notice.name} of {node or 'a device'} is repeated too early")
                self._told_at[key] = self.now
            case AlarmCleared():
                if before is None:
                    self.blame(f"{notice.name} of {node or 'a device'} is cleared, and never was")
                self._told_at.pop(key, None)

    def service(self, who: Party, running: bool) -> None:
        """Without a push service its node is not well."""
        if running:
            self._served[who.name] = None
        else:
            self._served.pop(who.name, None)

    def posted(self, who: Party, push: PostPush) -> None:
        """Note when."""
        self._posted_at[push.tracking_id] = self.now

    def heard(self, who: Party, news: CloudNews) -> None:
        """A token that was refused twice is trusted again only when a push gets through."""
        if not isinstance(news, PushAnswered):
            return
        if news.status in (401, 403):
            self._distrusting[who.name] = self.now
        elif self._posted_at.get(news.tracking_id, 0) > self._distrusting.get(who.name, 0):
            self._distrusting.pop(who.name, None)

    def rest(self, parties: Sequence[Party]) -> None:
        """All has been well for long: nothing of a whole node may hold."""
        for name, node, _ in self._told_at:
            unknown = (name, node in self._distrusting) == UNKNOWN
            if node in self._served and not unknown:
                self.blame(f"{name} of {node} is still raised, though all is well")
