"""Whatever a client says before, during and after its handshake, the connection raises nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.sip_text import OPTIONS, octets
from helpers.websocket_wire import frame, upgrade
from sipstack.io.connections import Connections
from sipstack.io.stream import StreamLimits
from sipstack.io.websocket import AcceptedWebSocket
from sipstack.transport.flow import BytesReceived, FlowClosed, TransportEvent
from sipstack.transport.websocket import OriginPolicy

MESSAGE = octets(OPTIONS)

greetings = st.sampled_from(
    [upgrade(), upgrade(), upgrade(protocol=None), upgrade("Origin: http://x")]
)
payloads = st.sampled_from([MESSAGE, b"", b"\xff", b"\x03\xe8", bytes(200)])
frames = st.builds(
    lambda opcode, data, final: frame(opcode, data, final=final),
    st.integers(0, 15),
    payloads,
    st.booleans(),
)
changes = st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 255)), max_size=3)


class Transport(asyncio.Transport):
    """Takes what is written, and nothing once it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False
        self.ended = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401
        return "192.0.2.1", 5060

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def write(self, data: object) -> None:
        assert not self.closed
        assert not self.ended

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


@given(greetings, st.lists(frames, max_size=5), changes, st.integers(1, 2_000), st.booleans())
@settings(max_examples=300, deadline=None)
def test_connection_survives_anything_and_is_told_to_be_gone_once(
    greeting: bytes,
    parts: list[bytes],
    changed: list[tuple[int, int]],
    piece: int,
    whole_greeting: bool,
) -> None:
    data = bytearray(greeting + b"".join(parts))
    for at, octet in changed:
        data[at % len(data)] = octet
    cuts = [len(greeting)] if whole_greeting else []
    cuts += range((cuts or [0])[0] + piece, len(data) + piece, piece)
    events = asyncio.run(_fed(bytes(data), cuts))
    *received, closed = events
    assert isinstance(closed, FlowClosed)
    assert all(isinstance(event, BytesReceived) for event in received)


async def _fed(data: bytes, cuts: list[int]) -> list[TransportEvent]:
    events: list[TransportEvent] = []
    connections = Connections(events.append, StreamLimits(), None)
    connection, transport = AcceptedWebSocket(connections, "WS", OriginPolicy()), Transport()
    connection.connection_made(transport)
    start = 0
    for cut in cuts:
        if not transport.closed:
            connection.data_received(data[start:cut])
        start = cut
    connection.send(MESSAGE)
    if not transport.closed:
        connection.eof_received()
    connection.connection_lost(None)
    await connections.aclose()
    return events
