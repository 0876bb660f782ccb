"""A simulated caller for one call, and what it sees of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import anyio
from anyio.abc import TaskStatus

from callctl.io.agent_shell import AgentShell
from callctl.io.cluster_shell import ClusterShell, Conflict, NotFound
from callctl.model.user import User
from callctl.phone.event import CallAnswered, CallEnded, CallForgotten, CallRinging, UserAgentEvent
from callctl.phone.settings import Registrar, UserAgentSettings
from sipstack.timing import SECOND, Instant

QUIET_END_S: Final = 40.0  # longer than any transaction takes to end by itself (64*T1)


@dataclass(slots=True)
class Wish:
    """A call to place."""

    caller: str  # directory number
    callee: str
    node: str | None = None  # that gets the INVITE; None: the first that runs
    transport: str = "UDP"
    give_up_after_s: float | None = None
    hang_up_after_s: float | None = 3.0  # from the answer; None: the other side hangs up


class Caller:
    """Places one call and follows it to its end."""

    def __init__(self, cluster: ClusterShell, wish: Wish) -> None:
        """Raises: NotFound for a number, node or transport that is not there; Conflict if the
        node does not run.
        """
        self.wish = wish
        self.call_id = ""
        self.started_at = Instant(0)
        self.rang_at: Instant | None = None
        self.answered_at: Instant | None = None
        self.ended_at: Instant | None = None
        self.status: int | None = None
        self.cause: str | None = None
        self.ended = anyio.Event()
        self._forgotten = anyio.Event()
        self._shell = AgentShell(
            _settings(cluster, wish),
            cluster.clock,
            cluster.entropy,
            self._hear,
            client_tls=cluster.authority.client_context(),
        )
        self._clock = cluster.clock

    @property
    def state(self) -> str:
        """Where the call is, in a word."""
        if self.ended_at is not None:
            return "ended"
        if self.answered_at is not None:
            return "answered"
        return "ringing" if self.rang_at is not None else "calling"

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Place the call, and stay until nothing of it is left."""
        async with anyio.create_task_group() as tasks:
            await tasks.start(self._shell.run)
            self.started_at = self._clock()
            hang_up_s = self.wish.hang_up_after_s
            number = self._shell.invite(
                self.wish.callee,
                hang_up_after_ns=None if hang_up_s is None else round(hang_up_s * SECOND),
            )
            self.call_id = self._shell.agent.calls()[number]
            task_status.started()
            if self.wish.give_up_after_s is not None:
                with anyio.move_on_after(self.wish.give_up_after_s):
                    await self.ended.wait()
                if self.answered_at is None and self.ended_at is None:
                    self._shell.bye(number)
            await self.ended.wait()
            with anyio.move_on_after(QUIET_END_S):
                await self._forgotten.wait()
            self._shell.close()

    def hang_up(self) -> None:
        """Hang up, or give up."""
        for number in self._shell.agent.calls():
            self._shell.bye(number)

    def _hear(self, now: Instant, event: UserAgentEvent) -> None:
        match event:
            case CallRinging(status=status):
                self.rang_at = self.rang_at or now
                self.status = status
            case CallAnswered():
                self.answered_at = self.answered_at or now
                self.status = 200
            case CallEnded(cause=cause, status=status):
                self.ended_at = now
                self.cause = cause.value
                self.status = status or self.status
                self.ended.set()
            case CallForgotten():
                self._forgotten.set()


def user_of(cluster: ClusterShell, dn: str) -> User:
    """Who may call from a directory number. Raises: NotFound."""
    for device in cluster.cluster.devices_of_line.get(dn, ()):
        if device.owner is not None:
            return cluster.cluster.users[device.owner]
    raise NotFound(f"nobody owns a device with number {dn}")


def _settings(cluster: ClusterShell, wish: Wish) -> UserAgentSettings:
    user = user_of(cluster, wish.caller)
    node = cluster.node(wish.node) if wish.node is not None else cluster.view
    if node is None:
        raise Conflict(f"{wish.node} does not run")
    listener = cluster.cluster.nodes[node.name].listener(wish.transport)
    if listener is None:
        raise NotFound(f"{node.name} does not listen for {wish.transport}")
    line = cluster.cluster.lines[wish.caller]
    return UserAgentSettings(
        user=wish.caller,
        domain=cluster.cluster.domain,
        registrars=(Registrar(listener.host, listener.port),),
        local_host=listener.host,
        local_port=0,
        transport=wish.transport,
        auth_user=user.user_id,
        password=user.password.get_secret_value(),
        display_name=line.display_name,
    )
