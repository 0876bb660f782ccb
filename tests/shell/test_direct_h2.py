"""The HTTP/2 client of the direct channel to APNs, against a server that misbehaves on purpose."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import anyio
import anyio.lowlevel
import h2.errors
import h2.settings
import pytest

from callctl.cloud.http import HttpAnswer, HttpRequest
from callctl.io.h2_client import H2Client
from callctl.io.h2_connection import ALPN, ANSWER_MAX, H2Settings
from callctl.io.pki import CertificateAuthority
from helpers.h2_stub import H2Stub, Heard, StubConnection, h2_stub, says_nothing, says_yes
from helpers.loops import BACKENDS
from helpers.node_rig import eventually
from hostile.certificates import Authority
from sipstack.io.clock import MonotonicClock
from sipstack.timing import MS, Instant

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", BACKENDS)]

AUTHORITY = CertificateAuthority()
STREAMS = h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS
WINDOW = h2.settings.SettingCodes.INITIAL_WINDOW_SIZE
AT_REST = {"connections": 1, "leaving": 0, "streams": 0, "waiting": 0}


class Asker:
    """A client, and what became of each of its requests."""

    def __init__(self, port: int, tls: ssl.SSLContext, **watch: float) -> None:
        self.results: dict[str, HttpAnswer | str] = {}
        self.clock = MonotonicClock()
        self.client = H2Client(
            H2Settings(f"https://127.0.0.1:{port}", **watch),
            tls,
            self.clock,
            self._keep,
            self._keep,
        )

    def ask(self, key: str, body: bytes = b"{}", *, within_ms: int | None = None) -> None:
        deadline = None if within_ms is None else Instant(self.clock() + within_ms * MS)
        self.client.send(key, HttpRequest("POST", f"/{key}", (), body), deadline)

    async def result(self, key: str) -> HttpAnswer | str:
        await eventually(lambda: key in self.results)
        return self.results[key]

    async def status(self, key: str) -> int | str:
        result = await self.result(key)
        return result if isinstance(result, str) else result.status

    def _keep(self, key: str, result: HttpAnswer | str) -> None:
        assert key not in self.results, "told twice"
        self.results[key] = result


@asynccontextmanager
async def asking(
    stub: H2Stub, *, tls: ssl.SSLContext | None = None, **watch: float
) -> AsyncIterator[Asker]:
    """A client of `stub`, which runs."""
    async with (
        h2_stub(stub, AUTHORITY.server_context(alpn=ALPN)),
        anyio.create_task_group() as tasks,
    ):
        asker = Asker(stub.port, tls or AUTHORITY.client_context(ALPN), **watch)
        await tasks.start(asker.client.run)
        yield asker
        tasks.cancel_scope.cancel()


async def test_request_travels_and_its_answer_comes_back() -> None:
    def script(connection: StubConnection, heard: Heard) -> None:
        connection.answer(heard, 429, b'{"reason":"x"}', **{"retry-after": "7"})

    stub = H2Stub(script)
    async with asking(stub) as asker:
        asker.ask("a", b"body")
        answer = await asker.result("a")
        assert answer == HttpAnswer(429, (("retry-after", "7"),), b'{"reason":"x"}')
        assert [(h.path, h.body) for h in stub.heard] == [("/a", b"body")]
        assert asker.client.counts() == AT_REST


async def test_no_more_streams_are_open_at_once_than_the_service_takes_and_the_rest_wait() -> None:
    stub = H2Stub(says_nothing, {STREAMS: 1})
    async with asking(stub) as asker:
        for key in "abc":
            asker.ask(key)
        await eventually(lambda: stub.paths() == ["/a"])
        assert asker.client.counts() == {**AT_REST, "streams": 1, "waiting": 2}
        connection = stub.connections[0]
        connection.answer(stub.heard[0])
        await eventually(lambda: stub.paths() == ["/a", "/b"])
        connection.set({STREAMS: 100})  # APNs, once it has seen a good token
        await eventually(lambda: stub.paths() == ["/a", "/b", "/c"])
        assert len(stub.connections) == 1


async def test_request_whose_deadline_came_while_it_waited_for_a_stream_is_never_sent() -> None:
    """I5."""
    stub = H2Stub(says_nothing, {STREAMS: 1})
    async with asking(stub) as asker:
        asker.ask("a")
        asker.ask("late", within_ms=-1)
        asker.ask("c")
        await eventually(lambda: stub.paths() == ["/a"])
        stub.connections[0].answer(stub.heard[0])
        assert await asker.result("late") == "deadline"
        await eventually(lambda: stub.paths() == ["/a", "/c"])


async def test_goodbye_leaves_answers_to_come_and_unread_requests_go_to_a_new_connection() -> None:
    """RFC 9113 §6.8: what is above the last stream named was not read, what is below may be."""

    def script(connection: StubConnection, heard: Heard) -> None:
        if connection.number > 1:
            connection.answer(heard)
        elif len(stub.heard) == 3:
            connection.go_away(stub.heard[0].stream_id)

    stub = H2Stub(script)
    async with asking(stub) as asker:
        for key in "abc":
            asker.ask(key)
        assert await asker.status("b") == 200
        assert await asker.status("c") == 200
        assert stub.paths(connection=1) == ["/a", "/b", "/c"]
        assert stub.paths(connection=2) == ["/b", "/c"]  # in their order, and not the first
        assert "a" not in asker.results
        assert asker.client.counts() == {"connections": 1, "leaving": 1, "streams": 1, "waiting": 0}
        stub.connections[0].answer(stub.heard[0], 410)
        assert await asker.status("a") == 410
        await eventually(lambda: asker.client.counts() == AT_REST)


async def test_goodbye_in_two_steps_and_in_single_octets_is_read_like_any_other() -> None:
    stub = H2Stub(says_nothing)
    async with asking(stub) as asker:
        asker.ask("a")
        asker.ask("b")
        await eventually(lambda: len(stub.heard) == 2)
        first = stub.connections[0]
        first.go_away(2**31 - 1)  # "no more, please", before the real last stream is known
        first.answer(stub.heard[0])
        assert await asker.status("a") == 200
        stub.script = says_yes
        frame = (8).to_bytes(3) + b"\x07\x00" + bytes(4) + stub.heard[0].stream_id.to_bytes(4)
        for octet in frame + bytes(4):
            first.write(bytes((octet,)))
            await anyio.lowlevel.checkpoint()
        assert await asker.status("b") == 200
        assert stub.paths(connection=2) == ["/b"]


async def test_stream_refused_unread_is_sent_once_more_and_then_given_up() -> None:
    """RFC 9113 §8.7."""

    def script(connection: StubConnection, heard: Heard) -> None:
        if heard.path == "/b" and stub.paths().count("/b") == 2:
            connection.answer(heard)
        else:
            connection.refuse(heard, h2.errors.ErrorCodes.REFUSED_STREAM)

    stub = H2Stub(script)
    async with asking(stub) as asker:
        asker.ask("a")
        assert await asker.result("a") == "refused unread"
        asker.ask("b")
        assert await asker.status("b") == 200
        assert stub.paths() == ["/a", "/a", "/b", "/b"]
        assert len(stub.connections) == 1


@pytest.mark.parametrize("code", [h2.errors.ErrorCodes.INTERNAL_ERROR, h2.errors.ErrorCodes.CANCEL])
async def test_stream_reset_that_promises_nothing_loses_the_request(
    code: h2.errors.ErrorCodes,
) -> None:
    """CPNS-08: nobody knows whether it was read, so it is not sent again."""
    stub = H2Stub(lambda connection, heard: connection.refuse(heard, code))
    async with asking(stub) as asker:
        asker.ask("a")
        assert await asker.result("a") == "closed"
        await anyio.wait_all_tasks_blocked()
        assert stub.paths() == ["/a"]


async def test_connection_that_breaks_loses_what_was_sent_and_the_next_request_has_another() -> (
    None
):
    def script(connection: StubConnection, heard: Heard) -> None:
        if connection.number == 1:
            connection.close()
        else:
            connection.answer(heard)

    stub = H2Stub(script)
    async with asking(stub) as asker:
        asker.ask("a")
        assert await asker.result("a") == "closed"
        asker.ask("b")
        assert await asker.status("b") == 200
        assert stub.paths() == ["/a", "/b"]


async def test_connection_that_answers_no_ping_is_dead_and_one_that_does_is_kept() -> None:
    stub = H2Stub(says_nothing)
    async with asking(stub, ping_every_s=0.1, ping_timeout_s=1.0) as asker:
        asker.ask("a")
        await eventually(lambda: bool(stub.connections) and stub.connections[0].pings >= 3)
        assert len(stub.connections) == 1
        stub.connections[0].deaf = True
        assert await asker.result("a") == "closed"
        stub.script = says_yes
        asker.ask("b")
        assert await asker.status("b") == 200
        assert stub.paths(connection=2) == ["/b"]


async def test_body_that_is_too_long_is_not_read_on_and_harms_no_other_answer() -> None:
    """Area I, 93."""
    body = b"x" * 20_000_000

    def script(connection: StubConnection, heard: Heard) -> None:
        connection.answer(heard, 200, body if heard.path.startswith("/long") else b"{}")

    stub = H2Stub(script)
    async with asking(stub) as asker:
        for number in range(3):
            asker.ask(f"long{number}")
            asker.ask(f"short{number}")
            assert await asker.result(f"long{number}") == "bad answer"
            assert await asker.status(f"short{number}") == 200
        (connection,) = stub.connections
        assert connection.sent < 3 * 4 * ANSWER_MAX
        assert asker.client.counts() == AT_REST


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirect_is_an_answer_and_is_not_followed(status: int) -> None:
    """Area I, 92."""
    elsewhere = H2Stub(says_yes)
    async with h2_stub(elsewhere, AUTHORITY.server_context(alpn=ALPN)):
        where = f"https://127.0.0.1:{elsewhere.port}/"
        stub = H2Stub(lambda connection, heard: connection.answer(heard, status, location=where))
        async with asking(stub) as asker:
            asker.ask("a")
            assert await asker.status("a") == status
            assert elsewhere.connections == []


async def test_request_waits_for_the_window_of_its_service_and_arrives_whole() -> None:
    stub = H2Stub(says_yes, {WINDOW: 10})
    async with asking(stub) as asker:
        bodies = {f"{number}": bytes([number]) * 5_000 for number in range(4)}
        for key, body in bodies.items():
            asker.ask(key, body)
        for key in bodies:
            assert await asker.status(key) == 200
        assert {h.path[1:]: h.body for h in stub.heard} == bodies


async def test_abandoned_request_ends_its_stream_and_keeps_the_connection() -> None:
    stub = H2Stub(says_nothing, {STREAMS: 1})
    async with asking(stub) as asker:
        asker.ask("a")
        asker.ask("b")
        asker.ask("c")
        await eventually(lambda: stub.paths() == ["/a"])
        stub.script = says_yes
        asker.client.abandon("b")
        asker.client.abandon("a")
        asker.client.abandon("nobody")
        await eventually(lambda: stub.connections[0].resets == [stub.heard[0].stream_id])
        assert await asker.status("c") == 200
        assert set(asker.results) == {"c"}
        assert asker.client.counts() == AT_REST


@pytest.mark.parametrize("how", ["silent", "hangs_up"])
async def test_service_that_never_says_what_it_takes_gets_nothing(how: str) -> None:
    stub = H2Stub(says_yes, silent=how == "silent", hangs_up=how == "hangs_up")
    async with asking(stub, ping_timeout_s=0.05) as asker:
        asker.ask("a")
        assert await asker.result("a") in ("connect", "tls")
        assert stub.heard == []
        assert asker.client.counts() == {**AT_REST, "connections": 0}


@pytest.mark.parametrize(
    "octets",
    [
        b"\xff\xff\xff\x00\x00\x00\x00\x00\x01",  # a frame of 16 MB
        b"\x00\x00\x04\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00",  # GOAWAY of four octets
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n" * 20,
    ],
)
async def test_octets_that_are_no_frames_end_the_connection(octets: bytes) -> None:
    stub = H2Stub(lambda connection, heard: connection.write(octets))
    async with asking(stub) as asker:
        asker.ask("a")
        assert await asker.result("a") == "closed"
        stub.script = says_yes
        asker.ask("b")
        assert await asker.status("b") == 200


async def test_client_that_stops_reports_every_request_once_and_keeps_nothing() -> None:
    stub = H2Stub(says_nothing, {STREAMS: 1})
    async with asking(stub) as asker:
        asker.ask("a")
        asker.ask("b")
        await eventually(lambda: stub.paths() == ["/a"])
    assert asker.results == {"a": "closed", "b": "stopped"}
    assert not any(asker.client.counts().values())
    asker.ask("c")
    assert asker.results["c"] == "stopped"


@pytest.mark.parametrize(
    "fault", ["none", "expired", "wrong host", "signed by itself", "signed by a stranger", "no h2"]
)
async def test_service_that_cannot_prove_who_it_is_gets_no_push(fault: str) -> None:
    """Area I, 91: not an octet of it."""
    ours, stranger = Authority(), Authority()
    server = {
        "none": lambda: ours.server(),
        "expired": lambda: ours.server(ends=timedelta(days=-1)),
        "wrong host": lambda: ours.server(host="192.0.2.9"),
        "signed by itself": lambda: ours.server(own=True),
        "signed by a stranger": lambda: stranger.server(),
        "no h2": lambda: ours.server(),
    }[fault]()
    server.set_alpn_protocols(["http/1.1"] if fault == "no h2" else list(ALPN))
    trusting = ours.trusting()
    trusting.set_alpn_protocols([*ALPN, "http/1.1"])
    stub = H2Stub(says_yes)
    async with h2_stub(stub, server), anyio.create_task_group() as tasks:
        asker = Asker(stub.port, trusting)
        await tasks.start(asker.client.run)
        asker.ask("a")
        assert await asker.status("a") == (200 if fault == "none" else "tls")
        assert stub.paths() == (["/a"] if fault == "none" else [])
        tasks.cancel_scope.cancel()


async def test_client_takes_no_url_and_no_context_that_lets_anybody_in() -> None:
    blind = ssl.create_default_context()
    blind.check_hostname = False
    blind.verify_mode = ssl.CERT_NONE
    for url, tls in (("http://127.0.0.1:1", AUTHORITY.client_context()), ("https://h", blind)):
        with pytest.raises(ValueError, match=r"https|verifies"):
            H2Client(H2Settings(url), tls, MonotonicClock(), print, print)
