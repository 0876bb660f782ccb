"""The sockets of a fleet: phones that move between networks, and many devices on one stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import msgspec
import pytest

from callctl.cloud.http import json_answer
from callctl.cloud.partner import Partner
from callctl.fleet.attach import BATCH, Attachments, CannotAttach
from callctl.fleet.wires import WireCounts, Wires
from callctl.io.http_server import Receive, Scope, Send, read_request, send_answer, serve
from callctl.io.pki import CertificateAuthority
from callctl.phone.phone_event import AttachPush, PushArrived
from helpers.node_rig import eventually
from sipstack.transport.flow import (
    UNCONNECTED,
    BytesReceived,
    Flow,
    FlowClosed,
    TransportEvent,
)
from sipstack.transport.flow import Send as SendMessage

pytestmark = pytest.mark.anyio

HOME = "127.0.0.1"


class Peer(asyncio.Protocol):
    """One accepted connection, which answers what it is sent."""

    def __init__(self, peers: list[Peer]) -> None:
        self.closed = False
        self.heard = b""
        self.host = ""
        peers.append(self)

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401
        self.transport = transport
        self.host = transport.get_extra_info("peername")[0]

    def data_received(self, data: bytes) -> None:
        self.heard += data
        self.transport.write(b"answer to " + data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True


@dataclass
class WireRig:
    """A phone's wires, the server that they lead to, and what the phone heard."""

    wires: Wires
    flow: Flow
    peers: list[Peer]
    counts: WireCounts
    events: list[TransportEvent] = field(default_factory=list)

    def send(self, data: bytes, flow: Flow | None = None) -> None:
        self.wires.perform(SendMessage(flow or self.flow, data))

    @property
    def received(self) -> list[BytesReceived]:
        return [event for event in self.events if isinstance(event, BytesReceived)]

    @property
    def closed(self) -> list[Flow]:
        return [event.flow for event in self.events if isinstance(event, FlowClosed)]


@asynccontextmanager
async def wire_rig() -> AsyncIterator[WireRig]:
    peers: list[Peer] = []
    server = await asyncio.get_running_loop().create_server(lambda: Peer(peers), HOME, 0)
    port = server.sockets[0].getsockname()[1]
    counts = WireCounts()
    wires = Wires(HOME, None, counts)
    rig = WireRig(wires, Flow("TCP", HOME, 50_000, HOME, port), peers, counts)
    wires.feed = rig.events.append
    try:
        yield rig
    finally:
        await wires.aclose()
        server.close()
        await server.wait_closed()


async def test_a_phone_that_gets_another_address_loses_its_connection_and_dials_from_there() -> (
    None
):
    async with wire_rig() as rig:
        rig.send(b"one")
        await eventually(lambda: len(rig.received) == 1)
        first = rig.received[0].flow
        rig.wires.find("127.1.2.3")
        await eventually(lambda: rig.peers[0].closed and first in rig.closed)
        rig.send(b"two")
        await eventually(lambda: len(rig.received) == 2)
        assert [peer.host for peer in rig.peers] == [HOME, "127.1.2.3"]
        second = rig.received[1].flow
        assert (first.local_host, second.local_host) == (HOME, HOME)  # it does not learn of it
        assert first.connection != second.connection


async def test_what_is_sent_by_the_new_network_is_not_told_to_have_failed_with_the_old() -> None:
    async with wire_rig() as rig:
        rig.send(b"one")
        await eventually(lambda: len(rig.received) == 1)

        def registers_at_once(event: TransportEvent) -> None:
            rig.events.append(event)
            if isinstance(event, FlowClosed) and event.flow.connection != UNCONNECTED:
                rig.send(b"two")

        rig.wires.feed = registers_at_once
        rig.wires.find("127.1.2.3")
        await eventually(lambda: len(rig.received) == 2)
        assert [flow.connection != UNCONNECTED for flow in rig.closed] == [True]


async def test_without_a_network_nothing_is_sent_or_heard_and_no_connection_ends() -> None:
    async with wire_rig() as rig:
        rig.send(b"one")
        await eventually(lambda: len(rig.received) == 1)
        rig.wires.lose()
        rig.send(b"lost", rig.received[0].flow)
        rig.peers[0].transport.write(b"nobody hears this")
        await eventually(lambda: rig.counts.lost == 2)
        assert (rig.peers[0].heard, rig.peers[0].closed) == (b"one", False)
        assert len(rig.events) == 1
        rig.wires.find(HOME)
        await eventually(lambda: rig.peers[0].closed)
        rig.send(b"two")
        await eventually(lambda: len(rig.received) == 2)


async def test_a_server_that_is_not_there_is_told_by_the_flow_that_was_asked_for() -> None:
    async with wire_rig() as rig:
        gone = rig.flow._replace(remote_port=1)
        rig.wires.find("127.1.2.3")
        rig.send(b"one", gone)
        await eventually(lambda: rig.closed == [gone])


@dataclass
class StreamCloud:
    """A partner cloud that takes many devices on one stream; `refuses` makes it take one."""

    refuses: int | None = None
    attached: list[list[str]] = field(default_factory=list)
    single: list[str] = field(default_factory=list)
    ends: list[anyio.Event] = field(default_factory=list)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = await read_request(scope, receive, 1 << 20)
        assert request is not None
        if request.method == "POST" and self.refuses is not None:
            await send_answer(send, json_answer(self.refuses, {"reason": "no"}))
            return
        if request.method == "POST":
            devices = msgspec.json.decode(request.body)["devices"]
            tokens = [device["token"] for device in devices]
            self.attached.append(tokens)
        else:
            tokens = [dict(request.headers)["device-token"]]
            self.single += tokens
        end = anyio.Event()
        self.ends.append(end)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        push = {
            "messageId": "m1", "token": tokens[0], "pushType": "voip", "topic": "t",
            "payload": {"trackingId": "t1"},
        }  # fmt: skip
        body = b"\n" + msgspec.json.encode(push) + b"\n"
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await end.wait()
        await send({"type": "http.response.body", "body": b""})


@dataclass
class AttachRig:
    attachments: Attachments
    cloud: StreamCloud
    pushes: list[PushArrived]

    async def attach(self, count: int) -> None:
        await self.attachments.attach(AttachPush(f"t{n}", "APNS", "app") for n in range(count))


@asynccontextmanager
async def attach_rig(cloud: StreamCloud) -> AsyncIterator[AttachRig]:
    authority = CertificateAuthority()

    def end_all() -> None:
        for end in cloud.ends:
            end.set()

    async with (
        serve(cloud.app, authority.server_context(), before_stop=end_all) as port,
        anyio.create_task_group() as tasks,
    ):
        urls = {Partner.APNS: f"https://127.0.0.1:{port}/attach"}
        pushes: list[PushArrived] = []
        made = Attachments(urls, authority.client_context(), tasks, pushes.append)
        yield AttachRig(made, cloud, pushes)
        tasks.cancel_scope.cancel()


async def test_hundreds_of_devices_share_a_stream_and_each_gets_its_pushes() -> None:
    async with attach_rig(StreamCloud()) as rig:
        await rig.attach(BATCH + 3)
        assert [len(tokens) for tokens in rig.cloud.attached] == [BATCH, 3]
        assert rig.attachments.streams == 2
        await eventually(lambda: len(rig.pushes) == 2)
        assert [push.token for push in rig.pushes] == ["t0", f"t{BATCH}"]
        assert rig.pushes[0].payload == {"trackingId": "t1"}


async def test_a_stream_that_ends_is_attached_again() -> None:
    async with attach_rig(StreamCloud()) as rig:
        await rig.attach(2)
        rig.cloud.ends[0].set()
        await eventually(lambda: rig.cloud.attached == [["t0", "t1"], ["t0", "t1"]])
        await eventually(lambda: len(rig.pushes) == 2)


async def test_a_cloud_that_takes_one_device_a_stream_gets_one_for_each() -> None:
    async with attach_rig(StreamCloud(refuses=400)) as rig:
        await rig.attach(5)
        assert sorted(rig.cloud.single) == ["t0", "t1", "t2", "t3", "t4"]
        assert rig.attachments.streams == 5
        await eventually(lambda: len(rig.pushes) == 5)
        assert {push.token for push in rig.pushes} == set(rig.cloud.single)


async def test_a_cloud_that_takes_nobody_is_told() -> None:
    async with attach_rig(StreamCloud(refuses=503)) as rig:
        with pytest.raises(CannotAttach, match="answers 503"):
            await rig.attach(2)
