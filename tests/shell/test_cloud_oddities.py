"""What hurts in the field, over real sockets: HTTP/2 and HTTP/1.1, below TLS, in certificates."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from callctl.cloud.delivery import DeviceAttached
from callctl.cloud.fault_orders import APNS, FCM, PUSH_REST, BadFault, FaultOrder
from callctl.cloud.http import HttpAnswer, HttpRequest
from callctl.cloud.partner import DEFAULT_BUNDLE_ID, DEFAULT_PROJECT_ID
from callctl.io.emulators import PushCloud, PushCloudSettings
from callctl.io.h2_client import H2Client
from callctl.io.h2_connection import ALPN, H2Settings
from callctl.io.http_pool import HttpPool, PoolSettings, Post, request_octets
from callctl.io.pki import CertificateAuthority
from callctl.push.direct.apns import apns_request
from callctl.push.direct.provider_token import sign_provider_token
from helpers.loops import BACKENDS
from helpers.pushes import FCM_TOKEN, VOIP_TOKEN
from sipstack.io.clock import MonotonicClock
from sipstack.io.entropy import OsEntropy
from sipstack.timing import SECOND

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", BACKENDS)]

AUTHORITY = CertificateAuthority()
TOPIC = f"{DEFAULT_BUNDLE_ID}.voip"
A_WHILE_S = 0.3
"""Where nothing can be waited for but time: long enough that an answer would have come."""


class Sender:
    """A running cloud, and senders straight to APNs and FCM as they are in the field."""

    def __init__(self, cloud: PushCloud, clock: MonotonicClock) -> None:
        self.cloud = cloud
        self.clock = clock
        self.results: dict[str, HttpAnswer | str] = {}
        self._changed = anyio.Event()
        now_s = clock.unix_ns(clock()) // SECOND
        self._bearer = sign_provider_token(cloud.signing_key, now_s)
        self.h2 = H2Client(
            H2Settings(cloud.apns_url, ping_every_s=0.6, ping_timeout_s=0.3),
            AUTHORITY.client_context(ALPN),
            clock,
            self._keep,
            self._keep,
        )
        self.h1 = HttpPool(
            PoolSettings(cloud.fcm_url), AUTHORITY.client_context(), clock, self._keep, self._keep
        )
        for core, token, app in (
            (cloud.apns, VOIP_TOKEN, TOPIC),
            (cloud.fcm, FCM_TOKEN, DEFAULT_PROJECT_ID),
        ):
            core.receive(DeviceAttached(token, app), clock())

    def fault(self, service: str, name: str, **more: object) -> int:
        order = FaultOrder(service, name, **more)  # type: ignore[arg-type]
        return self.cloud.services[service].add_fault(order)

    def to_apns(self, key: str) -> None:
        made = apns_request(
            "voip",
            VOIP_TOKEN,
            bundle_id=DEFAULT_BUNDLE_ID,
            bearer=self._bearer,
            high=True,
            expires_unix_s=0,
            collapse_id=None,
            tracking_id=key,
            payload={"enc": "none"},
        )
        self.h2.send(key, HttpRequest("POST", made.path, made.headers, made.body))

    def to_fcm(self, key: str) -> None:
        body = b'{"message":{"token":"%s","data":{}}}' % FCM_TOKEN.encode()
        (access_token,) = self.cloud.push_rest.settings.fcm_access_tokens.values()
        headers = (("authorization", f"Bearer {access_token}"),)
        path = f"/v1/projects/{DEFAULT_PROJECT_ID}/messages:send"
        request = HttpRequest("POST", path, headers, body)
        host = self.cloud.fcm_url.removeprefix("https://")
        self.h1.post(Post(key, request_octets(request, host), None))

    async def result(self, key: str, within_s: float = 5.0) -> HttpAnswer | str:
        with anyio.fail_after(within_s):
            while key not in self.results:
                self._changed = anyio.Event()
                await self._changed.wait()
        return self.results[key]

    async def status(self, key: str) -> int | str:
        result = await self.result(key)
        return result if isinstance(result, str) else result.status

    async def until(self, condition: Callable[[], bool]) -> None:
        with anyio.fail_after(5):
            while not condition():  # noqa: ASYNC110  (of any kind, so there is no event to wait for)
                await anyio.sleep(0.01)

    def _keep(self, key: str, result: HttpAnswer | str) -> None:
        assert key not in self.results
        self.results[key] = result
        self._changed.set()


@asynccontextmanager
async def sender() -> AsyncIterator[Sender]:
    clock = MonotonicClock()
    settings = PushCloudSettings(apns_streams_at_first=1000)
    cloud = PushCloud(settings, clock, OsEntropy(), AUTHORITY)
    async with anyio.create_task_group() as tasks:
        await tasks.start(cloud.run)
        made = Sender(cloud, clock)
        await tasks.start(made.h2.run)
        await tasks.start(made.h1.run)
        yield made
        tasks.cancel_scope.cancel()


@pytest.mark.req("CLOUD-13")
async def test_goodbye_in_a_burst_loses_nothing_that_was_taken() -> None:
    async with sender() as run:
        run.to_apns("first")
        assert await run.status("first") == 200
        run.fault(APNS, "goaway", times=1)
        for number in range(50):
            run.to_apns(str(number))
        assert [await run.status(str(number)) for number in range(50)] == [200] * 50
        assert len(run.cloud.apns.log) == 51  # none was read twice


@pytest.mark.req("CLOUD-13")
async def test_goodbye_that_has_not_read_what_is_open_makes_it_come_once_more() -> None:
    async with sender() as run:
        run.to_apns("first")
        assert await run.status("first") == 200
        run.fault(APNS, "goaway-unread", times=1)
        run.to_apns("again")
        assert await run.status("again") == 200
        assert [record.status for record in run.cloud.apns.log] == [200, 0, 200]


async def test_connection_that_goes_deaf_is_found_out_by_ping_and_what_it_carried_is_lost() -> None:
    async with sender() as run:
        run.to_apns("first")
        assert await run.status("first") == 200
        run.fault(APNS, "dead-connection", times=1)
        began = time.monotonic()
        run.to_apns("unheard")
        await run.until(lambda: len(run.cloud.apns.log) == 2)
        run.to_apns("behind")  # on the same connection: TCP takes it, nobody reads it
        assert await run.status("unheard") == await run.status("behind") == "closed"
        assert time.monotonic() - began > 0.25  # by no FIN and no RST, but by the PING alone
        run.to_apns("next")
        assert await run.status("next") == 200
        assert len(run.cloud.apns.log) == 3


@pytest.mark.parametrize("service", [APNS, FCM])
async def test_half_open_connection_takes_octets_and_answers_nothing(service: str) -> None:
    async with sender() as run:
        send = run.to_apns if service == APNS else run.to_fcm
        send("first")
        assert await run.status("first") == 200
        run.fault(service, "black-hole", times=1)
        send("unheard")
        await anyio.sleep(A_WHILE_S)
        core = run.cloud.services[service].core
        assert len(core.log) == 1  # it never reached the server
        if service == APNS:
            assert await run.status("unheard") == "closed"  # by its PING
        else:
            assert "unheard" not in run.results
            run.h1.abandon("unheard")  # as its owner does at the deadline
        send("next")  # by another connection, with which all is well
        assert await run.status("next") == 200


@pytest.mark.parametrize("service", [APNS, FCM])
async def test_connection_is_reset_in_the_middle_of_an_answer(service: str) -> None:
    async with sender() as run:
        send = run.to_apns if service == APNS else run.to_fcm
        run.fault(service, "broken-answer", times=1)
        send("broken")
        assert await run.status("broken") == "closed"
        send("next")
        assert await run.status("next") == 200
        statuses = [record.status for record in run.cloud.services[service].core.log]
        assert statuses == [200, 200]  # it was done all the same


@pytest.mark.parametrize("service", [APNS, FCM])
async def test_connection_is_reset_after_so_many_octets_of_tls(service: str) -> None:
    async with sender() as run:
        send = run.to_apns if service == APNS else run.to_fcm
        run.fault(service, "reset", octets=300, times=1)  # in the middle of the handshake
        send("broken")
        assert await run.status("broken") in ("connect", "tls", "closed")
        assert len(run.cloud.services[service].core.log) == 0
        send("next")
        assert await run.status("next") == 200


@pytest.mark.parametrize("service", [APNS, FCM])
async def test_answer_that_comes_octet_by_octet_is_read_to_its_end(service: str) -> None:
    async with sender() as run:
        send = run.to_apns if service == APNS else run.to_fcm
        run.fault(service, "garbage", times=1)
        send("at once")
        at_once = await run.result("at once")
        assert isinstance(at_once, HttpAnswer)
        assert (at_once.status, at_once.json()) == (200, {})
        run.fault(service, "slow-answer", delay_ms=5, times=1)
        if service == APNS:  # an answer with a body
            run.cloud.apns.desk.tokens.clear()
        began = time.monotonic()
        send("slow")
        result = await run.result("slow")
        assert isinstance(result, HttpAnswer)
        assert len(result.body) > 20
        assert result.json() != {}
        assert time.monotonic() - began > len(result.body) * 0.004


@pytest.mark.parametrize("service", [APNS, FCM])
async def test_answer_of_50_mb_is_not_read_to_its_end(service: str) -> None:
    async with sender() as run:
        send = run.to_apns if service == APNS else run.to_fcm
        run.fault(service, "big-answer", times=1)
        send("big")
        assert await run.status("big") == "bad answer"
        send("next")
        assert await run.status("next") == 200


@pytest.mark.parametrize("service", [APNS, FCM])
async def test_redirection_is_an_answer_and_nobody_goes_there(service: str) -> None:
    async with sender() as run:
        send = run.to_apns if service == APNS else run.to_fcm
        there = run.cloud.push_rest_url
        run.fault(service, "redirect", location=there, times=1)
        send("moved")
        result = await run.result("moved")
        assert isinstance(result, HttpAnswer)
        assert (result.status, result.header("location")) == (307, there)
        assert len(run.cloud.push_rest.log) == 0


async def test_refused_connections_are_told_at_once_and_then_all_is_well_again() -> None:
    async with sender() as run:
        number = run.fault(FCM, "refuse")
        run.to_fcm("refused")
        assert await run.status("refused") in ("connect", "tls")
        assert run.cloud.services[FCM].remove_fault(number)
        run.to_fcm("next")
        assert await run.status("next") == 200


async def test_late_and_throttled_octets_take_their_time_and_arrive() -> None:
    async with sender() as run:
        run.to_fcm("first")
        assert await run.status("first") == 200
        for name, more in (("late-octets", {"delay_ms": 300}), ("throttle", {"octets": 1_000})):
            number = run.fault(FCM, name, **more)
            began = time.monotonic()
            run.to_fcm(name)
            assert await run.status(name) == 200
            assert time.monotonic() - began > 0.15
            run.cloud.services[FCM].remove_fault(number)


@pytest.mark.req("CPNS-14")
@pytest.mark.parametrize(
    "flaw", ["expired", "not-yet-valid", "wrong-host", "self-signed", "weak-key"]
)
async def test_certificate_with_something_wrong_is_shown_to_new_connections_only(
    flaw: str,
) -> None:
    """91. The client refuses it, and not an octet of a push is sent."""
    async with sender() as run:
        run.to_fcm("before")
        assert await run.status("before") == 200
        run.fault(FCM, f"certificate-{flaw}")
        run.fault(APNS, f"certificate-{flaw}")
        run.to_fcm("on the open connection")
        assert await run.status("on the open connection") == 200
        run.to_apns("refused")
        assert await run.status("refused") == "tls"
        assert len(run.cloud.apns.log) == 0
        run.cloud.services[APNS].clear_faults()
        run.to_apns("after")
        assert await run.status("after") == 200


async def test_fault_ends_by_itself_and_the_certificate_is_good_again() -> None:
    async with sender() as run:
        run.fault(APNS, "certificate-expired", for_s=0.2)
        run.to_apns("refused")
        assert await run.status("refused") == "tls"
        await anyio.sleep(0.25)
        run.to_apns("after")
        assert await run.status("after") == 200


async def test_cloud_without_the_stage_says_so_and_carries_pushes() -> None:
    clock = MonotonicClock()
    settings = PushCloudSettings(connection_faults=False, apns_streams_at_first=1000)
    cloud = PushCloud(settings, clock, OsEntropy(), AUTHORITY)
    async with anyio.create_task_group() as tasks:
        await tasks.start(cloud.run)
        run = Sender(cloud, clock)
        await tasks.start(run.h1.run)
        with pytest.raises(BadFault, match="without the stage"):
            run.fault(PUSH_REST, "black-hole")
        run.to_fcm("first")
        assert await run.status("first") == 200
        assert cloud.services[FCM].open_connections is None
        tasks.cancel_scope.cancel()
