"""A running cluster operated by hand: onboarding step by step, restarts, accounts, traces, repair.

Everything goes through the admin API and the command line, against emulated clouds.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
from tenacity.wait import wait_fixed

from callctl.io import cpns_shell
from callctl.push.machine_token import MachineTokenSettings
from callctl.serviceability import services
from helpers.node_rig import eventually
from helpers.operated import BY_HAND, DEAF, PHONE, Operated, operated

pytestmark = pytest.mark.anyio

TOMCAT: Final = "Cisco Tomcat"
CPNS: Final = "Cisco Push Notification Service"
MANAGER: Final = "Cisco XCP Config Manager"
ROUTER: Final = "Cisco XCP Router"
CALL_MANAGER: Final = "Cisco CallManager"
NO_TOKEN: Final = "PushNotificationServiceAccessTokenUnavailable"
TOKEN_INVALID: Final = "AccessTokenInvalid"
SELECT: Final = "run sql select * from machineaccountdetails"


async def restart(it: Operated, service: str, *nodes: str) -> None:
    for node in nodes:
        answer = await it.cli(f"utils service restart {service}", node)
        assert answer["ok"], answer


async def page(it: Operated) -> Any:  # noqa: ANN401
    """The onboarding page, once nobody is asked any more."""
    view = await it.get("/onboarding")
    with anyio.fail_after(15):
        while view["busy"]:
            await anyio.sleep(0.02)
            view = await it.get("/onboarding")
    return view


async def due(it: Operated) -> dict[str, list[str]]:
    """The restarts that are due, as the table of services shows them: nodes by service."""
    found: dict[str, list[str]] = {}
    for each in await it.get("/services"):
        if each["restarts_due"]:
            found.setdefault(each["service"], []).append(each["node"])
    return found


async def state_of(it: Operated, node: str, service: str) -> str:
    (state,) = [
        each["state"]
        for each in await it.get("/services")
        if (each["node"], each["service"]) == (node, service)
    ]
    return str(state)


async def call_without_push(it: Operated) -> None:
    """A call to the sleeping phone, as to one that is not registered: nobody waits, none leaves."""
    before = it.pushes_seen
    call = await it.call()
    assert not call["answered"]
    assert call["ended_after_s"] < 1
    assert it.pushes_seen == before


@pytest.mark.req(
    "GEN-02", "GEN-09", "ONB-04", "ONB-05", "ONB-06", "ONB-07", "ONB-10", "ONB-11", "ONB-12",
    "ONB-16", "SVC-04", "CPNS-11",
)  # fmt: skip
async def test_cluster_is_onboarded_by_hand_and_pushes_from_the_last_restart_to_the_last_save(
    tmp_path: Path,
) -> None:
    async with operated(tmp_path, nodes=2, cloud=BY_HAND, messaging=("imp1",)) as it:
        await it.phone()
        assert (await page(it))["state"] == "not onboarded"
        await call_without_push(it)

        await it.post("/licensing/register", manager="cssm")
        await it.post("/onboarding/voucher")
        assert (await page(it))["state"] == "voucher ready"
        refused = await it.post("/onboarding/save", 409, push=True, node="ucm2")
        assert "publisher" in refused["detail"]

        await it.post("/onboarding/save", push=True)
        assert (await page(it))["state"] == "certificates prepared"
        assert await due(it) == {TOMCAT: ["ucm1", "ucm2", "imp1"]}
        await restart(it, TOMCAT, "ucm1", "ucm2")
        assert (await page(it))["status"] == ""
        await restart(it, TOMCAT, "imp1")
        assert (await page(it))["status"] == "Cisco Cloud Onboarding Pending"
        assert await due(it) == {}
        assert len(it.cloud.cisco.fos.log) == 0
        await call_without_push(it)

        await it.post("/onboarding/save", push=True)
        view = await page(it)
        assert (view["status"], view["pushing"]) == ("Cloud Onboarding Completed", False)
        assert [each.status for each in it.cloud.cisco.fos.log].count(201) == 1
        everything = {CPNS: ["ucm1", "ucm2"], MANAGER: ["imp1"], ROUTER: ["imp1"]}
        assert await due(it) == everything
        assert {each["service"]: each["nodes"] for each in view["restarts_due"]} == everything
        await call_without_push(it)

        await restart(it, CPNS, "ucm1", "ucm2")
        await call_without_push(it)
        await restart(it, ROUTER, "imp1")  # before its Config Manager it takes nothing over
        assert await due(it) == {MANAGER: ["imp1"], ROUTER: ["imp1"]}
        await restart(it, MANAGER, "imp1")
        await call_without_push(it)
        await restart(it, ROUTER, "imp1")
        view = await page(it)
        assert (view["state"], view["pushing"], await due(it)) == ("active", True, {})
        for node in ("ucm1", "ucm2"):
            await it.token_held(node)
        assert (await it.call())["answered"]
        assert it.pushes_seen == 1

        await it.asleep(it.host.parties.phone(PHONE.name))
        await it.post("/onboarding/save", push=False)
        assert (await page(it))["state"] == "disabling"
        await call_without_push(it)  # at once, whatever has to be restarted still
        assert await due(it) == {CPNS: ["ucm1", "ucm2"], ROUTER: ["imp1"]}
        await restart(it, ROUTER, "imp1")
        assert (await page(it))["state"] == "not onboarded"
        await restart(it, CPNS, "ucm1", "ucm2")
        assert await due(it) == {}
        await call_without_push(it)
        assert it.operations.accounts.account("imp1") is None


@pytest.mark.req("GEN-09")
async def test_push_that_waits_for_a_token_does_not_leave_once_push_has_been_cleared(
    tmp_path: Path,
) -> None:
    async with operated(tmp_path) as it:
        await it.phone(manner=DEAF)
        it.fault("ci", "delay", delay_ms=1_000)
        await it.restart_cpns()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(it.call)
            await eventually(lambda: it.shell.view.counts()["pushes"] > 0)
            assert it.shell.view.cpns.access_token is None
            await it.post("/onboarding/save", push=False)
            await it.token_held()  # it comes too late to be of use
        await eventually(lambda: it.shell.view.counts()["pushes"] == 0)
        assert it.pushes_seen == 0


@pytest.mark.req("SVC-01", "ONB-04", "ONB-10")
async def test_the_same_by_the_command_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with operated(tmp_path, cloud=BY_HAND) as it:
        await it.phone()

        async def done(line: str, code: int = 0) -> str:
            capfd.readouterr()
            told = await it.callctl(line)
            out, err = capfd.readouterr()
            assert told == code, f"{line}: {out}{err}"
            return out

        assert "no push leaves the cluster" in await done("onboarding status", 1)
        await done("license register")
        await done("onboarding voucher")
        assert TOMCAT in await done("onboarding save --push")
        assert f"{TOMCAT}[STARTED]" in await done(f"utils service restart {TOMCAT}")
        assert "Cloud Onboarding Completed" in await done("onboarding save --push")
        assert "restart due: onboarding page updated" in await done("utils service list")
        await call_without_push(it)
        await done(f"utils service restart {CPNS}")
        assert "pushes flow" in await done("onboarding status")
        assert "restart due" not in await done("utils service list")
        await it.token_held()
        assert (await it.call())["answered"]
        await it.asleep(it.host.parties.phone(PHONE.name))
        await done("onboarding save --no-push")
        await call_without_push(it)


@pytest.mark.req("CPNS-11", "SVC-04", "ONB-15")
async def test_what_is_saved_has_no_effect_before_the_restart_on_each_node_by_itself(
    tmp_path: Path,
) -> None:
    async with operated(tmp_path, nodes=2) as it:
        await it.phone(manner=DEAF)
        proxy = {"url": "http://127.0.0.1:9"}  # where nobody listens
        await it.post("/onboarding/save", proxy=proxy)
        view = await page(it)
        assert view["page"]["proxy"]["url"] == proxy["url"]
        assert [(each["page"]["proxy"], each["up_to_date"]) for each in view["in_force"]] == [
            (None, False),
            (None, False),
        ]
        assert await due(it) == {CPNS: ["ucm1", "ucm2"]}
        before = it.pushes_seen
        await it.call()
        assert it.pushes_seen > before
        await restart(it, CPNS, "ucm2")
        assert await due(it) == {CPNS: ["ucm1"]}
        egress = it.operations.access.egress
        assert egress["ucm1"].proxy is None
        assert str(egress["ucm2"].proxy) == proxy["url"]
        before = it.pushes_seen
        await it.call(node="ucm1")
        assert it.pushes_seen > before
        await eventually(lambda: it.shell.view.counts()["pushes"] == 0)  # of the missed call, too
        before = it.pushes_seen
        await it.call(node="ucm2")
        assert it.pushes_seen == before


@pytest.mark.req("ONB-21", "TRB-21")
async def test_machine_account_is_on_every_node_and_one_that_was_down_gets_what_it_missed(
    tmp_path: Path,
) -> None:
    async with operated(tmp_path, nodes=2, messaging=("imp1",)) as it:

        async def tables() -> dict[str, str]:
            return {node: (await it.cli(SELECT, node))["text"] for node in ("ucm1", "ucm2", "imp1")}

        account = it.operations.accounts.account("ucm1")
        assert account is not None
        found = await tables()
        assert len(set(found.values())) == 1
        assert account.refresh_token in found["imp1"]
        made = it.cloud.cisco.fos.account_of(it.shell.cluster.id)
        assert made is not None
        assert made.refresh_token == account.refresh_token

        await it.post("/nodes/ucm2/stop")
        answer = await it.cli(SELECT, "ucm2")
        assert (answer["ok"], answer["text"]) == (False, "ucm2 is out of service")
        set_token = "run sql update machineaccountdetails set refreshtoken='another-token-1'"
        assert (await it.cli(set_token))["text"] == "Rows: 1"
        assert "another-token-1" in (await it.cli(SELECT, "imp1"))["text"]
        await it.post("/nodes/ucm2/start")
        found = await tables()
        assert len(set(found.values())) == 1
        assert "another-token-1" in found["ucm2"]
        assert account.refresh_token not in found["ucm2"]


@pytest.mark.req("SVC-01", "SVC-02")
async def test_services_are_shown_stopped_started_and_restarted_by_api_and_command_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with operated(tmp_path) as it:
        shown = {each["service"]: each["state"] for each in await it.get("/services")}
        assert shown[CPNS] == shown["Cisco Management Agent Service"] == "STARTED"
        await it.post("/nodes/ucm1/cpns/stop")
        assert await state_of(it, "ucm1", CPNS) == "STOPPED"
        assert "stopped already" in (await it.cli(f"utils service stop {CPNS}"))["text"]
        assert (await it.cli(f"utils service start {CPNS}"))["ok"]
        assert (await it.get("/nodes"))[0]["cpns"] == "up"
        for wish, state in (("stop", "STOPPED"), ("start", "STARTED"), ("restart", "STARTED")):
            capfd.readouterr()
            assert await it.callctl(f"utils service {wish} {CPNS}") == 0
            assert f"{CPNS}[{state}]" in capfd.readouterr().out
            assert await state_of(it, "ucm1", CPNS) == state
        assert await it.callctl("utils service restart Cisco Nothing") != 0


@pytest.mark.req("SVC-01")
async def test_callmanager_of_a_node_is_stopped_and_started_and_its_push_service_with_it(
    tmp_path: Path,
) -> None:
    async with operated(tmp_path, nodes=2) as it:
        await it.phone()
        assert (await it.cli(f"utils service stop {CALL_MANAGER}", "ucm2"))["ok"]
        assert [each["state"] for each in await it.get("/nodes")] == ["up", "down"]
        assert await state_of(it, "ucm2", CALL_MANAGER) == "STOPPED"
        assert await state_of(it, "ucm2", CPNS) == "STOPPED"
        assert (await it.call())["answered"]
        assert (await it.cli(f"utils service start {CALL_MANAGER}", "ucm2"))["ok"]
        assert [each["cpns"] for each in await it.get("/nodes")] == ["up", "up"]
        table = it.operations.services.table
        await eventually(lambda: table.runs("ucm2", services.CPNS))
        await it.asleep(it.host.parties.phone(PHONE.name))
        await it.token_held("ucm2")
        assert (await it.call(node="ucm2"))["answered"]


@pytest.mark.req("TRB-15", "PUSH-06")
async def test_push_service_traces_in_its_folder_at_info_and_names_nobody_before_debug(
    tmp_path: Path,
) -> None:
    async with operated(tmp_path) as it:
        phone = await it.phone()
        await it.call()
        text = it.trace("ucm1", "ccmpns.log")
        (file,) = it.state.path.rglob("ccmpns.log")
        assert str(file).endswith("/ucm1/var/log/active/cm/trace/ccmpns/log4j/ccmpns.log")
        assert "token obtained for push rest" in text
        assert "incoming push posted" in text
        assert "answered 200" in text
        assert {line.split()[2] for line in text.splitlines()} == {"INFO"}
        token, account = it.shell.view.cpns.access_token, it.operations.accounts.account("ucm1")
        assert token is not None
        assert account is not None
        identity = phone.phone.identity
        for secret in (token, account.refresh_token, identity.voip_token, PHONE.name):
            assert secret not in text
        assert await it.callctl("trace level cpns debug --node ucm1") == 0
        levels = await it.get("/trace/levels")
        told = [each["part"] for each in levels if each["level"] != "Info"]
        assert told == ["CPNS"]
        assert str(file).endswith(f"/traces/{levels[1]['file']}")
        await it.asleep(phone)
        await it.call()
        text = it.trace("ucm1", "ccmpns.log")
        assert f"[{PHONE.name}]" in text
        for secret in (token, account.refresh_token, identity.voip_token):
            assert secret not in text
        assert await it.callctl("trace level fcm warn") == 0
        (fcm,) = [each for each in await it.get("/trace/levels") if each["part"] == "FCM"]
        assert (fcm["node"], fcm["level"]) == ("cloud", "Warn")
        for wrong in ("cpns loud", "sip debug", "cpns", "--node ucm1"):
            assert await it.callctl(f"trace level {wrong}") == 2, wrong
        assert await it.callctl("trace level cpns debug --node ucm7") == 1


@pytest.mark.req("OP-11", "TRB-22", "PUSH-06")
async def test_one_tracking_id_finds_a_push_at_every_part_that_had_it_in_hand(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with operated(tmp_path) as it:
        await it.phone()
        await it.call()
        (push,) = await it.get("/pushes")
        tracking_id = push["tracking_id"]
        for node in ("ucm1", "cloud"):
            it.trace(node, "*.log")
        capfd.readouterr()
        assert await it.callctl(f"trace find {tracking_id} --json") == 0
        lines = json.loads(capfd.readouterr().out)
        assert {line["tracking_id"] for line in lines} == {tracking_id}
        parts = list(dict.fromkeys(line["source"] for line in lines))
        assert {"CallManager", "CPNS", "Push REST", "APNs"} == set(parts)
        assert await it.callctl("trace find CPNS_nothing-like-it") == 1


@pytest.mark.req("TRB-20", "TRB-21", "CLOUD-07", "OP-58")
async def test_expired_account_is_repaired_step_by_step_and_calls_ring_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    quick = partial(MachineTokenSettings, again=wait_fixed(0.3))
    monkeypatch.setattr(cpns_shell, "MachineTokenSettings", quick)
    async with operated(tmp_path, nodes=2, messaging=("imp1",)) as it:
        accounts = it.cloud.cisco.ci.accounts
        accounts.access_lifetime_s = 1  # of the next tokens
        for node in ("ucm1", "ucm2"):
            await it.restart_cpns(node)
            await it.token_held(node)
        await it.phone()
        capfd.readouterr()
        assert await it.callctl("cloud repair-token") == 0
        assert "nothing to repair" in capfd.readouterr().out

        accounts.expire(it.account_id())
        await it.raised(TOKEN_INVALID)
        await it.raised(NO_TOKEN)
        await call_without_token(it)
        view = await it.get("/cloud/repair-token")
        await eventually(lambda: it.operations.repair.refused_on() == ["ucm1", "ucm2"])
        assert await it.callctl("cloud repair-token") == 1
        out = capfd.readouterr().out
        assert "The token service answers 400 to ucm1, ucm2" in out
        assert "callctl cloud repair-token --from-emulator" in out
        assert await it.callctl("cloud check") == 1
        assert "callctl cloud repair-token" in capfd.readouterr().out

        accounts.access_lifetime_s = 43_200
        assert await it.callctl("cloud repair-token --from-emulator") == 0
        out = capfd.readouterr().out
        done = [line for line in out.splitlines() if line.startswith("[x]")]
        assert [int(line.split()[1].rstrip(".")) for line in done] == list(range(1, 11))
        await it.cleared(TOKEN_INVALID)
        await it.cleared(NO_TOKEN)
        held = [it.operations.accounts.account(node) for node in ("ucm1", "ucm2", "imp1")]
        assert held[0] == held[1] == held[2]
        view = await it.get("/cloud/repair-token")
        assert (view["needed"], view["state"]) == (False, "done")
        assert await due(it) == {}
        assert (await page(it))["state"] == "active"
        assert await it.callctl("cloud check") == 0
        assert (await it.call())["answered"]


async def call_without_token(it: Operated) -> None:
    """A call that no push can leave for: it ends as one to a phone that does not come."""
    before = it.pushes_seen
    assert not (await it.call())["answered"]
    assert it.pushes_seen == before


@pytest.mark.req("CLOUD-12", "TRB-16")
async def test_cloud_check_finds_every_host_from_every_node_in_a_cluster_that_is_well(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with operated(tmp_path, nodes=2) as it:
        capfd.readouterr()
        assert await it.callctl("cloud check") == 0
        assert "Every node reaches the cloud." in capfd.readouterr().out
        assert it.active() == []  # whoever knocks at port 9966 for a look is no alarm


@pytest.mark.req("CLOUD-12", "TRB-16", "NET-01")
@pytest.mark.parametrize(
    ("service", "fault", "more", "use", "step"),
    [
        ("fos", "certificate-expired", {}, "onboarding (FOS)", "certificate"),
        ("fos", "status", {"status": 503}, "onboarding (FOS)", "http"),
        ("ci", "certificate-wrong-host", {}, "tokens (CI)", "certificate"),
        ("ci", "status", {"status": 500}, "tokens (CI)", "http"),
        ("fos", "black-hole", {}, "onboarding (FOS)", "tls"),
        ("push-rest", "certificate-self-signed", {}, "pushes (Push REST)", "certificate"),
        ("push-rest", "refuse", {}, "pushes (Push REST)", "tls"),
    ],
)
async def test_cloud_check_names_the_step_that_fails_at_the_host_that_is_broken_and_no_other(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    service: str,
    fault: str,
    more: dict[str, Any],
    use: str,
    step: str,
) -> None:
    async with operated(tmp_path) as it:
        it.fault(service, fault, **more)
        capfd.readouterr()
        assert await it.callctl("cloud check --json") == 1
        report = json.loads(capfd.readouterr().out)
        failed = [each for each in report["checks"] if not each["ok"]]
        assert [(each["node"], each["use"], each["step"]) for each in failed] == [
            ("ucm1", use, step)
        ]
        assert failed[0]["cause"]
        assert failed[0]["action"]


@pytest.mark.req("CLOUD-12", "TRB-17")
async def test_cloud_check_tells_a_block_list_from_a_refused_token(tmp_path: Path) -> None:
    async with operated(tmp_path) as it:
        it.cloud.cisco.ci.block_list.block("127.0.0.0/8")
        report = await it.post("/cloud/check")
        steps = {each["use"]: each["step"] for each in report["checks"] if not each["ok"]}
        assert steps == {"tokens (CI)": "block list", "pushes (Push REST)": "block list"}


@pytest.mark.req("CLOUD-12")
async def test_cloud_check_names_a_token_that_push_rest_does_not_take(tmp_path: Path) -> None:
    async with operated(tmp_path) as it:
        it.cloud.cisco.ci.accounts.suspend(it.account_id())
        (failed,) = await failures(it)
        assert (failed["use"], failed["step"]) == ("pushes (Push REST)", "token")
        assert "403" in failed["cause"]
        it.cloud.cisco.ci.accounts.suspend(it.account_id(), False)
        assert await failures(it) == []


@pytest.mark.req("CLOUD-12")
async def test_cloud_check_ends_when_a_host_says_nothing_and_calls_it_a_timeout(
    tmp_path: Path,
) -> None:
    async with operated(tmp_path) as it:
        it.fault("fos", "silent")
        with anyio.fail_after(9):
            (failed,) = await failures(it)
        assert (failed["use"], failed["step"]) == ("onboarding (FOS)", "timeout")


async def failures(it: Operated) -> list[Any]:
    report = await it.post("/cloud/check")
    return [each for each in report["checks"] if not each["ok"]]
