"""A cluster of the fleet's own: its file, its process, its end."""

from __future__ import annotations

import csv
import sys
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import PIPE
from typing import Final

import anyio
from anyio.abc import Process

from callctl.fleet.plan import Plan
from callctl.fleet.population import PhoneTraits, caller_device, phone_device
from callctl.io.ports import moved_where_free
from callctl.io.state_dir import StateDir
from callctl.model.build import make_cluster, make_node
from callctl.model.node import Node
from sipstack.io.entropy import OsEntropy

DOMAIN: Final = "fleet.example"
PASSWORD: Final = "fleet"  # of every user of a cluster that lives on loopback for a run
HOST: Final = "127.0.0.1"
FIRST_PORT: Final = 10_060  # below the ports that a system gives to connections
PORTS_APART: Final = 10  # from one node to the next
OFFSETS: Final = range(0, 20_000, 100)
FIRST_OFFSETS: Final = 9  # one of which is tried first
PUSH_SERVICE: Final = 6  # the port of a node's push service, from its first one
START_S: Final = 120.0
STOP_S: Final = 10.0
LOG_SHOWN: Final = 2_000  # characters of its last words
COLUMNS: Final = (
    "user", "password", "display_name", "line", "device", "device_pool",
    "client", "client_version", "os_version", "custom_region",
)  # fmt: skip


class ClusterFailed(Exception):
    """It did not start, or has ended; the text says why."""


@dataclass(frozen=True, slots=True)
class OwnCluster:
    """A running cluster."""

    process: Process
    state: Path
    log: Path

    @property
    def running(self) -> bool:
        """True until its process has ended."""
        return self.process.returncode is None

    def last_words(self) -> str:
        """What it wrote last."""
        return self.log.read_text("utf-8", errors="replace")[-LOG_SHOWN:].strip()


@asynccontextmanager
async def own_cluster(
    plan: Plan, phones: Sequence[PhoneTraits], directory: Path
) -> AsyncGenerator[OwnCluster]:
    """Run a cluster for these phones while the context lasts. Raises: ClusterFailed."""
    file = write_cluster(plan, phones, directory)
    state, log = directory / "state", directory / "cluster.log"
    command = [sys.executable, "-m", "callctl.fleet.cluster_process", str(file), str(state)]
    with log.open("wb") as output:
        # In a session of its own: Ctrl-C is for the fleet, which asks about its calls first.
        process = await anyio.open_process(
            command, stdin=PIPE, stdout=output, stderr=output, start_new_session=True
        )
    cluster = OwnCluster(process, state, log)
    try:
        await _announced(cluster)
        yield cluster
    finally:
        with anyio.CancelScope(shield=True):
            await _end(process)


async def _announced(cluster: OwnCluster) -> None:
    with anyio.move_on_after(START_S):
        while cluster.running:
            running = StateDir(cluster.state).running()
            if running is not None and running.pid == cluster.process.pid:
                return
            await anyio.sleep(0.05)
        raise ClusterFailed(f"the cluster did not start: {cluster.last_words()}")
    raise ClusterFailed(f"the cluster did not start within {START_S:.0f} s")


async def _end(process: Process) -> None:
    assert process.stdin is not None
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        await process.stdin.aclose()
    with anyio.move_on_after(STOP_S):
        await process.wait()
        return
    process.kill()
    await process.wait()


def write_cluster(plan: Plan, phones: Sequence[PhoneTraits], directory: Path) -> Path:
    """The cluster file and its bulk file, with ports that are free now. Returns: the former."""
    nodes = free_nodes(plan.nodes)
    names = [node.name for node in nodes]
    lines = ["id: fleet", f"domain: {DOMAIN}", f"release: {plan.release}", "nodes:"]
    for node in nodes:
        listeners = ", ".join(map(str, node.listeners))
        lines.append(f"  {node.name}: {{listeners: [{listeners}], cpns_port: {node.cpns_port}}}")
    lines.append("cm_groups:")
    for at, name in enumerate(names):
        order = [*names[at:], *names[:at]][:3]
        lines.append(f"  {name}: [{', '.join(order)}]")
    lines.append("device_pools:")
    lines += [f"  {name}: {{cm_group: {name}}}" for name in names]
    lines += ["bulk: [devices.csv]", "cloud: {push_enabled: true, emulator: true}", ""]
    file = directory / "cluster.yaml"
    file.write_text("\n".join(lines), "utf-8")
    with (directory / "devices.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        writer.writerows(_rows(plan, phones, names))
    return file


def pool_of(number: int, nodes: int) -> int:
    """The device pool of a phone, from 0: its first node. Phones are spread over all."""
    return number % nodes


def free_nodes(count: int) -> list[Node]:
    """Nodes `ucm1`, ... on free ports of loopback. Raises: NoFreePorts, an OSError."""
    nodes = []
    for number in range(1, count + 1):
        port = FIRST_PORT + PORTS_APART * number
        node = make_node(f"ucm{number}", number, host=HOST, port=port)
        nodes.append(replace(node, cpns_port=port + PUSH_SERVICE))
    # Fleets that start at the same time would take ports from each other, tried in one order.
    first = OsEntropy().below(FIRST_OFFSETS)
    offsets = (*OFFSETS[first:], *OFFSETS[:first])
    cluster, _ = moved_where_free(make_cluster(nodes=nodes), offsets)
    return list(cluster.nodes.values())


def _rows(
    plan: Plan, phones: Sequence[PhoneTraits], pools: Sequence[str]
) -> Iterable[tuple[str, ...]]:
    for number, phone in enumerate(phones):
        group = phone.group
        dn, device = phone_device(number, group.platform)
        yield (
            dn, PASSWORD, f"Phone {number}", dn, device,
            pools[pool_of(number, len(pools))], group.client.value, group.client_version,
            phone.os_version, str(group.custom_region).lower(),
        )  # fmt: skip
    for number in range(plan.callers):
        dn, device = caller_device(number)
        pool = pools[pool_of(number, len(pools))]
        yield dn, PASSWORD, f"Caller {number}", dn, device, pool, "standard", "", "", ""
