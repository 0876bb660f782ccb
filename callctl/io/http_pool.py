"""A thin pool of HTTP/1.1 connections to one service, for requests whose loss is final.

A general client retries, follows redirects and opens a new connection where an old one failed; a
call push must do none of that. It also costs little: one write and one parse for each request, no
task. Source: CPNS-07, CPNS-08, CPNS-09, OP-35.
"""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import anyio
from anyio.abc import TaskGroup, TaskStatus

from callctl.cloud.http import HttpAnswer
from callctl.egress.failure import ExchangeFailed, NoOtherAddress
from callctl.io.dial import service_at, why_not
from callctl.io.egress import Egress
from callctl.io.http_connection import ANSWER_MAX, HttpConnection, Post, request_octets
from callctl.io.pool_maker import OnPoolState, PoolMaker
from callctl.push.events import LostReason
from sipstack.timing import SECOND, Instant

__all__ = ["ANSWER_MAX", "Clock", "HttpPool", "PoolSettings", "Post", "request_octets"]

IDLE_MIN_S: Final = 1_800  # CPNS-09
ABANDONED_MAX: Final = 256  # posts given up of which is known which way they went

_TRIM_EVERY_S: Final = 60.0

Clock: TypeAlias = Callable[[], Instant]


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """Where to, and with how many connections."""

    url: str
    connections_max: int = 64
    idle_s: int = 3_600  # at least `IDLE_MIN_S`
    insecure: bool = False  # allows http: nothing is encrypted, nobody is authenticated
    remake_s: float = 60.0  # between attempts to make a pool that could not be made


class HttpPool:
    """Sends each `Post` over an open connection, or a new one while there are too few.

    `on_answer` and `on_lost` are called from the event loop, exactly one of them for each post
    unless it was abandoned; `on_sent` when its octets are written, which is behind TLS. With
    `on_state` the pool opens a connection when it starts, and says whether it could be made.
    `run` must be running.
    """

    def __init__(
        self,
        settings: PoolSettings,
        tls: ssl.SSLContext | None,
        clock: Clock,
        on_answer: Callable[[str, HttpAnswer], None],
        on_lost: Callable[[str, LostReason], None],
        *,
        egress: Egress | None = None,
        on_sent: Callable[[str], None] | None = None,
        on_state: OnPoolState | None = None,
    ) -> None:
        """Without `egress` it connects directly.

        Raises: ValueError for a URL that is not https, unless http is allowed as insecure.
        """
        self._service = service_at(settings.url, tls, insecure=settings.insecure)
        self.host, self.port = self._service.host, self._service.port
        if settings.idle_s < IDLE_MIN_S:
            raise ValueError(f"idle connections are kept for {IDLE_MIN_S} s at least")
        self.settings = settings
        self._clock = clock
        self._egress = egress or Egress(None, tls, clock)
        self._on_answer = on_answer
        self._on_lost = on_lost
        self._on_sent = on_sent
        self._maker = PoolMaker(self._open_one, settings.remake_s, on_state)
        self._makes = on_state is not None
        self._generation = 0  # of the settings of the way
        self._idle: list[HttpConnection] = []  # the one used last is last
        self._busy: dict[str, HttpConnection] = {}
        self._waiting: deque[Post] = deque()
        self._again: dict[str, Post] = {}  # that wait for a connection by another address
        self._abandoned: dict[str, str | None] = {}  # to the address they went by, None: not sent
        self._stale: set[HttpConnection] = set()  # busy, and of settings that hold no more
        self._connecting = 0
        self._tasks: TaskGroup | None = None

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep the pool until cancelled; then every connection is closed, every post is lost."""
        try:
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                task_status.started()
                if self._makes:
                    tasks.start_soon(self._maker.run)
                while True:
                    await anyio.sleep(_TRIM_EVERY_S)
                    self._trim()
        finally:
            self._tasks = None
            self._close_all()

    def remake(self, tls: ssl.SSLContext | None = None) -> None:
        """The settings of the way were changed, or the trust: no connection of before is used."""
        if tls is not None and self._service.tls is not None:
            self._service = replace(self._service, tls=tls)
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.abort()
        self._stale.update(self._busy.values())
        self._generation += 1
        self._maker.remake()

    def post(self, post: Post) -> None:
        """Send it, now or as soon as there is a connection."""
        if post.again:
            self._post_again(post)
            return
        if self._idle:
            self._send(self._idle.pop(), post)
            return
        if self._tasks is None:
            self._on_lost(post.key, "stopped")
            return
        self._waiting.append(post)
        self._connect_more()

    def abandon(self, key: str) -> None:
        """Nobody waits for this answer; a connection with an answer still to come is of no use."""
        self._again.pop(key, None)
        connection = self._busy.pop(key, None)
        if connection is not None:
            self._remember(key, connection.peer)
            self._stale.discard(connection)
            connection.abort()
            self._connect_more()
            return
        for post in self._waiting:
            if post.key == key:
                self._remember(key, None)
                self._waiting.remove(post)
                return

    def counts(self) -> dict[str, int]:
        """Connections and posts held."""
        return {
            "idle": len(self._idle),
            "busy": len(self._busy),
            "connecting": self._connecting,
            "waiting": len(self._waiting) + len(self._again),
        }

    def _send(self, connection: HttpConnection, post: Post) -> None:
        self._busy[post.key] = connection
        connection.send(post)
        if self._on_sent is not None:
            self._on_sent(post.key)

    def _remember(self, key: str, peer: str | None) -> None:
        if self._egress.proxy is None:
            return
        if len(self._abandoned) >= ABANDONED_MAX:
            del self._abandoned[next(iter(self._abandoned))]
        self._abandoned[key] = peer

    def _post_again(self, post: Post) -> None:
        """It was not answered in time: by another address of the proxy, if there is one."""
        if post.key in self._busy or any(post.key == each.key for each in self._waiting):
            self.abandon(post.key)
        if self._tasks is None:
            self._on_lost(post.key, "stopped")
            return
        if self._egress.proxy is None:
            self._on_lost(post.key, "no other address")
            return
        if post.key not in self._abandoned:
            self._on_lost(post.key, "closed")  # its end was reported while this was on its way
            return
        used = self._abandoned.pop(post.key)
        if used is None:  # it never left
            self.post(replace(post, again=False))
            return
        for connection in reversed(self._idle):
            if connection.peer != used:
                self._idle.remove(connection)
                self._send(connection, post)
                return
        self._again[post.key] = post
        self._connecting += 1
        self._tasks.start_soon(self._connect_again, post, used)

    async def _connect_again(self, post: Post, used: str) -> None:
        reason: LostReason = "no other address"
        connection: HttpConnection | None = None
        try:
            connection = await self._dial(used)
        except NoOtherAddress:
            pass
        except (OSError, TimeoutError) as error:
            reason = why_not(error)
        finally:
            self._connecting -= 1
        waits = self._again.pop(post.key, None) is not None
        if connection is None:
            if waits:
                self._on_lost(post.key, reason)
            self._connect_more()
        elif not waits:
            self._ready(connection)
        elif post.deadline is not None and self._clock() >= post.deadline:
            self._on_lost(post.key, "deadline")
            self._ready(connection)
        else:
            self._send(connection, post)

    def _connect_more(self) -> None:
        """One connection attempt for each waiting post, up to the limit of connections."""
        if self._tasks is None:
            return
        limit = self.settings.connections_max
        while self._connecting < len(self._waiting):
            if len(self._idle) + len(self._busy) + self._connecting >= limit:
                return
            self._connecting += 1
            self._tasks.start_soon(self._connect)

    async def _connect(self) -> None:
        reason: LostReason = "connect"
        connection: HttpConnection | None = None
        try:
            connection = await self._dial()
        except (OSError, TimeoutError) as error:
            reason = why_not(error)
        finally:
            self._connecting -= 1
        if connection is not None:
            self._ready(connection)
        elif self._waiting:
            self._on_lost(self._waiting.popleft().key, reason)
            self._connect_more()

    async def _open_one(self) -> None:
        """Have a connection before there is anything to send."""
        self._connecting += 1
        connection: HttpConnection | None = None
        try:
            connection = await self._dial()
        except (OSError, TimeoutError):
            pass  # the maker of the pool has heard of it
        finally:
            self._connecting -= 1
        if connection is not None:
            self._ready(connection)
        else:
            self._connect_more()  # for what relied on this one

    async def _dial(self, used: str | None = None) -> HttpConnection:
        """A new connection by the settings that hold when it is there. Raises: ExchangeFailed"""
        while True:
            generation = self._generation
            try:
                connection = await self._egress.dial(
                    self._service, lambda: HttpConnection(self), used=used
                )
                if connection.is_closed:
                    raise ExchangeFailed("tcp", f"{self.host} closed the connection at once")
            except ExchangeFailed as failure:
                if generation != self._generation:
                    continue
                if not isinstance(failure, NoOtherAddress):
                    self._maker.failed(failure, empty=not (self._idle or self._busy))
                raise
            if generation == self._generation:
                self._maker.connected()
                return connection
            connection.abort()

    def _ready(self, connection: HttpConnection) -> None:
        """A connection has nothing to do: give it the next post that is still worth sending."""
        while self._waiting:
            post = self._waiting.popleft()
            if post.deadline is not None and self._clock() >= post.deadline:
                self._on_lost(post.key, "deadline")
                continue
            self._send(connection, post)
            return
        connection.idle_since = self._clock()
        self._idle.append(connection)

    def answered(self, connection: HttpConnection, key: str, answer: HttpAnswer) -> None:
        """From a connection: the answer is complete."""
        self._busy.pop(key, None)
        if connection.reusable and connection not in self._stale:
            self._ready(connection)
        else:
            self._stale.discard(connection)
            connection.abort()
            self._connect_more()
        self._on_answer(key, answer)

    def closed(self, connection: HttpConnection, key: str | None, reason: LostReason) -> None:
        """From a connection: it is gone. A post under way is lost, never sent again (CPNS-08)."""
        self._stale.discard(connection)
        if key is None:
            if connection in self._idle:
                self._idle.remove(connection)
        elif self._busy.pop(key, None) is not None:
            self._on_lost(key, reason)
        self._connect_more()

    def _trim(self) -> None:
        oldest = self._clock() - self.settings.idle_s * SECOND
        for connection in tuple(self._idle):
            if connection.idle_since < oldest:
                self._idle.remove(connection)
                connection.abort()

    def _close_all(self) -> None:
        for connection in (*self._idle, *self._busy.values()):
            connection.abort()
        lost: list[tuple[str, LostReason]] = [(key, "closed") for key in self._busy]
        lost += [(post.key, "stopped") for post in self._waiting]  # these never left
        lost += [(key, "closed") for key in self._again]
        self._idle.clear()
        self._busy.clear()
        self._waiting.clear()
        self._again.clear()
        self._stale.clear()
        for key, reason in lost:
            self._on_lost(key, reason)
