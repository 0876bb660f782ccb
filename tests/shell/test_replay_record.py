"""`callctl replay record --cluster`: a running cluster, recorded over its API and replayed."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from callctl.cli.main import main
from callctl.engine import delivery
from callctl.io.caller import Wish
from callctl.io.host import Hosted, hosted
from callctl.io.lab import has_flow
from callctl.io.phone_setup import Manner
from callctl.io.state_dir import StateDir
from callctl.model.build import PUSH_ON, desk_phone, iphone
from callctl.model.load import load_cluster
from callctl.model.service_parameter import ServiceParameters
from callctl.phone.event import Registered, RegistrationFailed
from callctl.phone.settings import AnswerPlan
from callctl.replay.from_capture import recording_of
from callctl.replay.notes import read_notes
from callctl.replay.notes_schema import NodeEvent
from callctl.replay.replay import read
from helpers.node_rig import eventually, loopback_cluster, running, user_agent
from sipstack.timing import MS, SECOND

pytestmark = pytest.mark.anyio

CALLER, SLEEPER = desk_phone("4930111001"), iphone("4930111005")
RECORDED_S = "4"


async def command(*line: str | Path) -> int:
    """Runs `callctl replay` beside the cluster, as in another process."""
    return await anyio.to_thread.run_sync(main, ["replay", *map(str, line)])


@asynccontextmanager
async def cluster(state: Path, *, nodes: int = 1) -> AsyncIterator[Hosted]:
    made = loopback_cluster(
        CALLER, SLEEPER, nodes=nodes, cloud=PUSH_ON, parameters=ServiceParameters()
    )
    async with hosted(made, StateDir(state)) as host:
        yield host


async def asleep(host: Hosted) -> None:
    """Let the iPhone sign in, register, and fall asleep."""
    manner = Manner(AnswerPlan(after_ns=100 * MS), wake_delay_ns=100 * MS, grace_ns=10 * MS)
    phone = await host.parties.add_phone(SLEEPER.name, manner=manner)
    await eventually(lambda: phone.signed_in and phone.phone.registered is not None)
    phone.suspend()
    await eventually(lambda: not has_flow(host.cluster, SLEEPER.name))


@asynccontextmanager
async def recording(into: Path, state: Path) -> AsyncIterator[None]:
    """Record while the body runs, and then until the time is over."""
    line = ("record", into, "--cluster", "--for", RECORDED_S, "--state", state)
    codes: list[int] = []
    told: list[str] = []

    async def record() -> None:
        codes.append(await command(*line))

    async with anyio.create_task_group() as tasks:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("callctl.cli.output.print_error", told.append)
            tasks.start_soon(record)
            await eventually(lambda: bool(told))
        yield
    assert told == [f"recording until {RECORDED_S} s, or Ctrl-C"]
    assert codes == [0]


async def test_call_to_a_sleeping_phone_plays_as_it_was_and_another_engine_is_found(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    state, into = tmp_path / "state", tmp_path / "kept"
    async with cluster(state) as host:
        async with recording(into, state):
            await asleep(host)
            wish = Wish("4930111001", "4930111005", hang_up_after_s=0.3)
            caller = await host.parties.place_call(wish)
            await caller.ended.wait()
            assert caller.status == 200
        tokens = [it.voip_token for it in host.cluster.nodes[0].engine.push_bindings]
    out = capfd.readouterr().out
    notes = into / "recording.notes.yaml"
    assert out.endswith(f" messages; callctl replay run {notes}\n")

    assert await command("run", notes, "--json") == 0
    (report,) = json.loads(capfd.readouterr().out)["captures"]
    assert report["differences"] == []
    assert report["compared"] > 8
    titles = [rung["title"] for rung in report["ladder"]]
    for title in ("push incoming", "200 (REGISTER)", "INVITE", "200 (BYE)"):
        assert title in titles
    kept_notes = read_notes(notes)
    file = kept_notes.file
    asleep_at = recording_of(read(kept_notes), kept_notes).ends[0].at / SECOND
    assert file.pushes
    assert asleep_at < file.pushes[0].at  # else the node would call the phone where it was
    assert [entry.device for entry in file.sign_ins] == [SLEEPER.name]
    assert [(push.device, push.kind) for push in file.pushes] == [(SLEEPER.name, "incoming")]

    # No password and no token of the cluster is in what was kept.
    kept = b"".join(path.read_bytes() for path in into.iterdir())
    assert b"pw4930111001" not in kept
    assert tokens
    assert not any(token is None or token.encode() in kept for token in tokens)

    # Other numbers of the cluster, and another engine, are found.
    text = (into / "recording.cluster.yaml").read_text()
    assert "service_parameters" not in text
    with (into / "recording.cluster.yaml").open("a") as out_file:
        out_file.write("service_parameters: {authentication: none}\n")
    assert await command("run", notes, "--json") == 1
    found = json.loads(capfd.readouterr().out)["captures"][0]["differences"]
    assert {it["message"] for it in found} >= {"401 (REGISTER)", "407 (INVITE)"}
    (into / "recording.cluster.yaml").write_text(text)
    monkeypatch.setattr(delivery, "record_route", lambda *_, **__: ())
    assert await command("run", notes, "--json") == 1
    found = json.loads(capfd.readouterr().out)["captures"][0]["differences"]
    assert "record-route" in {it["header"] for it in found}


async def test_who_was_registered_before_is_in_the_notes_and_a_wrong_password_stays_wrong(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    state, into = tmp_path / "state", tmp_path / "kept"
    async with cluster(state) as host:
        desk = await host.parties.add_desk_phone(CALLER.name, transport="TCP")
        await eventually(lambda: has_flow(host.cluster, CALLER.name))
        async with recording(into, state):
            async with user_agent(host.cluster, "4930111005", password="guessed") as intruder:
                intruder.shell.register()
                await intruder.until(RegistrationFailed)
            caller = await host.parties.place_call(
                Wish("4930111005", "4930111001", give_up_after_s=0.5)
            )
            await caller.ended.wait()
        assert desk
    notes = into / "recording.notes.yaml"
    assert await command("run", notes) == 0, capfd.readouterr().out
    assert [entry.line for entry in read_notes(notes).file.registered] == ["4930111001"]
    # Over sockets as well; what was written is a cluster that can be run.
    again = load_cluster(into / "recording.cluster.yaml")
    listener = again.nodes["ucm1"].listeners[0]
    async with running(again):
        assert await command("run", notes, "--live", f"{listener.host}:{listener.port}") == 0, (
            capfd.readouterr().out
        )


async def test_node_that_dies_while_it_is_recorded_dies_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    state, into = tmp_path / "state", tmp_path / "kept"
    async with cluster(state, nodes=2) as host, recording(into, state):
        host.cluster.kill_node("ucm2")
        async with user_agent(host.cluster, "4930111001") as caller:
            caller.shell.register()
            await caller.until(Registered)
        await host.cluster.start_node("ucm2")
    notes = into / "recording.notes.yaml"
    assert await command("run", notes) == 0, capfd.readouterr().out
    events = [(it.node, it.event) for it in read_notes(notes).file.node_events]
    assert events == [("ucm2", NodeEvent.DIES), ("ucm2", NodeEvent.STARTS)]


async def test_client_that_signs_out_is_pushed_no_more_in_the_replay_either(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    state, into = tmp_path / "state", tmp_path / "kept"
    async with cluster(state) as host:
        await asleep(host)
        async with recording(into, state):
            host.parties.phone(SLEEPER.name).sign_out()
            await eventually(lambda: bool(host.cluster.nodes[0].engine.push_removals))
            wish = Wish("4930111001", "4930111005", give_up_after_s=2)
            caller = await host.parties.place_call(wish)
            await caller.ended.wait()
            assert caller.status == 480
    notes = into / "recording.notes.yaml"
    assert await command("run", notes) == 0, capfd.readouterr().out
    file = read_notes(notes).file
    assert [entry.device for entry in file.sign_outs] == [SLEEPER.name]
    assert file.pushes == []


async def test_ctrl_c_ends_a_recording_in_order(tmp_path: Path) -> None:
    state, into = tmp_path / "state", tmp_path / "kept"
    line = [sys.executable, "-m", "callctl.cli.main", "replay", "record", str(into), "--cluster"]
    async with cluster(state) as host:
        process = await anyio.open_process([*line, "--state", str(state), "--name", "mine"])
        assert process.stderr is not None
        told = b""
        with anyio.fail_after(20):
            while b"\n" not in told:
                told += await process.stderr.receive()
            async with user_agent(host.cluster, "4930111001") as caller:
                caller.shell.register()
                await caller.until(Registered)
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 0
        await process.aclose()
    assert told == b"callctl: recording until Ctrl-C\n"
    assert await command("run", into / "mine.notes.yaml") == 0


async def test_nothing_said_is_nothing_to_keep(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with cluster(tmp_path / "state"):
        line = ("--cluster", "--for", "0.1", "--state", tmp_path / "state")
        assert await command("record", tmp_path / "kept", *line) == 1
    assert capfd.readouterr().err.splitlines()[-1] == (
        "callctl: nobody outside said anything while it was recorded"
    )
    assert list((tmp_path / "kept").iterdir()) == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (["--for", "3"], "--for, --name, --url and --json are for --cluster"),
        (["--cluster", "--story", "ios_13"], "--cluster records no stories"),
        (["--cluster", "--name", "a/b"], "--name a/b: the name of a file is needed"),
    ],
)
def test_wrong_command_line_is_a_line(
    line: list[str], problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", "record", str(tmp_path), *line]) == 2
    assert capsys.readouterr().err == f"callctl: {problem}\n"


def test_without_a_cluster_it_ends_with_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["replay", "record", str(tmp_path), "--cluster", "--state", str(tmp_path / "none")]
    assert main(line) == 3
    assert capsys.readouterr().err.startswith("callctl: no cluster runs here")


def test_stories_need_no_cluster_though_one_may_be_named_for_other_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLCTL_STATE", str(tmp_path / "none"))
    assert main(["replay", "record", str(tmp_path), "--story", "ios_13"]) == 0
    assert (tmp_path / "ios_13.notes.yaml").is_file()
