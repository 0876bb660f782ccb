"""`callctl cloud repair-token` against a deployment whose refresh token is answered with 400."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from anyio import to_thread

from callctl.serviceability.services import CPNS
from helpers.loops import on_each_loop
from helpers.ops_rig import NEW_TOKEN, OLD_TOKEN, Ops, ops, run_command

pytestmark = [pytest.mark.anyio, on_each_loop]

Told = tuple[int, str, str]
Run = Callable[..., Awaitable[Told]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[[Ops], Run]:
    def of(rig: Ops) -> Run:
        monkeypatch.setenv("CALLCTL_STATE", str(rig.state.path))

        async def command(*options: str, stdin: str = "") -> Told:
            monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
            tokens = ["cloud", "repair-token", *options]
            code = await to_thread.run_sync(run_command, tokens)
            return code, *capfd.readouterr()

        return command

    return of


def refuse(rig: Ops) -> None:
    """The token service says 400 to every node."""
    for node in ("ucm1", "ucm2"):
        rig.refusals[node] = 400
        rig.in_use[node] = OLD_TOKEN
    rig.in_use["imp1"] = OLD_TOKEN
    rig.refusals["imp1"] = 400
    rig.worker.on_start = lambda node, service: (
        rig.in_use.__setitem__(node, rig.accounts.select(node)[0][4])
        if service is CPNS or service.name == "Cisco XCP Config Manager"
        else None
    )


async def test_cluster_whose_token_is_good_needs_no_repair(
    tmp_path: Path, run: Callable[[Ops], Run]
) -> None:
    async with ops(tmp_path) as rig:
        code, out, _ = await run(rig)()
        assert (code, out) == (
            0,
            "The token service has answered 400 to no node: nothing to repair.\n",
        )
        code, _, err = await run(rig)("--token-file", "-", stdin=NEW_TOKEN)
        assert code == 1
        assert "nothing to repair" in err
        assert rig.accounts.select("ucm1")[0][4] == OLD_TOKEN


@pytest.mark.req("TRB-20", "CLOUD-07")
async def test_400_of_the_token_service_is_seen_and_the_steps_are_told(
    tmp_path: Path, run: Callable[[Ops], Run]
) -> None:
    async with ops(tmp_path) as rig:
        refuse(rig)
        code, out, _ = await run(rig)()
        assert code == 1
        assert "The token service answers 400 to ucm1, ucm2, imp1" in out
        assert out.count("by administrator") == 5
        assert "run sql select * from machineaccountdetails" in out
        view = json.loads((await run(rig)("--json"))[1])
        assert (view["state"], view["needed"]) == ("waits for a token", True)
        assert [step["number"] for step in view["steps"]] == list(range(1, 11))


@pytest.mark.req("TRB-21", "OP-58", "CLOUD-07")
async def test_repair_goes_through_all_steps_and_ends_with_tokens_on_every_node(
    tmp_path: Path, run: Callable[[Ops], Run]
) -> None:
    async with ops(tmp_path) as rig:
        refuse(rig)
        code, out, err = await run(rig)("--token-file", "-", stdin=f"{NEW_TOKEN}\n")
        assert (code, err) == (0, "")
        assert [line[:3] for line in out.splitlines() if line.startswith("[")] == ["[x]"] * 10
        assert NEW_TOKEN not in out
        assert [rig.accounts.select(node)[0][4] for node in ("ucm1", "ucm2", "imp1")] == [
            NEW_TOKEN
        ] * 3
        assert [(node, name) for verb, node, name in rig.worker.done if verb == "start"] == [
            ("ucm1", "Cisco Management Agent Service"),
            ("ucm1", "Cisco Push Notification Service"),
            ("ucm1", "Cisco Tomcat"),
            ("ucm2", "Cisco Management Agent Service"),
            ("ucm2", "Cisco Push Notification Service"),
            ("ucm2", "Cisco Tomcat"),
            ("imp1", "Cisco XCP Config Manager"),
            ("imp1", "Cisco XCP Router"),
            ("imp1", "Cisco Tomcat"),
        ]
        assert rig.services.table.dues() == []
        assert rig.refusals == {"ucm1": 200, "ucm2": 200, "imp1": 200}
        assert (await run(rig)())[0] == 0


@pytest.mark.req("TRB-21")
async def test_repair_that_failed_is_resumed_where_it_failed(
    tmp_path: Path, run: Callable[[Ops], Run]
) -> None:
    async with ops(tmp_path) as rig:
        refuse(rig)
        rig.worker.broken["ucm2", CPNS.name] = "port 9966 is taken"
        code, out, _ = await run(rig)("--token-file", "-", stdin=NEW_TOKEN)
        assert code == 1
        assert "[!]  9. Restart what uses it" in out
        assert "port 9966 is taken" in out
        assert "--resume" in out
        rig.worker.broken.clear()
        code, out, _ = await run(rig)("--resume", "--json")
        assert code == 0
        assert json.loads(out)["state"] == "done"


@pytest.mark.req("TRB-20")
async def test_token_that_is_no_better_is_told_so_and_the_next_one_is_taken(
    tmp_path: Path, run: Callable[[Ops], Run]
) -> None:
    async with ops(tmp_path) as rig:
        refuse(rig)
        code, out, _ = await run(rig)("--token-file", "-", stdin="another-bad-one")
        assert code == 1
        assert "400 again on ucm1, ucm2, imp1" in out
        file = tmp_path / "token"
        file.write_text(NEW_TOKEN + "\n")
        assert (await run(rig)("--token-file", str(file)))[0] == 0


async def test_emulated_cloud_gives_the_token_itself(
    tmp_path: Path, run: Callable[[Ops], Run]
) -> None:
    async with ops(tmp_path, emulated=True) as rig:
        refuse(rig)
        code, out, _ = await run(rig)()
        assert out.count("by emulator") == 5
        assert "--from-emulator" in out
        code, _, _ = await run(rig)("--from-emulator")
        assert code == 0
        assert rig.accounts.select("imp1")[0][4] == NEW_TOKEN


@pytest.mark.parametrize(
    ("options", "stdin", "code", "why"),
    [
        (("--resume",), "", 1, "no repair has failed"),
        (("--from-emulator",), "", 1, "the cloud is not emulated"),
        (("--resume", "--from-emulator"), "", 2, "choose one of"),
        (("--token-file", "-"), "", 2, "nothing came from standard input"),
        (("--token-file", "/no/such/file"), "", 2, "/no/such/file cannot be read"),
        (("--token-file", "-"), "two words\n", 1, "holds blanks"),
    ],
)
async def test_what_cannot_be_done_is_one_line_and_changes_nothing(
    tmp_path: Path,
    run: Callable[[Ops], Run],
    options: tuple[str, ...],
    stdin: str,
    code: int,
    why: str,
) -> None:
    async with ops(tmp_path) as rig:
        refuse(rig)
        found, out, err = await run(rig)(*options, stdin=stdin)
        assert (found, out) == (code, "")
        assert why in err
        assert err.count("\n") == 1
        assert rig.accounts.select("ucm1")[0][4] == OLD_TOKEN


async def test_answer_to_a_repair_does_not_hold_its_token(tmp_path: Path) -> None:
    async with ops(tmp_path) as rig:
        refuse(rig)
        answer = await rig.client.post("/cloud/repair-token", json={"token": NEW_TOKEN})
        assert NEW_TOKEN not in answer.text
        answer = await rig.client.post("/cloud/repair-token", json={})
        assert (answer.status_code, "one of token" in answer.text) == (400, True)
