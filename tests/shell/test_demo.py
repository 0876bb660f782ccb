"""The demo: exit 0 if everything happened, and only then."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from callctl.cli.demo_call import DemoCall
from callctl.cli.demo_onboarding import onboarding_of
from callctl.cli.main import main
from callctl.cli.serving import LAB_FILE
from callctl.cloud.faults import Fault
from callctl.io.cisco_cloud import CiscoCloud
from callctl.io.host import hosted
from callctl.io.lab import with_quick_timers
from callctl.io.pki import CertificateAuthority
from callctl.io.ports import moved_where_free
from callctl.io.state_dir import StateDir
from callctl.model.cloud import OnboardingWay
from callctl.model.load import load_cluster
from helpers.standard_ports import standard_ports
from sipstack.entropy import Entropy

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


STEPS = [
    ("Register with the license manager", [], "registered"),
    ("Generate Voucher", [], "voucher ready"),
    ("Check Enable Push Notifications and Save", [], "certificates prepared"),
    ("Restart Cisco Tomcat", ["ucm1", "ucm2", "ucm3"], "Cisco Cloud Onboarding Pending"),
    ("Check both boxes again and Save", [], "Cloud Onboarding Completed"),
    (
        "Restart Cisco Push Notification Service",
        ["ucm1", "ucm2", "ucm3"],
        "Cloud Onboarding Completed",
    ),
]


@pytest.fixture(autouse=True)
def ports() -> Iterator[None]:
    with standard_ports():
        yield


@pytest.mark.req("CALL-01", "CALL-02", "REG-02", "CMG-05", "ONB-06", "ONB-10", "ONB-11")
def test_every_stage_comes_in_order_and_it_is_exit_0(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--json"]) == 0
    out, err = capfd.readouterr()
    report = json.loads(out)
    assert (report["ok"], report["problems"], err) == (True, [], "")
    assert [stage["name"] for stage in report["stages"]] == STAGES
    times = [stage["at_ms"] for stage in report["stages"]]
    assert times == sorted(times)
    onboarding = report["onboarding"]
    steps = [(step["text"], step["nodes"], step["outcome"]) for step in onboarding["steps"]]
    assert steps == STEPS
    assert (onboarding["ok"], onboarding["status"]) == (True, "Cloud Onboarding Completed")
    assert onboarding["access_tokens"] == {"ucm1": True, "ucm2": True, "ucm3": True}


def test_onboarding_the_ladder_and_the_verdict_are_printed(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "demo.pcapng"
    assert main(["demo", "--trace", str(file)]) == 0
    out = capfd.readouterr().out
    steps = out.partition("onboarding with")[2].partition("access tokens")[0]
    found = 0
    for number, (text, _, outcome) in enumerate(STEPS, start=1):
        found = steps.index(f"  {number}.  {text}", found)
        found = steps.index(outcome, found)
    assert "access tokens of CI: ucm1, ucm2, ucm3\n  pushes flow\n" in out
    assert out.index("pushes flow") < out.index("desk phone")
    assert "── incoming push ──" in out
    assert "• app woken" in out
    assert "PASS  the cluster was onboarded; the sleeping iPhone was woken by its push" in out
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


@pytest.mark.anyio
@pytest.mark.parametrize("fault", ["fos", "ci"])
async def test_cloud_that_gives_no_account_or_no_token_fails_the_demo_and_says_which(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = CiscoCloud.__init__

    def with_a_fault(
        cisco: CiscoCloud,
        entropy: Entropy,
        authority: CertificateAuthority,
        fos_authority: CertificateAuthority,
    ) -> None:
        made(cisco, entropy, authority, fos_authority)
        core = cisco.fos if fault == "fos" else cisco.ci
        core.faults.add(Fault(status=400))

    monkeypatch.setattr(CiscoCloud, "__init__", with_a_fault)
    cluster, _ = moved_where_free(load_cluster(LAB_FILE))
    async with hosted(cluster, StateDir(tmp_path)) as host:
        onboarding = onboarding_of(host)
    assert not onboarding.ok
    if fault == "fos":
        (problem,) = onboarding.problems
        assert problem.startswith("not onboarded: Cloud Onboarding Failed: ")
        assert onboarding.status.startswith("Cloud Onboarding Failed: ")
    else:
        assert onboarding.status == "Cloud Onboarding Completed"
        assert onboarding.problems == tuple(f"ucm{n} has no access token" for n in (1, 2, 3))


@pytest.mark.anyio
async def test_cluster_that_is_to_be_onboarded_by_hand_is_told_apart(tmp_path: Path) -> None:
    lab = load_cluster(LAB_FILE)
    by_hand = replace(lab, cloud=replace(lab.cloud, onboarding=OnboardingWay.MANUAL))
    cluster, _ = moved_where_free(by_hand)
    async with hosted(cluster, StateDir(tmp_path)) as host:
        onboarding = onboarding_of(host)
    assert onboarding.problems == ("onboarding was not started",)
    assert onboarding.steps == ()
