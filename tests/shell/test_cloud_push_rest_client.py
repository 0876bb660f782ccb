"""The Push REST client against a server that behaves as each test tells it to."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import SocketStream

from callctl.io.http_pool import PoolSettings
from callctl.io.push_rest_client import PushRestClient
from callctl.push.events import AbandonPush, PostPush, PushAnswered, PushLost
from helpers.loops import BACKENDS
from sipstack.errors import LocalProtocolError
from sipstack.io.clock import MonotonicClock
from sipstack.timing import MS, SECOND, Instant

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", BACKENDS)]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
SILENCE = b""
HANG_UP = b"HANG UP"


class Sink:
    """Answers each request with the next of its script, the last one again and again."""

    def __init__(self, *script: bytes) -> None:
        self.script = list(script)
        self.requests: list[tuple[int, bytes]] = []  # number of the connection, and the octets
        self.connections = 0

    async def serve(self, stream: SocketStream) -> None:
        self.connections += 1
        number = self.connections
        async with stream:
            try:
                while True:
                    request = await stream.receive()
                    self.requests.append((number, request))
                    reply = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                    if reply is HANG_UP:
                        return
                    await stream.send(reply)
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return


class Run:
    """A client of a sink, and what it reported."""

    def __init__(self, url: str, connections_max: int) -> None:
        self.clock = MonotonicClock()
        self.url = url
        self.events: list[PushAnswered | PushLost] = []
        self._changed = anyio.Event()
        settings = PoolSettings(url, connections_max, insecure=True)
        self.client = PushRestClient(settings, None, self.clock, self._on_event)

    def post(self, tracking_id: str, *, within_ms: int = 13_000) -> None:
        headers = (("TrackingID", tracking_id),)
        deadline = Instant(self.clock() + within_ms * MS)
        self.client.post(PostPush(tracking_id, self.url, headers, b'{"a":1}', deadline))

    async def until(self, condition: Callable[[], bool]) -> None:
        with anyio.fail_after(5):
            while not condition():
                self._changed = anyio.Event()
                await self._changed.wait()

    async def until_count(self, count: int) -> None:
        await self.until(lambda: len(self.events) >= count)

    def _on_event(self, event: PushAnswered | PushLost) -> None:
        self.events.append(event)
        self._changed.set()


@asynccontextmanager
async def run(sink: Sink, connections_max: int = 4) -> AsyncIterator[Run]:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    made = Run(f"http://127.0.0.1:{port}/push", connections_max)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, sink.serve)
        await tasks.start(made.client.run)
        yield made
        tasks.cancel_scope.cancel()


@pytest.mark.req("CPNS-07", "CPNS-08")
async def test_pushes_one_after_another_take_one_connection() -> None:
    sink = Sink(OK)
    async with run(sink) as to:
        for number in range(3):
            to.post(f"t{number}")
            await to.until_count(number + 1)
        assert to.events == [PushAnswered(f"t{number}", 200, b"{}") for number in range(3)]
        assert sink.connections == 1
        assert (
            sink.requests[0][1]
            == (
                f"POST /push HTTP/1.1\r\nHost: {to.url[7:-5]}\r\nTrackingID: t0\r\n"
                'Content-Length: 7\r\n\r\n{"a":1}'
            ).encode()
        )


@pytest.mark.req("CPNS-08")
async def test_error_on_an_existing_connection_loses_the_push_and_it_is_not_sent_again() -> None:
    sink = Sink(OK, HANG_UP)
    async with run(sink) as to:
        to.post("t1")
        await to.until(lambda: len(to.events) == 1)
        to.post("t2")
        await to.until(lambda: len(to.events) == 2)
        assert to.events[1] == PushLost("t2", "closed")
        await anyio.sleep(0.05)
        assert sink.connections == 1
        assert [request.count(b"t2") for _, request in sink.requests] == [0, 1]
        assert not any(to.client.counts().values())


async def test_connection_that_the_cloud_closed_while_idle_is_not_used() -> None:
    sink = Sink(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    async with run(sink) as to:
        for number in range(2):
            to.post(f"t{number}")
            await to.until_count(number + 1)
        assert [type(event) for event in to.events] == [PushAnswered, PushAnswered]
        assert sink.connections == 2


@pytest.mark.req("CPNS-07")
async def test_pool_opens_no_more_connections_than_it_may_and_the_rest_wait() -> None:
    sink = Sink(SILENCE)
    async with run(sink, connections_max=2) as to:
        for number in range(5):
            to.post(f"t{number}")
        with anyio.fail_after(5):
            while len(sink.requests) < 2:  # noqa: ASYNC110 (the sink tells nobody)
                await anyio.sleep(0.01)
        assert to.client.counts() == {"idle": 0, "busy": 2, "connecting": 0, "waiting": 3}
        to.client.abandon(AbandonPush("t4"))
        to.client.abandon(AbandonPush("t0"))
        with anyio.fail_after(5):
            while len(sink.requests) < 3:  # noqa: ASYNC110
                await anyio.sleep(0.01)
        assert to.client.counts() == {"idle": 0, "busy": 2, "connecting": 0, "waiting": 1}
        assert to.events == []


async def test_push_that_found_no_connection_before_its_deadline_does_not_leave() -> None:
    """I5."""
    sink = Sink(SILENCE)
    async with run(sink, connections_max=1) as to:
        to.post("t1")
        to.post("t2", within_ms=-1)
        with anyio.fail_after(5):
            while not sink.requests:  # noqa: ASYNC110
                await anyio.sleep(0.01)
        to.client.abandon(AbandonPush("t1"))
        await to.until(lambda: bool(to.events))
        assert to.events == [PushLost("t2", "deadline")]
        assert len(sink.requests) == 1


async def test_cloud_that_cannot_be_reached_loses_each_push_with_its_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    to = Run(f"http://127.0.0.1:{port}/push", 4)
    async with anyio.create_task_group() as tasks:
        await tasks.start(to.client.run)
        to.post("t1")
        to.post("t2")
        await to.until(lambda: len(to.events) == 2)
        tasks.cancel_scope.cancel()
    assert set(to.events) == {PushLost("t1", "connect"), PushLost("t2", "connect")}


@pytest.mark.parametrize(
    "reply",
    [
        b"garbage\r\n\r\n",
        OK + OK,
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70000,
    ],
)
async def test_answer_that_is_none_loses_the_push_and_the_connection(reply: bytes) -> None:
    async with run(Sink(reply, SILENCE)) as to:
        to.post("t1")
        await to.until(lambda: bool(to.events))
        assert to.events == [PushLost("t1", "bad answer")]
        assert not any(to.client.counts().values())


async def test_answer_in_pieces_and_after_an_interim_one_is_one_answer() -> None:
    reply = (
        b"HTTP/1.1 103 Early Hints\r\n\r\n"
        b"HTTP/1.1 410 Gone\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    async with run(Sink(reply)) as to:
        to.post("t1")
        await to.until(lambda: bool(to.events))
        assert to.events == [PushAnswered("t1", 410, b"abcde")]


async def test_client_that_stops_reports_every_push_and_leaves_nothing() -> None:
    sink = Sink(SILENCE)
    async with run(sink, connections_max=1) as to:
        to.post("t1")
        to.post("t2")
        with anyio.fail_after(5):
            while not sink.requests:  # noqa: ASYNC110
                await anyio.sleep(0.01)
    assert to.events == [PushLost("t1", "closed"), PushLost("t2", "stopped")]
    assert not any(to.client.counts().values())
    to.post("t3")
    assert to.events[-1] == PushLost("t3", "stopped")


async def test_client_posts_to_its_own_service_only() -> None:
    async with run(Sink(OK)) as to:
        elsewhere = PostPush("t1", "http://elsewhere/", (), b"", Instant(SECOND))
        with pytest.raises(LocalProtocolError):
            to.client.post(elsewhere)
