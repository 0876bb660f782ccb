"""Port 9966 over real sockets: both ends of the link with their cores, and strangers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

import pytest

from callctl.io.link_client import LinkClient
from callctl.io.link_server import PEERS_MAX, LinkServer
from callctl.io.pump import Pump
from callctl.push import call_manager_link
from callctl.push.call_manager_link import (
    CallManagerLink,
    CloseLink,
    LinkAction,
    LinkState,
    OpenLink,
    ServiceReached,
    WriteLink,
)
from callctl.push.events import (
    Ignored,
    Outcome,
    PostPush,
    PushAnswered,
    PushOutcome,
    PushWithdrawn,
    PushWritten,
)
from callctl.push.service import ClosePeer, CpnsService, ServiceAction, WritePeer
from callctl.serviceability.condition import ConditionEntered, ConditionLeft
from helpers.loops import on_each_loop
from helpers.node_rig import eventually
from helpers.push_link import framed, unframed
from helpers.pushes import IPHONE, Service, intent
from sipstack.io.clock import MonotonicClock
from sipstack.timing import MS

pytestmark = [pytest.mark.anyio, on_each_loop]

HOST = "127.0.0.1"
F1 = "PushNotificationServiceUnavailable"
HELLO = '{"type":"hello","node":"ucm1"}'
HEARTBEAT = '{"type":"heartbeat","number":7}'


class CallManager:
    """CallManager's end with its socket; keeps what comes of its pushes."""

    def __init__(self, port: int) -> None:
        self.clock = MonotonicClock()
        self.link = CallManagerLink("ucm1")
        self.pump = Pump(self.link, self.clock, self._carry_out)
        self.client = LinkClient(HOST, port, self.pump.feed)
        self.outcomes: list[PushOutcome] = []
        self.alarms: list[str] = []
        self.reached: list[bool] = []

    @property
    def is_up(self) -> bool:
        return self.link.state is LinkState.UP

    def push(self, number: int, call_uuid: str = "c1") -> None:
        deadline_ms = self.clock() // MS + 13_000
        wanted = intent(intent_id=f"i{number}", call_uuid=call_uuid, deadline_ms=deadline_ms)
        self.pump.do(lambda now: self.link.push(wanted, now))

    def withdraw(self, call_uuid: str) -> None:
        withdrawn = PushWithdrawn(call_uuid, IPHONE.device_name)
        self.pump.do(lambda now: self.link.withdraw(withdrawn))

    def _carry_out(self, actions: Iterable[LinkAction]) -> None:
        for action in actions:
            match action:
                case WriteLink(octets):
                    self.client.write(octets)
                case OpenLink():
                    self.client.open()
                case CloseLink():
                    self.client.close()
                case PushOutcome():
                    self.outcomes.append(action)
                case ConditionEntered(alarm, _, _, detail):
                    self.alarms.append(f"{alarm}: {detail}")
                case ConditionLeft(alarm):
                    self.alarms.append(f"no {alarm}")
                case ServiceReached(reached):
                    self.reached.append(reached)
                case Ignored(reason):
                    raise AssertionError(reason)


class PushService:
    """The service's end with its socket; the cloud answers 200 at once, or nothing."""

    def __init__(self, port: int, *, answers: bool = True, room: int = 100_000) -> None:
        self.clock = MonotonicClock()
        cpns = Service(in_flight_max=room, queue_max=100_000).cpns
        self.service = CpnsService("ucm1", cpns, {IPHONE.device_name: IPHONE}.get)
        self.pump = Pump(self.service, self.clock, self._carry_out)
        self.server = LinkServer(HOST, port, self.pump.feed)
        self.answers = answers
        self.posts: list[PostPush] = []
        self.ignored: list[Ignored] = []

    def answer(self, post: PostPush) -> None:
        self.pump.feed(PushWritten(post.tracking_id))
        self.pump.feed(PushAnswered(post.tracking_id, 200))

    def _carry_out(self, actions: Iterable[ServiceAction]) -> None:
        for action in actions:
            match action:
                case WritePeer():
                    self.server.write(action)
                case ClosePeer():
                    self.server.close(action)
                case PostPush():
                    self.posts.append(action)
                    if self.answers:
                        asyncio.get_running_loop().call_soon(self.answer, action)
                case Ignored():
                    self.ignored.append(action)


@asynccontextmanager
async def calling(port: int) -> AsyncIterator[CallManager]:
    manager = CallManager(port)
    before = asyncio.all_tasks()
    manager.pump.start()
    manager.pump.do(manager.link.start)
    try:
        yield manager
    finally:
        manager.pump.do(lambda now: manager.link.stop())
        manager.pump.stop()
        await manager.client.aclose()
        assert asyncio.all_tasks() <= before


@asynccontextmanager
async def serving(
    port: int, *, answers: bool = True, room: int = 100_000
) -> AsyncIterator[PushService]:
    service = PushService(port, answers=answers, room=room)
    await service.server.start()
    service.pump.start()
    service.pump.do(service.service.start)
    try:
        yield service
    finally:
        service.pump.do(service.service.stop)
        service.pump.stop()
        await service.server.aclose()


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        number: int = free.getsockname()[1]
        return number


async def ask(port: int, *texts: str) -> list[str]:
    """What a stranger hears until the service hangs up, or has said enough."""
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(framed(*texts))
    head = await reader.readexactly(4)
    body = await reader.readexactly(int.from_bytes(head, "big"))
    writer.close()
    return [frame["type"] for frame in unframed(head + body)]


async def ask_without_reading(peer: socket.socket) -> None:
    """Until the service ends the connection."""
    loop = asyncio.get_running_loop()
    with suppress(ConnectionError):
        while True:
            await loop.sock_sendall(peer, framed(*[HEARTBEAT] * 1_000))


@pytest.mark.req("CPNS-02", "CPNS-03", "CPNS-04")
async def test_push_goes_to_the_service_of_the_node_and_its_outcome_comes_back(port: int) -> None:
    async with serving(port) as service, calling(port) as manager:
        await eventually(lambda: manager.is_up)
        manager.push(1)
        await eventually(lambda: bool(manager.outcomes))
        (outcome,) = manager.outcomes
        assert (outcome.intent_id, outcome.outcome, outcome.status) == (
            "i1",
            Outcome.ACCEPTED,
            200,
        )
        assert outcome.tracking_id == service.posts[0].tracking_id
        assert manager.alarms == [f"no {F1}"]


@pytest.mark.req("CPNS-03", "CPNS-13")
async def test_without_a_service_pushes_are_refused_at_once_until_it_is_there(port: int) -> None:
    async with calling(port) as manager:
        manager.push(1)  # waits for the first try
        await eventually(lambda: bool(manager.outcomes))
        assert manager.alarms == [f"{F1}: connection refused"]
        manager.push(2)
        assert [it.intent_id for it in manager.outcomes] == ["i1", "i2"]
        assert {(it.outcome, it.reason) for it in manager.outcomes} == {
            (Outcome.REFUSED, "no push service")
        }
        async with serving(port):
            await eventually(lambda: manager.is_up)
            assert manager.alarms[1:] == [f"no {F1}"]
            manager.push(3)
            await eventually(lambda: len(manager.outcomes) == 3)
            assert manager.outcomes[2].outcome is Outcome.ACCEPTED
        await eventually(lambda: not manager.is_up)
        assert manager.reached == [False, True, False]
        assert manager.alarms[2:] == []  # it may be about to restart, and nobody wanted it yet
        manager.push(4)
        assert manager.alarms[2].startswith(f"{F1}: ")


@pytest.mark.req("CPNS-13")
async def test_service_that_is_gone_leaves_no_push_without_an_outcome(port: int) -> None:
    async with calling(port) as manager:
        async with serving(port, answers=False) as service:
            await eventually(lambda: manager.is_up)
            for number in range(100):
                manager.push(number, f"c{number}")
            await eventually(lambda: len(service.posts) == 100)
            for peer in tuple(service.server._peers.values()):
                peer.abort()  # without a word
            await eventually(lambda: len(manager.outcomes) == 100)
        assert {(it.outcome, it.reason) for it in manager.outcomes} == {
            (Outcome.FAILED, "push service lost")
        }
        assert manager.link.counts() == {"pushes_at_service": 0, "pushes_held": 0}


async def test_service_that_is_stopped_tells_what_became_of_10_000_pushes(port: int) -> None:
    async with calling(port) as manager:
        async with serving(port, answers=False) as service:
            await eventually(lambda: manager.is_up)
            for number in range(10_000):
                manager.push(number, f"c{number}")
            await eventually(lambda: len(service.posts) == 10_000)
        await eventually(lambda: len(manager.outcomes) == 10_000)
        assert {it.reason for it in manager.outcomes} == {"service stopped"}


async def test_server_that_ends_lets_what_was_written_leave_first(port: int) -> None:
    server = LinkServer(HOST, port, lambda event: None)
    await server.start()
    reader, writer = await asyncio.open_connection(HOST, port)
    await eventually(lambda: bool(server._peers))
    (number,) = server._peers
    server.write(WritePeer(number, bytes(16 << 20)))  # far more than sockets hold
    reading = asyncio.create_task(reader.read())
    await server.aclose()
    assert len(await reading) == 16 << 20
    writer.close()


@pytest.mark.req("CPNS-13")
async def test_peer_that_takes_the_connection_and_is_silent_is_no_service(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_manager_link, "HEARTBEAT_NS", 100 * MS)
    with socket.create_server((HOST, port)):
        async with calling(port) as manager:
            manager.push(1)
            await eventually(lambda: bool(manager.outcomes))
            assert manager.alarms == [f"{F1}: no welcome"]
            assert manager.outcomes == [PushOutcome("i1", Outcome.REFUSED, None, "no push service")]


@pytest.mark.req("CPNS-13")
async def test_service_that_falls_silent_is_left_after_two_heartbeats(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_manager_link, "HEARTBEAT_NS", 100 * MS)
    heard = b""
    ended = asyncio.Event()

    async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        writer.write(framed('{"type":"welcome","node":"ucm1"}'))
        try:
            while piece := await reader.read(4_096):
                heard += piece
        except ConnectionError:
            pass
        finally:
            writer.close()
            ended.set()

    server = await asyncio.start_server(welcome, HOST, port)
    async with calling(port) as manager:
        await eventually(lambda: manager.is_up)
        server.close()  # takes no other connection
        manager.push(1)
        await eventually(lambda: bool(manager.outcomes))
        assert manager.alarms[1] == f"{F1}: no heartbeat"
        assert manager.outcomes == [PushOutcome("i1", Outcome.FAILED, None, "push service lost")]
        await ended.wait()
        said = [frame["type"] for frame in unframed(heard)]
        assert said == ["hello", "push", "heartbeat", "heartbeat"]
    await server.wait_closed()


async def test_burst_of_10_000_pushes_keeps_its_order_both_ways(port: int) -> None:
    async with serving(port) as service, calling(port) as manager:
        await eventually(lambda: manager.is_up)
        for number in range(10_000):
            manager.push(number, f"c{number}")
        await eventually(lambda: len(manager.outcomes) == 10_000, within_s=60)
        wanted = [f"i{number}" for number in range(10_000)]
        assert [it.intent_id for it in manager.outcomes] == wanted
        assert [it.tracking_id for it in manager.outcomes] == [
            it.tracking_id for it in service.posts
        ]


async def test_withdrawal_overtakes_no_push_and_no_push_overtakes_it(port: int) -> None:
    async with serving(port, room=0) as service, calling(port) as manager:  # nothing leaves
        await eventually(lambda: manager.is_up)
        for number in range(100):
            manager.push(number, f"c{number}")
            manager.withdraw(f"c{number}")
        await eventually(lambda: len(manager.outcomes) == 100)
        assert {it.outcome for it in manager.outcomes} == {Outcome.WITHDRAWN}
        assert service.posts == []


async def test_peer_that_does_not_read_is_dropped_and_holds_up_nobody(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callctl.io.link_server.UNSENT_MAX", 100_000)
    async with serving(port) as service, calling(port) as manager:
        await eventually(lambda: manager.is_up)
        with socket.create_connection((HOST, port)) as slow:
            slow.setblocking(False)
            async with asyncio.timeout(30):
                await ask_without_reading(slow)
        manager.push(1)
        await eventually(lambda: bool(manager.outcomes))
        assert manager.is_up
        assert service.server.dropped == 0
        assert manager.alarms == [f"no {F1}"]


@pytest.mark.req("NET-06")
async def test_stranger_that_connects_and_hangs_up_disturbs_nobody(port: int) -> None:
    async with serving(port) as service, calling(port) as manager:
        await eventually(lambda: manager.is_up)
        for _ in range(50):
            socket.create_connection((HOST, port)).close()
        assert await ask(port, HEARTBEAT) == ["heartbeatAck"]
        await eventually(lambda: len(service.server._peers) == 1)
        manager.push(1)
        await eventually(lambda: bool(manager.outcomes))
        assert manager.reached == [True]
        assert service.ignored == []


@pytest.mark.req("CPNS-03")
@pytest.mark.parametrize("said", ['{"type":"hello","node":"ucm2"}', "GET / HTTP/1.1", "[]"])
async def test_stranger_that_is_no_callmanager_of_this_node_is_refused_and_left(
    port: int, said: str
) -> None:
    async with serving(port) as service, calling(port) as manager:
        await eventually(lambda: manager.is_up)
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(framed(said))
        (frame,) = unframed(await reader.read())  # to its end
        assert frame["type"] == "refused"
        writer.close()
        assert [it.reason for it in service.ignored] == ["push service link refused"]
        manager.push(1)
        await eventually(lambda: bool(manager.outcomes))
        assert manager.reached == [True]


async def test_strangers_that_say_nothing_do_not_keep_callmanager_out(port: int) -> None:
    async with serving(port) as service:
        strangers = [socket.create_connection((HOST, port)) for _ in range(3 * PEERS_MAX)]
        async with calling(port) as manager:
            await eventually(lambda: manager.is_up)
            strangers += [socket.create_connection((HOST, port)) for _ in range(3 * PEERS_MAX)]
            await eventually(lambda: service.server.dropped == 5 * PEERS_MAX + 1)
            manager.push(1)
            await eventually(lambda: bool(manager.outcomes))
            assert manager.reached == [True]
            assert len(service.server._peers) == PEERS_MAX
        for stranger in strangers:
            stranger.close()
        await eventually(lambda: not service.server._peers)


@pytest.mark.req("CPNS-03")
async def test_newest_callmanager_takes_the_place_of_the_one_before(port: int) -> None:
    async with serving(port):
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(framed(HELLO))
        async with calling(port) as manager:
            await eventually(lambda: manager.is_up)
            said = [frame["type"] for frame in unframed(await reader.read())]  # to its end
            assert said == ["welcome"]
            manager.push(1)
            await eventually(lambda: bool(manager.outcomes))
        writer.close()


async def test_port_that_is_taken_is_an_error_of_the_start(port: int) -> None:
    with socket.create_server((HOST, port)):
        server = LinkServer(HOST, port, lambda event: None)
        with pytest.raises(OSError, match="in use"):
            await server.start()
        await server.aclose()


async def test_try_to_connect_can_be_ended_at_any_time(port: int) -> None:
    told: list[object] = []
    async with serving(port) as service:
        client = LinkClient(HOST, port, told.append)
        for steps in range(6):
            client.open()
            for _ in range(steps):
                await asyncio.sleep(0)
            client.close()
            assert not client.is_open
            told.clear()
        await asyncio.sleep(0.05)
        assert told == []
        await eventually(lambda: not service.server._peers)
        await client.aclose()
