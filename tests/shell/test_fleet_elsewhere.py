"""Fleets on servers that run already: a cluster of callctl, and any registrar."""

from __future__ import annotations

from pathlib import Path

import anyio
import httpx2
import pytest

from callctl.fleet.load import Given, load_plan
from callctl.fleet.outcome import result_of
from callctl.fleet.result import FleetResult
from callctl.fleet.run import CannotRun, Fleet, RunSettings
from callctl.io.host import Hosted, hosted
from callctl.io.state_dir import StateDir
from callctl.model.build import PUSH_ON, android, desk_phone, iphone, softphone
from callctl.model.cluster import Cluster
from callctl.model.device import ClientType
from helpers.node_rig import eventually, loopback_cluster

pytestmark = pytest.mark.anyio

QUICK = {
    "phones.grace": "200ms",
    "phones.wake_delay": "20ms..50ms",
    "calls.ramp_up": "0s",
    "calls.duration": "1s",
    "calls.arrivals": "even",
    "calls.answer_after": "50ms",
    "calls.talk": "100ms..300ms",
    "calls.give_up_after": "1s",
    "callers.count": "2",
}


def options(**more: str) -> Given:
    keys = QUICK | {name.replace("__", "."): value for name, value in more.items()}
    return {f"--{key}": (tuple(key.split(".")), value) for key, value in keys.items()}


async def result_on(plan_options: Given) -> FleetResult:
    fleet = Fleet(load_plan(None, plan_options, seed=3), RunSettings())
    with anyio.fail_after(30):
        await fleet.run()
    assert fleet.faults == []
    return result_of(fleet)


def listener(cluster: Cluster, transport: str) -> str:
    place = cluster.nodes["ucm1"].listener(transport)
    assert place is not None
    return str(place)


async def test_mobiles_of_a_running_cluster_are_called_by_its_other_devices(tmp_path: Path) -> None:
    mobiles = [iphone(f"20{n}", f"20{n}") for n in range(4)]
    mobiles += [android(f"30{n}", f"30{n}") for n in range(4)]
    desks = [desk_phone(f"10{n}", f"10{n}") for n in range(2)]
    cluster = loopback_cluster(*mobiles, *desks, nodes=2, cloud=PUSH_ON)
    async with hosted(cluster, StateDir(tmp_path / "state")):
        wanted = options(
            target__cluster=str(tmp_path / "state"), phones__count="20", calls__per_second="8"
        )
        result = await result_on(wanted)
    assert result.ok, result.failures
    assert (result.calls.placed, result.calls.to_sleepers) == (8, 8)
    assert result.set_up.ready == 8
    assert "20 phones were wanted, the cluster has 8" in result.notes
    assert result.ground.startswith("cluster at http://127.0.0.1:")


async def test_a_cluster_without_mobiles_is_no_place_for_a_fleet(tmp_path: Path) -> None:
    cluster = loopback_cluster(desk_phone("1001"))
    async with hosted(cluster, StateDir(tmp_path / "state")):
        with pytest.raises(CannotRun, match="the cluster has no mobile with an owner"):
            await result_on(options(target__cluster=str(tmp_path / "state")))


def plain_users(count: int) -> Cluster:
    """A registrar of standard clients, which wakes nobody."""
    return loopback_cluster(*(softphone(f"50{number}") for number in range(count)))


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_phones_of_any_registrar_stay_awake_where_nothing_can_wake_them(
    transport: str, tmp_path: Path
) -> None:
    cluster = plain_users(10)
    async with hosted(cluster, StateDir(tmp_path / "state")):
        result = await result_on(
            options(
                target__registrar=listener(cluster, transport),
                target__domain=cluster.domain,
                target__user_pattern="50%d",
                phones__count="8",
                calls__per_second="8",
            )
        )
    assert result.ok, result.failures
    assert (result.calls.placed, result.calls.to_sleepers) == (8, 0)
    assert "without a push endpoint nothing can wake a phone: all stay awake" in result.notes


async def test_a_post_to_the_push_endpoint_wakes_a_phone_which_registers(tmp_path: Path) -> None:
    devices = [iphone(f"500{n}", f"500{n}", client=ClientType.STANDARD) for n in range(2)]
    cluster = loopback_cluster(*devices, softphone("5002"), softphone("5003"))
    async with hosted(cluster, StateDir(tmp_path / "state")) as host:
        fleet = Fleet(
            load_plan(
                None,
                options(
                    target__registrar=listener(cluster, "TCP"),
                    target__domain=cluster.domain,
                    target__user_pattern="500%d",
                    target__push_endpoint="0",
                    phones__count="2",
                    calls__per_second="0",
                    calls__duration="5s",
                ),
                seed=3,
            ),
            RunSettings(),
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fleet.run)
            await eventually(lambda: fleet.tally.began is not None)
            await eventually(lambda: not any(flows(host, it.dn) for it in fleet.handsets))
            url = next(note for note in fleet.notes if "pushes are taken" in note).split()[-1]
            async with httpx2.AsyncClient(trust_env=False) as client:
                assert (await client.post(url, json={"user": "5001"})).status_code == 200
                assert (await client.get(f"{url}?user=nobody")).status_code == 404
            await eventually(lambda: flows(host, "5001") == 1)
            assert flows(host, "5000") == 0
            fleet.end("seen enough")
    assert fleet.phone_counts.wakes == 1
    assert fleet.ended_early == "seen enough"


def flows(host: Hosted, user: str) -> int:
    """Live connections of a user's phone."""
    bindings = host.cluster.nodes[0].engine.bindings
    return sum(binding.flow is not None for binding in bindings if binding.dn == user)
