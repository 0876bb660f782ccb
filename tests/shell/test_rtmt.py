"""Performance counters by API and by `callctl rtmt show`, against a cluster over real sockets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread

from callctl.cli.errors import CommandError
from callctl.cli.rtmt import app
from callctl.io.cluster_shell import ClusterShell
from callctl.model.release import Release
from callctl.serviceability.counter_catalogue import COUNTERS
from helpers.loops import on_each_loop
from helpers.metrics_rig import Scraped, announced, scraped
from helpers.node_rig import loopback_cluster, running

pytestmark = [pytest.mark.anyio, on_each_loop]

Rtmt = Callable[[str], Awaitable[str]]
"""Runs `callctl rtmt`; gives what it printed. Its exit code must be 0."""


@asynccontextmanager
async def cluster_of(nodes: int = 2) -> AsyncIterator[tuple[ClusterShell, Scraped]]:
    async with running(loopback_cluster(nodes=nodes)) as shell, scraped(shell) as scrape:
        yield shell, scrape


def count(shell: ClusterShell, node: str, name: str, times: int = 1) -> None:
    """Let something happen."""
    running_node = shell.node(node)
    assert running_node is not None
    for _ in range(times):
        running_node.engine.counters.table.count(name, shell.clock())


@pytest.fixture
def rtmt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[[ClusterShell, Scraped], Rtmt]:
    def of(shell: ClusterShell, scrape: Scraped) -> Rtmt:
        monkeypatch.setenv("CALLCTL_STATE", str(announced(tmp_path, shell, scrape.port)))

        def run(line: str) -> int:
            code: int = app(
                line.split("|"),
                exit_on_error=False,
                print_error=False,
                result_action="return_value",
            )
            return code

        async def command(line: str) -> str:
            """Arguments are parted by |, because objects have spaces."""
            assert await to_thread.run_sync(run, line) == 0
            out, err = capfd.readouterr()
            assert err == ""
            return out

        return command

    return of


def rows(out: str) -> list[list[str]]:
    return [line.split() for line in out.splitlines() if line.split()[:1] == ["Cisco"]]


@pytest.mark.req("CTR-01", "CTR-12")
async def test_every_counter_can_be_read_of_every_node_with_what_it_is() -> None:
    async with cluster_of() as (shell, scrape):
        count(shell, "ucm2", "NumberOfPushReqSent", 3)
        answer = await scrape.client.get("/perfmon")
        views: list[dict[str, Any]] = answer.json()
        assert [view["name"] for view in views] == list(COUNTERS)
        for view in views:
            entry = COUNTERS[view["name"]]
            assert (view["object"], view["kind"]) == (entry.owner.value, entry.kind.value)
            assert (view["counts"], view["services"]) == (entry.counts, entry.filter)
            assert [value["node"] for value in view["values"]] == ["ucm1", "ucm2"]
        assert [value["value"] for value in views[0]["values"]] == [0, 3]


async def test_interval_counter_has_its_last_full_minute_apart() -> None:
    async with cluster_of(1) as (shell, scrape):
        count(shell, "ucm1", "PushErrorsApns", 2)

        async def read() -> dict[str, Any]:
            answer = await scrape.client.get("/perfmon", params={"pattern": "PushErrorsApns"})
            ((value,),) = [view["values"] for view in answer.json()]
            assert isinstance(value, dict)
            return value

        assert ((await read())["value"], (await read())["last_full"]) == (2, None)


async def test_what_stands_still_says_why() -> None:
    async with cluster_of(1) as (_, scrape):
        views = (await scrape.client.get("/perfmon")).json()
        notes = {view["name"]: view["note"] for view in views}
        assert notes["NumberOfPushReqSent"] == ""
        assert "IM and Presence is not part" in notes["PushErrorsApns"]
        assert "local push is not part" in notes["NumberOfLocalPushReqSent"]


@pytest.mark.req("CTR-10")
async def test_counter_that_the_release_has_not_has_no_value_and_says_since_when_it_is() -> None:
    cluster = replace(loopback_cluster(), release=Release.parse("12.5(1)SU2"))
    async with running(cluster) as shell, scraped(shell) as scrape:
        views = {view["name"]: view for view in (await scrape.client.get("/perfmon")).json()}
        for name, since in (
            ("PushErrorsFcm", "12.5(1)SU3"),
            ("NumberOfLocalPushReqSent", "14SU3"),
        ):
            assert (views[name]["in_release"], views[name]["values"]) == (False, [])
            assert views[name]["note"] == f"from {since} on; this cluster is 12.5(1)SU2"
        assert views["PushErrorsApns"]["in_release"]
        assert len(views["PushErrorsApns"]["values"]) == 1


async def test_what_there_is_not_is_404_and_named() -> None:
    async with cluster_of(1) as (_, scrape):
        for query, why in (
            ({"pattern": "Nix*"}, "no counter and no object is named Nix*"),
            ({"node": "ucm9"}, "there is no node ucm9 here"),
        ):
            answer = await scrape.client.get("/perfmon", params=query)
            assert (answer.status_code, answer.json()["detail"]) == (404, why)


@pytest.mark.req("CTR-12")
async def test_rtmt_shows_what_moves_with_a_column_for_each_node(
    rtmt: Callable[[ClusterShell, Scraped], Rtmt],
) -> None:
    async with cluster_of() as (shell, scrape):
        count(shell, "ucm1", "NumberOfPushResReceived", 7)
        command = rtmt(shell, scrape)
        out = await command("show")
        assert out.split()[:5] == ["OBJECT", "COUNTER", "KIND", "ucm1", "ucm2"]
        assert len(rows(out)) == 8
        assert ["Cisco", "CallManager", "NumberOfPushResReceived", "cumulative", "7", "0"] in rows(
            out
        )
        assert "45 more stand still here" in out
        everything = await command("show|--all")
        assert len(rows(everything)) == 53
        assert "is not part of this version" in everything
        assert "more stand still" not in everything


@pytest.mark.req("CTR-13")
async def test_rtmt_understands_objects_patterns_and_corrected_spellings(
    rtmt: Callable[[ClusterShell, Scraped], Rtmt],
) -> None:
    async with cluster_of() as (shell, scrape):
        command = rtmt(shell, scrape)

        async def shown(pattern: str) -> list[str]:
            counters = json.loads(await command(f"show|{pattern}|--json"))
            return [counter["name"] for counter in counters]

        assert await shown("PushErrorsApns") == ["PushErrorsApns"]
        assert await shown("PushErrorsFcmDev") == ["PushErrorFcmDev"]
        assert await shown("numberoflocalpushtimeout") == ["NumberOfLocalPushTimout"]
        assert len(await shown("Cisco XCP Push")) == 35
        assert len(await shown("cisco callmanager")) == 12
        assert len(await shown("*Fcm*")) == 10
        assert len(await shown("CustomRegion")) == 3


async def test_rtmt_shows_one_node_and_the_last_minute_of_interval_counters(
    rtmt: Callable[[ClusterShell, Scraped], Rtmt],
) -> None:
    async with cluster_of() as (shell, scrape):
        count(shell, "ucm1", "PushErrorsApns", 2)
        command = rtmt(shell, scrape)
        (counter,) = json.loads(await command("show|PushErrorsApns|--node|ucm1|--json"))
        ((node, value, last),) = [
            (it["node"], it["value"], it["last_full"]) for it in counter["values"]
        ]
        assert (node, value, last) == ("ucm1", 2, None)
        out = await command("show|PushErrorsApns")
        assert "LAST 60 s" in out
        (row,) = rows(out)
        assert row[3:7] == ["PushErrorsApns", "interval", "2", "0"]


async def test_rtmt_names_what_there_is_not(
    rtmt: Callable[[ClusterShell, Scraped], Rtmt],
) -> None:
    async with cluster_of(1) as (shell, scrape):
        command = rtmt(shell, scrape)
        with pytest.raises(CommandError, match="no counter and no object is named Nix"):
            await command("show|Nix")
