"""HTTP/2 of the emulated APNs, and what its clients do when it goes away."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

import anyio
import pytest

from callctl.cloud.http import HttpAnswer, HttpRequest, Ignored, RequestReceived, SendAnswer
from callctl.io.core_runner import CoreRunner
from callctl.io.h2_client import H2Client
from callctl.io.h2_connection import ALPN, H2Settings
from callctl.io.h2_server import serve_h2
from callctl.io.pki import CertificateAuthority
from helpers.loops import BACKENDS
from helpers.node_rig import eventually
from sipstack.io.clock import MonotonicClock
from sipstack.timing import Instant

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", BACKENDS)]

AUTHORITY = CertificateAuthority()


class Echo:
    """Answers each request with its own method, path and body; `/silent` with nothing."""

    def receive(self, event: RequestReceived, now: Instant) -> Iterable[object]:
        request = event.request
        if request.path == "/silent":
            return (Ignored("silent", ""),)
        body = f"{request.method} {request.path} ".encode() + request.body
        return (SendAnswer(event.exchange, HttpAnswer(200, (("x-a", "b"),), body)),)

    def advance(self, now: Instant) -> Iterable[object]:
        return ()

    def next_deadline(self) -> Instant | None:
        return None


class Asker:
    """A client, and what became of each of its requests."""

    def __init__(self, port: int) -> None:
        self.results: dict[str, HttpAnswer | str] = {}
        self._changed = anyio.Event()
        self.client = H2Client(
            H2Settings(f"https://127.0.0.1:{port}"),
            AUTHORITY.client_context(ALPN),
            MonotonicClock(),
            self._keep,
            self._keep,
        )

    def ask(self, key: str, path: str = "/", body: bytes = b"hello") -> None:
        self.client.send(key, HttpRequest("POST", path, (), body))

    async def result(self, key: str) -> HttpAnswer | str:
        with anyio.fail_after(5):
            while key not in self.results:
                self._changed = anyio.Event()
                await self._changed.wait()
        return self.results[key]

    async def answered(self, key: str, path: str = "/", body: bytes = b"hello") -> bool:
        self.ask(key, path, body)
        return isinstance(await self.result(key), HttpAnswer)

    def _keep(self, key: str, result: HttpAnswer | str) -> None:
        self.results[key] = result
        self._changed.set()


async def test_many_requests_share_one_connection_and_get_their_own_answers() -> None:
    runner = CoreRunner(Echo(), MonotonicClock(), lambda _: None)
    async with (
        serve_h2(runner, AUTHORITY.server_context(alpn=ALPN)) as server,
        anyio.create_task_group() as tasks,
    ):
        asker = Asker(server.port)
        await tasks.start(asker.client.run)
        for number in range(1500):
            asker.ask(str(number), f"/{number}", b"x" * number)
        for number in range(1500):
            body = f"POST /{number} ".encode() + b"x" * number
            assert await asker.result(str(number)) == HttpAnswer(200, (("x-a", "b"),), body)
        assert asker.client.counts() == {"connections": 1, "leaving": 0, "streams": 0, "waiting": 0}
        assert len(server) == 1
        tasks.cancel_scope.cancel()


async def test_server_that_goes_away_fails_what_was_under_way_and_is_found_again() -> None:
    runner = CoreRunner(Echo(), MonotonicClock(), lambda _: None)
    tls = AUTHORITY.server_context(alpn=ALPN)
    async with anyio.create_task_group() as tasks:
        async with serve_h2(runner, tls) as server:
            port = server.port
            asker = Asker(port)
            await tasks.start(asker.client.run)
            assert await asker.answered("first")
            asker.ask("silent", "/silent")
            assert await asker.answered("second")
        assert await asker.result("silent") == "closed"
        asker.ask("nobody there")
        assert await asker.result("nobody there") == "connect"
        async with serve_h2(runner, tls, port=port):
            assert await asker.answered("found again")
        tasks.cancel_scope.cancel()


class Guard(Echo):
    """Refuses `/bad` as APNs refuses a provider token, and keeps what it was asked."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def receive(self, event: RequestReceived, now: Instant) -> Iterable[object]:
        self.paths.append(event.request.path)
        if event.request.path == "/bad":
            return (SendAnswer(event.exchange, HttpAnswer(403)),)
        return super().receive(event, now)


@pytest.mark.req("CLOUD-13")
async def test_apns_opens_one_stream_until_it_has_seen_a_good_provider_token() -> None:
    guard = Guard()
    runner = CoreRunner(guard, MonotonicClock(), lambda _: None)
    tls = AUTHORITY.server_context(alpn=ALPN)
    async with (
        serve_h2(runner, tls, streams_at_first=1) as server,
        anyio.create_task_group() as tasks,
    ):
        asker = Asker(server.port)
        await tasks.start(asker.client.run)
        assert await asker.answered("refused", "/bad")
        for key, path in (("one", "/silent"), ("good", "/"), ("two", "/silent"), ("three", "/")):
            asker.ask(key, path)
        await eventually(lambda: len(guard.paths) == 2)
        assert asker.client.counts() == {"connections": 1, "leaving": 0, "streams": 1, "waiting": 3}
        asker.client.abandon("one")
        assert isinstance(await asker.result("good"), HttpAnswer)
        # From here on "two", which is never answered, holds nobody up.
        assert isinstance(await asker.result("three"), HttpAnswer)
        assert asker.client.counts() == {"connections": 1, "leaving": 0, "streams": 1, "waiting": 0}
        tasks.cancel_scope.cancel()


async def test_server_that_says_goodbye_answers_what_was_asked_and_then_closes() -> None:
    guard = Guard()
    runner = CoreRunner(guard, MonotonicClock(), lambda _: None)
    tls = AUTHORITY.server_context(alpn=ALPN)
    async with serve_h2(runner, tls) as server, anyio.create_task_group() as tasks:
        asker = Asker(server.port)
        await tasks.start(asker.client.run)
        asker.ask("silent", "/silent")
        await eventually(lambda: len(guard.paths) == 1)
        server.go_away()
        assert await asker.answered("after")
        await eventually(lambda: asker.client.counts()["leaving"] == 1)
        assert len(server) == 2
        asker.client.abandon("silent")
        await eventually(lambda: len(server) == 1)
        tasks.cancel_scope.cancel()


async def test_client_that_does_not_speak_http_2_is_refused() -> None:
    runner = CoreRunner(Echo(), MonotonicClock(), lambda _: None)
    async with serve_h2(runner, AUTHORITY.server_context(alpn=ALPN)) as server:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", server.port, ssl=AUTHORITY.client_context()
        )
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n")
        with anyio.fail_after(5):
            with contextlib.suppress(OSError):  # reset: refused all the same
                assert await reader.read() == b""
        writer.transport.abort()
