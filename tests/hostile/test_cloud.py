"""I. Cloud push: a cloud that refuses, redirects, floods, or is somebody else.

Each test is one line of the list, in its order; the number stands in its docstring. This is the
channel to Push REST; the direct channels to APNs and FCM have tests of their own for these lines.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Final, TypeAlias

import anyio
import msgspec
import pytest
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.tls import TLSListener, TLSStream

from callctl.io.http_pool import ANSWER_MAX, HttpPool, PoolSettings, Post
from callctl.push.envelope import EnvelopeError, open_envelope, parse_payload
from callctl.push.events import LostReason, Outcome, PushAnswered, RenewToken, TokenChanged
from callctl.push.kind import PushKind
from helpers.engine_rig import EngineRig, iphone_binding
from helpers.node_rig import eventually
from helpers.pushes import IPHONE, KEY, Service, at, intent, outcomes, posts
from hostile.certificates import Authority
from hostile.messages import (
    SLEEPER,
    finals,
    message,
    pass_ms,
    phone_flow,
    requests,
    send,
    statuses,
    wake,
    world,
)
from sipstack.timing import Instant

HOST: Final = "127.0.0.1"
SECRET: Final = b"a push that nobody else may read"
Connection: TypeAlias = SocketStream | TLSStream


def call(rig: EngineRig, number: int) -> list[int]:
    """A call to the sleeping phone; what the caller hears at once."""
    return statuses(send(rig, message("INVITE", SLEEPER, call_id=f"call-{number}")))


def test_token_that_is_gone_is_told_once_and_gets_no_push_until_a_new_sign_in() -> None:
    """89. Also if more than one push was on its way when the first 410 came."""
    rig = world()
    for number in range(3):
        assert call(rig, number) == [100]
    assert len(rig.pushes) == 3
    for push in tuple(rig.pushes):
        rig.outcome(push, Outcome.REFUSED_TOKEN)
    assert [final.status for final in finals(rig.sent)] == [480] * 3
    for engine in rig.engines.values():
        assert engine.push_binding("TCT3001") is None
    assert [call(rig, number) for number in range(3, 8)] == [[100, 480]] * 5
    assert len(rig.pushes) == 3
    pass_ms(rig, 1)
    rig.sign_in(iphone_binding(rig.cluster.devices["TCT3001"]))
    assert call(rig, 9) == [100]
    assert len(rig.pushes) == 4


def test_410_is_one_outcome_and_ends_the_second_push_that_waited_for_it() -> None:
    """89, in the push service: what an alarm is made of comes once for each intent."""
    cpns = Service().cpns
    (ring,) = posts(cpns.receive(intent(), at(0)))
    cpns.receive(intent(PushKind.MISSED), at(1))
    answered = cpns.receive(PushAnswered(ring.tracking_id, 410), at(2))
    assert [told.outcome for told in outcomes(answered)] == [Outcome.REFUSED_TOKEN] * 2
    assert posts(answered) == posts(cpns.advance(at(60_000))) == []


def test_retry_after_of_a_429_is_kept_and_calls_meanwhile_fail_fast() -> None:
    """90. A call push has no second try (OP-13). What is no call says so too, for its store to keep
    it: messages are not pushed yet.
    """
    cpns = Service().cpns
    (ring,) = posts(cpns.receive(intent(), at(0)))
    (told,) = outcomes(cpns.receive(PushAnswered(ring.tracking_id, 429, b"", "30"), at(0)))
    assert (told.outcome, told.status) == (Outcome.FAILED, 429)
    message_push = intent(PushKind.INSTANT_MESSAGE, call_uuid="m1", deadline_ms=600_000)
    for asked in (intent(call_uuid="c2", deadline_ms=42_000), message_push):
        actions = cpns.receive(asked, at(29_000))
        assert posts(actions) == []
        assert [told.outcome for told in outcomes(actions)] == [Outcome.REFUSED]
    assert posts(cpns.advance(at(30_000))) == []
    assert len(posts(cpns.receive(intent(call_uuid="c3", deadline_ms=43_000), at(30_000)))) == 1


def test_push_that_failed_for_429_costs_no_call_whose_phone_comes_all_the_same() -> None:
    """90, at the node: the wait goes on, and 503 says whose fault it was (design, I7)."""
    rig = world()
    call(rig, 1)
    call(rig, 2)
    for push in tuple(rig.pushes):
        rig.outcome(push, Outcome.FAILED)
    rig.run_to(6_000)
    woken = requests(wake(rig, "ucm1", 7))
    assert [each.flow for each in woken] == [phone_flow(rig, "ucm1", 7)] * 2
    other = world()
    call(other, 1)
    other.outcome(other.pushes[0], Outcome.FAILED)
    assert statuses(other.run_to(13_000)) == [180, 503]


class Told:
    """What the pool reported, by the key of the push."""

    def __init__(self, url: str, tls: ssl.SSLContext | None) -> None:
        self.answers: dict[str, int] = {}
        self.lost: dict[str, LostReason] = {}
        settings = PoolSettings(url, insecure=tls is None)
        self.pool = HttpPool(
            settings,
            tls,
            lambda: Instant(0),
            lambda key, answer: self.answers.update({key: answer.status}),
            lambda key, reason: self.lost.update({key: reason}),
        )

    async def post(self, key: str) -> None:
        """Push, and wait for what comes of it."""
        head = f"POST /push HTTP/1.1\r\nHost: x\r\nContent-Length: {len(SECRET)}\r\n\r\n"
        self.pool.post(Post(key, head.encode() + SECRET, None))
        await eventually(lambda: key in self.answers or key in self.lost)


@asynccontextmanager
async def cloud(
    serve: Callable[[Connection], object],
    *,
    server: ssl.SSLContext | None = None,
    client: ssl.SSLContext | None = None,
    host: str = HOST,
) -> AsyncIterator[Told]:
    """A pool that posts to a cloud which does with each connection what `serve` does."""

    async def take(connection: Connection) -> None:
        async with connection:
            try:
                await serve(connection)  # type: ignore[misc]
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return

    listener = await anyio.create_tcp_listener(local_host=HOST)
    port = listener.extra(SocketAttribute.local_port)
    secured = listener if server is None else Doors(listener, server, standard_compatible=False)
    told = Told(f"http{'s' if client else ''}://{host}:{port}/push", client)
    async with secured, anyio.create_task_group() as tasks:
        tasks.start_soon(secured.serve, take)
        await tasks.start(told.pool.run)
        yield told
        tasks.cancel_scope.cancel()


class Doors(TLSListener):
    """A TLS listener that keeps calm when a client does not like it."""

    @staticmethod
    async def handle_handshake_error(exc: BaseException, stream: object) -> None:
        assert isinstance(stream, SocketStream)
        await stream.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize(
    "fault", ["none", "expired", "wrong host", "signed by itself", "signed by a stranger"]
)
async def test_cloud_that_cannot_prove_who_it_is_gets_no_push(fault: str) -> None:
    """91. Not an octet of it."""
    ours, stranger = Authority(), Authority()
    server = {
        "none": lambda: ours.server(),
        "expired": lambda: ours.server(ends=timedelta(days=-1)),
        "wrong host": lambda: ours.server(host="192.0.2.9"),
        "signed by itself": lambda: ours.server(own=True),
        "signed by a stranger": lambda: stranger.server(),
    }[fault]()
    heard: list[bytes] = []

    async def serve(connection: Connection) -> None:
        while True:
            heard.append(await connection.receive())
            await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with cloud(serve, server=server, client=ours.trusting()) as told:
        await told.post("t1")
        if fault == "none":
            assert told.answers == {"t1": 200}
            assert SECRET in b"".join(heard)
        else:
            assert told.lost == {"t1": "tls"}
            assert heard == []


@pytest.mark.parametrize(
    ("url", "verifies"),
    [("http://push.example.com/", True), ("https://push.example.com/", False)],
)
def test_push_in_the_clear_or_to_anybody_is_refused_before_there_is_one(
    url: str, verifies: bool
) -> None:
    """91. TLS that verifies nobody is not taken for TLS."""
    context = ssl.create_default_context()
    if not verifies:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    with pytest.raises(ValueError, match=r"https|verifies"):
        HttpPool(PoolSettings(url), context, lambda: Instant(0), print, print)


@pytest.mark.anyio
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirection_of_the_cloud_is_not_followed(status: int) -> None:
    """92."""
    elsewhere: list[bytes] = []

    async def other(connection: Connection) -> None:
        elsewhere.append(await connection.receive())

    async with cloud(other) as away:
        where = f"http://{HOST}:{away.pool.port}/push"

        async def serve(connection: Connection) -> None:
            while True:
                await connection.receive()
                head = f"HTTP/1.1 {status} Moved\r\nLocation: {where}\r\nContent-Length: 0\r\n\r\n"
                await connection.send(head.encode())

        async with cloud(serve) as told:
            for key in ("t1", "t2"):
                await told.post(key)
            assert told.answers == {"t1": status, "t2": status}
        assert elsewhere == []
    cpns = Service().cpns
    (ring,) = posts(cpns.receive(intent(), at(0)))
    (ended,) = outcomes(cpns.receive(PushAnswered(ring.tracking_id, status), at(1)))
    assert ended.outcome is Outcome.REFUSED  # it would be the same next time


@pytest.mark.anyio
@pytest.mark.parametrize("chunked", [False, True])
async def test_200_with_a_body_of_50_mb_is_read_to_its_limit_and_no_further(chunked: bool) -> None:
    """93. Its connection is closed, and the next push takes another."""
    sent: list[int] = []
    piece = b"x" * 65_536

    async def serve(connection: Connection) -> None:
        await connection.receive()
        if sent:
            await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            return
        sent.append(0)
        how = "Transfer-Encoding: chunked" if chunked else "Content-Length: 50000000"
        await connection.send(f"HTTP/1.1 200 OK\r\n{how}\r\n\r\n".encode())
        while sent[0] < 50_000_000:
            await connection.send(b"10000\r\n%s\r\n" % piece if chunked else piece)
            sent[0] += len(piece)

    async with cloud(serve) as told:
        await told.post("t1")
        assert told.lost == {"t1": "bad answer"}
        assert told.pool.counts()["busy"] == 0
        await told.post("t2")
        assert told.answers == {"t2": 200}
        assert ANSWER_MAX < 100_000
        assert sent[0] < 20_000_000  # what the system's buffers took; the rest was never read


@pytest.mark.anyio
@pytest.mark.parametrize("garbage", [b"\x00\xff", b"<html>", b"[" * 50_000, b"{}" * 9])
async def test_200_with_a_body_of_no_sense_is_a_yes_all_the_same(garbage: bytes) -> None:
    """93, the other way: not the length is wrong, but what stands there."""

    async def serve(connection: Connection) -> None:
        await connection.receive()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(garbage)}\r\n\r\n"
        await connection.send(head.encode() + garbage)

    async with cloud(serve) as told:
        await told.post("t1")
        assert told.answers == {"t1": 200}
    cpns = Service().cpns
    (ring,) = posts(cpns.receive(intent(), at(0)))
    (ended,) = outcomes(cpns.receive(PushAnswered(ring.tracking_id, 200, garbage), at(1)))
    assert ended.outcome is Outcome.ACCEPTED
    (other,) = posts(cpns.receive(intent(call_uuid="c2"), at(2)))
    (ended,) = outcomes(cpns.receive(PushAnswered(other.tracking_id, 410, garbage), at(3)))
    assert ended.outcome is Outcome.REFUSED_TOKEN


def test_payload_that_is_swapped_between_two_devices_opens_for_neither() -> None:
    """94. Not even if both had the same key: the seal holds the target and the tracking id."""
    service = Service()
    other = replace(IPHONE, device_name="TCTOTHER", voip_token="cc" * 32)
    service.bindings["TCTOTHER"] = other
    made = [
        *posts(service.cpns.receive(intent(call_uuid="c1"), at(0))),
        *posts(service.cpns.receive(intent(binding=other, call_uuid="c2"), at(0))),
    ]
    first, second = (msgspec.json.decode(post.body) for post in made)
    for request, payload, opens in (
        (first, first["payload"], True),
        (first, second["payload"], False),
        (second, first["payload"], False),
    ):
        envelope = parse_payload(payload)
        assert envelope is not None
        names = {"tracking_id": request["trackingId"], "target": request["target"]}
        if opens:
            assert b"c1" in open_envelope(envelope, key=KEY, **names)
        else:
            with pytest.raises(EnvelopeError):
                open_envelope(envelope, key=KEY, **names)


def test_token_that_expires_in_a_burst_is_renewed_once_and_every_push_leaves_with_the_new() -> None:
    """95. A push that was answered 401 has rung nobody, so it may leave once more."""
    cpns = Service().cpns
    burst = [intent(call_uuid=f"c{number}") for number in range(20)]
    left = [post for asked in burst for post in posts(cpns.receive(asked, at(0)))]
    actions = [
        action
        for post in left[:-1]
        for action in cpns.receive(PushAnswered(post.tracking_id, 401), at(100))
    ]
    assert actions == [RenewToken()]
    assert cpns.receive(intent(call_uuid="late"), at(200)) == ()
    again = posts(cpns.receive(TokenChanged("new"), at(300)))
    late = cpns.receive(PushAnswered(left[-1].tracking_id, 401), at(350))  # to the old token
    assert RenewToken() not in late
    again += posts(late)
    assert len(again) == 21
    assert {dict(post.headers)["Authorization"] for post in again} == {"Bearer new"}
    ended = [
        told.outcome
        for post in again
        for told in outcomes(cpns.receive(PushAnswered(post.tracking_id, 200), at(400)))
    ]
    assert ended == [Outcome.ACCEPTED] * 21


def test_new_token_that_is_refused_too_is_no_reason_to_ask_again_and_again() -> None:
    """95, where the token was not to blame."""
    cpns = Service().cpns
    renewed = 0
    for number in range(40):
        now = at(1_000 * number)
        asked = intent(call_uuid=f"c{number}", deadline_ms=1_000 * number + 900)
        waiting = posts(cpns.receive(asked, now))
        while waiting:
            actions = cpns.receive(PushAnswered(waiting.pop().tracking_id, 401), now)
            if RenewToken() in actions:
                renewed += 1
                actions += cpns.receive(TokenChanged(f"token-{renewed}"), now)
            waiting += posts(actions)
    assert renewed == 1
