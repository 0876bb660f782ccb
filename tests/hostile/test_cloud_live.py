"""I. Cloud push, and of D what is about clouds that fail: line by line over real sockets.

Each test is one line of the list, in its order; the number stands in its docstring. 13 s and 5 s
are 2 s and 1 s, but for 53, which tests/interop/test_push_call_through_proxy.py has at full length.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

import anyio
import msgspec
import pytest
from anyio.abc import SocketAttribute

from callctl.cloud.fault_orders import CI, PUSH_REST
from callctl.cloud.partner import Partner
from callctl.egress.failure import ExchangeFailed
from callctl.io.egress import Egress
from callctl.io.pki import CertificateAuthority
from callctl.model.build import PUSH_ON, android, iphone
from callctl.phone.phone_event import PushRejected
from callctl.push.events import Outcome
from helpers.bad_proxy import bad_proxy
from helpers.cloud_calls import (
    NEVER_MS,
    QUICK,
    active,
    clear,
    cloud_of,
    cut,
    fetches,
    heard,
    lost,
    occurrences,
    order,
    posts,
    restart,
    rings,
    talk,
)
from helpers.node_rig import eventually
from helpers.stage import Placed, Stage, manner, raw, staged
from helpers.ways import PROXY_NAME, Names, settings_for
from sipstack.timing import SECOND

pytestmark = pytest.mark.anyio

ALICE: Final = iphone("4930669001")
BOB: Final = iphone("4930669002")
A: Final = ALICE.lines[0]
B: Final = BOB.lines[0]
FIRST: Final = "127.0.0.3"
SECOND_ADDRESS: Final = "127.0.0.1"
INVALID_DEVICE: Final = "PushNotificationInvalidDeviceTokenResponse"
NO_TOKEN: Final = "PushNotificationServiceAccessTokenUnavailable"
POOL: Final = "HttpClientPoolCreationError"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def stage(anyio_backend: str) -> AsyncIterator[Stage]:
    cast = {ALICE: manner(), BOB: manner()}
    async with staged(sleepers=cast, parameters=QUICK, rests=False) as found:
        yield found


@pytest.mark.req("OP-35", "PROXY-05")
async def test_unreachable_cloud_is_tried_by_both_addresses_and_calls_are_dropped_in_time() -> None:
    """51. One alarm, however many calls."""
    async with (
        bad_proxy() as second,
        bad_proxy(host=FIRST, port=second.port) as first,
        staged(
            sleepers={ALICE: manner()},
            parameters=QUICK,
            cloud=replace(PUSH_ON, proxy=settings_for(second.port)),
            resolve=Names({PROXY_NAME: (FIRST, SECOND_ADDRESS)}),
            pushes=False,
            rests=False,
        ) as stage,
    ):
        first.manner = second.manner = "hangs up"
        await cut(stage)
        before = first.connections, second.connections
        calls = [(await lost(stage, A)) for _ in range(3)]
        assert {ring.reason for _, ring in calls} == {"proxy"}
        assert first.connections - before[0] == second.connections - before[1] >= 3
        for placed, _ in calls:
            assert (await heard(placed)).status == 503
            assert placed.record.steps[-1].at - placed.record.started_at >= 2 * SECOND
        assert (active(stage), occurrences(stage, POOL)) == ([POOL], [1])
        assert sum(posts(stage).values()) == 0


@pytest.mark.req("CPNS-15", "PROXY-06")
async def test_push_that_neither_address_answers_goes_twice_at_most() -> None:
    """53, where the second is no better; what the first alone keeps completes its call, there."""
    async with (
        bad_proxy() as second,
        bad_proxy(host=FIRST, port=second.port) as first,
        staged(
            sleepers={ALICE: manner()},
            parameters=replace(QUICK, drop_s=3),
            cloud=replace(PUSH_ON, proxy=settings_for(second.port)),
            resolve=Names({PROXY_NAME: (FIRST, SECOND_ADDRESS)}),
            pushes=False,
            rests=False,
        ) as stage,
    ):
        tunnels = first.tunnels
        first.deaf = second.deaf = True
        placed, ring = await lost(stage, A)
        assert 1.9 <= ((ring.ended_at or 0) - (ring.posted_at or 0)) / SECOND < 2.5
        assert ring.outcome is Outcome.FAILED
        assert (first.tunnels, second.tunnels) == (tunnels, 1)
        assert (await heard(placed)).status == 503
        assert ring.tracking_id not in posts(stage)
        assert active(stage) == []


@pytest.mark.req("CLOUD-06", "CALL-18")
async def test_410_to_three_calls_at_once_is_one_alarm_and_the_last_request_for_that_phone(
    stage: Stage,
) -> None:
    """89."""
    phone = stage.phones[ALICE.name].shell.phone
    cloud_of(stage).remove_app(Partner.APNS, phone.identity.voip_token)
    calls = [stage.call(A) for _ in range(3)]
    for placed in calls:
        answer = await heard(placed)
        assert (answer.status, answer.at_once) == (480, True)
    assert (active(stage), occurrences(stage, INVALID_DEVICE)) == ([INVALID_DEVICE], [1])
    reached = sum(posts(stage).values())
    assert (await talk(stage, A)).at_once
    assert (await talk(stage, B)).status == 200
    assert sum(posts(stage).values()) == reached + 1


@pytest.mark.req("OP-13")
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_kept_by_all_calls_and_no_longer_than_it_says(
    stage: Stage, status: int
) -> None:
    """90. What comes meanwhile fails fast."""
    order(stage, PUSH_REST, "status", status=status, retry_after_s=1, times=1)
    _, ring = await lost(stage, A)
    assert ring.outcome is Outcome.FAILED
    second = await heard(stage.call(B))  # meanwhile
    assert (second.status, second.at_once) == (503, True)
    assert len(posts(stage)) == 1
    await eventually(lambda: stage.shell.clock() > (ring.ended_at or 0) + 1.1 * SECOND)
    assert (await talk(stage, B)).status == 200
    assert active(stage) == []
    assert set(posts(stage).values()) == {1}


@pytest.mark.req("OP-35", "CPNS-08")
async def test_push_rest_that_cannot_prove_who_it_is_gets_no_push_and_calls_wait_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """91. Nor does one that takes no connection; each call goes on until its end."""
    service = cloud_of(stage).services[PUSH_REST]
    waiting: list[Placed] = []
    for fault in (
        "expired",
        "not-yet-valid",
        "wrong-host",
        "self-signed",
        "unknown root",
        "refuse",
    ):
        clear(stage)
        with monkeypatch.context() as patch:
            if fault == "unknown root":
                patch.setattr(service.certificate, "_authority", CertificateAuthority())
            else:
                order(stage, PUSH_REST, fault if fault == "refuse" else f"certificate-{fault}")
            await cut(stage)
            placed, ring = await lost(stage, A)
            waiting.append(placed)
            assert (ring.outcome, ring.reason) == (Outcome.FAILED, "tls"), fault
    clear(stage)
    assert len(service.core.log) == 0
    for placed in waiting:
        assert (await heard(placed)).status == 503
        assert placed.record.steps[-1].at - placed.record.started_at >= 2 * SECOND
    assert active(stage) == []  # the pool was made once, and that a cloud is down is no setting
    await stage.at_rest()
    assert (await talk(stage, B)).status == 200
    assert set(posts(stage).values()) == {1}


async def test_redirection_is_not_followed_even_to_a_host_that_may_be_reached(stage: Stage) -> None:
    """92. Neither with a push nor with the credentials for a token."""
    cloud = cloud_of(stage)
    fos = len(cloud.cisco.fos.log)
    order(stage, PUSH_REST, "redirect", location=f"{cloud.fos_url}/push")
    for dn in (A, B):
        answer = await talk(stage, dn)
        assert (answer.status, answer.at_once) == (503, True)
        assert (rings(stage, dn)[-1].outcome, rings(stage, dn)[-1].status) == (Outcome.REFUSED, 307)
    clear(stage)
    order(stage, CI, "redirect", location=f"{cloud.fos_url}/token")
    await restart(stage)
    await eventually(lambda: active(stage) == [NO_TOKEN])
    assert len(cloud.cisco.fos.log) == fos


@pytest.mark.req("CPNS-08")
async def test_answer_of_50_mb_is_not_read_to_its_end_and_the_next_push_takes_another_connection(
    stage: Stage,
) -> None:
    """93."""
    service = cloud_of(stage).services[PUSH_REST]
    order(stage, PUSH_REST, "big-answer", times=1)
    assert (await talk(stage, A)).status == 200
    ring = rings(stage, A)[-1]
    await eventually(lambda: ring.outcome is not None)
    assert (ring.outcome, ring.reason) == (Outcome.FAILED, "bad answer")
    await eventually(lambda: not service.open_connections)
    answer = await talk(stage, B)
    assert (answer.status, answer.at_once) == (200, True)
    assert service.open_connections == 1
    assert set(posts(stage).values()) == {1}


async def test_payload_for_one_phone_that_is_sent_to_another_is_read_by_neither() -> None:
    """94. The second phone gets it, and makes nothing of it."""
    carol, dave = android("4930669003"), android("4930669004")
    async with staged(
        sleepers={carol: manner(), dave: manner()}, parameters=QUICK, rests=False
    ) as stage:
        for device in (carol, dave):
            assert (await talk(stage, device.lines[0])).status == 200
        cloud = cloud_of(stage)
        log = [record for record in cloud.push_rest.log if record.tracking_id is not None]
        own, other = (msgspec.json.decode(raw(record).body) for record in log)
        swapped = {**other, "payload": own["payload"]}
        phone = stage.phones[dave.name]
        phone.forget()
        way = Egress(None, stage.shell.authority.client_context(), stage.shell.clock)
        answer = await way.exchange(
            cloud.push_rest_url,
            method="POST",
            headers=(
                ("Authorization", f"Bearer {cloud.access_token}"),
                ("Content-Type", "application/json"),
                ("TrackingID", other["trackingId"]),
            ),
            body=msgspec.json.encode(swapped),
        )
        assert answer.status == 200
        await phone.until(PushRejected)
        assert [rejected.reason for rejected in phone.all(PushRejected)] == ["unreadable"]
        assert phone.screen == []


@pytest.mark.req("CPNS-05")
async def test_token_that_expires_in_a_burst_of_100_calls_is_renewed_once() -> None:
    """95. Every push leaves, none more than twice, and only what was refused unread."""
    phones = [iphone(f"49306672{number:02}") for number in range(10)]
    asleep = manner(wake_ms=NEVER_MS)
    async with staged(sleepers=dict.fromkeys(phones, asleep), parameters=QUICK) as stage:
        cloud = cloud_of(stage)
        before = fetches(stage)
        cloud.cisco.ci.accounts.revoke()
        calls = [stage.call(phone.lines[0]) for phone in phones for _ in range(10)]
        for placed in calls:
            assert (await heard(placed)).status == 480
        found = [ring for phone in phones for ring in rings(stage, phone.lines[0])]
        assert [ring.outcome for ring in found] == [Outcome.ACCEPTED] * 100
        assert fetches(stage) == before + 1
        await stage.at_rest()
        statuses: dict[str, list[int]] = {}
        for record in cloud.push_rest.log:
            statuses.setdefault(record.tracking_id or "", []).append(record.status)
        first = [statuses[ring.tracking_id or ""] for ring in found]
        assert {tuple(each) for each in first} == {(200,), (401, 200)}
        assert active(stage) == []


async def test_nobody_is_asked_but_the_hosts_that_were_configured(stage: Stage) -> None:
    """P8. Not even whether it is there."""
    taken: list[object] = []

    async def take(stream: object) -> None:
        taken.append(stream)

    async with await anyio.create_tcp_listener(local_host="127.0.0.2") as listener:
        port = listener.extra(SocketAttribute.local_port)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, take)
            egress = stage.shell.operations.access.egress["ucm1"]
            for host in (f"127.0.0.2:{port}", f"localhost:{port}", "169.254.169.254", "10.0.0.1"):
                with pytest.raises(ExchangeFailed) as failure:
                    await egress.exchange(f"https://{host}/latest/meta-data")
                assert failure.value.step == "not allowed", host
            assert (await egress.exchange(f"{cloud_of(stage).ci_url}/ping")).status == 200
            tasks.cancel_scope.cancel()
    assert taken == []
    assert (await talk(stage, A)).status == 200
