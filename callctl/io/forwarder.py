"""The way from Push REST to the partner clouds: APNs over HTTP/2, FCM over HTTP/1.1, over TLS."""

from __future__ import annotations

from collections.abc import Callable

import anyio
from anyio.abc import TaskStatus

from callctl.cloud.http import Forward, ForwardAnswered, ForwardFailed
from callctl.cloud.partner import Partner
from callctl.io.h2_client import H2Client
from callctl.io.h2_connection import ALPN, H2Settings
from callctl.io.http_pool import HttpPool, PoolSettings, Post, request_octets
from callctl.io.pki import CertificateAuthority
from sipstack.io.clock import MonotonicClock


class Forwarder:
    """Carries requests of Push REST as they would travel; `feed` takes what became of them."""

    def __init__(
        self,
        authority: CertificateAuthority,
        apns_url: str,
        fcm_url: str,
        clock: MonotonicClock,
        on_trace: Callable[[object], None],
    ) -> None:
        self._on_trace = on_trace
        self.feed: Callable[[object], None] = lambda _: None
        self._apns = H2Client(
            H2Settings(apns_url),
            authority.client_context(ALPN),
            clock,
            lambda key, answer: self.feed(ForwardAnswered(int(key), answer)),
            lambda key, reason: self.feed(ForwardFailed(int(key), reason)),
        )
        self._fcm_host = fcm_url.removeprefix("https://")
        self._fcm = HttpPool(
            PoolSettings(fcm_url),
            authority.client_context(),
            clock,
            lambda key, answer: self.feed(ForwardAnswered(int(key), answer)),
            lambda key, reason: self.feed(ForwardFailed(int(key), reason)),
        )

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep the connections until cancelled."""
        async with anyio.create_task_group() as tasks:
            await tasks.start(self._apns.run)
            await tasks.start(self._fcm.run)
            task_status.started()

    def perform(self, action: object) -> None:
        """Send one request."""
        if not isinstance(action, Forward):
            self._on_trace(action)
            return
        forward, request = action.forward, action.request
        if action.partner is Partner.APNS:
            self._apns.send(str(forward), request)
            return
        self._fcm.post(Post(str(forward), request_octets(request, self._fcm_host), None))
