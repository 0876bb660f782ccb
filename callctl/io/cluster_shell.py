"""A cluster in one process: its nodes, the emulated clouds beside them, and the sign-in service."""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import Sequence
from typing import Final

import anyio
from anyio.abc import TaskGroup, TaskStatus

from callctl.call.story import CallRecord
from callctl.engine.event import DeviceSignedIn, DeviceSignedOut
from callctl.io.bus import Bus
from callctl.io.direct_route import route_of
from callctl.io.emulators import PushCloud, PushCloudSettings
from callctl.io.node_shell import CLUSTER_KEY_OCTETS, NodeShell, PushRoute, Surroundings
from callctl.io.pki import CertificateAuthority
from callctl.io.sign_in_server import SignInServer
from callctl.io.tap import Tap
from callctl.model.cluster import Cluster
from callctl.push.directory import ClusterDirectory
from callctl.push.history import PushEntry
from callctl.push.sign_in import ClientSignedIn, SignInEvent
from sipstack.entropy import Entropy
from sipstack.io.clock import MonotonicClock
from sipstack.io.entropy import OsEntropy
from sipstack.timing import Instant

UUID_LENGTH: Final = 36
UUID_START_MIN: Final = 4

RECORDS_MAX: Final = 2_000
"""Calls, and as many pushes, kept of nodes that do not live any more."""


class NotFound(LookupError):
    """The cluster has no such node, device or call."""


class Conflict(RuntimeError):
    """It is not in a state for that."""


class ClusterShell:
    """Runs nodes of a cluster, stops, kills and starts them, and knows what each of them knows.

    One cluster key, one clock and one certificate authority for all. Where the cluster file asks
    for emulators, pushes go to emulated clouds in this process.
    """

    def __init__(self, cluster: Cluster, *, only: Sequence[str] = ()) -> None:
        """`only`: run these nodes and no others.

        Raises: NotFound for one that the cluster has not.
        """
        for name in only:
            if name not in cluster.nodes:
                raise NotFound(f"there is no node {name}")
        self.cluster = cluster
        self.clock = MonotonicClock()
        self.entropy: Entropy = OsEntropy()
        self.authority = CertificateAuthority()
        self.tap = Tap()
        self.started_at = Instant(0)
        self.node_names = tuple(only) or tuple(cluster.nodes)
        self.cloud: PushCloud | None = None
        self.sign_in: SignInServer | None = None
        self._nodes: dict[str, NodeShell] = {}  # the last life of each
        self._records: deque[CallRecord] = deque(maxlen=RECORDS_MAX)  # of earlier lives
        self._pushes: deque[tuple[str, PushEntry]] = deque(maxlen=RECORDS_MAX)
        self._around: Surroundings | None = None
        self._tasks: TaskGroup | None = None

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Run everything until cancelled; then each node leaves in order.

        Raises: OSError, alone or in a group, if an address cannot be had.
        """
        self.started_at = self.clock()
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            self._around = Surroundings(
                self.cluster,
                self.entropy.octets(CLUSTER_KEY_OCTETS),
                Bus(),
                self.clock,
                self.entropy,
                self.authority,
                await self._push_route(tasks),
                self.tap,
            )
            try:
                for name in self.node_names:
                    await self.start_node(name)
                if self.cluster.cloud.push_enabled:
                    await self._serve_sign_in(tasks)
                task_status.started()
                await anyio.sleep_forever()
            finally:
                for node in self._nodes.values():
                    node.stop()
                self._tasks = None

    # Nodes.

    @property
    def nodes(self) -> tuple[NodeShell, ...]:
        """The nodes that run, in the order of the cluster."""
        return tuple(node for node in self._nodes.values() if node.running)

    def node(self, name: str) -> NodeShell | None:
        """The node if it runs, else None. Raises: NotFound."""
        if name not in self.node_names:
            raise NotFound(f"there is no node {name} here")
        node = self._nodes.get(name)
        return node if node is not None and node.running else None

    def incarnation(self, name: str) -> int:
        """How often the node was started, 0 before the first time."""
        last = self._nodes.get(name)
        return 0 if last is None else last.incarnation

    async def start_node(self, name: str) -> None:
        """Bring a node into service, with a higher incarnation than in its last life.

        Raises: NotFound; Conflict if it runs; OSError if its addresses cannot be had.
        """
        if self.node(name) is not None:
            raise Conflict(f"{name} runs already")
        if self._tasks is None or self._around is None:
            raise Conflict("the cluster does not run")
        before = self._nodes.get(name)
        incarnation = 1
        if before is not None:
            incarnation = before.incarnation + 1
            self._records.extend(before.engine.calls.records)
            self._pushes.extend((name, entry) for entry in before.cpns.entries)
            await before.closed.wait()  # its ports may be under way to being free
        node = self._nodes[name] = NodeShell(name, self._around, incarnation=incarnation)
        await self._tasks.start(node.run, name=f"node {name}")
        self._note(name, f"node {name} started")

    def stop_node(self, name: str) -> None:
        """Take a node out of service in order. Raises: NotFound; Conflict if it does not run."""
        self._running_node(name).stop()
        self._note(name, f"node {name} stopped")

    def kill_node(self, name: str) -> None:
        """Let a node die without a word. Raises: as `stop_node`."""
        node = self._running_node(name)
        node.kill()
        for record in node.engine.calls.records:
            record.note_death(self.clock())
        self._note(name, f"node {name} killed")

    def set_cpns(self, name: str, running: bool) -> None:
        """Start or stop the push service of a node (CPNS-03). Raises: as `stop_node`."""
        self._running_node(name).set_cpns(running)

    # What the cluster knows.

    def records(self) -> list[CallRecord]:
        """The story of every call that is remembered, oldest first."""
        found = [*self._records]
        for node in self._nodes.values():
            found.extend(node.engine.calls.records)
        return sorted(found, key=lambda record: record.started_at)

    def record(self, which: str) -> CallRecord:
        """The call with this UUID, or the start of one, or this Call-ID; "last" for the newest.

        Raises: NotFound; Conflict if it is the start of several UUIDs.
        """
        records = self.records()
        if which == "last" and records:
            return records[-1]
        found = [record for record in records if which in (record.call_uuid, record.call_id)]
        if not found and len(which) >= UUID_START_MIN:
            found = [record for record in records if record.call_uuid.startswith(which)]
        if not found:
            raise NotFound(f"there is no call {which}")
        if len({record.call_uuid for record in found}) > 1 and len(which) < UUID_LENGTH:
            raise Conflict(f"{which} is the start of {len(found)} calls")
        return found[-1]

    def pushes(self) -> list[tuple[str, PushEntry]]:
        """Every push that is remembered with the node that sent it, oldest first."""
        found = [*self._pushes]
        for name, node in self._nodes.items():
            found.extend((name, entry) for entry in node.cpns.entries)
        return sorted(found, key=lambda pair: pair[1].wanted_at)

    @property
    def view(self) -> NodeShell:
        """A running node, to ask what the cluster knows. Raises: Conflict if there is none."""
        for node in self.nodes:
            return node
        raise Conflict("no node is in service")

    def counts(self) -> dict[str, dict[str, int]]:
        """What is alive in each running node."""
        return {node.name: node.counts() for node in self.nodes}

    # Inside.

    def _running_node(self, name: str) -> NodeShell:
        node = self.node(name)
        if node is None:
            raise Conflict(f"{name} does not run")
        return node

    async def _push_route(self, tasks: TaskGroup) -> PushRoute | None:
        cloud = self.cluster.cloud
        if not cloud.push_enabled:
            return None
        if not cloud.emulator:
            # Without onboarding there is no access token: pushes are refused, and say why.
            tls = ssl.create_default_context()
            direct = None if cloud.direct is None else route_of(cloud.direct)
            return PushRoute(cloud.push_rest_url, tls, None, direct=direct)
        self.cloud = PushCloud(PushCloudSettings(), self.clock, self.entropy, self.authority)
        await tasks.start(self.cloud.run, name="emulated clouds")
        tls = self.authority.client_context()
        token, renew = self.cloud.access_token, self.cloud.renew_token
        direct = None if cloud.direct is None else self.cloud.direct_route(cloud.direct)
        return PushRoute(self.cloud.push_rest_url, tls, token, renew=renew, direct=direct)

    async def _serve_sign_in(self, tasks: TaskGroup) -> None:
        self.sign_in = SignInServer(
            ClusterDirectory(self.cluster),
            self.authority.server_context((self.cluster.domain,)),
            self.clock,
            self._signed_in,
        )
        await tasks.start(self.sign_in.run, name="sign-in")

    def _signed_in(self, event: SignInEvent) -> None:
        if isinstance(event, ClientSignedIn):
            self.view.feed(DeviceSignedIn(event.binding))
        else:
            self.view.feed(DeviceSignedOut(event.device_name))

    def _note(self, party: str, text: str) -> None:
        self.tap.note(self.clock(), party, text)
