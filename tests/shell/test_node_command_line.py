"""`callctl cli` and `callctl utils` against the API of a small deployment."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from anyio import to_thread

from callctl.serviceability.agent_event import PushChanged
from callctl.serviceability.service_event import RestartIsDue, ServiceRestarted
from callctl.serviceability.services import CPNS, TOMCAT
from callctl.serviceability.severity import UploadLevel
from helpers.loops import on_each_loop
from helpers.ops_rig import ACCOUNT, NEW_TOKEN, OLD_TOKEN, Ops, ops, run_command

pytestmark = [pytest.mark.anyio, on_each_loop]

Told = tuple[int, str, str]
Run = Callable[..., Awaitable[Told]]

AGENT = "utils managementAgent alarms"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[[Ops], Run]:
    def of(rig: Ops) -> Run:
        monkeypatch.setenv("CALLCTL_STATE", str(rig.state.path))

        async def command(line: str, *, stdin: str = "") -> Told:
            monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
            code = await to_thread.run_sync(run_command, line.split())
            return code, *capfd.readouterr()

        return command

    return of


async def test_services_are_listed_with_their_states(
    tmp_path: Path, run: Callable[[Ops], Run]
) -> None:
    async with ops(tmp_path) as rig:
        code, out, _ = await run(rig)("utils service list --node ucm2")
        assert code == 0
        assert out.splitlines() == [
            "Cisco CallManager[STARTED]",
            "Cisco Local Push Notification Service[STOPPED]  not part of this version",
            "Cisco Management Agent Service[STARTED]",
            "Cisco Push Notification Service[STARTED]",
            "Cisco Tomcat[STARTED]",
        ]
        code, out, _ = await run(rig)("cli utils service list --node imp1")
        assert [line.partition("[")[0] for line in out.splitlines()] == [
            "Cisco Tomcat",
            "Cisco XCP Config Manager",
            "Cisco XCP Router",
        ]


@pytest.mark.req("SVC-01", "ONB-06")
async def test_service_is_restarted_stopped_and_started_on_its_node(
    tmp_path: Path, run: Callable[[Ops], Run]
) -> None:
    async with ops(tmp_path) as rig:
        command = run(rig)
        assert await command("utils service restart Cisco Tomcat --node imp1") == (
            0,
            "Cisco Tomcat[STARTED]\n",
            "",
        )
        assert rig.worker.done == [
            ("stop", "imp1", "Cisco Tomcat"),
            ("start", "imp1", "Cisco Tomcat"),
        ]
        name = "Cisco Push Notification service"
        assert (await command(f"utils service stop {name} --node ucm2"))[1].endswith("[STOPPED]\n")
        assert not rig.services.table.runs("ucm2", CPNS)
        assert (await command(f"utils service start {name} --node ucm2"))[0] == 0
        assert rig.services.table.runs("ucm2", CPNS)
        assert rig.services.table.runs("ucm1", CPNS)


@pytest.mark.req("SVC-04", "CPNS-11")
async def test_restart_that_is_due_is_told_until_it_was_done(
    tmp_path: Path, run: Callable[[Ops], Run]
) -> None:
    async with ops(tmp_path) as rig:
        rig.services.feed(RestartIsDue(CPNS, "onboarding page updated"))
        listed = (await run(rig)("utils service list"))[1]
        assert "[STARTED]  restart due: onboarding page updated" in listed
        views = (await rig.client.get("/services")).json()
        due = [(each["node"], each["service"]) for each in views if each["restarts_due"]]
        assert due == [("ucm1", CPNS.name), ("ucm2", CPNS.name)]
        await run(rig)(f"utils service restart {CPNS} --node ucm1")
        assert rig.told == [ServiceRestarted("ucm1", CPNS, ("onboarding page updated",))]
        assert "restart due" not in (await run(rig)("utils service list"))[1]


async def test_service_that_does_not_start_is_exit_1_with_the_reason(
    tmp_path: Path, run: Callable[[Ops], Run]
) -> None:
    async with ops(tmp_path) as rig:
        rig.worker.broken["ucm1", TOMCAT.name] = "port 8443 is taken"
        told = await run(rig)("utils service restart Cisco Tomcat")
        assert told == (1, "", "Cisco Tomcat on ucm1: port 8443 is taken\n")
        assert "Cisco Tomcat[STOPPED]  port 8443" in (await run(rig)("utils service list"))[1]
        told = await run(rig)("utils service restart Cisco XCP Router")
        assert told == (1, "", "Cisco XCP Router does not run on ucm1\n")


@pytest.mark.req("TRB-03", "TRB-06", "TRB-19", "OP-53")
async def test_push_frequency_is_shown_set_and_kept_when_the_new_one_is_wrong(
    tmp_path: Path, run: Callable[[Ops], Run]
) -> None:
    async with ops(tmp_path) as rig:
        command = run(rig)
        assert await command(f"{AGENT} pushfrequency") == (0, "push frequency: 30 minutes\n", "")
        assert (await command(f"{AGENT} pushfrequency 15"))[0] == 0
        for wrong in ("4", "91", "-5"):
            code, out, err = await command(f"{AGENT} pushfrequency {wrong}")
            assert (code, out) == (2, "")
            assert err.startswith("value must be between 5 and 90\n")
            assert rig.agent.frequency_min == 15
        code, _, err = await command(f"{AGENT} pushfrequency 20 --node ucm2")
        assert (code, err) == (1, "run on the publisher (ucm1)\n")
        assert rig.agent.frequency_min == 15


@pytest.mark.req("TRB-04", "TRB-06", "OP-53")
async def test_push_level_is_set_by_either_name_in_any_case(
    tmp_path: Path, run: Callable[[Ops], Run]
) -> None:
    async with ops(tmp_path) as rig:
        command = run(rig)
        assert (await command(f"{AGENT} minpushlevel"))[1] == "minimum push level: Error\n"
        assert (await command(f"{AGENT} minpushlevel warning"))[0] == 0
        assert (await command(f"{AGENT} minpushlevel"))[1] == "minimum push level: Warning\n"
        assert (await command(f"{AGENT} pushlevel CRITICAL"))[0] == 0
        assert rig.agent.level is UploadLevel.CRITICAL
        code, _, err = await command(f"{AGENT} minpushlevel loud")
        assert code == 2
        assert "Critical, Error, Warning, Notice, Information" in err
        assert rig.agent.level is UploadLevel.CRITICAL
        assert (await command(f"{AGENT} pushlevel Error --node imp1"))[0] == 1


@pytest.mark.req("TRB-05", "TRB-06")
async def test_push_now_says_why_it_cannot_be_and_that_nothing_waits(
    tmp_path: Path, run: Callable[[Ops], Run]
) -> None:
    async with ops(tmp_path) as rig:
        command = run(rig)
        assert await command(f"{AGENT} pushnow") == (1, "", "push is not enabled\n")
        rig.agent.feed(PushChanged(True))
        assert await command(f"{AGENT} pushnow") == (0, "no alarms to upload\n", "")
        assert (await command(f"{AGENT} pushnow --node ucm2"))[0] == 1


@pytest.mark.req("TRB-21", "ONB-21")
async def test_machine_account_is_read_on_every_node(
    tmp_path: Path, run: Callable[[Ops], Run]
) -> None:
    async with ops(tmp_path) as rig:
        for node in ("ucm1", "ucm2", "imp1"):
            code, out, _ = await run(rig)(
                f"cli run sql select * from machineaccountdetails --node {node}"
            )
            names, _, values = out.splitlines()
            assert code == 0
            assert names.split()[0] == "pkid"
            assert values.split()[0] == ACCOUNT.pkid
            select = "cli run sql select refreshtoken from machineaccountdetails"
            assert (await run(rig)(f"{select} --node {node}"))[1].split() == [
                "refreshtoken",
                "=" * len(OLD_TOKEN),
                OLD_TOKEN,
            ]


@pytest.mark.req("TRB-21", "OP-58")
async def test_new_refresh_token_comes_on_stdin_and_never_as_an_argument(
    tmp_path: Path, run: Callable[[Ops], Run]
) -> None:
    async with ops(tmp_path) as rig:
        update = "cli run sql update machineaccountdetails set refreshtoken="
        for form in (NEW_TOKEN, f"'{NEW_TOKEN}'", f" {NEW_TOKEN} where pkid='x'", "-x"):
            code, out, err = await run(rig)(f"{update}{form}", stdin=NEW_TOKEN)
            assert (code, out) == (2, ""), form
            assert "give it on stdin" in err
            assert NEW_TOKEN not in err
        line = f"{update}- where pkid='{ACCOUNT.pkid}'"
        assert await run(rig)(line, stdin="") == (
            2,
            "",
            "callctl: New refresh token: nothing came from standard input\n",
        )
        assert (await run(rig)(f"{line} --node ucm2", stdin=NEW_TOKEN))[0] == 1
        assert await run(rig)(line, stdin=f"{NEW_TOKEN}\n") == (0, "Rows: 1\n", "")
        tokens = [rig.accounts.select(node)[0][4] for node in ("ucm1", "ucm2", "imp1")]
        assert tokens == [NEW_TOKEN] * 3
        due = {entry.service.name for entry, _ in rig.services.table.dues()}
        assert due == {
            "Cisco Management Agent Service",
            "Cisco Push Notification Service",
            "Cisco Tomcat",
            "Cisco XCP Config Manager",
            "Cisco XCP Router",
        }


async def test_lines_on_stdin_are_entered_one_after_the_other_until_exit(
    tmp_path: Path, run: Callable[[Ops], Run]
) -> None:
    async with ops(tmp_path) as rig:
        lines = (
            f"{AGENT} pushfrequency 45\n\nbogus\n"
            f"run sql update machineaccountdetails set refreshtoken='{NEW_TOKEN}'\n"
            "exit\nutils managementAgent alarms pushfrequency 5\n"
        )
        code, out, err = await run(rig)("cli", stdin=lines)
        assert code == 0
        assert out == "push frequency is now 45 minutes\nRows: 1\n"
        assert err == "no such command; help lists those that there are\n"
        assert rig.agent.frequency_min == 45
        assert rig.accounts.select("imp1")[0][4] == NEW_TOKEN


async def test_unknown_node_and_unknown_key_are_exit_1(
    tmp_path: Path, run: Callable[[Ops], Run]
) -> None:
    async with ops(tmp_path) as rig:
        told = await run(rig)("utils service list --node ucm9")
        assert told == (1, "", "callctl: there is no node ucm9 here\n")
        update = "cli run sql update machineaccountdetails set refreshtoken=- where pkid='ff'"
        told = await run(rig)(update, stdin=NEW_TOKEN)
        assert told == (1, "", "Rows: 0; no row has this key\n")


async def test_answer_as_json_is_for_scripts(tmp_path: Path, run: Callable[[Ops], Run]) -> None:
    async with ops(tmp_path) as rig:
        code, out, _ = await run(rig)(f"{AGENT} pushfrequency 3 --json")
        answer = json.loads(out)
        assert (code, answer["ok"], answer["usage"], answer["node"]) == (2, False, True, "ucm1")
