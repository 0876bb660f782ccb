"""Each counter of CallManager and Mobility Manager moves for its cause over sockets; no other does.

Always the whole table of every node is compared, the counters of IM and Presence and of local push
included: those parts are not built, so nothing here may move them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from callctl.io.lab import has_flow
from callctl.io.phone_setup import Manner
from callctl.model.build import android, desk_phone, iphone, make_user
from callctl.model.device import Device
from callctl.phone.settings import AnswerPlan
from callctl.push.events import Outcome
from callctl.serviceability.counter_catalogue import COUNTERS
from helpers.node_rig import eventually
from helpers.operated import CALLEE, DEAF, PHONE, QUICK, SCALED, Operated, operated
from sipstack.timing import MS

pytestmark = pytest.mark.anyio

REQ: Final = "NumberOfPushReqSent"
RES: Final = "NumberOfPushResReceived"
ERR: Final = "NumberOfPushErrorResReceived"
MESSAGE: Final = "CustomRegionNumofMsgPushReqSent"
MISSED: Final = "CustomRegionNumofMissedCallMsgPushReqSent"
CANCELLED: Final = "CustomRegionNumofSharedCancelMsgPushReqSent"
TO_MI: Final = "MobilityPushNotificationCallsExtendedToMIDueToTimeout"
TO_JABBER: Final = "MobilityPushNotificationCallsExtendedToJabber"

OTHER: Final = "4930222009"
PICKS_UP: Final = Manner(AnswerPlan(after_ns=300 * MS))

Table = dict[tuple[str, str], int]


async def table(it: Operated) -> Table:
    """Every counter of every node, as `callctl rtmt show` reads them."""
    found = {
        (value["node"], counter["name"]): value["value"]
        for counter in await it.get("/perfmon")
        for value in counter["values"]
    }
    assert {name for _, name in found} == set(COUNTERS)
    return found


async def settled(it: Operated) -> None:
    """Wait until every push has its outcome, and nothing is left of any call."""

    def rests() -> bool:
        counts = it.shell.counts().values()
        return not any(each[what] for each in counts for what in ("calls", "pushes"))

    await eventually(rests)


async def moved(
    it: Operated, what: Callable[[], Awaitable[object]], node: str = "ucm1"
) -> dict[str, int]:
    """What moved on `node` while `what` was done; on no other node did anything."""
    before = await table(it)
    await what()
    await settled(it)
    after = await table(it)
    changes = {key: after[key] - before[key] for key in after if after[key] != before[key]}
    assert {each for each, _ in changes} <= {node}
    return {name: change for (_, name), change in changes.items()}


@asynccontextmanager
async def with_phone(
    directory: Path, device: Device = PHONE, *others: Device, manner: Manner = DEAF
) -> AsyncIterator[Operated]:
    async with operated(directory, device, *others) as it:
        await it.phone(device, manner)
        yield it


@pytest.mark.req("CTR-05")
async def test_200_is_a_request_and_a_response_for_the_call_and_for_the_missed_call(
    tmp_path: Path,
) -> None:
    async with with_phone(tmp_path) as it:
        assert set((await table(it)).values()) == {0}
        assert await moved(it, it.call) == {REQ: 2, RES: 2}
        assert it.pushes_seen == 2


async def test_call_that_wakes_its_phone_is_one_request_and_one_response(tmp_path: Path) -> None:
    async with with_phone(tmp_path, manner=QUICK) as it:
        assert await moved(it, it.call) == {REQ: 1, RES: 1}


async def test_counters_move_on_the_node_that_has_the_call_and_on_no_other(tmp_path: Path) -> None:
    async with operated(tmp_path, nodes=2) as it:
        await it.phone(manner=DEAF)
        assert await moved(it, lambda: it.call(node="ucm2"), "ucm2") == {REQ: 2, RES: 2}
        assert await moved(it, lambda: it.call(node="ucm1"), "ucm1") == {REQ: 2, RES: 2}


@pytest.mark.req("CTR-05", "CLOUD-08")
@pytest.mark.parametrize("status", [400, 413, 429, 500, 503])
async def test_any_status_but_200_is_an_error_too(tmp_path: Path, status: int) -> None:
    async with with_phone(tmp_path) as it:
        it.fault("push-rest", "status", status=status, times=1)
        changes = await moved(it, it.call)
        seen = it.pushes_seen
        assert changes == {REQ: seen, RES: seen, ERR: 1}


@pytest.mark.req("CTR-05")
async def test_410_is_an_error_and_then_nothing_is_sent_so_nothing_moves(tmp_path: Path) -> None:
    async with with_phone(tmp_path) as it:
        it.fault("push-rest", "status", status=410, reason="Unregistered", times=1)
        assert await moved(it, it.call) == {REQ: 1, RES: 1, ERR: 1}
        assert await moved(it, it.call) == {}


@pytest.mark.req("CTR-05", "CPNS-14")
@pytest.mark.parametrize("what", ["expired", "wrong-host", "self-signed"])
async def test_tls_handshake_that_fails_is_an_error_and_no_request(
    tmp_path: Path, what: str
) -> None:
    async with with_phone(tmp_path) as it:
        it.fault("push-rest", f"certificate-{what}")
        await it.restart_cpns()  # so that there is no connection of before
        await it.token_held()
        assert await moved(it, it.call) == {ERR: 1}
        assert it.pushes_seen == 0
        it.mend("push-rest")
        assert await moved(it, it.call) == {REQ: 2, RES: 2}


@pytest.mark.req("CTR-05")
async def test_no_answer_is_a_request_and_an_error_without_a_response(tmp_path: Path) -> None:
    async with with_phone(tmp_path) as it:
        it.fault("push-rest", "silent", times=1)
        changes = await moved(it, it.call)
        assert (changes[REQ] - changes.get(RES, 0), changes[ERR]) == (1, 1)


async def test_push_that_never_leaves_moves_nothing(tmp_path: Path) -> None:
    async with with_phone(tmp_path) as it:
        await it.post("/nodes/ucm1/cpns/stop")
        assert await moved(it, it.call) == {}
        await it.post("/nodes/ucm1/cpns/start")
        it.fault("ci", "status", status=503)
        await it.restart_cpns()
        await it.raised("PushNotificationServiceAccessTokenUnavailable")
        assert await moved(it, it.call) == {}
        assert it.pushes_seen == 0


@pytest.mark.req("CHN-08")
async def test_custom_region_counts_calls_missed_calls_and_calls_taken_elsewhere_apart(
    tmp_path: Path,
) -> None:
    phone = iphone(CALLEE, custom_region=True)
    shared = desk_phone(OTHER, CALLEE)
    async with with_phone(tmp_path, phone, shared) as it:
        assert await moved(it, it.call) == {REQ: 2, RES: 2, MESSAGE: 1, MISSED: 1}
        await it.host.parties.add_desk_phone(shared.name, manner=PICKS_UP)
        await eventually(lambda: has_flow(it.shell, shared.name))
        assert await moved(it, it.call) == {REQ: 2, RES: 2, MESSAGE: 1, CANCELLED: 1}


@pytest.mark.req("CTR-03", "CTR-04")
@pytest.mark.parametrize("service", ["APNS", "APNS:beta", "APNS:dev", "APNS:load", "APNS:test"])
async def test_any_service_of_apple_moves_the_counters_for_any_apns_and_none_of_another(
    tmp_path: Path, service: str
) -> None:
    phone = replace(PHONE, subscriber_service=service)
    async with with_phone(tmp_path, phone) as it:
        assert await moved(it, it.call) == {REQ: 2, RES: 2}
        assert it.shell.view.engine.push_bindings[0].subscriber_service == service


@pytest.mark.req("CTR-04")
@pytest.mark.parametrize("service", ["FCM", "FCM:dev"])
async def test_android_moves_none(tmp_path: Path, service: str) -> None:
    phone = replace(android(CALLEE), subscriber_service=service)
    async with with_phone(tmp_path, phone) as it:
        assert await moved(it, it.call) == {}
        assert it.pushes_seen == 2
        (node,) = it.shell.nodes
        counted = node.engine.counters.pushes
        assert {(name, outcome) for name, _, outcome in counted} == {(service, Outcome.ACCEPTED)}


@pytest.mark.req("MOB-06")
async def test_mobility_manager_counts_calls_that_the_app_took_and_calls_that_it_did_not(
    tmp_path: Path,
) -> None:
    user = replace(make_user(CALLEE), mobility_identity=OTHER)
    desk = desk_phone(OTHER)
    parameters = replace(SCALED, mobility_wait_s=1)
    async with operated(tmp_path, PHONE, desk, users=[user], parameters=parameters) as it:
        await it.host.parties.add_desk_phone(desk.name, manner=PICKS_UP)
        await it.phone(manner=DEAF)
        changes = await moved(it, it.call)
        assert {name: count for name, count in changes.items() if name not in (REQ, RES)} == {
            TO_MI: 1
        }
        await it.installed_anew(manner=QUICK)
        assert await moved(it, it.call) == {REQ: 1, RES: 1, TO_JABBER: 1}


@pytest.mark.req("CTR-14")
async def test_restart_of_the_push_service_keeps_what_counts_and_that_of_callmanager_does_not(
    tmp_path: Path,
) -> None:
    async with with_phone(tmp_path) as it:
        await moved(it, it.call)
        assert await moved(it, it.restart_cpns) == {}
        await it.cli("utils service restart Cisco CallManager")
        assert set((await table(it)).values()) == {0}
