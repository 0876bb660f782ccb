"""A partner cloud on sockets: its core, the devices attached to it, perhaps a token endpoint."""

from __future__ import annotations

from collections.abc import Callable

from callctl.cloud.delivery import Deliver
from callctl.cloud.http import json_answer
from callctl.cloud.oauth import TOKEN_PATH
from callctl.cloud.push_rest import BODY_MAX
from callctl.io.cloud_service import CloudService
from callctl.io.core_runner import CoreRunner
from callctl.io.device_streams import ATTACH_PATH, DeviceStreams
from callctl.io.http_server import Receive, Scope, Send, send_answer


class PartnerHost:
    """One partner cloud: its core, and the devices attached to it."""

    def __init__(
        self,
        service: CloudService,
        perform: Callable[[object], None],
        tokens: CoreRunner | None = None,
    ) -> None:
        """`perform` takes what is no delivery; `tokens` runs the token endpoint on this host."""
        self.runner = service.runner(self._perform)
        self._service = service
        self._more = perform
        self._tokens = tokens
        self._streams = DeviceStreams(self.runner.feed)

    def stop(self) -> None:
        """End the streams, answer who still waits."""
        self._streams.close()
        self.runner.close()
        if self._tokens is not None:
            self._tokens.close()

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """For senders and devices."""
        if scope["path"] == ATTACH_PATH:
            await self._streams.attach(scope, receive, send)
        elif scope["path"] == TOKEN_PATH and self._tokens is not None:
            await self._service.answer(self._tokens, BODY_MAX, scope, receive, send)
        else:
            await self._service.answer(self.runner, BODY_MAX, scope, receive, send)

    async def devices_app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """For devices alone."""
        if scope["path"] == ATTACH_PATH:
            await self._streams.attach(scope, receive, send)
        else:
            await send_answer(send, json_answer(404, {"reason": "BadPath"}))

    def _perform(self, action: object) -> None:
        if isinstance(action, Deliver):
            self._streams.deliver(action.delivery)
        else:
            self._more(action)
