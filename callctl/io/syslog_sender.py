"""Sends alarms to a syslog collector over UDP, TCP or TLS. Whoever raises one never waits for it.

Source: RFC 5426 (UDP), RFC 6587 (TCP, octet counting), RFC 5425 (TLS); test 112.
"""

from __future__ import annotations

import socket
import ssl
from collections import deque
from collections.abc import Callable
from typing import Final

import anyio
from anyio.abc import ByteStream, SocketAttribute, TaskStatus

from callctl.model.alarm_settings import SyslogSettings
from callctl.serviceability.alarm import AlarmNotice
from callctl.serviceability.syslog import (
    DATAGRAM_MAX,
    STREAM_MAX,
    SyslogOrigin,
    framed,
    syslog_message,
)
from sipstack.timing import Instant

QUEUE_MAX: Final = 1_000  # messages; past it the newest is lost and counted
CONNECT_TIMEOUT_S: Final = 5.0
SEND_TIMEOUT_S: Final = 10.0  # a collector that takes nothing for so long has hung
PAUSE_S: Final = 1.0  # before the second try; it doubles
PAUSE_MOST_S: Final = 30.0

_GONE: Final = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream)


def collector_tls(settings: SyslogSettings) -> ssl.SSLContext | None:
    """A TLS client that checks the collector and its name; None for UDP and TCP.

    Raises: OSError if the file of authorities cannot be read, or holds none.
    """
    if settings.transport != "tls":
        return None
    context = ssl.create_default_context(cafile=settings.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class SyslogSender:
    """A bounded queue, and one task that empties it. A message is lost only by a full queue, or,
    as TCP acknowledges nothing, with the connection it was written to."""

    def __init__(
        self,
        settings: SyslogSettings,
        unix_ns: Callable[[Instant], int],
        *,
        host: str = "",
        tls: ssl.SSLContext | None = None,
        queue_max: int = QUEUE_MAX,
        send_timeout_s: float = SEND_TIMEOUT_S,
        pause_s: float = PAUSE_S,
    ) -> None:
        """`host` names the sender. Raises: ValueError for TLS that verifies nobody."""
        if settings.transport == "tls" and (
            tls is None or tls.verify_mode is not ssl.CERT_REQUIRED
        ):
            raise ValueError("a TLS context that verifies the collector is needed")
        self._settings = settings
        self._queue_max = queue_max
        self._send_timeout_s = send_timeout_s
        self._pause_s = pause_s
        self._unix_ns = unix_ns
        self._origin = SyslogOrigin(host or socket.gethostname(), facility=settings.facility)
        self._tls = tls if settings.transport == "tls" else None
        self._size_max = DATAGRAM_MAX if settings.transport == "udp" else STREAM_MAX
        self._waiting: deque[bytes] = deque()
        self._arrived = anyio.Event()
        self.sent = self.lost = self.failures = 0
        self.connected = False
        self.error = ""
        """Why the last try failed; "" once one has succeeded."""

    def deliver(self, notice: AlarmNotice) -> None:
        """Have it sent. Never waits; past the limit it is lost, and counted."""
        if len(self._waiting) >= self._queue_max:
            self.lost += 1
            return
        message = syslog_message(
            notice, self._unix_ns(notice.at), self._origin, size_max=self._size_max
        )
        self._waiting.append(message)
        self._arrived.set()

    def counts(self) -> dict[str, int]:
        """What became of the messages; `failures` counts connections and tries."""
        return {
            "sent": self.sent,
            "lost": self.lost,
            "waiting": len(self._waiting),
            "failures": self.failures,
        }

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Send until cancelled. A collector that is not there is tried again after a pause."""
        task_status.started()
        pause_s = self._pause_s
        while True:
            await self._until_some_wait()
            sent = self.sent
            try:
                await (self._datagrams() if self._settings.transport == "udp" else self._stream())
            except* (OSError, *_GONE) as errors:
                self.error = _why(errors)
            self.connected = False
            self.failures += 1
            pause_s = self._pause_s if self.sent > sent else min(2 * pause_s, PAUSE_MOST_S)
            await anyio.sleep(pause_s)

    async def _until_some_wait(self) -> None:
        while not self._waiting:
            self._arrived = anyio.Event()
            await self._arrived.wait()

    async def _datagrams(self) -> None:
        async with await anyio.create_connected_udp_socket(
            self._settings.host, self._settings.port
        ) as connection:
            self.connected = True
            while True:
                await self._until_some_wait()
                await connection.send(self._waiting[0])
                self._waiting.popleft()
                self._sent()

    async def _stream(self) -> None:
        with anyio.fail_after(CONNECT_TIMEOUT_S):
            connection: ByteStream = (
                await anyio.connect_tcp(
                    self._settings.host,
                    self._settings.port,
                    ssl_context=self._tls,
                    tls_standard_compatible=False,
                )
                if self._tls is not None
                else await anyio.connect_tcp(self._settings.host, self._settings.port)
            )
        self.connected = True
        try:
            raw = connection.extra(SocketAttribute.raw_socket, None)
            if raw is not None:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._watch, connection)
                await self._send_all(connection)
        finally:
            await anyio.aclose_forcefully(connection)

    async def _send_all(self, connection: ByteStream) -> None:
        while True:
            await self._until_some_wait()
            with anyio.fail_after(self._send_timeout_s):
                await connection.send(framed(self._waiting[0]))
            self._waiting.popleft()
            self._sent()

    async def _watch(self, connection: ByteStream) -> None:
        """A collector says nothing; so whatever ends this ends the connection."""
        while True:
            await connection.receive()

    def _sent(self) -> None:
        self.sent += 1
        self.error = ""


def _why(errors: BaseExceptionGroup[BaseException]) -> str:
    first: BaseException = errors
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    if isinstance(first, anyio.EndOfStream):
        return "closed by the collector"
    return "no answer in time" if isinstance(first, TimeoutError) else type(first).__name__
