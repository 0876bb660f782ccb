"""The pool of connections to Push REST behind proxies: sending again, counting, being made."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

import callctl.io.http_pool as http_pool
from callctl.egress.pool_state import PoolFailed, PoolMade, PoolState
from callctl.io import client_tls, dial
from callctl.io.egress import Egress
from callctl.io.http_pool import PoolSettings
from callctl.io.pki import CertificateAuthority
from callctl.io.push_rest_client import PushRestClient
from callctl.push.events import (
    AbandonPush,
    LostReason,
    PostPush,
    PushAnswered,
    PushLost,
    PushWritten,
)
from helpers.bad_proxy import BadProxy, bad_proxy
from helpers.https_service import OK, SILENCE, HttpsService, https_service
from helpers.loops import on_each_loop
from helpers.node_rig import eventually
from helpers.ways import PROXY_NAME, HandClock, Names, black_hole, settings_for
from sipstack.timing import SECOND, Instant

pytestmark = [pytest.mark.anyio, on_each_loop]

SERVICE = "push.test"
LEADS_TO = {SERVICE: "127.0.0.1"}
CLOUDS = CertificateAuthority("clouds")
ONE, TWO = "127.0.0.2", "127.0.0.3"
FAR = Instant(10_000_000 * SECOND)
GOODBYE = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Client:
    """A client of Push REST, and what it reported."""

    def __init__(self, service_port: int, egress: Egress, *, makes: bool = False) -> None:
        self.url = f"https://{SERVICE}:{service_port}/push"
        self.egress = egress
        self.events: list[PushAnswered | PushLost] = []
        self.written: list[str] = []
        self.states: list[PoolState] = []
        self.clock = HandClock()
        self.rest = PushRestClient(
            PoolSettings(self.url, connections_max=4, remake_s=0.05),
            CLOUDS.client_context(),
            self.clock,
            self.events.append,
            egress=egress,
            on_written=self._on_written,
            on_state=self.states.append if makes else None,
        )

    def post(self, tracking_id: str, attempt: int = 0, deadline: Instant = FAR) -> None:
        headers = (("TrackingID", tracking_id),)
        self.rest.post(PostPush(tracking_id, self.url, headers, b"{}", deadline, attempt=attempt))

    def again(self, tracking_id: str, deadline: Instant = FAR) -> None:
        """As the push service does when five seconds are over."""
        self.rest.abandon(AbandonPush(tracking_id))
        self.post(tracking_id, attempt=1, deadline=deadline)

    async def until(self, count: int) -> None:
        await eventually(lambda: len(self.events) >= count)

    def _on_written(self, event: PushWritten) -> None:
        self.written.append(event.tracking_id)


@asynccontextmanager
async def running(client: Client) -> AsyncIterator[Client]:
    async with anyio.create_task_group() as tasks:
        await tasks.start(client.rest.run)
        yield client
        tasks.cancel_scope.cancel()
    assert not any(client.rest.counts().values())


def behind(proxy: BadProxy, *addresses: str) -> Egress:
    names = Names({PROXY_NAME: addresses or (proxy.host,)})
    return Egress(settings_for(proxy.port), None, HandClock(), resolve=names)


@asynccontextmanager
async def two_addresses(
    *script: bytes, first: str = "open"
) -> AsyncIterator[tuple[HttpsService, BadProxy, BadProxy, Client]]:
    """A service behind a proxy with two addresses, and a running client."""
    async with (
        https_service(CLOUDS.server_context((SERVICE,)), *script) as service,
        bad_proxy(first, host=ONE, leads_to=LEADS_TO) as one,  # type: ignore[arg-type]
        bad_proxy(host=TWO, port=one.port, leads_to=LEADS_TO) as two,
        running(Client(service.port, behind(one, ONE, TWO))) as client,
    ):
        yield service, one, two, client


@pytest.mark.req("PROXY-06", "CPNS-15", "OP-35")
async def test_push_that_is_not_answered_goes_once_more_by_the_second_address() -> None:
    """53 of the list of hostile cases. With the same tracking id: the cloud can tell."""
    async with two_addresses(SILENCE, OK) as (service, one, two, client):
        client.post("CPNS_1")
        await eventually(lambda: len(service.requests) == 1)
        assert (one.tunnels, two.tunnels) == (1, 0)
        client.again("CPNS_1")
        await client.until(1)
        assert client.events == [PushAnswered("CPNS_1", 200, b"{}")]
        assert (one.tunnels, two.tunnels) == (1, 1)
        assert [request.count(b"TrackingID: CPNS_1\r\n") for request in service.requests] == [1, 1]
        assert service.requests[0] == service.requests[1]
        assert client.rest.counts() == {"idle": 1, "busy": 0, "connecting": 0, "waiting": 0}


async def test_tunnel_that_swallows_all_is_left_for_the_second_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing has left before TLS is agreed on, so it is no second attempt."""
    monkeypatch.setattr(client_tls, "TLS_TIMEOUT_S", 0.2)
    async with two_addresses(OK, first="swallows") as (service, one, two, client):
        client.post("t1")
        await eventually(lambda: len(one.asked) == 1)
        client.again("t1")
        await client.until(1)
        assert client.events == [PushAnswered("t1", 200, b"{}")]
        assert (len(service.requests), two.tunnels) == (1, 1)


@pytest.mark.req("PROXY-06")
async def test_second_attempt_takes_an_open_connection_by_the_other_address() -> None:
    async with two_addresses(SILENCE, OK) as (service, one, two, client):
        client.post("t1")
        await eventually(lambda: len(service.requests) == 1)
        one.manner = "502"
        client.post("t2")
        await client.until(1)
        assert two.tunnels == 1
        client.again("t1")
        await client.until(2)
        assert client.events[1] == PushAnswered("t1", 200, b"{}")
        assert (one.tunnels, two.tunnels, service.connections) == (1, 1, 2)


@pytest.mark.req("PROXY-06")
async def test_second_attempt_takes_no_open_connection_by_the_same_address() -> None:
    async with two_addresses(SILENCE, OK) as (service, one, two, client):
        client.post("t1")
        await eventually(lambda: len(service.requests) == 1)
        client.post("t2")
        await client.until(1)
        assert client.rest.counts()["idle"] == 1
        client.again("t1")
        await client.until(2)
        assert (one.tunnels, two.tunnels) == (2, 1)
        assert client.rest.counts()["idle"] == 2


@pytest.mark.req("PROXY-06", "OP-35")
@pytest.mark.parametrize("proxied", [True, False])
async def test_without_another_address_the_push_is_lost(proxied: bool) -> None:
    async with (
        https_service(CLOUDS.server_context((SERVICE,)), SILENCE) as service,
        bad_proxy(leads_to=LEADS_TO) as proxy,
    ):
        direct = Egress(None, None, HandClock(), resolve=Names({SERVICE: ("127.0.0.1",) * 2}))
        egress = behind(proxy) if proxied else direct
        async with running(Client(service.port, egress)) as client:
            client.post("t1")
            await eventually(lambda: len(service.requests) == 1)
            client.again("t1")
            await client.until(1)
            assert client.events == [PushLost("t1", "no other address")]
            assert service.connections == 1


@pytest.mark.req("CPNS-08", "OP-35")
async def test_push_whose_connection_broke_does_not_go_once_more() -> None:
    """Its end was reported while the second attempt was on its way."""
    async with two_addresses(b"HTTP/1.1 what\r\n\r\n", OK) as (service, one, two, client):
        client.post("t1")
        await client.until(1)
        assert client.events == [PushLost("t1", "bad answer")]
        client.again("t1")
        await client.until(2)
        assert client.events[1] == PushLost("t1", "closed")
        assert len(service.requests) == 1
        assert (one.tunnels, two.tunnels) == (1, 0)


async def test_push_that_never_left_takes_its_turn_as_before() -> None:
    """Its first attempt waited for a connection all the time."""
    async with two_addresses(SILENCE) as (service, one, _, client):
        for number in range(4):
            client.post(f"t{number}")
        await eventually(lambda: len(service.requests) == 4)
        client.post("late")
        client.again("late")
        assert client.rest.counts()["waiting"] == 1
        service.script = [OK]
        client.rest.abandon(AbandonPush("t0"))
        await client.until(1)
        assert client.events == [PushAnswered("late", 200, b"{}")]
        assert one.tunnels == 5


async def test_second_attempt_can_be_abandoned_too_and_comes_to_its_deadline() -> None:
    async with two_addresses(SILENCE) as (service, _, two, client):
        two.delay_s = 0.1
        client.post("t1")
        client.post("t2")
        await eventually(lambda: len(service.requests) == 2)
        client.again("t1")
        assert client.rest.counts()["waiting"] == 1
        client.rest.abandon(AbandonPush("t1"))
        client.again("t2", deadline=Instant(client.clock.now))
        await eventually(lambda: client.rest.counts()["idle"] == 2)
        assert client.events == [PushLost("t2", "deadline")]
        assert len(service.requests) == 2


async def test_second_attempt_whose_connection_fails_is_lost() -> None:
    async with two_addresses(SILENCE, first="open") as (service, _, two, client):
        two.manner = "502"
        client.post("t1")
        await eventually(lambda: len(service.requests) == 1)
        client.again("t1")
        await client.until(1)
        assert client.events == [PushLost("t1", "proxy")]


@pytest.mark.req("PROXY-05", "OP-35")
async def test_push_goes_by_the_second_address_where_the_first_is_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dial, "CONNECT_TIMEOUT_S", 0.1)
    async with (
        https_service(CLOUDS.server_context((SERVICE,))) as service,
        bad_proxy("digest", host=TWO, leads_to=LEADS_TO) as two,
    ):
        with black_hole(ONE, two.port):
            async with running(Client(service.port, behind(two, ONE, TWO))) as client:
                client.post("t1")
                client.post("t2")
                await client.until(2)
        assert {type(event) for event in client.events} == {PushAnswered}
        assert two.tunnels in (1, 2)


@pytest.mark.req("CPNS-14", "OP-21")
@pytest.mark.parametrize("fault", ["stranger", "no TLS", "proxy", "none"])
async def test_push_counts_as_written_only_behind_tls(fault: str) -> None:
    stranger = CertificateAuthority("stranger").server_context((SERVICE,))
    tls = {"stranger": stranger, "no TLS": None}.get(fault, CLOUDS.server_context((SERVICE,)))
    async with (
        https_service(tls) as service,
        bad_proxy("502" if fault == "proxy" else "open", leads_to=LEADS_TO) as proxy,
        running(Client(service.port, behind(proxy))) as client,
    ):
        client.post("t1")
        await client.until(1)
        reasons: dict[str, LostReason] = {"stranger": "tls", "no TLS": "tls", "proxy": "proxy"}
        if fault == "none":
            assert client.events == [PushAnswered("t1", 200, b"{}")]
            assert client.written == ["t1"]
        else:
            assert client.events == [PushLost("t1", reasons[fault])]
            assert client.written == []


@pytest.mark.req("CPNS-08")
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_error_on_an_open_tunnel_loses_the_push_and_the_next_gets_a_new_one(
    scheme: str,
) -> None:
    """Nothing is sent again by the pool itself, by whatever address."""
    proxies = CertificateAuthority("proxies")
    tls = proxies.server_context((PROXY_NAME,)) if scheme == "https" else None
    async with (
        https_service(CLOUDS.server_context((SERVICE,)), OK, b"\r\nwhat", OK) as service,
        bad_proxy("open", tls=tls, leads_to=LEADS_TO) as proxy,
    ):
        egress = Egress(
            settings_for(proxy.port, scheme=scheme),
            None,
            HandClock(),
            proxy_tls=proxies.client_context(),
            resolve=Names({PROXY_NAME: ("127.0.0.1",)}),
        )
        async with running(Client(service.port, egress)) as client:
            for number in range(3):
                client.post(f"t{number}")
                await client.until(number + 1)
            kinds = [type(event) for event in client.events]
            assert kinds == [PushAnswered, PushLost, PushAnswered]
            assert len(service.requests) == 3
            assert (service.connections, proxy.tunnels) == (2, 2)


@pytest.mark.req("CPNS-09", "NET-05")
async def test_idle_tunnel_is_kept_for_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_pool, "_TRIM_EVERY_S", 0.01)
    async with (
        https_service(CLOUDS.server_context((SERVICE,))) as service,
        bad_proxy(leads_to=LEADS_TO) as proxy,
        running(Client(service.port, behind(proxy))) as client,
    ):
        client.post("t1")
        await client.until(1)
        client.clock.now = 3_600 * SECOND
        await anyio.sleep(0.1)  # several rounds of trimming
        assert client.rest.counts()["idle"] == 1
        client.clock.now += 1
        await eventually(lambda: client.rest.counts()["idle"] == 0)


# Whether the pool can be made.


@pytest.mark.req("CPNS-07")
async def test_pool_opens_a_connection_at_its_start_and_says_that_it_is_made() -> None:
    async with (
        https_service(CLOUDS.server_context((SERVICE,))) as service,
        bad_proxy("digest", leads_to=LEADS_TO) as proxy,
        running(Client(service.port, behind(proxy), makes=True)) as client,
    ):
        await eventually(lambda: client.states == [PoolMade()])
        assert client.rest.counts()["idle"] == 1
        client.post("t1")
        await client.until(1)
        assert (proxy.tunnels, client.states) == (1, [PoolMade()])


@pytest.mark.req("CPNS-07", "PROXY-11")
@pytest.mark.parametrize("fault", ["name", "refused", "password"])
async def test_pool_that_cannot_be_made_says_why_and_says_when_it_is(fault: str) -> None:
    async with (
        https_service(CLOUDS.server_context((SERVICE,))) as service,
        bad_proxy("digest", leads_to=LEADS_TO) as proxy,
    ):
        names = Names({PROXY_NAME: ("127.0.0.1",)})
        right = settings_for(proxy.port)
        wrong = {
            "name": settings_for(proxy.port, host="no.test"),
            "refused": settings_for(proxy.port, host="127.0.0.9"),
            "password": settings_for(proxy.port, password="wrong"),
        }[fault]
        egress = Egress(wrong, None, HandClock(), resolve=names)
        async with running(Client(service.port, egress, makes=True)) as client:
            await eventually(lambda: len(client.states) == 1)
            (state,) = client.states
            assert isinstance(state, PoolFailed)
            step = {"name": "dns", "refused": "tcp", "password": "proxy authentication"}[fault]
            assert state.step == step
            await anyio.sleep(0.2)  # several attempts, each with the same end
            assert client.states == [state]
            egress.change(right)
            client.rest.remake()
            await eventually(lambda: client.states[1:] == [PoolMade()])
            client.post("t1")
            await client.until(1)
            assert client.events == [PushAnswered("t1", 200, b"{}")]
            egress.change(wrong)
            client.rest.remake()
            await eventually(lambda: client.states[2:] == [state])
            assert client.rest.counts()["idle"] == 0


@pytest.mark.req("CPNS-07")
async def test_push_that_relied_on_the_first_connection_is_lost_with_it_and_at_once() -> None:
    """It does not wait for its deadline: the call has others to ask."""
    async with bad_proxy("403", leads_to=LEADS_TO) as proxy:
        client = Client(1, behind(proxy), makes=True)
        async with running(client):
            client.post("t1")  # while the pool opens its first connection
            client.post("t2")
            await client.until(2)
            assert {type(event) for event in client.events} == {PushLost}
            assert {event.tracking_id for event in client.events} == {"t1", "t2"}


@pytest.mark.req("PROXY-11")
async def test_pool_that_was_made_is_unmade_by_its_proxy_and_not_by_the_cloud() -> None:
    async with (
        https_service(CLOUDS.server_context((SERVICE,)), GOODBYE) as service,
        bad_proxy(leads_to=LEADS_TO) as proxy,
        running(Client(service.port, behind(proxy), makes=True)) as client,
    ):
        await eventually(lambda: client.states == [PoolMade()])
        client.post("t1")
        await client.until(1)  # and its connection is gone
        proxy.manner = "opens and hangs up"
        client.post("t2")
        await client.until(2)
        assert client.events[1] == PushLost("t2", "tls")
        assert client.states == [PoolMade()]
        proxy.manner = "403"
        client.post("t3")
        await client.until(3)
        assert client.events[2] == PushLost("t3", "proxy")
        await eventually(lambda: len(client.states) == 2)
        assert isinstance(client.states[1], PoolFailed)
        assert client.states[1].detail.endswith("answered 403")
        proxy.manner = "open"
        await eventually(lambda: client.states[2:] == [PoolMade()])


async def test_change_of_trust_holds_for_new_connections_and_ends_the_old_ones() -> None:
    """A push under way is still answered."""
    async with (
        https_service(CLOUDS.server_context((SERVICE,)), OK) as service,
        bad_proxy(leads_to=LEADS_TO) as proxy,
        running(Client(service.port, behind(proxy), makes=True)) as client,
    ):
        await eventually(lambda: client.states == [PoolMade()])
        client.post("t1")
        client.rest.remake(CertificateAuthority("other").client_context())
        await client.until(1)
        assert client.events == [PushAnswered("t1", 200, b"{}")]
        await eventually(lambda: isinstance(client.states[-1], PoolFailed))
        client.post("t2")
        await client.until(2)
        assert client.events[1] == PushLost("t2", "tls")
        client.rest.remake(CLOUDS.client_context())
        await eventually(lambda: client.states[-1] == PoolMade())
