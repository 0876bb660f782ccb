"""D. Parking and push: phones that sleep, wake late, wake elsewhere, or toggle; clouds that fail.

Each test is one line of the list, in its order; the number stands in its docstring. The same over
sockets, with real clients and the real clocks: tests/interop/test_nobody_wakes.py (46, 49) and
tests/shell/test_phone_over_sockets.py (47).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import SocketStream

import callctl.io.dial as dial
from callctl.io.http_pool import HttpPool, PoolSettings, Post
from callctl.model.build import desk_phone, iphone, make_cluster
from callctl.model.hunt_pilot import HuntPilot
from callctl.model.service_parameter import ServiceParameters
from callctl.push.events import LostReason, Outcome
from callctl.push.kind import PushKind
from helpers.engine_rig import EngineRig, Sent, iphone_binding
from helpers.pushes import Service, at, intent, outcomes, posts
from hostile.messages import (
    CALLER,
    SLEEPER,
    answer,
    cancel_of,
    finals,
    message,
    phone_flow,
    requests,
    send,
    statuses,
    wake,
    world,
)
from sipstack.message.message import Request
from sipstack.timing import MS, Instant

RING, MISSED = PushKind.INCOMING, PushKind.MISSED


@pytest.fixture
def rig() -> EngineRig:
    return world()


def call(rig: EngineRig, number: int = 1, node: str = "ucm1") -> list[Sent]:
    text = message("INVITE", SLEEPER, branch=f"call{number}", call_id=f"call-{number}")
    return send(rig, text, node)


def pushed(rig: EngineRig) -> list[PushKind]:
    return [push.kind for push in rig.pushes]


def to_phone(sent: list[Sent], connection: int) -> list[Sent]:
    """INVITEs that reached the iPhone over one of its connections."""
    return [each for each in requests(sent) if each.flow.connection == connection]


def test_nobody_wakes_so_it_rings_at_5_s_and_is_dropped_at_13_s_with_one_missed_push(
    rig: EngineRig,
) -> None:
    """46. To the nanosecond: 200 ms are for the sockets."""
    call(rig)
    heard = [each for each in rig.run_to(20_000) if each.flow.remote_host == "192.0.2.50"]
    told = [(each.at // MS, statuses([each])[0]) for each in heard]
    assert [at for at in told if at[1] == 180] == [(5_000, 180)]
    assert next(at for at in told if at[1] >= 200) == (13_000, 480)
    assert pushed(rig) == [RING, MISSED]


def test_phone_that_wakes_at_1_s_gets_the_invite_right_after_its_200(rig: EngineRig) -> None:
    """47."""
    call(rig)
    rig.run_to(1_000)
    woken = [each for each in wake(rig, "ucm1", 7) if each.flow == phone_flow(rig, "ucm1", 7)]
    assert [
        each.message.method if isinstance(each.message, Request) else each.message.status
        for each in woken
    ] == [200, "INVITE"]
    assert {each.at for each in woken} == {1_000 * MS}


@pytest.mark.parametrize("wakes_ms", [12_900, 12_999.999999, 13_000, 13_000.000001, 13_100])
def test_register_around_the_drop_is_either_in_time_or_too_late_never_both(
    rig: EngineRig, wakes_ms: float
) -> None:
    """48."""
    call(rig)
    rig.run_to(wakes_ms)
    offered = to_phone(wake(rig, "ucm1", 7), 7)
    rig.run_to(13_200)
    dropped = [final.status for final in finals(rig.sent)]
    assert (len(offered), dropped[:1]) == ((1, []) if wakes_ms < 13_000 else (0, [480]))


def test_caller_who_hangs_up_at_3_s_hears_487_and_the_phone_that_comes_later_gets_nothing(
    rig: EngineRig,
) -> None:
    """49."""
    text = message("INVITE", SLEEPER)
    send(rig, text)
    rig.run_to(3_000)
    assert statuses(send(rig, cancel_of(text))) == [200, 487]
    assert pushed(rig) == [RING, MISSED]
    rig.run_to(4_000)
    assert requests(wake(rig, "ucm1", 7)) == []
    assert pushed(rig) == [RING, MISSED]


@pytest.mark.parametrize(
    "outcome", [None, Outcome.ACCEPTED, Outcome.FAILED, Outcome.REFUSED, Outcome.REFUSED_TOKEN]
)
def test_phone_in_the_foreground_is_called_over_sip_whatever_the_cloud_does(
    rig: EngineRig, outcome: Outcome | None
) -> None:
    """50."""
    wake(rig, "ucm1", 7)
    (copy,) = to_phone(call(rig), 7)
    if outcome is not None:
        rig.outcome(rig.pushes[0], outcome)
    assert statuses(answer(rig, copy, 180)) == [180]
    rig.run_to(14_000)
    assert finals(rig.sent) == []
    assert statuses(answer(rig, copy, 200)) == [200]


def test_cloud_that_cannot_be_reached_ends_the_call_503_at_13_s_and_costs_one_push(
    rig: EngineRig,
) -> None:
    """51. Not 480: a broken cloud says nothing of the subscriber (design, I7)."""
    call(rig)
    rig.run_to(4_000)
    rig.outcome(rig.pushes[0], Outcome.FAILED)
    assert statuses(rig.run_to(12_999)) == [180]
    assert statuses(rig.run_to(13_000)) == [503]
    assert pushed(rig).count(RING) == 1


def test_answer_of_a_cloud_after_20_s_finds_a_call_that_is_over(rig: EngineRig) -> None:
    """52, at the node."""
    call(rig)
    rig.run_to(20_000)
    before = (len(rig.sent), len(rig.pushes))
    rig.outcome(rig.pushes[0], Outcome.ACCEPTED)
    assert (len(rig.sent), len(rig.pushes)) == before
    assert requests(wake(rig, "ucm1", 7)) == []


def test_push_that_finds_a_connection_only_after_20_s_does_not_leave() -> None:
    """52, at the push service: its deadline is that of the call."""
    cpns = Service(in_flight_max=1, response_timeout_ns=60_000 * MS).cpns
    cpns.receive(intent(call_uuid="c0"), at(0))
    assert posts(cpns.receive(intent(), at(0))) == []
    assert [told.outcome for told in outcomes(cpns.advance(at(13_000)))] == [Outcome.EXPIRED]
    assert posts(cpns.advance(at(20_000))) == []


class Cloud:
    """Takes one connection and answers whatever is sent over it."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    async def serve(self, stream: SocketStream) -> None:
        async with stream:
            self.asked.append(await stream.receive())
            await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


@asynccontextmanager
async def listening(cloud: Cloud) -> AsyncIterator[int]:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, cloud.serve)
        yield listener.extra(anyio.abc.SocketAttribute.local_port)
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
@pytest.mark.parametrize("first", ["refuses", "keeps silent"])
async def test_push_whose_first_address_fails_leaves_over_the_second(
    monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """51, 53. An address gets 2 s to connect, then comes the next (OP-35); here 0.2 s.

    Once a push was written it is never written again (CPNS-08): a cloud that takes the connection
    and keeps silent for 5 s has perhaps rung the phone.
    """
    monkeypatch.setattr(dial, "CONNECT_TIMEOUT_S", 0.2)
    told: list[str] = []

    def lost(key: str, reason: LostReason) -> None:
        told.append(reason)

    cloud = Cloud()
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf:
        fillers = [socket.socket() for _ in range(3)]  # a full accept queue drops further SYNs
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(deaf.getsockname())
        async with listening(cloud) as port, anyio.create_task_group() as tasks:
            addresses = [deaf.getsockname() if first == "keeps silent" else ("127.0.0.1", 1)]
            addresses.append(("127.0.0.1", port))

            async def found(*_: object, **__: object) -> list[tuple[object, ...]]:
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", each) for each in addresses]

            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", found)
            pool = HttpPool(
                PoolSettings("http://push.example.com/push", insecure=True),
                None,
                lambda: Instant(0),
                lambda key, answered: told.append(str(answered.status)),
                lost,
            )
            await tasks.start(pool.run)
            pool.post(Post("t1", b"POST /push HTTP/1.1\r\nContent-Length: 0\r\n\r\n", None))
            with anyio.fail_after(5):
                while not told:  # noqa: ASYNC110  (the pool tells by a plain call)
                    await anyio.sleep(0.005)
            tasks.cancel_scope.cancel()
        for filler in fillers:
            filler.close()
    assert told == ["200"]
    assert len(cloud.asked) == 1


def test_call_through_a_hunt_group_names_the_hunt_pilot_in_its_push() -> None:
    """54. And the name is the caller's: what a push shows of names is tested in `H`."""
    cluster = make_cluster(
        devices=[desk_phone("1001"), iphone("3001")],
        hunt_pilots=[HuntPilot("5000", ("3001",), display_name="Reception")],
        parameters=ServiceParameters(authentication="none"),
    )
    rig = EngineRig(cluster)
    rig.sign_in(iphone_binding(cluster.devices["TCT3001"]))
    send(rig, message("INVITE", "sip:5000@lab.example"))
    assert [push.content.hunt_pilot_dn for push in rig.pushes] == ["5000"]
    assert rig.pushes[0].content.display_number == "1001"


def test_twelve_calls_in_a_second_to_one_sleeper_are_ten_pushes_and_two_times_busy(
    rig: EngineRig,
) -> None:
    """55. OP-06."""
    for number in range(12):
        rig.run_to(number * 80)
        call(rig, number)
    assert pushed(rig) == [RING] * 10
    assert len({push.call_uuid for push in rig.pushes}) == 10
    assert [final.status for final in finals(rig.sent)] == [486, 486]
    rig.run_to(14_000)
    assert [final.status for final in finals(rig.sent)].count(480) >= 10
    assert pushed(rig).count(MISSED) == 10


def test_phone_that_registers_20_times_over_one_connection_gets_one_invite(
    rig: EngineRig,
) -> None:
    """56, its connection lives: one INVITE for each call and flow (design, I3)."""
    call(rig)
    for number in range(20):
        rig.run_to(500 + number * 100)
        wake(rig, "ucm1", 7)
    assert len(to_phone(rig.sent, 7)) == 1


def test_phone_that_suspends_and_resumes_20_times_has_one_live_invite_at_a_time(
    rig: EngineRig,
) -> None:
    """56, each time a new connection: the INVITE of the one that closed is lost with it.

    So there is one for each flow (design, I3), and none for a flow after the call is over.
    """
    call(rig)
    for connection in range(1, 21):
        rig.run_to(connection * 500)
        wake(rig, "ucm1", connection)
        if connection < 20:
            rig.run_to(connection * 500 + 250)
            rig.close("ucm1", phone_flow(rig, "ucm1", connection))
    assert [len(to_phone(rig.sent, connection)) for connection in range(1, 21)] == [1] * 20
    assert pushed(rig) == [RING]
    (last,) = to_phone(rig.sent, 20)
    assert statuses(answer(rig, last, 200))[-1] == 200
    assert len(finals(rig.sent)) == 1
    assert requests(wake(rig, "ucm1", 21)) == []


def test_phone_that_wakes_at_the_tertiary_node_is_called_from_there(rig: EngineRig) -> None:
    """57. The caller hears of one node only, and sees no Via but its own."""
    call(rig)
    rig.run_to(1_000)
    (copy,) = to_phone(wake(rig, "ucm3", 7), 7)
    assert copy.node == "ucm3"
    assert copy.flow.local_host == "192.0.2.3"
    heard = [each for each in answer(rig, copy, 200) if each.flow.remote_host == "192.0.2.50"]
    assert statuses(heard) == [200]
    assert {(each.node, each.flow.local_host) for each in heard} == {("ucm1", "192.0.2.1")}
    assert [f"{via.host}:{via.port}" for via in heard[0].message.vias] == [CALLER]


def test_phone_that_sends_183_and_no_more_ends_at_the_no_answer_timer_not_at_13_s(
    rig: EngineRig,
) -> None:
    """58. Timer C (RFC 3261 §16.8) is the proxy's: 185 s after the last provisional answer."""
    call(rig)
    rig.run_to(1_000)
    (copy,) = to_phone(wake(rig, "ucm1", 7), 7)
    rig.run_to(2_000)
    assert statuses(answer(rig, copy, 183)) == [183]
    assert statuses(rig.run_to(186_999)) == []
    last = rig.run_to(187_000)
    assert statuses(last) == [408]
    assert len(requests(last, "CANCEL")) == 1
    assert pushed(rig) == [RING, MISSED]
