"""Each alarm of CallManager, its push service and ours: raised and cleared by its real cause.

Table F has more of them: those of IM and Presence, Jabber and local push belong to parts that are
not built, and are definitions.
"""

from __future__ import annotations

import asyncio
import socket
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from tenacity.wait import wait_fixed

from callctl.cloud.partner import Partner
from callctl.engine.targets import TargetFinder
from callctl.io import cpns_shell
from callctl.io.pki import CertificateAuthority, Span
from callctl.model.build import PUSH_ON
from callctl.push.machine_token import MachineTokenSettings
from helpers.loops import on_each_loop
from helpers.node_rig import eventually
from helpers.operated import CALLEE, DEAF, PHONE, UNAVAILABLE, Operated, operated

pytestmark = [pytest.mark.anyio, on_each_loop]

BAD_DEVICE_TOKEN = "PushNotificationInvalidDeviceTokenResponse"
NO_TOKEN = "PushNotificationServiceAccessTokenUnavailable"
START_FAILED = "StartFailed"
TOKEN_INVALID = "AccessTokenInvalid"
POOL_ERROR = "HttpClientPoolCreationError"
UPLOAD_FAILED = "AlarmUploadFailed"
EXPIRING, EXPIRED = "CertificateExpiring", "CertificateExpired"
INSECURE = "TlsVerificationDisabled"
FAULT = "EngineFault"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """CI is asked again after a fifth of a second, not after ten minutes."""
    quick = partial(MachineTokenSettings, again=wait_fixed(0.2))
    monkeypatch.setattr(cpns_shell, "MachineTokenSettings", quick)


def uploads_failed(it: Operated, count: int) -> bool:
    return it.operations.agent.agent.counts().get("uploads failed") == count


@asynccontextmanager
async def with_phone(directory: Path) -> AsyncIterator[Operated]:
    """A cluster and a phone that sleeps, and never comes back in time."""
    async with operated(directory) as it:
        await it.phone(manner=DEAF)
        await eventually(lambda: it.active() == [])
        it.forget()
        yield it


@pytest.mark.req("ALARM-01", "ALARM-10", "CPNS-03", "CPNS-13")
async def test_f1_while_the_push_service_is_stopped_once_however_many_calls_need_it(
    tmp_path: Path,
) -> None:
    async with with_phone(tmp_path) as it:
        await it.post("/nodes/ucm1/cpns/stop")
        await it.raised(UNAVAILABLE)
        await it.calls()
        assert it.told(UNAVAILABLE) == ["raised"]
        assert it.pushes_seen == 0
        await it.post("/nodes/ucm1/cpns/start")
        await it.cleared(UNAVAILABLE)
        assert it.told(UNAVAILABLE) == ["raised", "cleared"]
        await it.calls(1)
        assert it.pushes_seen > 0
        assert it.active() == []


@pytest.mark.req("ALARM-01", "ALARM-05", "ALARM-10")
async def test_f2_at_410_once_for_a_device_and_no_push_goes_there_until_it_has_a_new_token(
    tmp_path: Path,
) -> None:
    async with with_phone(tmp_path) as it:
        phone = it.host.parties.phone(PHONE.name)
        it.cloud.remove_app(Partner.APNS, phone.phone.identity.voip_token)
        await it.calls()
        await it.raised(BAD_DEVICE_TOKEN)
        assert it.told(BAD_DEVICE_TOKEN) == ["raised"]
        (alarm,) = it.operations.alarms.board.active
        assert alarm.subject == PHONE.name
        seen = it.pushes_seen
        call = await it.call()
        assert call["ended_after_s"] < 1  # nobody waits for a phone that no push can reach
        assert it.pushes_seen == seen
        assert it.told(BAD_DEVICE_TOKEN) == ["raised"]

        await it.installed_anew()
        assert it.told(BAD_DEVICE_TOKEN) == ["raised", "cleared"]
        assert (await it.call())["answered"]
        assert it.active() == []


@pytest.mark.req("ALARM-01", "ALARM-10", "CPNS-05")
async def test_f3_while_ci_gives_no_token_once_however_many_calls_wait_for_one(
    tmp_path: Path, impatient: None
) -> None:
    async with with_phone(tmp_path) as it:
        it.fault("ci", "status", status=503)
        await it.restart_cpns()
        await it.raised(NO_TOKEN)
        await it.calls()
        assert it.told(NO_TOKEN) == ["raised"]
        assert TOKEN_INVALID not in it.active()  # there was none in this life that could expire
        assert it.pushes_seen == 0
        it.mend("ci")
        await it.cleared(NO_TOKEN)
        assert it.told(NO_TOKEN) == ["raised", "cleared"]
        await it.calls(1)
        assert it.pushes_seen > 0


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Another program at that port wants nothing of us."""
    writer.close()


@pytest.mark.req("ALARM-01", "ALARM-10", "CPNS-12")
async def test_f4_while_port_9966_is_taken_once_however_often_it_is_tried(tmp_path: Path) -> None:
    async with with_phone(tmp_path) as it:
        node = it.shell.cluster.nodes["ucm1"]
        await it.post("/nodes/ucm1/cpns/stop")
        another = await asyncio.start_server(hang_up, node.cpns_host, node.cpns_port)
        async with another:
            for _ in range(3):
                told = await it.post("/nodes/ucm1/cpns/start", 409)
                assert str(node.cpns_port) in told["detail"]
            await it.calls()
            assert it.told(START_FAILED) == ["raised"]
        await it.post("/nodes/ucm1/cpns/start")
        assert it.told(START_FAILED) == ["raised", "cleared"]
        await it.cleared(UNAVAILABLE)
        assert it.active() == []


@pytest.mark.req("ALARM-01", "ALARM-10", "CPNS-06")
async def test_f5_once_the_token_has_expired_and_there_is_no_new_one(
    tmp_path: Path, impatient: None
) -> None:
    async with with_phone(tmp_path) as it:
        it.cloud.cisco.ci.accounts.access_lifetime_s = 1
        await it.restart_cpns()
        await it.token_held()
        it.fault("ci", "status", status=503)
        await it.raised(TOKEN_INVALID)
        await it.calls()
        assert it.told(TOKEN_INVALID) == ["raised"]
        assert it.told(NO_TOKEN) == ["raised"]
        it.cloud.cisco.ci.accounts.access_lifetime_s = 43_200
        it.mend("ci")
        await it.cleared(TOKEN_INVALID)
        await it.cleared(NO_TOKEN)
        assert it.told(TOKEN_INVALID) == ["raised", "cleared"]
        await it.calls(1)
        assert it.pushes_seen > 0


@pytest.mark.req("ALARM-01", "ALARM-10", "CPNS-07")
async def test_f6_while_the_proxy_of_the_onboarding_page_is_not_there(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as once:
        port = once.getsockname()[1]
    async with with_phone(tmp_path) as it:
        await it.post("/onboarding/save", proxy={"url": f"http://127.0.0.1:{port}"})
        await it.restart_cpns()
        await it.raised(POOL_ERROR)
        await it.calls()
        assert it.told(POOL_ERROR) == ["raised"]
        await it.raised(NO_TOKEN)  # CI is reached by the same proxy
        assert it.told(NO_TOKEN) == ["raised"]
        await it.post("/onboarding/save", no_proxy=True)
        assert POOL_ERROR in it.active()  # what is saved waits for the restart
        await it.restart_cpns()
        await it.cleared(POOL_ERROR)
        await it.cleared(NO_TOKEN)
        assert it.told(POOL_ERROR) == ["raised", "cleared"]
        assert it.active() == []


@pytest.mark.req("ALARM-07", "ALARM-10")
async def test_upload_that_fails_is_an_alarm_of_ours_until_one_goes_well(tmp_path: Path) -> None:
    async with with_phone(tmp_path) as it:
        agent = it.operations.agent.agent
        intake = it.cloud.cisco.alarm_intake
        assert agent.cluster_id is not None
        intake.know(
            agent.cluster_id
        )  # as by an upload with a token, which there is none without F1
        it.fault("alarm-upload", "status", status=503)
        await it.post("/nodes/ucm1/cpns/stop")
        await it.raised(UNAVAILABLE)
        for count in (1, 2, 3):
            assert (await it.cli("utils managementAgent alarms pushnow"))["ok"]
            await eventually(partial(uploads_failed, it, count))
        assert it.told(UPLOAD_FAILED) == ["raised"]
        it.mend("alarm-upload")
        assert (await it.cli("utils managementAgent alarms pushnow"))["ok"]
        await it.cleared(UPLOAD_FAILED)
        assert it.told(UPLOAD_FAILED) == ["raised", "cleared"]
        (kept,) = intake.uploads
        assert {each["alarm"] for each in kept.alarms} == {UNAVAILABLE}  # ours stay at home


async def test_fault_in_one_call_is_one_alarm_for_all_of_its_kind_and_other_calls_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with with_phone(tmp_path) as it:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        with monkeypatch.context() as broken:
            broken.setattr(TargetFinder, "target", lambda *_: 1 // 0)
            await with_faults(it, 3)
        assert it.told(FAULT) == ["raised"]
        (alarm,) = it.operations.alarms.board.active
        assert alarm.occurrences == 3
        await it.installed_anew()
        assert (await it.call())["answered"]
        assert it.told(FAULT) == ["raised"]  # of a moment: nothing ends it but the hour


@pytest.mark.req("CERT-03")
async def test_certificate_about_to_end_is_an_alarm_then_ended_is_until_it_is_taken_out(
    tmp_path: Path,
) -> None:
    async with operated(tmp_path) as it:
        short = CertificateAuthority("Short Lived Root", span=Span(ends=timedelta(seconds=3)))
        await it.post("/certificates", 201, data=b64encode(short.ca_pem.encode()).decode())
        assert it.told(EXPIRING) == ["raised"]
        assert EXPIRED not in it.active()
        await it.raised(EXPIRED)
        assert it.told(EXPIRING) == ["raised", "cleared"]
        await it.calls()
        assert it.told(EXPIRED) == ["raised"]
        (held,) = [
            each
            for each in (await it.get("/certificates"))["certificates"]
            if "Short Lived Root" in each["subject"]
        ]
        answer = await it.client.delete(f"/certificates/{held['fingerprint']}")
        assert answer.status_code == 200
        assert it.told(EXPIRED) == ["raised", "cleared"]
        assert it.active() == []


@pytest.mark.req("CERT-01")
async def test_verification_that_is_turned_off_is_an_alarm_for_as_long_as_the_cluster_runs(
    tmp_path: Path,
) -> None:
    insecure = replace(PUSH_ON, insecure_skip_tls_verification=True)
    async with operated(tmp_path, cloud=insecure) as it:
        await it.phone(manner=DEAF)
        await it.calls()
        await it.restart_cpns()
        assert it.told(INSECURE) == ["raised"]
        await eventually(lambda: it.active() == [INSECURE])


@pytest.mark.req("ALARM-07")
async def test_push_alarms_are_offered_to_the_management_agent_when_raised_and_when_cleared(
    tmp_path: Path,
) -> None:
    async with with_phone(tmp_path) as it:
        before = it.operations.agent.pending
        await it.post("/nodes/ucm1/cpns/stop")
        await it.raised(UNAVAILABLE)
        assert it.operations.agent.pending == before + 1
        await it.post("/nodes/ucm1/cpns/start")
        await it.cleared(UNAVAILABLE)
        assert it.operations.agent.pending == before + 2


async def with_faults(it: Operated, count: int) -> None:
    """So many calls that meet a fault of ours, each ended with 500."""
    for _ in range(count):
        assert (await it.call(CALLEE))["status"] == 500
