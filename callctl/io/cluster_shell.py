"""A cluster in one process: its nodes, the emulated clouds beside them, and the sign-in service."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import TaskGroup, TaskStatus

from callctl.call.story import CallRecord
from callctl.engine.event import DeviceSignedIn, DeviceSignedOut
from callctl.io.alarm_sinks import AlarmSink
from callctl.io.bus import Bus
from callctl.io.egress import Resolve
from callctl.io.emulators import PushCloud, PushCloudSettings
from callctl.io.node_shell import CLUSTER_KEY_OCTETS, NodeShell
from callctl.io.operations import NodeHooks, Operations
from callctl.io.pki import CertificateAuthority, emulated_cloud_authorities
from callctl.io.service_desk import NotDone
from callctl.io.sign_in_server import SignInServer
from callctl.io.surroundings import Surroundings
from callctl.io.tap import Tap
from callctl.model.cluster import Cluster
from callctl.push.directory import ClusterDirectory
from callctl.push.history import PushEntry
from callctl.push.sign_in import ClientSignedIn, SignInEvent
from callctl.serviceability.service_event import Wish
from callctl.serviceability.services import CPNS
from sipstack.entropy import Entropy
from sipstack.io.clock import MonotonicClock
from sipstack.io.entropy import OsEntropy
from sipstack.timing import Instant

UUID_LENGTH: Final = 36
UUID_START_MIN: Final = 4

TOKENS_S: Final = 5.0  # longest wait for CI at the start

RECORDS_MAX: Final = 2_000
"""Calls, and as many pushes, kept of nodes that do not live any more."""


class NotFound(LookupError):
    """The cluster has no such node, device or call."""


class CannotStart(RuntimeError):
    """What was kept in the state directory, or a file of the cluster file, is no good.

    The text names the file.
    """


class Conflict(RuntimeError):
    """It is not in a state for that."""


class ClusterShell:
    """Runs nodes of a cluster, stops, kills and starts them, and knows what each of them knows.

    One cluster key, one clock and one certificate authority for all. Where the cluster file asks
    for emulators, pushes go to emulated clouds in this process.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        only: Sequence[str] = (),
        state: Path | None = None,
        sinks: Sequence[AlarmSink] = (),
        log: Callable[[str, str], None] = lambda text, node: None,
        resolve: Resolve | None = None,
    ) -> None:
        """`only`: run these nodes and no others.

        `state`: the directory for what is to be known after the next start, and for traces; None to
        keep nothing. `sinks` are told of alarms, beside the collectors of the cluster file;
        `log` of what else is worth a line, with the node that it is about. `resolve`: who knows the
        addresses of the clouds and of the proxy, in place of the DNS.
        Raises: NotFound for a node that the cluster has not.
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
        self._state, self._sinks, self._log, self._resolve = state, sinks, log, resolve
        self._operations: Operations | None = None

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Run everything until cancelled; then each node leaves in order.

        Raises: OSError or CannotStart, alone or in a group: an address cannot be had, a file is no
            good.
        """
        self.started_at = self.clock()
        try:
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                await self._begin(tasks)
                try:
                    for name in self.node_names:
                        await self.start_node(name)
                    if self.cluster.cloud.push_enabled:
                        await self._serve_sign_in(tasks)
                        await self.operations.access.onboard()
                        await self._tokens_tried()
                    task_status.started()
                    await anyio.sleep_forever()
                finally:
                    for node in self._nodes.values():
                        node.stop()
                    self._tasks = None
        finally:
            if self._operations is not None:
                self._operations.close()

    @property
    def operations(self) -> Operations:
        """What an administrator has around the nodes. Raises: Conflict if the cluster is not up."""
        if self._operations is None:
            raise Conflict("the cluster does not run")
        return self._operations

    # Nodes.

    @property
    def nodes(self) -> tuple[NodeShell, ...]:
        """The nodes that run, in the order of the cluster."""
        return tuple(node for node in self._nodes.values() if node.running)

    def node(self, name: str) -> NodeShell | None:
        """The node if it runs, else None. Raises: NotFound."""
        if name not in self.node_names:
            raise NotFound(f"there is no node {name} here")
        return self.running_node(name)

    def running_node(self, name: str) -> NodeShell | None:
        """The node if it runs here, else None."""
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
        await self._start_node(name)
        self.operations.node_started(name)

    def stop_node(self, name: str) -> None:
        """Take a node out of service in order. Raises: NotFound; Conflict if it does not run."""
        self._running_node(name).stop()
        self.operations.node_ended(name)
        self._note(name, f"node {name} stopped")

    def kill_node(self, name: str) -> None:
        """Let a node die without a word. Raises: as `stop_node`."""
        node = self._running_node(name)
        node.kill()
        for record in node.engine.calls.records:
            record.note_death(self.clock())
        self.operations.node_ended(name)
        self._note(name, f"node {name} killed")

    async def start_cpns(self, name: str) -> None:
        """Start the push service of a node (CPNS-03). Raises: as `stop_node`; NotDone."""
        await self._work(Wish.START, name)

    async def stop_cpns(self, name: str) -> None:
        """Stop the push service of a node (CPNS-03). Raises: as `stop_node`; NotDone."""
        await self._work(Wish.STOP, name)

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
            found.extend((name, entry) for entry in node.all_pushes())
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

    async def _work(self, wish: Wish, name: str) -> None:
        self._running_node(name)
        try:
            await self.operations.services.work(wish, name, CPNS)
        except NotDone as error:
            raise Conflict(str(error)) from error

    async def _begin(self, tasks: TaskGroup) -> None:
        """Everything that has to be there before the first node starts."""
        cloud = self.cluster.cloud
        fos = emulated_cloud_authorities()[1]
        if cloud.emulator:
            self.cloud = PushCloud(
                PushCloudSettings(), self.clock, self.entropy, self.authority, fos
            )
            await tasks.start(self.cloud.run, name="emulated clouds")
        try:
            operations = self._operations = Operations(
                self,
                NodeHooks(self._start_node, self._stop_node),
                (self.authority, fos),
                self.cloud,
                self._state,
                self._sinks,
                self._log,
                self._resolve,
            )
        except (ValueError, OSError) as error:
            raise CannotStart(str(error)) from error
        await operations.start(tasks)
        self._around = Surroundings(
            self.cluster,
            self.entropy.octets(CLUSTER_KEY_OCTETS),
            Bus(),
            self.clock,
            self.entropy,
            self.authority,
            operations.access.route,
            lambda: operations.access.pushes,
            self.tap,
            operations.alarms.feed,
            operations.trace,
            operations.access.account_renewed,
        )

    async def _start_node(self, name: str) -> None:
        if self.node(name) is not None:
            raise Conflict(f"{name} runs already")
        if self._tasks is None or self._around is None:
            raise Conflict("the cluster does not run")
        before = self._nodes.get(name)
        incarnation = 1
        if before is not None:
            incarnation = before.incarnation + 1
            self._records.extend(before.engine.calls.records)
            self._pushes.extend((name, entry) for entry in before.all_pushes())
            await before.closed.wait()  # its ports may be under way to being free
        self.operations.node_starts(name)
        node = self._nodes[name] = NodeShell(name, self._around, incarnation=incarnation)
        await self._tasks.start(node.run, name=f"node {name}")
        self._note(name, f"node {name} started")

    async def _stop_node(self, name: str) -> None:
        node = self._running_node(name)
        node.stop()
        self._note(name, f"node {name} stopped")
        await node.closed.wait()

    async def _tokens_tried(self) -> None:
        """Wait until each push service that gets a token has one, or has been refused one."""
        with anyio.move_on_after(TOKENS_S):
            for node in self.nodes:
                if self.operations.access.route(node.name) is not None:
                    await node.cpns.token_tried()

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
