"""Where pushes come from: the emulated partner clouds, for thousands of phones over few streams.

A cloud that takes many devices over one stream (`POST /attach`) is given hundreds at a time. One
that takes one a stream gets one for each token, which costs some kilobytes and files apiece.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias
from urllib.parse import urlsplit

import anyio
import msgspec
from anyio.abc import TaskGroup, TaskStatus

from callctl.cloud.partner import Partner, default_routes
from callctl.io.push_receiver import AttachedStream, PushReceiver, ReceivedPush
from callctl.phone.phone_event import AttachPush, PushArrived

BATCH: Final = 500  # devices of one stream
ANSWER_S: Final = 15.0
RETRY_S: Final = 0.5
SINGLE_S: Final = 30.0
SINGLE_AT_ONCE: Final = 40  # handshakes under way, where each device needs its own

OnPush: TypeAlias = Callable[[PushArrived], None]


class NotShared(Exception):
    """The cloud takes one device a stream."""


class CannotAttach(Exception):
    """The cloud does not take the devices; the text says why."""


class Attachments:
    """Holds the phones of a fleet at their clouds while its task group lives."""

    def __init__(
        self, urls: Mapping[Partner, str], tls: ssl.SSLContext, tasks: TaskGroup, on_push: OnPush
    ) -> None:
        self.streams = 0
        """How many connections it took."""
        self._urls = urls
        self._tls = tls
        self._tasks = tasks
        self._on_push = on_push

    async def attach(self, wanted: Iterable[AttachPush]) -> None:
        """Return when every device is known to its cloud. Raises: CannotAttach."""
        routes = default_routes()
        by_url: dict[str, list[AttachPush]] = {}
        for each in wanted:
            by_url.setdefault(self._urls[routes[each.service].partner], []).append(each)
        for url, devices in by_url.items():
            batches = [devices[at : at + BATCH] for at in range(0, len(devices), BATCH)]
            try:
                for batch in batches:
                    await self._tasks.start(SharedStream(url, self._tls, batch, self._on_push).run)
                    self.streams += 1
            except NotShared:
                await self._attach_single(url, devices)

    async def _attach_single(self, url: str, devices: Sequence[AttachPush]) -> None:
        room = anyio.CapacityLimiter(SINGLE_AT_ONCE)

        async def attach(device: AttachPush) -> None:
            def arrived(push: ReceivedPush) -> None:
                self._on_push(
                    PushArrived(device.token, push.push_type, push.payload, push.collapse_id)
                )

            receiver = PushReceiver(url, self._tls, device.token, device.app, arrived)
            async with room:
                with anyio.move_on_after(SINGLE_S) as waited:
                    await self._tasks.start(receiver.run)
            if waited.cancelled_caught:
                raise CannotAttach(
                    f"the cloud took {self.streams} devices and no more within {SINGLE_S:.0f} s; "
                    "each takes files of it, of which a process may open so many (ulimit -n)"
                )
            self.streams += 1

        async with anyio.create_task_group() as attaching:
            for device in devices:
                attaching.start_soon(attach, device)


class SharedStream:
    """Many devices at one cloud over one connection, attached again whenever it is lost."""

    def __init__(
        self, url: str, tls: ssl.SSLContext, devices: Sequence[AttachPush], on_push: OnPush
    ) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 443
        self._tls = tls
        self._arrived = lambda push: on_push(
            PushArrived(push.token, push.push_type, push.payload, push.collapse_id)
        )
        body = msgspec.json.encode(
            {"devices": [{"token": it.token, "app": it.app} for it in devices]}
        )
        self._request = (
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        ).encode() + body

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Stay attached until cancelled; started means attached for the first time.

        Raises: NotShared, CannotAttach before that.
        """
        stream = await self._open()
        if not stream.attached:
            raise self._refusal(stream.status)
        task_status.started()
        while True:
            try:
                await stream.gone.wait()
            finally:
                stream.close()
            await anyio.sleep(RETRY_S)
            stream = await self._open()

    def _refusal(self, status: int) -> Exception:
        if status in (400, 404, 405):
            return NotShared()
        answer = f"answers {status}" if status else "does not answer"
        return CannotAttach(f"{self._host}:{self._port} {answer}")

    async def _open(self) -> AttachedStream:
        """A stream that is attached, or is gone."""
        stream = AttachedStream(self._request, self._arrived)
        try:
            with anyio.fail_after(ANSWER_S):
                await asyncio.get_running_loop().create_connection(
                    lambda: stream, self._host, self._port, ssl=self._tls
                )
                await stream.settled.wait()
        except (OSError, TimeoutError):
            stream.gone.set()
        finally:
            if not stream.attached:
                stream.close()
        return stream
