"""A simulated phone's connection to its partner cloud: pushes come in, whether the app runs or not.

One connection a phone, one small task to keep it; thousands of phones fit in one process.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, cast
from urllib.parse import urlsplit

import anyio
import httptools
import msgspec
from anyio.abc import TaskStatus

CONNECT_TIMEOUT_S: Final = 10.0
RETRY_FIRST_S: Final = 0.2
RETRY_MAX_S: Final = 5.0
LINE_MAX: Final = 65_536  # octets of one push


@dataclass(frozen=True, slots=True)
class ReceivedPush:
    """A push as the operating system hands it to the app; `payload` is for `read_push`."""

    message_id: str
    push_type: str  # APNs: "voip" or "alert"; FCM: "data"
    topic: str
    payload: Mapping[str, Any] = field(repr=False)
    collapse_id: str | None = None
    token: str = ""  # whose it is, where many devices share a stream


OnPush: TypeAlias = Callable[[ReceivedPush], None]


class _Line(msgspec.Struct, rename="camel"):
    message_id: str
    push_type: str
    topic: str
    payload: dict[str, Any]
    collapse_id: str | None = None
    token: str = ""


class PushReceiver:
    """Attaches a token at `url` and stays attached; `on_push` is called from the event loop."""

    def __init__(
        self, url: str, tls: ssl.SSLContext, device_token: str, app: str, on_push: OnPush
    ) -> None:
        """`app`: the APNs topic (with `.voip` for a VoIP token) or the FCM project id."""
        parts = urlsplit(url)
        if parts.scheme != "https" or parts.hostname is None:
            raise ValueError(f"{url}: only https")
        self._host = parts.hostname
        self._port = parts.port or 443
        self._tls = tls
        self._request = (
            f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            f"device-token: {device_token}\r\ndevice-app: {app}\r\n\r\n"
        ).encode()
        self._on_push = on_push

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Stay attached until cancelled; started means attached for the first time.

        Attaching again after a loss waits longer each time, up to `RETRY_MAX_S`.
        """
        started = False
        wait_s = RETRY_FIRST_S
        while True:
            stream = await self._attach()
            if stream is not None:
                wait_s = RETRY_FIRST_S
                if not started:
                    started = True
                    task_status.started()
                try:
                    await stream.gone.wait()
                finally:
                    stream.close()
            await anyio.sleep(wait_s)
            wait_s = min(2 * wait_s, RETRY_MAX_S)

    async def _attach(self) -> AttachedStream | None:
        """An attached stream, None if that failed."""
        loop = asyncio.get_running_loop()
        stream: AttachedStream | None = None
        try:
            with anyio.fail_after(CONNECT_TIMEOUT_S):
                _, stream = await loop.create_connection(
                    lambda: AttachedStream(self._request, self._on_push),
                    self._host,
                    self._port,
                    ssl=self._tls,
                )
                await stream.settled.wait()
        except (OSError, TimeoutError):
            pass
        except BaseException:
            if stream is not None:
                stream.close()
            raise
        if stream is not None and not stream.attached:
            stream.close()
            return None
        return stream


class AttachedStream(asyncio.Protocol):
    """One connection to a partner cloud, from its request to its end."""

    def __init__(self, request: bytes, on_push: OnPush) -> None:
        self.status = 0  # of the answer, once there is one
        self.attached = False
        self.settled = anyio.Event()  # attached, or it never will be
        self.gone = anyio.Event()
        self._request = request
        self._on_push = on_push
        self._parser: Any = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._received = b""  # lines not read yet

    def close(self) -> None:
        """Leave the cloud."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
            *lines, self._received = self._received.split(b"\n")
            pushes = [msgspec.json.decode(line, type=_Line) for line in lines if line]
        except (httptools.HttpParserError, msgspec.DecodeError):
            self.close()
            return
        if len(self._received) > LINE_MAX:
            self.close()
        for push in pushes:
            self._on_push(ReceivedPush(*msgspec.structs.astuple(push)))

    def connection_lost(self, exc: Exception | None) -> None:
        self.settled.set()
        self.gone.set()

    def on_headers_complete(self) -> None:
        """From the parser."""
        self.status = self._parser.get_status_code()
        if self.status != 200:
            self.close()

    def on_body(self, body: bytes) -> None:
        """From the parser. The first line is empty: the cloud knows the token now."""
        if self.status == 200:
            self.attached = True
            self.settled.set()
            self._received += body

    def on_message_complete(self) -> None:
        """From the parser: the cloud ended the stream."""
        self.close()
