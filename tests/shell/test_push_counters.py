"""Each push counter of CallManager moves for its cause over real sockets, and for nothing else."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from callctl.cloud.faults import Fault
from callctl.io.pki import CertificateAuthority
from callctl.model.build import iphone
from helpers.node_rig import eventually
from helpers.stage import Stage, manner, staged

pytestmark = pytest.mark.anyio

REQ, RES, ERR = (
    "NumberOfPushReqSent",
    "NumberOfPushResReceived",
    "NumberOfPushErrorResReceived",
)
NEVER_MS = 60_000
PHONE = iphone("4930777001")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def stage(anyio_backend: str) -> AsyncIterator[Stage]:
    async with staged(sleepers={PHONE: manner(wake_ms=NEVER_MS)}) as found:
        yield found


def moved(stage: Stage) -> dict[str, int]:
    now = stage.shell.clock()
    table = stage.shell.view.engine.counters.table
    return {it.name: it.value for it in table.read_all(now) if it.value}


async def call(stage: Stage) -> None:
    """A call that nobody wakes for; its missed-call push is over too."""
    await stage.call(PHONE.lines[0]).ended()
    await stage.at_rest()


@pytest.mark.req("CTR-04", "CTR-05")
async def test_200_is_a_request_and_a_response_also_of_a_second_push(stage: Stage) -> None:
    await call(stage)
    assert moved(stage) == {REQ: 2, RES: 2}  # ring and missed call


@pytest.mark.req("CTR-05", "CLOUD-08")
async def test_any_other_answer_is_an_error_too(stage: Stage) -> None:
    assert stage.shell.cloud is not None
    stage.shell.cloud.push_rest.faults.add(Fault(status=503, reason="down", times=1))
    await call(stage)
    assert moved(stage) == {REQ: 2, RES: 2, ERR: 1}


@pytest.mark.req("CTR-05")
async def test_no_answer_is_a_request_and_an_error_without_response(stage: Stage) -> None:
    assert stage.shell.cloud is not None
    stage.shell.cloud.push_rest.faults.add(Fault(silent=True, times=1))
    await call(stage)
    assert moved(stage) == {REQ: 1, ERR: 1}  # the second push waited for it, and expired


async def reroute(stage: Stage, **changed: object) -> None:
    """From now on pushes leave by another route: as after an onboarding, with a new start."""
    (node,) = stage.shell.nodes
    route = node.cpns.route
    assert route is not None
    other = replace(route, **changed)  # type: ignore[arg-type]
    node._around = replace(node._around, route=lambda node: other)
    await node.stop_cpns()
    await eventually(lambda: not node.engine.membership.in_service(node.name))
    await node.start_cpns()
    await eventually(lambda: node.engine.membership.in_service(node.name))


@pytest.mark.req("CTR-05", "CPNS-14")
async def test_certificate_that_nobody_trusts_is_an_error_and_no_request(stage: Stage) -> None:
    await call(stage)
    assert stage.shell.cloud is not None
    token = stage.shell.cloud.access_token  # handed in: CI would not be believed either
    tls = CertificateAuthority().client_context()
    await reroute(stage, tls=tls, egress=None, account=None, access_token=token)
    await call(stage)
    assert moved(stage) == {REQ: 2, RES: 2, ERR: 1}


@pytest.mark.req("CTR-05")
async def test_push_that_reaches_no_server_moves_nothing(stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    await call(stage)
    await reroute(stage, url=f"https://127.0.0.1:{port}/push/v1/notifications")
    await call(stage)
    assert moved(stage) == {REQ: 2, RES: 2}
