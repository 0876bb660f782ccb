"""Many devices on one stream of an emulated partner cloud."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx2
import msgspec
import pytest

from callctl.cloud.delivery import Delivery, DeviceAttached, DeviceDetached, DeviceEvent
from callctl.cloud.partner import Partner
from callctl.io.device_streams import DeviceStreams
from callctl.io.http_server import serve
from helpers.node_rig import eventually

pytestmark = pytest.mark.anyio


@dataclass
class Rig:
    """The streams of one cloud, what its core was told, and a client."""

    streams: DeviceStreams
    events: list[DeviceEvent]
    client: httpx2.AsyncClient
    lines: list[dict[str, Any]] = field(default_factory=list)

    async def attach(self, *tokens: str) -> None:
        """Hold a stream for these devices until cancelled."""
        body = {"devices": [{"token": token, "app": "app"} for token in tokens]}
        async with self.client.stream("POST", "/attach", json=body) as answer:
            assert answer.status_code == 200
            async for line in answer.aiter_lines():
                if line:
                    self.lines.append(msgspec.json.decode(line))

    def deliver(self, token: str) -> None:
        self.streams.deliver(Delivery(Partner.APNS, token, "m1", "voip", "app", {"n": 1}))


@asynccontextmanager
async def rig() -> AsyncIterator[Rig]:
    events: list[DeviceEvent] = []
    streams = DeviceStreams(events.append)
    async with (
        serve(streams.attach, None, before_stop=streams.close) as port,
        httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=5
        ) as client,
    ):
        yield Rig(streams, events, client)


async def test_devices_of_one_stream_are_known_and_their_pushes_name_them() -> None:
    async with rig() as it, anyio.create_task_group() as tasks:
        tasks.start_soon(it.attach, "a", "b", "c")
        await eventually(lambda: len(it.streams) == 3)
        assert it.events == [DeviceAttached(token, "app") for token in "abc"]
        it.deliver("b")
        it.deliver("nobody")
        it.deliver("c")
        await eventually(lambda: len(it.lines) == 2)
        assert [line["token"] for line in it.lines] == ["b", "c"]
        tasks.cancel_scope.cancel()


async def test_the_end_of_a_stream_detaches_all_its_devices() -> None:
    async with rig() as it:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(it.attach, "a", "b")
            await eventually(lambda: len(it.streams) == 2)
            tasks.cancel_scope.cancel()
        await eventually(lambda: len(it.streams) == 0)
        assert it.events[2:] == [DeviceDetached("a"), DeviceDetached("b")]


async def test_a_device_that_attaches_elsewhere_leaves_the_others_of_its_stream() -> None:
    async with rig() as it, anyio.create_task_group() as tasks:
        tasks.start_soon(it.attach, "a", "b")
        await eventually(lambda: len(it.streams) == 2)
        tasks.start_soon(it.attach, "a")
        await eventually(lambda: len(it.events) == 3)
        it.deliver("b")
        it.deliver("a")
        await eventually(lambda: len(it.lines) == 2)
        assert not any(isinstance(event, DeviceDetached) for event in it.events)
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"devices": []}',
        b'{"devices": [{"token": "", "app": "app"}]}',
        b'{"devices": [{"token": "a"}]}',
        b'{"devices": [' + b",".join([b'{"token": "a", "app": "b"}'] * 1_001) + b"]}",
    ],
    ids=["nothing", "no devices", "none", "empty token", "no app", "too many"],
)
async def test_a_request_that_names_no_devices_is_refused(body: bytes) -> None:
    async with rig() as it:
        answer = await it.client.post("/attach", content=body)
        assert (answer.status_code, answer.json()) == (400, {"reason": "BadDeviceToken"})
        assert it.events == []
