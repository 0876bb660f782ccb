"""Devices attached to an emulated partner cloud, over long answers of JSON lines.

`GET /attach` with the headers `device-token` and `device-app` (APNs: topic; FCM: project id). The
answer is a stream: one JSON object a line for each push, and an empty line now and then so that
either side learns of a dead connection. The token is in a header because paths end up in logs.

`POST /attach` with `{"devices": [{"token": ..., "app": ...}, ...]}` attaches many devices to one
stream, for a simulator of thousands; each push names its `token`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final

import anyio
import msgspec
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from callctl.cloud.delivery import Delivery, DeviceAttached, DeviceDetached, DeviceEvent
from callctl.cloud.http import json_answer
from callctl.io.http_server import (
    Receive,
    Scope,
    Send,
    read_request,
    request_head,
    send_answer,
)

ATTACH_PATH: Final = "/attach"
QUEUE_MAX: Final = 256  # pushes a device has not read yet; past it the connection is closed
HEARTBEAT_S: Final = 20.0
TOKEN_MAX: Final = 4096
SHARED_MAX: Final = 1_000  # devices of one stream
SHARED_BODY_MAX: Final = 1024 * 1024  # octets


class _Device(msgspec.Struct):
    token: Annotated[str, msgspec.Meta(min_length=1, max_length=TOKEN_MAX)]
    app: Annotated[str, msgspec.Meta(min_length=1, max_length=TOKEN_MAX)]


class _Devices(msgspec.Struct):
    devices: Annotated[list[_Device], msgspec.Meta(min_length=1, max_length=SHARED_MAX)]


class DeviceStreams:
    """The attached devices of one partner cloud. `feed` takes what the core must know."""

    def __init__(self, feed: Callable[[DeviceEvent], None]) -> None:
        self._feed = feed
        self._attached: dict[str, MemoryObjectSendStream[bytes]] = {}
        self._shared: set[MemoryObjectSendStream[bytes]] = set()  # that many devices have

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
                "token": delivery.token,
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
        for pushes in set(self._attached.values()):
            pushes.close()

    async def attach(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve devices until they leave, attach anew, or the cloud stops."""
        devices = await _devices_of(scope, receive)
        if not devices:
            await send_answer(send, json_answer(400, {"reason": "BadDeviceToken"}))
            return
        queue_max = QUEUE_MAX if len(devices) == 1 else 4 * QUEUE_MAX
        pushes, lines = anyio.create_memory_object_stream[bytes](queue_max)
        if len(devices) > 1:
            self._shared.add(pushes)
        for device in devices:
            before = self._attached.pop(device.token, None)
            if before is not None and before not in self._shared:
                before.close()
            self._attached[device.token] = pushes
        try:
            for device in devices:  # first, so that an answer means: attached
                self._feed(DeviceAttached(device.token, device.app))
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
            self._shared.discard(pushes)
            for device in devices:
                if self._attached.get(device.token) is pushes:
                    del self._attached[device.token]
                    self._feed(DeviceDetached(device.token))


async def _devices_of(scope: Scope, receive: Receive) -> list[_Device]:
    """Who wants to attach; nobody if the request is wrong."""
    method, _, headers = request_head(scope)
    if method == "POST":
        request = await read_request(scope, receive, SHARED_BODY_MAX)
        try:
            body = b"" if request is None else request.body
            return msgspec.json.decode(body, type=_Devices).devices
        except msgspec.DecodeError:
            return []
    fields = dict(headers)
    token, app = fields.get("device-token", ""), fields.get("device-app", "")
    if method != "GET" or not 0 < len(token) <= TOKEN_MAX or not app:
        return []
    return [_Device(token, app)]


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
