"""A cluster with listeners for browsers on loopback, and an aiortc peer beside it."""

from __future__ import annotations

import gc
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final, Literal, TypeAlias

import anyio
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaBlackhole
from aiortc.mediastreams import AudioStreamTrack, MediaStreamTrack
from aiortc.stats import RTCInboundRtpStreamStats, RTCOutboundRtpStreamStats

from callctl.io.cluster_shell import ClusterShell
from callctl.io.parties import Parties
from callctl.model.build import PUSH_ON, make_cluster, make_node, password_of
from callctl.model.device import ClientType, Device, Platform
from interop.browser_phone import Library, WebSettings
from interop.lab import QUICK, STANDARD_PORT, Lab, Site
from sipstack.transport.websocket import OriginPolicy

Scheme: TypeAlias = Literal["ws", "wss"]

CALLER: Final = "4930111021"
CALLEE: Final = "4930111022"
SLEEPER: Final = "4930111023"
DEVICES: Final = (
    Device(f"WEB{CALLER}", CALLER, (CALLER,), "default", Platform.BROWSER),
    Device(f"WEB{CALLEE}", CALLEE, (CALLEE,), "default", Platform.BROWSER),
    # A page in a frame of an app, which a push can wake (RFC 8599).
    Device(f"WEB{SLEEPER}", SLEEPER, (SLEEPER,), "default", Platform.IOS, ClientType.STANDARD),
)
PAGES: Final = OriginPolicy(("http://localhost:*",))


class BrowserLab(Lab):
    """What runs."""

    def web(
        self, library: Library, user: str, *, scheme: Scheme = "ws", node: str = "ucm1"
    ) -> WebSettings:
        """A phone of this user in a browser."""
        host, port = self.server(scheme, node)
        domain = self.shell.cluster.domain
        return WebSettings(library, f"{scheme}://{host}:{port}", user, password_of(user), domain)

    def bound(self, user: str) -> list[str]:
        """The contacts of a user."""
        table = self.shell.nodes[0].engine.bindings
        return [binding.contact for binding in table.of_dn(user, self.shell.clock())]


@asynccontextmanager
async def browser_lab(
    site: Site, *, nodes: int = 1, devices: Sequence[Device] = DEVICES
) -> AsyncGenerator[BrowserLab]:
    """A running cluster: ucm1 to ucmN, each with WS and WSS."""
    names = [f"ucm{number}" for number in range(1, nodes + 1)]
    cluster = make_cluster(
        nodes=[
            make_node(
                name,
                number,
                host=site.host(number),
                port=STANDARD_PORT,
                websocket_port=STANDARD_PORT + 2,
            )
            for number, name in enumerate(names, 1)
        ],
        devices=devices,
        cloud=PUSH_ON,
        parameters=QUICK,
        websocket=PAGES,
    )
    shell = ClusterShell(site.with_free_ports(cluster))
    parties = Parties(shell)
    async with anyio.create_task_group() as tasks:
        await tasks.start(shell.run)
        await tasks.start(parties.run)
        yield BrowserLab(site, shell, parties)
        tasks.cancel_scope.cancel()
    del shell, parties
    gc.collect()  # so that what was left open warns here, not in the next test


class RtcPeer:
    """The media of one call without a browser: ICE, DTLS, SRTP and Opus by aiortc."""

    def __init__(self, connection: RTCPeerConnection) -> None:
        self._connection = connection

    async def offer(self) -> bytes:
        """Our SDP, with every candidate in it."""
        await self._connection.setLocalDescription(await self._connection.createOffer())
        return self._connection.localDescription.sdp.encode()

    async def take(self, answer: bytes) -> None:
        """The SDP of the other side: media starts."""
        description = RTCSessionDescription(answer.decode(), "answer")
        await self._connection.setRemoteDescription(description)

    async def packets(self) -> tuple[int, int]:
        """RTP packets received and sent so far."""
        received = sent = 0
        for report in (await self._connection.getStats()).values():
            if isinstance(report, RTCInboundRtpStreamStats):
                received += report.packetsReceived
            elif isinstance(report, RTCOutboundRtpStreamStats):
                sent += report.packetsSent
        return received, sent

    async def until_media_flows(self, *, packets: int = 25) -> None:
        """Wait until so many packets went each way."""
        with anyio.fail_after(10):
            while min(await self.packets()) < packets:  # noqa: ASYNC110 (it only counts)
                await anyio.sleep(0.02)


@asynccontextmanager
async def rtc_peer() -> AsyncGenerator[RtcPeer]:
    """An audio peer that sends silence and throws away what it hears. It asks no STUN server."""
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTrack(AudioStreamTrack())
    sink = MediaBlackhole()

    @connection.on("track")
    async def hear(track: MediaStreamTrack) -> None:
        sink.addTrack(track)
        await sink.start()

    try:
        yield RtcPeer(connection)
    finally:
        with anyio.CancelScope(shield=True):
            await sink.stop()
            await connection.close()
