"""The state of each network service on each server, and which restart is due for what.

A setting that needs a restart waits for it: the part that made the change says `RestartIsDue`, the
table tells it to whoever looks, and a start that began after the change clears it.

Source: SVC-01, SVC-04, CPNS-11, ONB-06, ONB-11, ONB-12, OP-59.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from callctl.model.release import Release
from callctl.serviceability.service_event import (
    Action,
    Event,
    NodeDown,
    NodeUp,
    Refused,
    RestartIsDue,
    ServiceDown,
    ServiceFailed,
    ServiceRestarted,
    ServiceUp,
    ServiceWanted,
    StartService,
    StopService,
    Wish,
)
from callctl.serviceability.services import NetworkService, Server, services_of
from sipstack.timing import SECOND, DeadlineQueue, Instant, Timed

WORK_NS: Final = 30 * SECOND  # (D) longest start or stop; a service that is not done has failed


class State(Enum):
    """As `utils service list` writes them."""

    STOPPED = "STOPPED"
    STARTING = "STARTING"
    STARTED = "STARTED"
    STOPPING = "STOPPING"


MOVES: Final = {
    State.STOPPED: {State.STARTING},
    State.STARTING: {State.STARTED, State.STOPPED},
    State.STARTED: {State.STOPPING, State.STOPPED},
    State.STOPPING: {State.STOPPED},
}


@dataclass(frozen=True, slots=True)
class Due:
    """A restart that a change waits for."""

    reason: str
    since: Instant
    after: NetworkService | None = None


class Entry(Timed):
    """One service on one server. Its deadline is the end of our patience with a start or stop."""

    __slots__ = ("applied", "dues", "failure", "node", "service", "start_again", "state")

    def __init__(self, node: str, service: NetworkService) -> None:
        super().__init__()
        self.node = node
        self.service = service
        self.state = State.STOPPED
        self.start_again = False  # once it has stopped: a restart is under way
        self.failure = ""  # why it is stopped, if nobody asked for it
        self.dues: tuple[Due, ...] = ()
        self.applied: tuple[Due, ...] = ()  # what the start under way brings into effect


@dataclass(slots=True)
class ServiceTable:
    """Every service of a deployment. `forbidden` says why none of push may run, "" if all may."""

    servers: Sequence[Server]
    release: Release
    forbidden: str = ""
    _entries: dict[tuple[str, str], Entry] = field(init=False)
    _deadlines: DeadlineQueue[Entry] = field(init=False, default_factory=DeadlineQueue)
    _up: set[str] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self._entries = {
            (server.name, service.name): Entry(server.name, service)
            for server in self.servers
            for service in services_of(server, self.release)
        }

    def entries(self, node: str | None = None) -> list[Entry]:
        """Every service of a server, or of all of them."""
        return [entry for entry in self._entries.values() if node in (None, entry.node)]

    def entry(self, node: str, service: NetworkService) -> Entry | None:
        """A service on a server; None if it does not run there."""
        return self._entries.get((node, service.name))

    def runs(self, node: str, service: NetworkService) -> bool:
        """True if it does its work at the moment."""
        entry = self.entry(node, service)
        return entry is not None and entry.state is State.STARTED

    def dues(self) -> list[tuple[Entry, Due]]:
        """Every restart that is due (SVC-04)."""
        return [(entry, due) for entry in self._entries.values() for due in entry.dues]

    def receive(self, event: Event, now: Instant) -> tuple[Action, ...]:
        """Take what happened."""
        match event:
            case ServiceWanted(wish, node, service):
                return self._wanted(wish, node, service, now)
            case ServiceUp(node, service):
                return self._started(node, service)
            case ServiceDown(node, service, reason):
                return self._stopped(node, service, reason, now)
            case NodeUp(node):
                self._up.add(node)
                return tuple(
                    action
                    for entry in self.entries(node)
                    if self._why_not(entry) == "" and entry.state is State.STOPPED
                    for action in self._start(entry, now, with_its_node=True)
                )
            case NodeDown(node):
                self._up.discard(node)
                for entry in self.entries(node):
                    self._enter(entry, State.STOPPED)
                return ()
            case RestartIsDue(service, reason, nodes, after):
                return self._due(service, Due(reason, now, after), nodes)

    def advance(self, now: Instant) -> tuple[Action, ...]:
        """Give up what takes too long."""
        actions: list[Action] = []
        for entry in self._deadlines.due(now):
            what = "start" if entry.state is State.STARTING else "stop"
            reason = f"did not {what} within {WORK_NS // SECOND} s"
            self._fail(entry, reason)
            actions.append(ServiceFailed(entry.node, entry.service, reason))
        return tuple(actions)

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        return self._deadlines.next_deadline()

    def _wanted(
        self, wish: Wish, node: str, service: NetworkService, now: Instant
    ) -> tuple[Action, ...]:
        entry = self.entry(node, service)
        if entry is None:
            return (Refused(f"{service} does not run on {node}"),)
        why_not = "" if wish is Wish.STOP and node in self._up else self._why_not(entry)
        if why_not:
            return (Refused(why_not),)
        match wish, entry.state:
            case ((Wish.START | Wish.RESTART), State.STOPPED):
                return self._start(entry, now)
            case Wish.START, State.STARTED:
                return (Refused(f"{service} is started already"),)
            case Wish.STOP, State.STOPPED:
                return (Refused(f"{service} is stopped already"),)
            case Wish.STOP, State.STARTED:
                return self._stop(entry, now, start_again=False)
            case Wish.RESTART, State.STARTED:
                return self._stop(entry, now, start_again=True)
        return (Refused(f"{service} is {entry.state.value.lower()} on {node}; try again then"),)

    def _why_not(self, entry: Entry) -> str:
        if entry.node not in self._up:
            return f"{entry.node} is out of service"
        if not entry.service.built:
            return f"{entry.service} is not part of this version"
        if self.forbidden and entry.service.pushes:
            return f"{entry.service} cannot run: {self.forbidden}"
        return ""

    def _start(
        self, entry: Entry, now: Instant, *, with_its_node: bool = False
    ) -> tuple[Action, ...]:
        self._enter(entry, State.STARTING, until=now + WORK_NS)
        # A change that comes while it starts may have come too late for it.
        entry.applied = tuple(
            due for due in entry.dues if with_its_node or not self._too_early(entry.node, due)
        )
        return (StartService(entry.node, entry.service),)

    def _stop(self, entry: Entry, now: Instant, *, start_again: bool) -> tuple[Action, ...]:
        self._enter(entry, State.STOPPING, until=now + WORK_NS)
        entry.start_again = start_again
        return (StopService(entry.node, entry.service),)

    def _started(self, node: str, service: NetworkService) -> tuple[Action, ...]:
        entry = self.entry(node, service)
        if entry is None or entry.state is not State.STARTING:
            return (Refused(f"{service} was not starting on {node}"),)
        applied = entry.applied
        self._enter(entry, State.STARTED)
        entry.dues = tuple(due for due in entry.dues if due not in applied)
        return (ServiceRestarted(node, service, tuple(due.reason for due in applied)),)

    def _stopped(
        self, node: str, service: NetworkService, reason: str, now: Instant
    ) -> tuple[Action, ...]:
        entry = self.entry(node, service)
        if entry is None or entry.state is State.STOPPED:
            return (Refused(f"{service} was not running on {node}"),)
        if entry.state is State.STOPPING:
            again = entry.start_again
            self._enter(entry, State.STOPPED)
            return self._start(entry, now) if again else ()
        self._fail(entry, reason or "ended by itself")
        return (ServiceFailed(node, service, entry.failure),)

    def _fail(self, entry: Entry, reason: str) -> None:
        self._enter(entry, State.STOPPED)
        entry.failure = reason

    def _due(
        self, service: NetworkService, due: Due, nodes: tuple[str, ...] | None
    ) -> tuple[Action, ...]:
        for node in nodes if nodes is not None else [server.name for server in self.servers]:
            entry = self.entry(node, service)
            if entry is not None:  # one line for each reason, with the time of the last change
                entry.dues = (*(it for it in entry.dues if it.reason != due.reason), due)
        return ()

    def _too_early(self, node: str, due: Due) -> bool:
        """True if another service of the same server has to be restarted first."""
        first = None if due.after is None else self.entry(node, due.after)
        return first is not None and any(it.reason == due.reason for it in first.dues)

    def _enter(self, entry: Entry, state: State, *, until: int | None = None) -> None:
        assert state is entry.state or state in MOVES[entry.state], (entry.state, state)
        entry.state, entry.start_again, entry.failure, entry.applied = state, False, "", ()
        self._deadlines.set(entry, None if until is None else Instant(until))
