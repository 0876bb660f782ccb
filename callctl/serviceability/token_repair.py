"""The repair of a refresh token that the cloud refuses with 400: eight steps, restarts, the proof.

The first five happen on another cluster, where an administrator onboards anew to get a refresh
token (or the emulated cloud gives one); the rest is done here. What has failed can be resumed, and
a repair that is repeated does the same again and no harm.

Source: TRB-20, TRB-21, CLOUD-07, OP-58.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from callctl.model.user import Secret
from callctl.serviceability.repair_steps import (
    COMPARE,
    PROVE,
    READ,
    REFUSED,
    RESTART,
    RESTARTED,
    STEPS,
    WRITE,
    AccountRead,
    Action,
    CompareCopies,
    CopiesCompared,
    Event,
    NewToken,
    ReadAccount,
    Refused,
    Restarted,
    RestartService,
    Resume,
    Step,
    StepFailed,
    StepState,
    TokenTried,
    TokenWritten,
    TryToken,
    WriteToken,
)
from callctl.serviceability.services import NetworkService, Server
from sipstack.timing import SECOND, Instant

REPAIR_NS: Final = 900 * SECOND  # (D) longest repair, every restart of a large cluster included


@dataclass(slots=True)
class TokenRepair:
    """One repair at a time. After each action it waits for the event that answers it."""

    servers: Sequence[Server]
    steps: list[Step] = field(init=False, default_factory=lambda: list(STEPS))
    _token: Secret | None = field(init=False, default=None, repr=False)
    _pkid: str = field(init=False, default="")
    _down: tuple[str, ...] = field(init=False, default=())
    _restarts: list[tuple[str, NetworkService]] = field(init=False, default_factory=list)
    _deadline: Instant | None = field(init=False, default=None)

    @property
    def under_way(self) -> bool:
        """True from its start to its end, good or bad."""
        return self._current(StepState.UNDER_WAY) is not None

    @property
    def done(self) -> bool:
        """True if the last repair went to its end."""
        return self.steps[-1].state is StepState.DONE

    def receive(self, event: Event, now: Instant) -> tuple[Action, ...]:
        """Take what happened."""
        if isinstance(event, NewToken | Resume):
            return self._begin(event, now)
        current = self._current(StepState.UNDER_WAY)
        if current is None:
            return (Refused("no repair is under way"),)
        match current.number, event:
            case _, StepFailed(reason):
                return self._fail(reason)
            case n, AccountRead(pkid) if n == READ:
                if pkid is None:
                    return self._fail("there is no machine account: onboard this cluster instead")
                self._pkid = pkid
                return self._enter(WRITE, f"row {pkid}")
            case n, TokenWritten(rows) if n == WRITE:
                if rows == 0:
                    return self._fail("the row is gone; resume to read it again", back_to=READ)
                self._token = None  # it is in the table now
                return self._enter(COMPARE)
            case n, CopiesCompared(differing, down) if n == COMPARE:
                if differing:
                    return self._fail(f"not yet on {', '.join(differing)}")
                self._down = down
                self._restarts = self._to_restart()
                late = f"; {', '.join(down)} out of service, gets it on return" if down else ""
                return self._enter(RESTART, f"on every node in service{late}")
            case n, Restarted(node, service) if n == RESTART:
                if self._restarts[:1] == [(node, service)]:
                    self._restarts.pop(0)
                return self._enter(PROVE) if not self._restarts else self._act(RESTART)
            case n, TokenTried(statuses) if n == PROVE:
                return self._proved(dict(statuses))
        return (Refused(f"not what step {current.number} waits for"),)

    def advance(self, now: Instant) -> tuple[Action, ...]:
        """Give up what takes too long."""
        if self._deadline is not None and now >= self._deadline:
            self._fail(f"the repair was not done within {REPAIR_NS // SECOND} s")
        return ()

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        return self._deadline

    def _begin(self, event: NewToken | Resume, now: Instant) -> tuple[Action, ...]:
        if self.under_way:
            return (Refused("a repair is under way already"),)
        if isinstance(event, NewToken):
            self.steps = list(STEPS)
            self._token = event.token
            for number in range(1, READ):
                self._set(number, StepState.DONE)
            self._deadline = Instant(now + REPAIR_NS)
            return self._enter(READ)
        failed = self._current(StepState.FAILED)
        if failed is None:
            return (Refused("no repair has failed: give a new refresh token"),)
        # What is in service may have changed since the copies were compared.
        first = min(failed.number, COMPARE)
        for number in range(first, PROVE + 1):
            self._set(number, StepState.TO_DO)
        self._deadline = Instant(now + REPAIR_NS)
        return self._enter(first)

    def _enter(self, number: int, detail: str = "") -> tuple[Action, ...]:
        """The step before is done, `detail` saying how; this one is under way."""
        if self.steps[number - 2].state is StepState.UNDER_WAY:
            self._set(number - 1, StepState.DONE, detail)
        self._set(number, StepState.UNDER_WAY)
        return self._act(number)

    def _act(self, number: int) -> tuple[Action, ...]:
        if number == WRITE and self._token is not None:
            return (WriteToken(self._token, self._pkid),)
        if number == RESTART and self._restarts:
            return (RestartService(*self._restarts[0]),)
        if number == COMPARE:
            return (CompareCopies(),)
        if number == PROVE:
            return (TryToken(self._up()),)
        return (ReadAccount(),)

    def _fail(self, reason: str, *, back_to: int | None = None) -> tuple[Action, ...]:
        current = self._current(StepState.UNDER_WAY)
        self._deadline = None
        if current is not None:
            for number in range(back_to or current.number, current.number + 1):
                self._set(number, StepState.TO_DO)
            self._set(back_to or current.number, StepState.FAILED, reason)
        return ()

    def _proved(self, statuses: dict[str, int]) -> tuple[Action, ...]:
        refused = [node for node, status in statuses.items() if status == REFUSED]
        missing = [node for node in self._up() if statuses.get(node, 0) != 200]
        if refused:
            where = ", ".join(refused)
            return self._fail(f"400 again on {where}: read the token again, steps 4 and 5")
        if missing:
            shown = ", ".join(f"{node} ({statuses.get(node) or 'no answer'})" for node in missing)
            return self._fail(f"no token yet on {shown}: callctl cloud check tells why")
        self._deadline = None
        self._set(PROVE, StepState.DONE, f"by {', '.join(statuses)}")
        return ()

    def _to_restart(self) -> list[tuple[str, NetworkService]]:
        up = self._up()
        return [
            (server.name, service)
            for server in self.servers
            if server.name in up
            for service in RESTARTED[server.kind]
        ]

    def _up(self) -> tuple[str, ...]:
        return tuple(it.name for it in self.servers if it.name not in self._down)

    def _current(self, state: StepState) -> Step | None:
        return next((step for step in self.steps if step.state is state), None)

    def _set(self, number: int, state: StepState, detail: str = "") -> None:
        self.steps[number - 1] = replace(self.steps[number - 1], state=state, detail=detail)
