"""A thin pool of HTTP/1.1 connections to one service, for requests whose loss is final.

A general client retries, follows redirects and opens a new connection where an old one failed; a
call push must do none of that. It also costs little: one write and one parse for each request, no
task. Source: CPNS-07, CPNS-08, CPNS-09, OP-35.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, cast

import anyio
import httptools
from anyio.abc import TaskGroup, TaskStatus

from callctl.cloud.http import HeaderList, HttpAnswer, HttpRequest
from callctl.io.dial import dial, service_at, why_not
from callctl.push.events import LostReason
from sipstack.timing import SECOND, Instant

IDLE_MIN_S: Final = 1_800  # CPNS-09
ANSWER_MAX: Final = 65_536  # octets of an answer's body

_TRIM_EVERY_S: Final = 60.0

Clock: TypeAlias = Callable[[], Instant]


@dataclass(frozen=True, slots=True)
class Post:
    """One request on its way; `key` names it to the pool's owner."""

    key: str
    octets: bytes = field(repr=False)  # request line, headers and body
    deadline: Instant | None  # lost if it has no connection by then


def request_octets(request: HttpRequest, authority: str) -> bytes:
    """`request` to the host `authority` as it goes on the wire."""
    head = f"{request.method} {request.path} HTTP/1.1\r\nHost: {authority}\r\n"
    fields = "".join([f"{name}: {value}\r\n" for name, value in request.headers])
    return f"{head}{fields}Content-Length: {len(request.body)}\r\n\r\n".encode() + request.body


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """Where to, and with how many connections."""

    url: str
    connections_max: int = 64
    idle_s: int = 3_600  # at least `IDLE_MIN_S`
    insecure: bool = False  # allows http: nothing is encrypted, nobody is authenticated


class HttpPool:
    """Sends each `Post` over an open connection, or a new one while there are too few.

    `on_answer` and `on_lost` are called from the event loop, exactly one of them for each post
    unless it was abandoned. `run` must be running.
    """

    def __init__(
        self,
        settings: PoolSettings,
        tls: ssl.SSLContext | None,
        clock: Clock,
        on_answer: Callable[[str, HttpAnswer], None],
        on_lost: Callable[[str, LostReason], None],
    ) -> None:
        """Raises: ValueError for a URL that is not https, unless http is allowed as insecure."""
        self._service = service_at(settings.url, tls, insecure=settings.insecure)
        self.host, self.port = self._service.host, self._service.port
        if settings.idle_s < IDLE_MIN_S:
            raise ValueError(f"idle connections are kept for {IDLE_MIN_S} s at least")
        self.settings = settings
        self._clock = clock
        self._on_answer = on_answer
        self._on_lost = on_lost
        self._idle: list[_Connection] = []  # the one used last is last
        self._busy: dict[str, _Connection] = {}
        self._waiting: deque[Post] = deque()
        self._connecting = 0
        self._tasks: TaskGroup | None = None

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep the pool until cancelled; then every connection is closed, every post is lost."""
        try:
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                task_status.started()
                while True:
                    await anyio.sleep(_TRIM_EVERY_S)
                    self._trim()
        finally:
            self._tasks = None
            self._close_all()

    def post(self, post: Post) -> None:
        """Send it, now or as soon as there is a connection."""
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
        connection = self._busy.pop(key, None)
        if connection is not None:
            connection.abort()
            self._connect_more()
            return
        for post in self._waiting:
            if post.key == key:
                self._waiting.remove(post)
                return

    def counts(self) -> dict[str, int]:
        """Connections and posts held."""
        return {
            "idle": len(self._idle),
            "busy": len(self._busy),
            "connecting": self._connecting,
            "waiting": len(self._waiting),
        }

    def _send(self, connection: _Connection, post: Post) -> None:
        self._busy[post.key] = connection
        connection.send(post)

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
        connection: _Connection | None = None
        try:
            connection = await dial(self._service, lambda: _Connection(self))
        except (OSError, TimeoutError) as error:
            reason = why_not(error)
        finally:
            self._connecting -= 1
        if connection is not None:
            self._ready(connection)
        elif self._waiting:
            self._on_lost(self._waiting.popleft().key, reason)
            self._connect_more()

    def _ready(self, connection: _Connection) -> None:
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

    def answered(self, connection: _Connection, key: str, answer: HttpAnswer) -> None:
        """From a connection: the answer is complete."""
        self._busy.pop(key, None)
        if connection.reusable:
            self._ready(connection)
        else:
            connection.abort()
            self._connect_more()
        self._on_answer(key, answer)

    def closed(self, connection: _Connection, key: str | None, reason: LostReason) -> None:
        """From a connection: it is gone. A post under way is lost, never sent again (CPNS-08)."""
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
        self._idle.clear()
        self._busy.clear()
        self._waiting.clear()
        for key, reason in lost:
            self._on_lost(key, reason)


class _Connection(asyncio.Protocol):
    """One connection; carries one request at a time."""

    __slots__ = (
        "_answers",
        "_body",
        "_closed",
        "_headers",
        "_parser",
        "_pool",
        "_post",
        "_status",
        "_transport",
        "idle_since",
        "reusable",
    )

    def __init__(self, pool: HttpPool) -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._parser: Any = httptools.HttpResponseParser(self)
        self._post: Post | None = None
        self._headers: list[tuple[str, str]] = []
        self._body = b""
        self._answers = 0
        self._closed = False
        self._status = 0
        self.idle_since = Instant(0)
        self.reusable = True

    def send(self, post: Post) -> None:
        """Write a request."""
        assert self._post is None
        assert self._transport is not None
        self._post = post
        self._headers = []
        self._body = b""
        self._transport.write(post.octets)

    def abort(self) -> None:
        """Close at once; the pool hears no more of it."""
        self._post = None
        self._closed = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        if self._post is None:  # an answer to nothing
            self._fail("bad answer")
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._fail("bad answer")
            return
        post = self._post
        # Judged only now: octets behind the answer must not pass for the answer to the next post.
        if self._answers == 1 and post is not None:
            self._answers = 0
            self._post = None
            headers: HeaderList = tuple(self._headers)
            self._pool.answered(self, post.key, HttpAnswer(self._status, headers, self._body))
        elif self._answers > 1:
            self._fail("bad answer")

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("closed")

    def on_header(self, name: bytes, value: bytes) -> None:
        """From the parser."""
        self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_body(self, body: bytes) -> None:
        """From the parser."""
        self._body += body
        if len(self._body) > ANSWER_MAX:
            self._fail("bad answer")

    def on_message_complete(self) -> None:
        """From the parser."""
        status = self._parser.get_status_code()
        if status < 200:  # an interim answer, RFC 9110 §15.2
            self._headers = []
            return
        self._answers += 1
        self._status = status
        self.reusable = self._parser.should_keep_alive()

    def _fail(self, reason: LostReason) -> None:
        """Gone, or to be given up; tells the pool once."""
        if self._closed:
            return
        key = self._post.key if self._post is not None else None
        self.abort()
        self._pool.closed(self, key, reason)
