"""An HTTP/2 client to one service, for requests whose loss is final unless nobody has read them.

One connection carries all requests. It is made anew when it is gone, is asked whether it lives, and
is left when the service says goodbye. Redirects are answers like any other.

Source: RFC 9113 §5.1.2 (streams at once), §6.7 (PING), §6.8 (GOAWAY), §8.7 (sending again).
"""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias

import anyio
from anyio.abc import TaskStatus

from callctl.cloud.http import HttpAnswer, HttpRequest
from callctl.io.dial import dial, service_at, why_not
from callctl.io.h2_connection import Asked, H2Connection, H2Settings
from callctl.io.http_pool import Clock
from callctl.push.events import LostReason
from sipstack.timing import Instant

WAITING_MAX: Final = 10_000  # requests that wait for a connection or a stream
TRIES_MAX: Final = 2  # with a request that the service has certainly not read

OnAnswer: TypeAlias = Callable[[str, HttpAnswer], None]
OnLost: TypeAlias = Callable[[str, LostReason], None]


class H2Client:
    """Sends requests; each gets one call, `on_answer` or `on_lost`, unless it is abandoned.

    Both are called from the event loop. `run` must be running.
    """

    def __init__(
        self,
        settings: H2Settings,
        tls: ssl.SSLContext,
        clock: Clock,
        on_answer: OnAnswer,
        on_lost: OnLost,
    ) -> None:
        """`tls` offers `h2` by ALPN. Raises: ValueError for a URL that is not https."""
        self.settings = settings
        self._service = service_at(settings.url, tls)
        self._clock = clock
        self._on_answer = on_answer
        self._on_lost = on_lost
        self._waiting: deque[Asked] = deque()
        self._connection: H2Connection | None = None
        self._leaving: set[H2Connection] = set()  # that still have answers to come
        self._wanted = anyio.Event()
        self._running = False

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Connect whenever there is something to send; when cancelled, every request is lost."""
        self._running = True
        task_status.started()
        try:
            while True:
                await self._wanted.wait()
                self._wanted = anyio.Event()
                if self._connection is None and self._waiting:
                    await self._connect()
        finally:
            self._running = False
            for connection in (self._connection, *self._leaving):
                if connection is not None:
                    connection.abort()
            self._connection = None
            self._lose_waiting("stopped")

    def send(self, key: str, request: HttpRequest, deadline: Instant | None = None) -> None:
        """Send `request`, now or as soon as there is a stream for it, but not after `deadline`."""
        if not self._running:
            self._on_lost(key, "stopped")
            return
        if len(self._waiting) >= WAITING_MAX:
            self._on_lost(key, "queue full")
            return
        self._waiting.append(Asked(key, request, deadline))
        self.send_waiting()

    def abandon(self, key: str) -> None:
        """Nobody waits for this answer: its stream ends, the connection stays."""
        for asked in self._waiting:
            if asked.key == key:
                self._waiting.remove(asked)
                return
        for connection in (self._connection, *self._leaving):
            if connection is not None and connection.abandon(key):
                self.send_waiting()  # its stream is free
                return

    def counts(self) -> dict[str, int]:
        """What is held; all but `connections` are 0 at rest (I13)."""
        kept = [connection for connection in (self._connection,) if connection is not None]
        return {
            "connections": len(kept),
            "leaving": len(self._leaving),
            "streams": sum(connection.streams for connection in (*kept, *self._leaving)),
            "waiting": len(self._waiting),
        }

    # From the connections.

    def send_waiting(self) -> None:
        """Send what there is room for; ask for a connection if there is none."""
        while self._waiting:
            if self._connection is None:
                self._wanted.set()
                return
            if not self._connection.has_room:
                return
            asked = self._waiting.popleft()
            if asked.deadline is not None and self._clock() >= asked.deadline:
                self._on_lost(asked.key, "deadline")
            else:
                asked.tries += 1
                self._connection.send(asked)

    def answered(self, asked: Asked, answer: HttpAnswer) -> None:
        """The answer is complete."""
        self._on_answer(asked.key, answer)

    def lost(self, asked: Asked, reason: LostReason) -> None:
        """No answer comes. One that the service has certainly not read may go once more."""
        if reason == "refused unread" and asked.tries < TRIES_MAX and self._running:
            self._waiting.appendleft(asked)
        else:
            self._on_lost(asked.key, reason)

    def leaves(self, connection: H2Connection) -> None:
        """It takes no more requests; answers may still come."""
        if self._connection is connection:
            self._connection = None
            self._leaving.add(connection)
            self.send_waiting()

    def gone(self, connection: H2Connection) -> None:
        """It is closed."""
        self._leaving.discard(connection)
        if not connection.usable:
            # It never got as far as to take a request: the next one would fare no better.
            self._lose_waiting("connect")
        self.send_waiting()

    async def _connect(self) -> None:
        try:
            self._connection = await dial(
                self._service, lambda: H2Connection(self, self._service, self.settings)
            )
        except (OSError, TimeoutError) as error:
            self._lose_waiting(why_not(error))
            return
        if self._connection.closed:
            self._connection = None
            self._lose_waiting("tls")  # it did not agree on HTTP/2
            return
        self.send_waiting()

    def _lose_waiting(self, reason: LostReason) -> None:
        waiting, self._waiting = self._waiting, deque()
        for asked in waiting:
            self._on_lost(asked.key, reason)
