"""The alarm board: conditions come in as often as they are noticed, each becomes one alarm.

Source: ALARM-03, ALARM-04, ALARM-10, OP-36, P4.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from callctl.model.release import Release
from callctl.serviceability.alarm import (
    ActiveAlarm,
    AlarmAction,
    AlarmCleared,
    AlarmIgnored,
    AlarmNotice,
    AlarmRaised,
    AlarmRepeated,
    state_of,
)
from callctl.serviceability.alarm_catalogue import (
    CATALOGUE,
    CERTIFICATES,
    MANAGEMENT_AGENT,
    AlarmDefinition,
    Lasting,
    Scope,
)
from callctl.serviceability.condition import Condition, ConditionEntered, ConditionLeft
from callctl.serviceability.subject import split_subject
from sipstack.timing import SECOND, DeadlineQueue, Instant, Timed

REPEAT_NS: Final = 3_600 * SECOND  # OP-36: at most one repeat in so long
SUBJECTS_MAX: Final = 10_000  # conditions with a subject that are held at once
HISTORY_MAX: Final = 2_000  # what was told
DETAIL_MAX: Final = 200  # characters
BESIDE_NODES: Final = frozenset({CERTIFICATES, MANAGEMENT_AGENT})
"""Components that go on while the node they speak for starts anew: they forget nothing."""

_Key: TypeAlias = tuple[str, str, str]  # alarm, node ("" where any node will do), shown subject


@dataclass(frozen=True, slots=True)
class NodeStarted:
    """A node begins anew: it does not know any more what it said of itself before it ended."""

    node: str


AlarmEvent: TypeAlias = Condition | NodeStarted


class _Held(Timed):
    """A condition that holds. Its deadline: the next repeat, or the end of a moment's hour."""

    __slots__ = (
        "definition",
        "detail",
        "key",
        "last_seen_at",
        "node",
        "number",
        "occurrences",
        "raised_at",
        "tag",
        "told_at",
        "told_occurrences",
    )

    def __init__(
        self, number: int, definition: AlarmDefinition, key: _Key, event: ConditionEntered
    ) -> None:
        super().__init__()
        self.number = number
        self.definition = definition
        self.key = key
        self.node = event.node
        self.tag = split_subject(event.subject)[1]
        self.detail = event.detail[:DETAIL_MAX]
        self.raised_at = self.last_seen_at = self.told_at = Instant(0)
        self.occurrences = self.told_occurrences = 0

    def seen(self, event: ConditionEntered, now: Instant) -> None:
        self.occurrences += 1
        self.last_seen_at = now
        if event.detail:
            self.detail = event.detail[:DETAIL_MAX]


class AlarmBoard:
    """All conditions of the nodes of one process.

    Told once when a condition begins, at most once an hour while it lasts, once when it ends. One
    of a whole node is told again each hour by itself; one with a subject when it is noticed again,
    because thousands of devices would else speak up every hour. An alarm about a device is one in
    the cluster, whichever node notices. A new token of a device ends what its old one had.
    """

    def __init__(
        self,
        release: Release,
        *,
        subjects_max: int = SUBJECTS_MAX,
        history_max: int = HISTORY_MAX,
    ) -> None:
        self._release = release
        self._subjects_max = subjects_max
        self._held: dict[_Key, _Held] = {}
        self._with_subject = 0
        self._numbers = 0
        self._history: deque[AlarmNotice] = deque(maxlen=history_max)
        self._deadlines: DeadlineQueue[_Held] = DeadlineQueue()
        self.counts: Counter[str] = Counter()
        """How many were raised, repeated and cleared; `ignored: reason` for what came to nothing.
        """

    def receive(self, event: AlarmEvent, now: Instant) -> tuple[AlarmAction, ...]:
        """Take what happened."""
        match event:
            case ConditionEntered():
                return tuple(self._entered(event, now))
            case ConditionLeft():
                return self._left(event, now)
            case NodeStarted(node):
                return self._started(node, now)

    def advance(self, now: Instant) -> tuple[AlarmAction, ...]:
        """Do what is due at `now`."""
        return tuple(action for held in self._deadlines.due(now) for action in self._due(held, now))

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        return self._deadlines.next_deadline()

    @property
    def active(self) -> tuple[ActiveAlarm, ...]:
        """What holds now, in the order it began; of a moment, what was within the last hour."""
        return tuple(
            ActiveAlarm(
                held.number,
                held.definition,
                held.node,
                held.raised_at,
                held.last_seen_at,
                held.occurrences,
                held.key[2],
                held.detail,
            )
            for held in self._held.values()
        )

    @property
    def history(self) -> tuple[AlarmNotice, ...]:
        """The last that was told, oldest first."""
        return tuple(self._history)

    def _entered(self, event: ConditionEntered, now: Instant) -> Iterator[AlarmAction]:
        definition = CATALOGUE.get(event.alarm)
        if definition is None:
            yield self._ignored("unknown alarm", event.alarm)
            return
        if not definition.exists_in(self._release):
            yield self._ignored("not in this release", event.alarm)
            return
        key = _key_of(definition, event)
        held = self._held.get(key)
        if held is not None and held.tag != split_subject(event.subject)[1]:
            yield self._clear(held, now)
            held = None
        if held is None:
            if key[2] and self._with_subject >= self._subjects_max:
                yield self._ignored("too many", event.alarm)
                return
            held = self._hold(key, definition, event, now)
            yield self._tell(AlarmRaised, held, now)
            self._deadlines.set(held, self._next_look(held))
            return
        held.seen(event, now)
        hour_is_over = now - held.told_at >= REPEAT_NS
        if definition.lasting is Lasting.CONDITION and key[2] and hour_is_over:
            yield self._tell(AlarmRepeated, held, now)

    def _left(self, event: ConditionLeft, now: Instant) -> tuple[AlarmAction, ...]:
        definition = CATALOGUE.get(event.alarm)
        if definition is None:
            return (self._ignored("unknown alarm", event.alarm),)
        held = self._held.get(_key_of(definition, event))
        tag = split_subject(event.subject)[1]
        if held is None or (tag and tag != held.tag):
            return ()  # whoever notices that all is well need not know whether it was not
        return (self._clear(held, now),)

    def _started(self, node: str, now: Instant) -> tuple[AlarmAction, ...]:
        stale = [
            held
            for held in self._held.values()
            if held.node == node
            and held.definition.component not in BESIDE_NODES
            and held.definition.scope is Scope.NODE
            and held.definition.lasting is Lasting.CONDITION
        ]
        return tuple(self._clear(held, now) for held in stale)

    def _due(self, held: _Held, now: Instant) -> Iterator[AlarmAction]:
        if held.definition.lasting is Lasting.MOMENT and held.occurrences == held.told_occurrences:
            self._forget(held)
            return
        yield self._tell(AlarmRepeated, held, now)
        self._deadlines.set(held, self._next_look(held))

    def _next_look(self, held: _Held) -> Instant | None:
        """A condition with a subject has no deadline: it is told again when it is noticed again."""
        if held.definition.lasting is Lasting.CONDITION and held.key[2]:
            return None
        return Instant(held.told_at + REPEAT_NS)

    def _hold(
        self, key: _Key, definition: AlarmDefinition, event: ConditionEntered, now: Instant
    ) -> _Held:
        self._numbers += 1
        held = _Held(self._numbers, definition, key, event)
        held.raised_at = now
        held.seen(event, now)
        self._held[key] = held
        self._with_subject += bool(key[2])
        return held

    def _forget(self, held: _Held) -> None:
        del self._held[held.key]
        self._with_subject -= bool(held.key[2])
        self._deadlines.set(held, None)

    def _clear(self, held: _Held, now: Instant) -> AlarmAction:
        self._forget(held)
        return self._tell(AlarmCleared, held, now)

    def _tell(
        self,
        kind: type[AlarmRaised] | type[AlarmRepeated] | type[AlarmCleared],
        held: _Held,
        now: Instant,
    ) -> AlarmAction:
        held.told_at, held.told_occurrences = now, held.occurrences
        notice = kind(
            held.number,
            held.definition,
            held.node,
            now,
            held.raised_at,
            held.occurrences,
            held.key[2],
            held.detail,
        )
        self._history.append(notice)
        self.counts[state_of(notice)] += 1
        return notice

    def _ignored(self, reason: str, alarm: str) -> AlarmIgnored:
        self.counts[f"ignored: {reason}"] += 1
        return AlarmIgnored(reason, alarm)


def _key_of(definition: AlarmDefinition, event: Condition) -> _Key:
    node = event.node if definition.scope is Scope.NODE else ""
    return definition.name, node, split_subject(event.subject)[0]
