"""A capture of a running cluster as a stream of pcapng octets, for whoever asks for it."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from typing import Final

import anyio

from callctl.capture.capture import Capture
from callctl.capture.pcapng import Direction
from callctl.io.tap import Tap
from sipstack.timing import Instant
from sipstack.transport.flow import Flow

WAITING_MAX: Final = (
    16 * 1024 * 1024
)  # octets the reader has not taken; past it packets are left out


class TraceStream:
    """Watches a tap while it is iterated over; yields pieces of one pcapng file."""

    def __init__(self, tap: Tap, epoch_unix_ns: int, *, mask_secrets: bool = True) -> None:
        """`epoch_unix_ns` is the wall-clock time of instant 0."""
        self._tap = tap
        self._capture = Capture(epoch_unix_ns, mask_secrets=mask_secrets)
        self._pieces: deque[bytes] = deque([self._capture.begin()])
        self._waiting = 0
        self._left_out = 0
        self._more = anyio.Event()
        self._closed = False

    async def octets(self) -> AsyncIterator[bytes]:
        """The file, as it grows, until `close`."""
        self._tap.add(self)
        try:
            while not self._closed or self._pieces:
                if not self._pieces:
                    self._more = anyio.Event()
                    await self._more.wait()
                    continue
                piece = b"".join(self._pieces)
                self._pieces.clear()
                self._waiting = 0
                yield piece
        finally:
            self._tap.remove(self)

    def close(self) -> None:
        """No more of it."""
        self._closed = True
        self._more.set()

    def message(
        self, now: Instant, party: str, flow: Flow, direction: Direction, data: bytes
    ) -> None:
        """From the tap."""
        if self._has_room(now, party):
            self._add(self._capture.message(now, party, flow, direction, data))

    def closed(self, now: Instant, party: str, flow: Flow, direction: Direction) -> None:
        """From the tap."""
        if self._has_room(now, party):
            self._add(self._capture.closed(now, party, flow, direction))

    def note(
        self,
        now: Instant,
        party: str,
        text: str,
        *,
        source: str | None = None,
        target: str | None = None,
    ) -> None:
        """From the tap."""
        if self._has_room(now, party):
            self._add(self._capture.note(now, party, text, source=source, target=target))

    def _has_room(self, now: Instant, party: str) -> bool:
        if self._waiting > WAITING_MAX:
            self._left_out += 1
            return False
        if self._left_out:
            text = f"{self._left_out} packets left out: the reader of the trace was too slow"
            self._left_out = 0
            self._add(self._capture.note(now, party, text))
        return True

    def _add(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._waiting += len(piece)
        self._more.set()
