"""Devices attached to an emulated partner cloud, each over one long answer of JSON lines.

`GET /attach` with the headers `device-token` and `device-app` (APNs: topic; FCM: project id). The
answer is a stream: one JSON object a line for each push, and an empty line now and then so that
either side learns of a dead connection. The token is in a header because paths end up in logs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import anyio
import msgspec
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from callctl.cloud.delivery import Delivery, DeviceAttached, DeviceDetached, DeviceEvent
from callctl.cloud.http import json_answer
from callctl.io.http_server import Receive, Scope, Send, request_head, send_answer

ATTACH_PATH: Final = "/attach"
QUEUE_MAX: Final = 256  # pushes a device has not read yet; past it the connection is closed
HEARTBEAT_S: Final = 20.0
TOKEN_MAX: Final = 4096


class DeviceStreams:
    """The attached devices of one partner cloud. `feed` takes what the core must know."""

    def __init__(self, feed: Callable[[DeviceEvent], None]) -> None:
        self._feed = feed
        self._attached: dict[str, MemoryObjectSendStream[bytes]] = {}

    def __len__(self) -> int:
        return len(self._attached)

    def deliver(self, delivery: Delivery) -> None:
        """Put a push on the stream of its device, if that is still there."""
        pushes = self._attached.get(delivery.token)
        if pushes is None:
            return
        line = msgspec.json.encode(
            {
                "messageId": delivery.message_id,
                "pushType": delivery.push_type,
                "topic": delivery.topic,
                "collapseId": delivery.collapse_id,
                "payload": delivery.payload,
            }
        )
        try:
            pushes.send_nowait(line + b"\n")
        except (anyio.WouldBlock, anyio.BrokenResourceError):
            pushes.close()

    def close(self) -> None:
        """End every stream."""
        for pushes in self._attached.values():
            pushes.close()

    async def attach(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one device until it leaves, attaches anew, or the cloud stops."""
        method, _, headers = request_head(scope)
        fields = dict(headers)
        token, app = fields.get("device-token", ""), fields.get("device-app", "")
        if method != "GET" or not 0 < len(token) <= TOKEN_MAX or not app:
            await send_answer(send, json_answer(400, {"reason": "BadDeviceToken"}))
            return
        pushes, lines = anyio.create_memory_object_stream[bytes](QUEUE_MAX)
        before = self._attached.pop(token, None)
        if before is not None:
            before.close()
        self._attached[token] = pushes
        try:
            self._feed(DeviceAttached(token, app))  # first, so that an answer means: attached
            typed = [(b"content-type", b"application/x-ndjson")]
            await send({"type": "http.response.start", "status": 200, "headers": typed})
            await send({"type": "http.response.body", "body": b"\n", "more_body": True})
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_wait_for_disconnect, receive, tasks.cancel_scope)
                await _copy(lines, send)
                tasks.cancel_scope.cancel()
        finally:
            pushes.close()
            lines.close()
            if self._attached.get(token) is pushes:
                del self._attached[token]
                self._feed(DeviceDetached(token))


async def _copy(lines: MemoryObjectReceiveStream[bytes], send: Send) -> None:
    """Send lines, or an empty one where none came for a while, until there are no more."""
    while True:
        line = b"\n"
        with anyio.move_on_after(HEARTBEAT_S):
            try:
                line = await lines.receive()
            except anyio.EndOfStream:
                break
        await send({"type": "http.response.body", "body": line, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _wait_for_disconnect(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
