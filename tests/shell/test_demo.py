"""The demo: exit 0 if everything happened, and only then."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from callctl.cli.demo_call import DemoCall
from callctl.cli.main import main
from callctl.cli.serving import LAB_FILE
from callctl.cloud.faults import Fault
from callctl.io.host import hosted
from callctl.io.lab import with_quick_timers
from callctl.io.ports import moved_where_free
from callctl.io.state_dir import StateDir
from callctl.model.load import load_cluster

STAGES = [
    "INVITE in",
    "push out",
    "push at phone",
    "app woken",
    "REGISTER",
    "INVITE out",
    "180 Ringing",
    "200 OK",
    "BYE",
    "nothing left",
]


@pytest.mark.req("CALL-01", "CALL-02", "REG-02", "CMG-05")
def test_every_stage_comes_in_order_and_it_is_exit_0(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--json"]) == 0
    out, err = capfd.readouterr()
    report = json.loads(out)
    assert (report["ok"], report["problems"], err) == (True, [], "")
    assert [stage["name"] for stage in report["stages"]] == STAGES
    times = [stage["at_ms"] for stage in report["stages"]]
    assert times == sorted(times)


def test_the_ladder_and_the_verdict_are_printed(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "demo.pcapng"
    assert main(["demo", "--trace", str(file)]) == 0
    out = capfd.readouterr().out
    assert "desk phone" in out
    assert "── incoming push ──" in out
    assert "• app woken" in out
    assert "PASS  the sleeping iPhone was woken by its push" in out
    assert b"INVITE sip:1005@" in file.read_bytes()


@pytest.mark.anyio
async def test_push_that_is_lost_fails_the_demo_and_says_what_is_missing(tmp_path: Path) -> None:
    cluster = with_quick_timers(load_cluster(LAB_FILE))
    impatient = replace(cluster.service_parameters, ring_back_s=1, drop_s=2)
    cluster, _ = moved_where_free(replace(cluster, service_parameters=impatient))
    async with hosted(cluster, StateDir(tmp_path)) as host:
        call = DemoCall(host)
        cast = await call.set_stage()
        assert host.cluster.cloud is not None
        host.cluster.cloud.apns.faults.add(Fault(lose=True))
        await call.run(cast)
    assert not call.ok
    missing = {problem.partition(":")[0] for problem in call.problems}
    assert {"push at phone", "REGISTER", "INVITE out", "200 OK", "BYE"} <= missing
    assert not {"INVITE in", "push out"} & missing
