"""A tunnel through a proxy, and the service's protocol put on top of it, over TLS of its own.

Source: OP-54.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeAlias, TypeVar, cast

import anyio

from callctl.egress.connect_handshake import (
    ConnectHandshake,
    OpenAgain,
    SendOctets,
    TunnelOpened,
    TunnelRefused,
)
from callctl.egress.failure import ExchangeFailed
from callctl.io.client_tls import over_tls
from callctl.io.dial import Service, tls_failed

ANSWER_TIMEOUT_S: Final = 5.0  # for the proxy to reach the service and say so

P = TypeVar("P", bound=asyncio.BaseProtocol)
Verdict: TypeAlias = OpenAgain | TunnelOpened | TunnelRefused


class Tunnel(asyncio.Protocol):
    """Carries the octets of one handshake over one connection to the proxy."""

    def __init__(self, handshake: ConnectHandshake) -> None:
        self._handshake = handshake
        self._transport: asyncio.Transport | None = None
        self._verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._perform(self._handshake.start())

    def data_received(self, data: bytes) -> None:
        self._perform(self._handshake.receive(data))

    def connection_lost(self, exc: Exception | None) -> None:
        self._perform(self._handshake.closed())

    async def verdict(self) -> Verdict:
        """What became of it. Raises: TimeoutError"""
        with anyio.fail_after(ANSWER_TIMEOUT_S):
            return await self._verdict

    @property
    def transport(self) -> asyncio.Transport:
        """The connection to the proxy, or, once there is a tunnel, to the service."""
        assert self._transport is not None
        return self._transport

    def _perform(self, actions: tuple[SendOctets | Verdict, ...]) -> None:
        for action in actions:
            if isinstance(action, SendOctets):
                self.transport.write(action.octets)
            elif not self._verdict.done():
                if isinstance(action, TunnelOpened):
                    self.transport.pause_reading()  # what comes now is for who comes next
                self._verdict.set_result(action)


async def through(tunnel: Tunnel, service: Service, make: Callable[[], P]) -> P:
    """The protocol of the service on an open tunnel; the connection is closed if that fails.

    Raises: ExchangeFailed
    """
    outer = tunnel.transport
    if service.tls is None:
        protocol = make()
        outer.set_protocol(protocol)
        protocol.connection_made(outer)
        outer.resume_reading()
        return protocol
    try:
        return await over_tls(outer, make, service.tls, service.host)
    except (OSError, TimeoutError) as error:
        raise tls_failed(service.host, error) from error


def refused(verdict: TunnelRefused, proxy: str) -> ExchangeFailed:
    """The failure that a refusal of the proxy is."""
    return ExchangeFailed(verdict.step, f"{proxy}: {verdict.detail}", at_proxy=True)
