"""HTTP/2 of the emulated APNs, and what its clients do when it goes away."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

import anyio
import pytest

from callctl.cloud.http import HttpAnswer, HttpRequest, Ignored, RequestReceived, SendAnswer
from callctl.io.core_runner import CoreRunner
from callctl.io.h2_client import ALPN, H2Client
from callctl.io.h2_server import serve_h2
from callctl.io.pki import CertificateAuthority
from helpers.loops import BACKENDS
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


class Ask:
    """One request and what became of it."""

    def __init__(self, client: H2Client, path: str = "/", body: bytes = b"hello") -> None:
        self.answer: HttpAnswer | None = None
        self.failed = ""
        self.over = anyio.Event()
        client.ask(HttpRequest("POST", path, (), body), self._answered, self._failed)

    async def result(self) -> HttpAnswer | str:
        with anyio.fail_after(5):
            await self.over.wait()
        return self.answer or self.failed

    def _answered(self, answer: HttpAnswer) -> None:
        self.answer = answer
        self.over.set()

    def _failed(self, reason: str) -> None:
        self.failed = reason
        self.over.set()


async def test_many_requests_share_one_connection_and_get_their_own_answers() -> None:
    runner = CoreRunner(Echo(), MonotonicClock(), lambda _: None)
    async with (
        serve_h2(runner, AUTHORITY.server_context(alpn=ALPN)) as port,
        anyio.create_task_group() as tasks,
    ):
        client = H2Client("127.0.0.1", port, AUTHORITY.client_context(ALPN))
        await tasks.start(client.run)
        asked = [Ask(client, f"/{number}", b"x" * number) for number in range(1500)]
        for number, one in enumerate(asked):
            body = f"POST /{number} ".encode() + b"x" * number
            assert await one.result() == HttpAnswer(200, (("x-a", "b"),), body)
        tasks.cancel_scope.cancel()


async def test_server_that_goes_away_fails_what_was_under_way_and_is_found_again() -> None:
    runner = CoreRunner(Echo(), MonotonicClock(), lambda _: None)
    tls = AUTHORITY.server_context(alpn=ALPN)
    async with anyio.create_task_group() as tasks:
        async with serve_h2(runner, tls) as port:
            client = H2Client("127.0.0.1", port, AUTHORITY.client_context(ALPN))
            await tasks.start(client.run)
            assert isinstance(await Ask(client).result(), HttpAnswer)
            silent = Ask(client, "/silent")
            assert isinstance(await Ask(client).result(), HttpAnswer)
        assert await silent.result() == "closed"
        assert await Ask(client).result() == "ConnectionRefusedError"
        async with serve_h2(runner, tls, port=port):
            assert isinstance(await Ask(client).result(), HttpAnswer)
        tasks.cancel_scope.cancel()


async def test_client_that_does_not_speak_http_2_is_refused() -> None:
    runner = CoreRunner(Echo(), MonotonicClock(), lambda _: None)
    async with serve_h2(runner, AUTHORITY.server_context(alpn=ALPN)) as port:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=AUTHORITY.client_context()
        )
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n")
        with anyio.fail_after(5):
            with contextlib.suppress(OSError):  # reset: refused all the same
                assert await reader.read() == b""
        writer.transport.abort()
