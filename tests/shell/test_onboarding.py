"""Onboarding over real sockets: administrator, licence manager, FOS, and what stands between."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
from anyio import to_thread
from fastapi import FastAPI

from callctl.cli.main import make_app
from callctl.cli.onboarding import app as onboarding_app
from callctl.cli.onboarding import license_app
from callctl.cloud.faults import Fault
from callctl.cloud.fos import SUBSCRIPTION_PATH
from callctl.io.egress import Egress
from callctl.io.emulators import PushCloud, PushCloudSettings
from callctl.io.http_server import serve
from callctl.io.onboarding import OnboardingHooks, OnboardingShell
from callctl.io.onboarding_api import OnboardingApi
from callctl.io.onboarding_client import EgressExchange, OnboardingClient, Services
from callctl.io.onboarding_file import OnboardingFile
from callctl.io.pki import emulated_cloud_authorities
from callctl.io.state_dir import Running, StateDir
from callctl.model.cloud import ProxySettings
from callctl.model.user import Secret
from callctl.onboarding.event import (
    InstallCertificates,
    OnboardingAction,
    PrepareCertificates,
    PushSwitched,
    ReservationChanged,
    ServiceRestarted,
    StatusChanged,
    StoreMachineAccount,
    VoucherRequested,
)
from callctl.onboarding.home import HomeCluster
from callctl.onboarding.licensing import Manager
from callctl.onboarding.onboarding import Onboarding
from callctl.onboarding.page import PageChange
from callctl.onboarding.restarts import CPNS, TOMCAT, XCP_CONFIG_MANAGER, XCP_ROUTER
from callctl.onboarding.snapshot import restore
from callctl.onboarding.state import State
from callctl.onboarding.tasks import Prerequisites
from helpers.bad_proxy import bad_proxy
from helpers.loops import on_each_loop
from helpers.onboarding_rig import HOME, OFF, OLD, ON, WITH_IMP
from sipstack.io.clock import MonotonicClock
from sipstack.io.entropy import OsEntropy

pytestmark = [pytest.mark.anyio, on_each_loop]

CI_AUTHORITY, FOS_AUTHORITY = emulated_cloud_authorities()


def trusting(*authorities: Any) -> ssl.SSLContext:  # noqa: ANN401
    return ssl.create_default_context(cadata="".join(each.ca_pem for each in authorities))


@dataclass
class Bench:
    """A cluster's onboarding in front of an emulated cloud."""

    cloud: PushCloud
    home: HomeCluster
    clock: MonotonicClock
    tls: ssl.SSLContext
    file: OnboardingFile | None = None
    fos_url: str = ""
    timeout_s: float = 5.0
    waits: list[float] = field(default_factory=list)  # of tries that came again
    actions: list[OnboardingAction] = field(default_factory=list)
    restarts: list[tuple[str, str]] = field(default_factory=list)
    missing: tuple[str, ...] = ()
    prerequisites: Prerequisites = field(default_factory=Prerequisites)

    def __post_init__(self) -> None:
        self.core = Onboarding(self.home, OsEntropy())
        kept = self.file.read() if self.file is not None else None
        since = None if kept is None else restore(self.core, kept, 0)
        egress = Egress(None, self.tls, self.clock)
        cssm = self.cloud.url("cssm")
        services = Services(
            self.fos_url or self.cloud.fos_url, self.cloud.url("plm"), cssm, satellite_url=cssm
        )
        client = OnboardingClient(
            services, EgressExchange(egress, self.timeout_s), clock=self.clock, sleep=self._sleep
        )
        hooks = OnboardingHooks(
            self.actions.append,
            self._missing,
            self._look,
            self._restart,
            self.file.write if self.file is not None else lambda _: None,
        )
        self.shell = OnboardingShell(self.core, client, self.clock, hooks, since=since)

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    async def _missing(self) -> tuple[str, ...]:
        return self.missing

    async def _look(self) -> Prerequisites:
        return self.prerequisites

    async def _restart(self, service: str, node: str) -> None:
        self.restarts.append((service, node))

    def of(self, kind: type[Any]) -> list[Any]:
        return [action for action in self.actions if isinstance(action, kind)]

    async def pending(self) -> None:
        """Up to the second Save, by hand."""
        with anyio.fail_after(10):
            if self.core.licensing.smart:
                assert await self.shell.register(Manager.CSSM) is None
            assert self.shell.feed(VoucherRequested("ucm1")) is None
            await self.shell.until(lambda it: it.state is State.VOUCHER_READY)
        assert await self.shell.save(ON) is None
        for node in self.home.all_nodes:
            self.shell.feed(ServiceRestarted(TOMCAT, node))
        assert self.core.status == "Cisco Cloud Onboarding Pending"

    async def save_and_see(self, change: PageChange = ON) -> tuple[State, str]:
        """The second Save, and what comes of it."""
        with anyio.fail_after(15):
            assert await self.shell.save(change) is None
            await self.shell.until(lambda it: it.state is not State.REQUESTING)
        return self.core.state, self.core.status

    def subscriptions(self) -> int:
        """How many requests came to FOS."""
        return len(self.cloud.cisco.fos.log)


@asynccontextmanager
async def bench(
    home: HomeCluster = HOME,
    *,
    tls: ssl.SSLContext | None = None,
    before: Callable[[PushCloud], None] = lambda _: None,
    **how: Any,  # noqa: ANN401
) -> AsyncIterator[Bench]:
    clock = MonotonicClock()
    cloud = PushCloud(PushCloudSettings(), clock, OsEntropy(), CI_AUTHORITY, FOS_AUTHORITY)
    async with anyio.create_task_group() as tasks:
        await tasks.start(cloud.run)
        before(cloud)
        made = Bench(cloud, home, clock, tls or trusting(CI_AUTHORITY, FOS_AUTHORITY), **how)
        await tasks.start(made.shell.run)
        yield made
        tasks.cancel_scope.cancel()


@pytest.mark.req("CLOUD-02", "GEN-02", "ONB-01", "ONB-04", "ONB-12", "LIC-05")
async def test_cluster_onboards_by_itself_through_the_steps_of_an_administrator() -> None:
    async with bench(WITH_IMP) as it:
        with anyio.fail_after(20):
            assert await it.shell.onboard_by_itself(PageChange()) == ""
        assert it.core.pushing
        assert [text for text in (each.text for each in it.of(StatusChanged)) if text] == [
            "Cisco Cloud Onboarding Pending",
            "Cloud Onboarding Completed",
            "Cloud Onboarding Completed",
        ]
        assert it.restarts == [
            (TOMCAT, "ucm1"),
            (TOMCAT, "ucm2"),
            (TOMCAT, "imp1"),
            (TOMCAT, "imp2"),
            (CPNS, "ucm1"),
            (CPNS, "ucm2"),
            (XCP_CONFIG_MANAGER, "imp1"),
            (XCP_ROUTER, "imp1"),
            (XCP_CONFIG_MANAGER, "imp2"),
            (XCP_ROUTER, "imp2"),
        ]
        assert it.of(PrepareCertificates) == [PrepareCertificates(True)]
        assert it.of(InstallCertificates) == [InstallCertificates(True)]
        assert it.of(PushSwitched) == [PushSwitched(True)]
        account = it.of(StoreMachineAccount)[0].account
        made = it.cloud.cisco.fos.account_of("cluster-1")
        assert made is not None
        assert (account.account_id, account.refresh_token) == (made.account_id, made.refresh_token)
        assert account.token_url.startswith(it.cloud.ci_url)
        assert account.push_rest_url == it.cloud.push_rest_url
        assert it.subscriptions() == 1
        assert it.core.in_force["imp2"].account == account


@pytest.mark.req("LIC-01", "LIC-04")
async def test_11_5_onboards_with_a_voucher_of_plm() -> None:
    async with bench(OLD) as it:
        assert await it.shell.synchronise() is None
        assert it.core.licensing.ready
        with anyio.fail_after(20):
            assert await it.shell.onboard_by_itself(PageChange()) == ""
        assert [each.status for each in it.cloud.cisco.cssm.log] == []
        assert [each.status for each in it.cloud.cisco.plm.log] == [200, 200, 201]


@pytest.mark.req("ONB-05")
async def test_first_save_sends_nothing_to_the_cloud() -> None:
    async with bench() as it:
        await it.pending()
        assert it.subscriptions() == 0
        assert await it.save_and_see() == (State.COMPLETED, "Cloud Onboarding Completed")
        assert it.subscriptions() == 1
        assert not it.core.pushing


@pytest.mark.req("ONB-08")
async def test_boxes_cleared_by_tomcat_do_not_stop_a_cluster_that_onboards_by_itself() -> None:
    async with bench(replace(HOME, tomcat_clears_boxes=True)) as it:
        with anyio.fail_after(20):
            change = PageChange(manage_certificates=True)
            assert await it.shell.onboard_by_itself(change) == ""
        assert it.core.page.push_enabled
        assert it.core.page.manage_certificates


async def test_fos_that_is_not_there_is_tried_three_times_and_then_not_reachable() -> None:
    """OP-49."""
    async with bench(fos_url="https://127.0.0.1:1") as it:
        await it.pending()
        text = "Cloud Onboarding Failed: cloud not reachable"
        assert await it.save_and_see() == (State.FAILED, text)
        assert it.waits == [1, 2]
        assert it.core.failure is not None
        assert "127.0.0.1" in it.core.failure.detail


async def test_name_that_dns_does_not_know_is_not_reachable() -> None:
    async with bench(fos_url="https://fos.invalid") as it:
        await it.pending()
        text = "Cloud Onboarding Failed: cloud not reachable"
        assert await it.save_and_see() == (State.FAILED, text)
        await it.shell.load_page()
        assert it.core.cloud_check is not None
        assert it.core.cloud_check.step == "dns"


async def test_fos_that_says_nothing_is_not_reachable() -> None:
    def silence(cloud: PushCloud) -> None:
        cloud.cisco.fos.faults.add(Fault(silent=True))

    async with bench(before=silence, timeout_s=0.2) as it:
        await it.pending()
        text = "Cloud Onboarding Failed: cloud not reachable"
        assert await it.save_and_see() == (State.FAILED, text)
        assert it.subscriptions() == 3


async def test_fos_that_recovers_while_it_is_tried_again_is_no_failure() -> None:
    async with bench() as it:
        await it.pending()
        it.cloud.cisco.fos.faults.add(Fault(status=503, times=1))
        it.cloud.cisco.fos.faults.add(Fault(status=429, retry_after_s=7, times=1))
        assert await it.save_and_see() == (State.COMPLETED, "Cloud Onboarding Completed")
        assert it.waits == [1, 7]


async def test_fos_that_wants_us_to_wait_for_long_is_left_to_the_administrator() -> None:
    async with bench() as it:
        await it.pending()
        it.cloud.cisco.fos.faults.add(Fault(status=503, retry_after_s=3_600))
        text = "Cloud Onboarding Failed: cloud not reachable"
        assert await it.save_and_see() == (State.FAILED, text)
        assert (it.waits, it.subscriptions()) == ([], 1)


async def test_answer_that_was_lost_is_asked_for_again_and_makes_no_second_account() -> None:
    async with bench() as it:
        await it.pending()
        it.cloud.cisco.fos.faults.add(Fault(break_after=20, times=1))
        assert await it.save_and_see() == (State.COMPLETED, "Cloud Onboarding Completed")
        assert [each.status for each in it.cloud.cisco.fos.log] == [201, 200]
        assert len({each.tracking_id for each in it.cloud.cisco.fos.log}) == 1


async def test_missing_root_of_fos_fails_at_tls_and_its_upload_helps() -> None:
    """CERT-01, OP-49."""
    async with bench(tls=trusting(CI_AUTHORITY)) as it:
        await it.pending()
        text = "Cloud Onboarding Failed: certificate missing"
        assert await it.save_and_see() == (State.FAILED, text)
        assert it.waits == []  # trying again does not help
        assert it.subscriptions() == 0
        it.tls.load_verify_locations(cadata=FOS_AUTHORITY.ca_pem)
        await it.shell.load_page()
        assert it.core.status == "Cisco Cloud Onboarding Pending"
        assert await it.save_and_see() == (State.COMPLETED, "Cloud Onboarding Completed")


async def test_certificate_that_the_trust_store_lacks_fails_before_anything_is_sent() -> None:
    async with bench(missing=("Emulated Class 2 Root CA",)) as it:
        await it.pending()
        text = "Cloud Onboarding Failed: certificate missing"
        assert await it.save_and_see() == (State.FAILED, text)
        assert it.subscriptions() == 0
        it.missing = ()
        await it.shell.load_page()
        assert it.core.state is State.PENDING


async def test_proxy_that_refuses_us_fails_and_one_that_lets_us_in_helps() -> None:
    async with bad_proxy("407 for ever") as stern, bad_proxy("digest") as kind, bench() as it:
        wrong = ProxySettings("http", "127.0.0.1", stern.port, "callctl", Secret("wrong"))
        await it.pending()
        text = "Cloud Onboarding Failed: proxy authentication"
        assert await it.save_and_see(PageChange(True, proxy=wrong)) == (State.FAILED, text)
        assert it.subscriptions() == 0
        right = ProxySettings("http", "127.0.0.1", kind.port, "callctl", Secret("cello"))
        completed = (State.COMPLETED, "Cloud Onboarding Completed")
        assert await it.save_and_see(PageChange(proxy=right)) == completed
        assert kind.tunnels == 1
        it.shell.feed(ServiceRestarted(CPNS, "ucm1"))
        assert it.core.in_force["ucm1"].page.proxy == right
        assert it.core.in_force["ucm2"].page.proxy is None


async def test_proxy_that_is_not_there_makes_the_cloud_not_reachable() -> None:
    async with bench() as it:
        await it.pending()
        gone = ProxySettings("http", "127.0.0.1", 1)
        text = "Cloud Onboarding Failed: cloud not reachable"
        assert await it.save_and_see(PageChange(True, proxy=gone)) == (State.FAILED, text)


@pytest.mark.parametrize("error", ["VoucherUnknown", "VoucherExpired", "VoucherUsed"])
async def test_voucher_that_fos_refuses_has_to_be_generated_anew(error: str) -> None:
    async with bench() as it:
        await it.pending()
        it.cloud.cisco.fos.faults.add(Fault(status=403, reason=error, times=1))
        text = "Cloud Onboarding Failed: voucher missing"
        assert await it.save_and_see() == (State.FAILED, text)
        with anyio.fail_after(10):
            it.shell.feed(VoucherRequested("ucm1"))
            await it.shell.until(lambda core: core.state is State.PENDING)
        assert await it.save_and_see() == (State.COMPLETED, "Cloud Onboarding Completed")


async def test_answer_of_somebody_in_between_is_not_one_of_fos() -> None:
    async with bench() as it:
        await it.pending()
        it.cloud.cisco.fos.faults.add(Fault(garbage=True, times=1))
        text = "Cloud Onboarding Failed: cloud not reachable"
        assert await it.save_and_see() == (State.FAILED, text)
        assert it.core.failure is not None
        assert it.core.failure.detail == "the answer is not one of FOS"


@pytest.mark.req("LIC-03", "GEN-07")
@pytest.mark.parametrize("why", ["license reservation active", "unrestricted software"])
async def test_cluster_that_must_not_push_asks_nobody(why: str) -> None:
    home = HOME if why.startswith("license") else replace(HOME, unrestricted=True)
    async with bench(home) as it:
        if home is HOME:
            it.shell.feed(ReservationChanged(True))
        await it.shell.register(Manager.SATELLITE)
        assert await it.shell.onboard_by_itself(PageChange()) == why
        assert it.core.status == f"Cloud Onboarding Failed: {why}"
        assert not it.core.pushing
        assert it.subscriptions() == 0


@pytest.mark.req("LIC-02")
async def test_license_manager_that_refuses_is_quoted() -> None:
    async with bench() as it:
        it.cloud.cisco.cssm.registration_tokens = frozenset({"id-token"})
        refused = await it.shell.register(Manager.CSSM, "guessed")
        assert refused is not None
        assert refused.problem == "license manager: cssm answered 403 InvalidToken"
        assert await it.shell.register(Manager.CSSM, "id-token") is None
        assert it.core.licensing.ready


async def test_run_that_fails_tells_why_and_the_next_one_goes_on_from_there() -> None:
    def refuse(cloud: PushCloud) -> None:
        cloud.cisco.fos.faults.add(Fault(status=403, reason="VoucherExpired", times=1))

    async with bench(before=refuse) as it:
        with anyio.fail_after(20):
            ended = await it.shell.onboard_by_itself(PageChange())
            text = "Cloud Onboarding Failed: voucher missing (FOS answered 403 VoucherExpired)"
            assert ended == text
            assert await it.shell.onboard_by_itself(PageChange()) == ""
        assert it.shell.guided is not None
        assert [taken.step.text for taken in it.shell.guided.steps] == [
            "Generate Voucher",
            "Check both boxes again and Save",
            "Restart Cisco Push Notification Service",
        ]


@pytest.mark.req("ONB-21", "CPNS-11")
async def test_onboarded_cluster_that_was_down_goes_on_with_its_account(tmp_path: Path) -> None:
    file = OnboardingFile(tmp_path)
    async with bench(file=file) as it:
        with anyio.fail_after(20):
            assert await it.shell.onboard_by_itself(PageChange(encrypted_pii=True)) == ""
        account = it.core.account
    async with bench(file=file) as again:
        assert again.core.pushing
        assert again.core.account == account
        assert again.core.in_force["ucm2"].page.encrypted_pii
        assert again.subscriptions() == 0


async def test_directory_that_cannot_be_written_is_told_and_stops_nothing(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    async with bench() as it:
        it.shell._hooks = replace(it.shell._hooks, keep=OnboardingFile(blocked).write)
        await it.pending()
        assert it.shell.not_kept == "File exists"


# The admin API and the command line.


@asynccontextmanager
async def served(it: Bench, state: Path) -> AsyncIterator[Path]:
    """The API of the bench, announced as a running cluster announces its own."""
    app = FastAPI()
    app.include_router(OnboardingApi(it.shell).router)
    directory = StateDir(state)
    directory.make_token(OsEntropy())
    async with serve(app, None) as port:
        directory.announce(Running(f"http://127.0.0.1:{port}", "cluster-1", 1))
        yield state


def run_command(state: Path, capsys: pytest.CaptureFixture[str], line: str) -> tuple[int, str, str]:
    """One command line as `callctl` runs it; gives its exit code and what it printed."""
    from callctl.cli import main as module

    commands = make_app()
    if "onboarding" not in commands:
        commands.command(onboarding_app)
        commands.command(license_app)
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "make_app", lambda: commands)
        patch.setenv("CALLCTL_STATE", str(state))
        code = module.main(line.split())
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.req("SVC-04", "ONB-18", "TRB-01")
async def test_administrator_onboards_step_by_step_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with bench() as it, served(it, tmp_path / "state") as state:

        async def command(line: str) -> tuple[int, str, str]:
            with anyio.fail_after(20):
                return await to_thread.run_sync(partial(run_command, state, capsys, line))

        async def page() -> dict[str, Any]:
            return dict(json.loads((await command("onboarding status --json"))[1]))

        code, out, _ = await command("onboarding status")
        assert code == 1
        assert "no push leaves the cluster" in out
        assert "Register with the license manager" in out
        code, _, err = await command("onboarding voucher")
        assert code == 1
        assert err == ("callctl: register with Cisco Smart Software Manager or a satellite first\n")
        code, out, _ = await command("license register satellite")
        assert (code, "registered" in out) == (0, True)
        code, out, _ = await command("onboarding voucher")
        assert (code, out.startswith("There is a voucher of CSSM.")) == (0, True)
        assert (await command("onboarding save --push --node ucm2"))[2] == (
            "callctl: run on the publisher\n"
        )
        code, out, _ = await command("onboarding save --push --managed-certificates")
        assert code == 0
        assert "Cisco Tomcat" in out
        assert [each["service"] for each in (await page())["restarts_due"]] == [TOMCAT]
        for node in HOME.nodes:
            it.shell.feed(ServiceRestarted(TOMCAT, node))
        assert (await page())["status"] == "Cisco Cloud Onboarding Pending"
        code, out, _ = await command("onboarding save --push --pii")
        assert code == 0
        assert "Status: Cloud Onboarding Completed" in out
        shown = await page()
        assert (shown["page"]["troubleshooting"], shown["page"]["pii"]) == (True, True)
        assert [each["up_to_date"] for each in shown["in_force"]] == [False, False]
        it.shell.feed(ServiceRestarted(CPNS, "ucm1"))
        shown = await page()
        assert [each["up_to_date"] for each in shown["in_force"]] == [True, False]
        assert shown["restarts_due"] == [{"service": CPNS, "nodes": ["ucm2"]}]
        it.shell.feed(ServiceRestarted(CPNS, "ucm2"))
        code, out, _ = await command("onboarding status --load")
        assert (code, "pushes flow" in out, "Cloud: reached" in out) == (0, True, True)
        tasks = json.loads((await command("onboarding tasks --done 5 --json"))[1])
        assert [(each["number"], each["state"]) for each in tasks] == [
            (1, "not needed"),
            (2, "unknown"),
            (3, "done"),
            (4, "not needed"),
            (5, "done"),
            (6, "not needed"),
            (7, "not needed"),
            (8, "done"),
        ]
        code, out, _ = await command("onboarding save --no-push")
        assert (code, "no push leaves the cluster" in out) == (0, True)


@pytest.mark.req("ONB-13", "ONB-14")
async def test_guided_run_tells_what_each_step_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with bench(WITH_IMP) as it, served(it, tmp_path / "state") as state:
        with anyio.fail_after(30):
            code, out, err = await to_thread.run_sync(
                partial(run_command, state, capsys, "onboarding run --pii")
            )
        assert (code, err) == (0, "")
        for step in (
            "1. Register with the license manager: ",
            "2. Generate Voucher: synchronises the licenses and fetches the voucher",
            "3. Check Enable Push Notifications and Save: prepares the certificates",
            "4. Restart Cisco Tomcat on ucm1, ucm2, imp1, imp2: ",
            "5. Check both boxes again and Save: ucm1 sends the subscription",
            "   -> Cloud Onboarding Completed",
            "6. Restart Cisco Push Notification Service on ucm1, ucm2: ",
            "7. Restart Cisco XCP Config Manager on imp1, imp2: ",
            "Notice: Restart the Cisco XCP Router on all IM and Presence Service nodes.",
            "Notice: No phones are enabled in the Device Defaults page",
            "no restart is due",
        ):
            assert step in out, out


async def test_password_comes_from_a_file_and_shows_nowhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    word = tmp_path / "word"
    word.write_text("very-secret\n")
    async with bench() as it, served(it, tmp_path / "state") as state:
        command = to_thread.run_sync
        proxy = "--proxy http://proxy.example:3128 --proxy-user callctl"
        line = f"onboarding save {proxy} --proxy-password-file {word} --json"
        code, out, _ = await command(partial(run_command, state, capsys, line))
        assert code == 0
        assert it.core.page.proxy is not None
        assert it.core.page.proxy.password == Secret("very-secret")
        shown = json.loads(out)["page"]["proxy"]
        assert shown == {
            "url": "http://proxy.example:3128",
            "user": "callctl",
            "has_password": True,
        }
        assert "very-secret" not in out
        line = "onboarding save --no-proxy --json"
        code, out, _ = await command(partial(run_command, state, capsys, line))
        assert json.loads(out)["page"]["proxy"] is None


WRONG_LINES = [
    ("onboarding save --proxy-user callctl", 2, "need --proxy"),
    ("onboarding save --proxy http://p:1 --no-proxy", 2, "one of --proxy and --no-proxy"),
    ("onboarding save --proxy http://p:1 --proxy-user callctl", 2, "go together"),
    ("onboarding save --proxy http://u:w@p:1", 2, "no user and no password in --proxy"),
    ("onboarding save --proxy ftp://p:1", 1, "expected http://host:port"),
    ("onboarding save --proxy http://p", 1, "the URL needs a port"),
    ("onboarding save --proxy http://p:99999", 1, "the URL cannot be read"),
    ("onboarding tasks --done 5 --due 5", 2, "one of --done and --due"),
    ("onboarding tasks --done 9", 1, "tasks have the numbers 1 to 8"),
    ("onboarding save --surprise", 2, "--surprise"),
    ("license register plm", 2, "plm"),
    ("license register --token-file /nowhere", 2, "/nowhere cannot be read"),
    ("license deregister", 1, "not registered"),
    ("license synchronise", 1, "license manager: not registered"),
]


async def test_wrong_line_ends_with_one_line_that_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with bench() as it, served(it, tmp_path / "state") as state:
        before = it.core.page
        for line, code, error in WRONG_LINES:
            ended, out, err = await to_thread.run_sync(partial(run_command, state, capsys, line))
            assert (ended, out) == (code, ""), line
            assert error in err, line
            assert err.count("\n") == 1, line
        assert it.core.page == before


@pytest.mark.req("LIC-03")
async def test_license_commands_show_what_they_have_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with bench() as it, served(it, tmp_path / "state") as state:

        async def shown(line: str) -> tuple[int, dict[str, Any]]:
            run = partial(run_command, state, capsys, f"{line} --json")
            code, out, err = await to_thread.run_sync(run)
            assert err == ""
            return code, json.loads(out)

        code, view = await shown("license show")
        assert (code, view["mode"], view["ready"]) == (1, "evaluation", False)
        assert 89 < view["evaluation_days_left"] <= 90
        code, view = await shown("license register")
        assert (code, view["manager"]) == (0, "cssm")
        code, view = await shown("license synchronise")
        assert (code, view["synchronised"]) == (0, True)
        code, view = await shown("license reserve on")
        assert (code, view["mode"]) == (1, "specific license reservation")
        code, view = await shown("license reserve off")
        assert (code, view["mode"]) == (0, "registered")
        code, view = await shown("license deregister")
        assert (code, view["mode"]) == (1, "evaluation")


async def test_subscription_on_the_wire_holds_the_four_things_and_nothing_else() -> None:
    """OP-15."""
    async with bench() as it:
        it.cloud.cisco.fos.log.keeps_raw = True
        await it.pending()
        await it.save_and_see()
        (record,) = it.cloud.cisco.fos.log
        assert record.raw is not None
        assert (record.raw.method, record.raw.path) == ("POST", SUBSCRIPTION_PATH)
        body = msgspec.json.decode(record.raw.body)
        assert set(body) == {"voucher", "clusterId", "release", "publisher"}
        assert (body["clusterId"], body["release"], body["publisher"]) == (
            "cluster-1",
            "14SU3",
            "ucm1",
        )
        assert record.tracking_id is not None
        assert record.tracking_id.startswith("FOS_")


@pytest.mark.req("ONB-16")
async def test_cluster_that_disables_push_is_off_before_anything_is_restarted() -> None:
    async with bench(WITH_IMP) as it:
        with anyio.fail_after(20):
            await it.shell.onboard_by_itself(PageChange())
        await it.shell.save(OFF)
        assert it.of(PushSwitched) == [PushSwitched(True), PushSwitched(False)]
        assert it.of(StoreMachineAccount)[-1].account is None
        assert (XCP_ROUTER, ("imp1", "imp2")) in it.core.due.listed()
