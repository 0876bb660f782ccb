"""What stays awake of a handset while its app is dead: the partner cloud's connection to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from callctl.cloud.partner import Partner
from callctl.io.push_receiver import PushReceiver, ReceivedPush
from interop.lab import Lab, eventually


class Handset:
    """The operating system: it gets the pushes that are to start the app."""

    def __init__(self) -> None:
        self.pushes: list[ReceivedPush] = []

    async def push(self, *, within_s: float = 10.0) -> ReceivedPush:
        """The next push. Raises: AssertionError."""
        await eventually(lambda: bool(self.pushes), "push", within_s=within_s)
        return self.pushes.pop(0)


@asynccontextmanager
async def handset(here: Lab, partner: Partner, token: str, app: str) -> AsyncIterator[Handset]:
    """Attached to the emulated cloud under the token of its app; `app` is the APNs topic (with
    `.voip` behind it for a VoIP token) or the FCM project.
    """
    system = Handset()
    tls = here.shell.authority.client_context()
    url = here.cloud.attach_urls[partner]
    receiver = PushReceiver(url, tls, token, app, system.pushes.append)
    async with anyio.create_task_group() as tasks:
        await tasks.start(receiver.run)
        yield system
        tasks.cancel_scope.cancel()
