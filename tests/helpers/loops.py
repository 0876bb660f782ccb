"""Every socket test runs on both event loops that the product runs on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sipstack.io.endpoint import Listener, SipEndpoint
from sipstack.transport.flow import BytesReceived, FlowClosed, TransportEvent

try:
    import uvloop
except ImportError:
    uvloop = None  # type: ignore[assignment]

BACKENDS = [
    pytest.param(("asyncio", {"use_uvloop": False}), id="stock"),
    pytest.param(
        ("asyncio", {"use_uvloop": True}),
        id="uvloop",
        marks=pytest.mark.skipif(uvloop is None, reason="uvloop is not installed"),
    ),
]

on_each_loop = pytest.mark.parametrize("anyio_backend", BACKENDS)
"""Mark of a test, or of a file of tests, that runs once on each."""


class Party:
    """An endpoint whose events are kept."""

    def __init__(self, listeners: list[Listener], **how: Any) -> None:  # noqa: ANN401
        self.events: list[TransportEvent] = []
        self.act: Callable[[TransportEvent], None] = lambda event: None
        self.endpoint = SipEndpoint(listeners, self._on_event, **how)
        self._arrived = asyncio.Event()

    def _on_event(self, event: TransportEvent) -> None:
        self.events.append(event)
        self._arrived.set()
        self.act(event)

    async def until(self, condition: Callable[[], bool], within_s: float = 10.0) -> None:
        """Wait for events until `condition` holds."""
        async with asyncio.timeout(within_s):
            while not condition():
                self._arrived.clear()
                await self._arrived.wait()

    @property
    def received(self) -> list[BytesReceived]:
        return [event for event in self.events if isinstance(event, BytesReceived)]

    @property
    def closed(self) -> list[FlowClosed]:
        return [event for event in self.events if isinstance(event, FlowClosed)]

    def octets(self) -> bytes:
        """All that came, in one piece."""
        return b"".join(event.data for event in self.received)


@asynccontextmanager
async def party(*listeners: Listener, **how: Any) -> AsyncIterator[Party]:  # noqa: ANN401
    """A party that has started; closed at the end, with nothing left behind."""
    made = Party(list(listeners), **how)
    before = asyncio.all_tasks()
    await made.endpoint.start()
    try:
        yield made
    finally:
        await made.endpoint.aclose()
        await asyncio.sleep(0)
        assert asyncio.all_tasks() <= before | {asyncio.current_task()}
