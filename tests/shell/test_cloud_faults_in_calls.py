"""What a caller hears, and when, while the clouds misbehave; 13 s and 5 s are 2 s and 1 s here.

No service for pushes (also: no token) and what would be the same next time end the wait at once;
any other trouble of a cloud does not, for the phone may come all the same. Source: OP-06, OP-13.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

import anyio
import pytest

from callctl.cloud.fault_orders import APNS, CI, PUSH_REST
from callctl.model.build import iphone
from callctl.push.events import Outcome
from helpers.cloud_calls import (
    QUICK,
    Heard,
    active,
    clear,
    cloud_of,
    fetches,
    heard,
    lost,
    mark,
    occurrences,
    order,
    posts,
    restart,
    rings,
    talk,
)
from helpers.node_rig import eventually
from helpers.stage import Stage, manner, staged
from sipstack.timing import SECOND

pytestmark = pytest.mark.anyio

CROWD: Final = replace(QUICK, drop_s=4, push_response_timeout_s=2)
"""All rows at once have work to do before the first push leaves: 13 s and 5 s are 4 s and 2 s."""

SOON_S: Final = 1.9
"""Less than any wait of `CROWD`."""

INVALID_DEVICE: Final = "PushNotificationInvalidDeviceTokenResponse"
INVALID_TOKEN: Final = "AccessTokenInvalid"
NO_TOKEN: Final = "PushNotificationServiceAccessTokenUnavailable"
POOL: Final = "HttpClientPoolCreationError"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass(frozen=True)
class Row:
    """A fault for one phone, and what comes of it."""

    fault: str
    status: int  # what its caller hears
    at_once: bool
    outcome: Outcome
    service: str = PUSH_REST
    how: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.service} {self.fault} {self.how}"


ROWS: Final = (
    Row("status", 503, True, Outcome.REFUSED, how={"status": 400}),
    Row("status", 480, True, Outcome.REFUSED_TOKEN, how={"status": 410}),
    Row("status", 503, True, Outcome.REFUSED, how={"status": 413}),
    Row("status", 503, False, Outcome.FAILED, how={"status": 429}),
    Row("status", 503, False, Outcome.FAILED, how={"status": 500}),
    Row("status", 503, False, Outcome.FAILED, how={"status": 503}),
    Row("redirect", 503, True, Outcome.REFUSED),
    Row("redirect", 503, True, Outcome.REFUSED, how={"status": 301}),
    Row("silent", 503, False, Outcome.FAILED),
    Row("status", 503, False, Outcome.FAILED, APNS, {"status": 503}),
    Row("status", 503, False, Outcome.FAILED, APNS, {"status": 500}),
    Row("status", 480, True, Outcome.REFUSED_TOKEN, APNS, {"status": 410}),
    Row("silent", 503, False, Outcome.FAILED, APNS),
    # It was said to be taken, and nobody came: that is no fault that anybody knows of.
    Row("stale-token", 480, False, Outcome.ACCEPTED, APNS),
    # The push reached its phone: the answer to it is what went wrong.
    Row("broken-answer", 200, True, Outcome.FAILED, how={"octets": 5}),
    Row("big-answer", 200, True, Outcome.FAILED),
    Row("garbage", 200, True, Outcome.ACCEPTED),
    Row("slow-answer", 200, True, Outcome.FAILED, how={"delay_ms": 900}),
    Row("duplicate", 200, True, Outcome.ACCEPTED),
)


@pytest.mark.req("CLOUD-06", "CALL-18", "OP-13", "OP-06")
async def test_each_fault_of_a_cloud_ends_a_call_as_the_catalogue_says() -> None:
    """All at once, for each its phone: what hurts one hurts none of the others."""
    phones = [iphone(f"49306670{number:02}") for number in range(len(ROWS))]
    answers: dict[str, Heard] = {}
    async with staged(sleepers={phone: manner() for phone in phones}, parameters=CROWD) as stage:
        for row, phone in zip(ROWS, phones, strict=True):
            order(stage, row.service, row.fault, target=mark(stage.phones[phone.name]), **row.how)

        async def call(row: Row, dn: str) -> None:
            placed = stage.call(dn)
            answers[row.name] = await heard(placed)
            if answers[row.name].status == 200:
                placed.hang_up()

        async with anyio.create_task_group() as tasks:
            for row, phone in zip(ROWS, phones, strict=True):
                tasks.start_soon(call, row, phone.lines[0])
        await stage.at_rest()
        for row, phone in zip(ROWS, phones, strict=True):
            answer = answers[row.name]
            soon = answer.after_s < SOON_S
            assert (answer.status, soon) == (row.status, row.at_once), row.name
            assert soon or CROWD.drop_s - 0.1 <= answer.after_s < CROWD.drop_s + 1, row.name
            (ring,) = rings(stage, phone.lines[0])
            assert ring.outcome is row.outcome, row.name
        assert active(stage) == [INVALID_DEVICE] * 2  # one for each token that is invalid
        assert occurrences(stage, INVALID_DEVICE) == [1, 1]
        assert_nothing_left_twice_or_late(stage)


def assert_nothing_left_twice_or_late(stage: Stage) -> None:
    """No push was retried, and no ring push came to Push REST after its deadline (I5)."""
    assert set(posts(stage).values()) == {1}
    deadlines = {
        entry.tracking_id: entry.wanted_at + CROWD.drop_s * SECOND
        for device in stage.shell.cluster.devices.values()
        for entry in rings(stage, device.lines[0])
    }
    log = cloud_of(stage).push_rest.log
    assert all(record.at < deadlines.get(record.tracking_id, record.at + 1) for record in log)


ALICE: Final = iphone("4930667101")
BOB: Final = iphone("4930667102")
A: Final = ALICE.lines[0]
B: Final = BOB.lines[0]


@pytest.fixture
async def stage(anyio_backend: str) -> AsyncIterator[Stage]:
    cast = {ALICE: manner(), BOB: manner()}
    async with staged(sleepers=cast, parameters=QUICK, rests=False) as found:
        yield found


@pytest.mark.req("OP-13", "CPNS-05")
@pytest.mark.parametrize("status", [401, 403])
async def test_refused_access_token_is_replaced_and_the_push_leaves_once_more(
    stage: Stage, status: int
) -> None:
    before = fetches(stage)
    order(stage, PUSH_REST, "status", status=status, times=1)
    answer = await talk(stage, A)
    assert (answer.status, answer.at_once) == (200, True)
    assert fetches(stage) == before + 1
    ring = rings(stage, A)[-1]
    assert (ring.outcome, posts(stage)[ring.tracking_id or ""]) == (Outcome.ACCEPTED, 2)
    await eventually(lambda: active(stage) == [])


@pytest.mark.req("OP-13", "CPNS-06")
@pytest.mark.parametrize("status", [401, 403])
async def test_access_tokens_that_are_all_refused_are_one_alarm_and_no_stampede(
    stage: Stage, status: int
) -> None:
    before = fetches(stage)
    order(stage, PUSH_REST, "status", status=status)
    answer = await talk(stage, A)
    assert (answer.status, answer.at_once) == (503, True)
    await eventually(lambda: active(stage) == [INVALID_TOKEN, NO_TOKEN])
    reached = sum(posts(stage).values())
    for dn in (B, A, B):
        answer = await talk(stage, dn)
        assert (answer.status, answer.at_once) == (503, True)
    assert active(stage) == [INVALID_TOKEN, NO_TOKEN]
    assert occurrences(stage, INVALID_TOKEN) == occurrences(stage, NO_TOKEN) == [1]
    assert sum(posts(stage).values()) == reached
    assert fetches(stage) == before + 1


@pytest.mark.req("CPNS-07")
async def test_service_that_starts_while_its_cloud_is_not_itself_says_so_until_it_is(
    stage: Stage,
) -> None:
    order(stage, PUSH_REST, "certificate-expired")
    await restart(stage)
    await eventually(lambda: active(stage) == [POOL])
    placed, ring = await lost(stage, A)
    assert ring.reason == "tls"
    assert (active(stage), occurrences(stage, POOL)) == ([POOL], [1])
    placed.hang_up()
    clear(stage)
    assert (await talk(stage, B)).status == 200  # its connection is one that was made
    assert active(stage) == []


@pytest.mark.req("CPNS-08", "OP-35")
async def test_half_open_connection_costs_one_push_and_not_the_next(stage: Stage) -> None:
    """Nothing is sent again over a new connection; the dead one is not used again."""
    (node,) = stage.shell.nodes
    assert node.counts()["push_idle"] == 1
    order(stage, PUSH_REST, "black-hole", times=1)
    placed, ring = await lost(stage, A)
    assert (ring.outcome, ring.reason) == (Outcome.FAILED, "no answer")
    assert 1 <= ((ring.ended_at or 0) - (ring.posted_at or 0)) / SECOND < 1.5
    answer = await talk(stage, B)
    assert (answer.status, answer.at_once) == (200, True)
    assert (await heard(placed)).status == 503
    assert active(stage) == []
    await stage.at_rest()
    assert ring.tracking_id not in posts(stage)


CI_FAULTS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("certificate-expired", {}),
    ("certificate-self-signed", {}),
    ("refuse", {}),
    ("status", {"status": 400, "reason": "invalid_client"}),
    ("status", {"status": 500}),
    ("redirect", {}),
    ("garbage", {}),
    ("big-answer", {}),
    ("broken-answer", {"octets": 3}),
)


@pytest.mark.req("CPNS-05", "CALL-18")
async def test_no_token_to_be_had_from_ci_ends_calls_at_once_with_one_alarm(stage: Stage) -> None:
    """CI is asked once, and not again before 10 minutes are over, however many calls come."""
    for fault, how in CI_FAULTS:
        order(stage, CI, fault, **how)
        await restart(stage)
        await eventually(lambda: active(stage) == [NO_TOKEN])
        before = fetches(stage)
        for dn in (A, B):
            answer = await talk(stage, dn)
            assert (answer.status, answer.at_once) == (503, True), fault
        assert (active(stage), occurrences(stage, NO_TOKEN)) == ([NO_TOKEN], [1]), fault
        assert fetches(stage) == before
        clear(stage)
    assert sum(posts(stage).values()) == 0
    await restart(stage)
    await eventually(lambda: active(stage) == [])
    assert (await talk(stage, A)).status == 200
