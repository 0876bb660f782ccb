"""The client of Push REST: posts pushes there and reports what became of them."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import urlsplit

import anyio
from anyio.abc import TaskStatus

from callctl.cloud.http import HttpAnswer
from callctl.io.egress import Egress
from callctl.io.http_pool import Clock, HttpPool, PoolSettings, Post
from callctl.io.pool_maker import OnPoolState
from callctl.push.events import (
    AbandonPush,
    LostReason,
    PostPush,
    PushAnswered,
    PushLost,
    PushWritten,
)
from sipstack.errors import LocalProtocolError

OnPushEvent: TypeAlias = Callable[[PushAnswered | PushLost], None]


class PushRestClient:
    """Performs `PostPush` and `AbandonPush`; `on_event` gets the answers, from the event loop."""

    def __init__(
        self,
        settings: PoolSettings,
        tls: ssl.SSLContext | None,
        clock: Clock,
        on_event: OnPushEvent,
        *,
        egress: Egress | None = None,
        on_written: Callable[[PushWritten], None] | None = None,
        on_state: OnPoolState | None = None,
    ) -> None:
        """Without `egress` it connects directly; the others are as for `HttpPool`.

        Raises: ValueError for a URL that is not https, unless http is allowed as insecure.
        """
        self._on_event = on_event
        self._on_written = on_written
        self._pool = HttpPool(
            settings,
            tls,
            clock,
            self._answered,
            self._lost,
            egress=egress,
            on_sent=None if on_written is None else self._sent,
            on_state=on_state,
        )
        parts = urlsplit(settings.url)
        path = parts.path or "/"
        self._head = f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep the connections until cancelled."""
        await self._pool.run(task_status=task_status)

    def post(self, push: PostPush) -> None:
        """Post it over an open connection, or a new one where all are busy.

        At its second attempt it goes by the next address of the proxy, or not at all (PROXY-06).
        """
        if push.url != self._pool.settings.url:
            raise LocalProtocolError(f"this client posts to {self._pool.settings.url} only")
        fields = "".join([f"{name}: {value}\r\n" for name, value in push.headers])
        head = f"{self._head}{fields}Content-Length: {len(push.body)}\r\n\r\n"
        octets = head.encode() + push.body
        again = push.attempt > 0
        self._pool.post(Post(push.tracking_id, octets, push.deadline, again))

    def abandon(self, push: AbandonPush) -> None:
        """Close the connection its answer was to come over."""
        self._pool.abandon(push.tracking_id)

    def remake(self, tls: ssl.SSLContext | None = None) -> None:
        """The proxy or the trust was changed: connections are made anew."""
        self._pool.remake(tls)

    def counts(self) -> dict[str, int]:
        """Connections and pushes held; all but `idle` are 0 at rest (I13)."""
        return self._pool.counts()

    def _answered(self, tracking_id: str, answer: HttpAnswer) -> None:
        retry_after = answer.header("retry-after")
        self._on_event(PushAnswered(tracking_id, answer.status, answer.body, retry_after))

    def _sent(self, tracking_id: str) -> None:
        if self._on_written is not None:
            self._on_written(PushWritten(tracking_id))

    def _lost(self, tracking_id: str, reason: LostReason) -> None:
        self._on_event(PushLost(tracking_id, reason))
