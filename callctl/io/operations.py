"""All that an administrator has around the nodes of a running cluster.

Alarms, traces, network services, the way to the clouds, the management agent, metrics, checks and
repairs: made here, told of each other here, and ended here. Each of them knows nothing of the rest.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from anyio.abc import TaskGroup

from callctl.cloud.record import PushLog, PushRecord
from callctl.cloud.trace_lines import cloud_got
from callctl.io.alarm_sinks import AlarmDesk, AlarmSink
from callctl.io.cloud_access import CloudAccess, CloudHooks
from callctl.io.egress import Resolve
from callctl.io.emulators import PushCloud
from callctl.io.management_agent import ManagementAgentShell, over, read_memory, write_memory
from callctl.io.metrics import Metrics, Sources, Watched, alarms_active
from callctl.io.node_cli_desk import NodeCliDesk
from callctl.io.node_shell import NodeShell
from callctl.io.onboarding_view import Support
from callctl.io.pki import CertificateAuthority
from callctl.io.reachability import CloudCheck, CloudUrls, NodeWay, TokenNow
from callctl.io.repair_desk import RepairDesk
from callctl.io.service_desk import NotDone, ServiceDesk, Told
from callctl.io.service_worker import ServiceHooks, ServiceWorker
from callctl.io.syslog_sender import SyslogSender, collector_tls
from callctl.io.trace_files import FOLDER, TraceFiles
from callctl.model.cluster import Cluster
from callctl.model.machine_account import MachineAccount
from callctl.onboarding.event import AccountRepaired, RestartDue
from callctl.onboarding.page import PageSettings
from callctl.onboarding.tasks import Prerequisites
from callctl.serviceability.agent_event import (
    AgentMemory,
    ManagementAgentSettings,
    OnboardingChanged,
    PushChanged,
    ServiceChanged,
)
from callctl.serviceability.alarms import AlarmBoard, NodeStarted
from callctl.serviceability.management_agent import ManagementAgent
from callctl.serviceability.service_event import (
    NodeDown,
    NodeUp,
    RestartIsDue,
    ServiceDown,
    ServiceWanted,
    Wish,
)
from callctl.serviceability.service_table import ServiceTable
from callctl.serviceability.services import (
    CALL_MANAGER,
    CMAS,
    CPNS,
    XCP_CONFIG_MANAGER,
    XCP_ROUTER,
    NodeKind,
    Server,
    service_named,
)
from callctl.serviceability.tracing import Source, TraceRecord
from sipstack.entropy import Entropy, token
from sipstack.io.clock import MonotonicClock
from sipstack.timing import Instant

PAGE_UPDATED: Final = "onboarding page updated"
UNRESTRICTED: Final = "unrestricted software"
REFRESH_TOKEN_OCTETS: Final = 32


class Shell(Watched, Protocol):
    """The running cluster as the operations see it."""

    @property
    def clock(self) -> MonotonicClock: ...
    @property
    def entropy(self) -> Entropy: ...

    def running_node(self, name: str) -> NodeShell | None:
        """None if it does not run."""


@dataclass(frozen=True, slots=True)
class NodeHooks:
    """Starting and stopping whole nodes, without telling the services of it."""

    start: Callable[[str], Awaitable[None]]
    stop: Callable[[str], Awaitable[None]]


class Operations:
    """What one process runs beside its nodes."""

    def __init__(
        self,
        shell: Shell,
        nodes: NodeHooks,
        authorities: tuple[CertificateAuthority, CertificateAuthority],
        cloud: PushCloud | None,
        state: Path | None,
        sinks: Sequence[AlarmSink],
        log: Callable[[str, str], None],
        resolve: Resolve | None = None,
    ) -> None:
        """`authorities`: those of the emulated CI and FOS; `state`: None to keep nothing.

        `log` takes what is worth a line, and the node that it is about. `resolve`: as for `Egress`.

        Raises: as `CloudAccess`; ValueError for a file of the management agent that is broken.
        """
        self._shell, self._nodes, self._cloud, self._log = shell, nodes, cloud, log
        cluster, clock = shell.cluster, shell.clock
        self._cluster, self._clock = cluster, clock
        self._publisher = cluster.publisher.name
        self.alarms = AlarmDesk(AlarmBoard(cluster.release), clock, sinks)
        unix_ns_at_zero = clock.unix_ns(Instant(0))
        hooks = CloudHooks(
            self.alarms.feed,
            self._news,
            self._push_switched,
            self._restart_due,
            self._in_force,
            self._restart,
            self._trust_changed,
            self._look_around,
        )
        ci, fos = authorities
        self.access = CloudAccess(
            cluster,
            clock,
            shell.entropy,
            ci,
            fos,
            cloud,
            state,
            hooks,
            shell.node_names,
            resolve,
        )
        self.accounts = self.access.accounts
        self.accounts.on_token_set = self._token_set
        self.services = ServiceDesk(
            ServiceTable(
                tuple(_servers(cluster, shell.node_names)),
                cluster.release,
                forbidden=UNRESTRICTED if cluster.unrestricted else "",
            ),
            clock,
            ServiceWorker(
                ServiceHooks(
                    shell.running_node,
                    self._start_node,
                    self._stop_node,
                    self._management_agent,
                    self.access.service_starts,
                    self._publisher,
                )
            ),
            self._service_told,
        )
        self.agent = self._management_agent_shell(state, unix_ns_at_zero)
        self.metrics = Metrics(
            shell,
            Sources(
                alarms=lambda: alarms_active(self.alarms.board.active),
                certificates=self.access.trust.expires_in_s,
            ),
        )
        self.check = CloudCheck(
            self._urls,
            self._ways,
            clock,
            push_ports=self._push_ports,
            roots=self.access.trust.store.roots,
        )
        self.repair = RepairDesk(
            clock,
            self.accounts,
            self.services,
            statuses=self._token_statuses,
            try_token=self._try_token,
            emulator=None if cloud is None else self._emulated_refresh_token,
        )
        self.node_cli = NodeCliDesk(
            self.services, self.accounts, self.agent, self.check, publisher=self._publisher
        )
        # Last: it has a thread, which would outlive what cannot be made.
        self.traces = None if state is None else TraceFiles(state / FOLDER, unix_ns_at_zero)
        self._watch_emulators()

    async def start(self, tasks: TaskGroup) -> None:
        """Work from now on. Raises: OSError for a file of the cluster file that is no good."""
        for settings in self._cluster.alarms.syslog:
            sender = SyslogSender(
                settings,
                self._clock.unix_ns,
                host=self._cluster.publisher.fqdn,
                tls=collector_tls(settings),
            )
            self.alarms.add(sender)
            await tasks.start(sender.run, name="syslog")
        self.alarms.add(self.agent)
        await tasks.start(self.agent.run, name="management agent")
        await tasks.start(self.services.run, name="services")
        await self.access.start(tasks)
        await tasks.start(self.repair.run, name="token repair")
        await tasks.start(self.metrics.run, name="metrics")
        for name in self._cluster.deployment.im_and_presence_nodes:
            self.services.feed(NodeUp(name))

    def close(self) -> None:
        """Tell nobody anything any more, let go of files."""
        self.alarms.close()
        self.access.close()
        if self.traces is not None:
            self.traces.close()

    # Nodes.

    def node_starts(self, name: str) -> None:
        """A node is about to start: what was saved is in force with it."""
        self.alarms.feed(NodeStarted(name))
        for service in (CPNS, XCP_CONFIG_MANAGER, XCP_ROUTER):
            self.access.service_starts(service.name, name)

    def node_started(self, name: str) -> None:
        """A node is in service, with its push service."""
        self.accounts.node_up(name)
        self.services.feed(NodeUp(name))

    def node_ended(self, name: str) -> None:
        """A node is out of service, whatever the reason."""
        self.accounts.node_down(name)
        self.services.feed(NodeDown(name))

    def trace(self, record: TraceRecord) -> None:
        """Write it where its service writes."""
        if self.traces is not None:
            self.traces.write(record)

    def support(self) -> Support:
        """What the onboarding page shows for support staff, and nothing else does (TRB-12)."""
        agent = self.agent.agent
        return Support(agent.cluster_id, agent.support_token)

    async def _start_node(self, name: str) -> None:
        """CallManager is started, and its push service comes with it."""
        await self._nodes.start(name)
        if not self.services.table.runs(name, CPNS):
            self.services.feed(ServiceWanted(Wish.START, name, CPNS))

    async def _stop_node(self, name: str) -> None:
        """CallManager is stopped, and its push service goes with it: here they are one process."""
        await self._nodes.stop(name)
        if self.services.table.runs(name, CPNS):
            self.services.feed(ServiceDown(name, CPNS, f"{CALL_MANAGER} is stopped"))

    # Told by the parts.

    def _news(self, text: str) -> None:
        self._log(text, self._publisher)

    def _push_switched(self, on: bool) -> None:
        for node in self._shell.nodes:
            node.switch_push(on)
        self.agent.feed(PushChanged(on))
        valid = not self.access.onboarding.onboarding.uploads_fail
        self.agent.feed(OnboardingChanged(valid))

    def _in_force(self, node: str, page: PageSettings) -> None:
        if node == self._publisher:
            self.agent.set_sending(page.sends_troubleshooting)
            self.agent.set_encrypted_pii(page.sends_pii)

    def _restart_due(self, due: RestartDue) -> None:
        service = service_named(due.service)
        after = XCP_CONFIG_MANAGER if service is XCP_ROUTER else None
        self.services.feed(RestartIsDue(service, PAGE_UPDATED, due.nodes, after))

    def _service_told(self, told: Told) -> None:
        """Onboarding hears of restarts as they begin; the rest is in the table."""

    def _token_set(self, account: MachineAccount) -> None:
        self.access.onboarding.feed(AccountRepaired(account))

    def _management_agent(self, runs: bool) -> None:
        self.agent.feed(ServiceChanged(runs))

    async def _restart(self, service: str, node: str) -> None:
        try:
            await self.services.work(Wish.RESTART, node, service_named(service))
        except NotDone as error:
            raise OSError(str(error)) from error

    def _trust_changed(self, tls: ssl.SSLContext) -> None:
        for node in self._shell.nodes:
            node.cpns.remake(tls)

    def _look_around(self) -> Prerequisites:
        table = self.services.table
        return Prerequisites(
            cpns_running=table.runs(self._publisher, CPNS),
            management_agent_running=table.runs(self._publisher, CMAS),
        )

    # Asked by the parts.

    def _urls(self) -> CloudUrls:
        access = self.access
        account = self.accounts.account(self._publisher)
        ci = access.ci_url if account is None else account.token_url
        return CloudUrls(access.services.fos_url, ci, access.push_rest_url)

    def _ways(self) -> Mapping[str, NodeWay | None]:
        ways: dict[str, NodeWay | None] = {}
        for name in self._shell.node_names:
            node = self._shell.running_node(name)
            if node is None:
                ways[name] = None
                continue
            cpns, egress = node.cpns, self.access.egress[name]
            now = TokenNow(
                cpns.access_token, self.access.push_on, cpns.token_status, cpns.token_reason
            )
            ways[name] = NodeWay(egress.exchange, now, egress.dial)
        return ways

    def _push_ports(self) -> Mapping[str, tuple[str, int]]:
        nodes = [self._cluster.nodes[node.name] for node in self._shell.nodes]
        return {node.name: (node.cpns_host, node.cpns_port) for node in nodes}

    def _token_statuses(self) -> Mapping[str, int | None]:
        return {node.name: node.cpns.token_status for node in self._shell.nodes}

    async def _try_token(self, name: str) -> int:
        if name not in self._cluster.nodes:
            # An IM and Presence server has nothing here that asks for tokens. What it holds is
            # what the publisher holds: the step before has seen to that.
            name = self._publisher
        node = self._shell.running_node(name)
        return 0 if node is None else await node.cpns.token_tried()

    async def _emulated_refresh_token(self) -> str:
        """Of a new machine of the same organisation, as steps 1 to 5 of the repair give it."""
        assert self._cloud is not None, "there is an emulated cloud"
        refresh_token = token(self._shell.entropy, REFRESH_TOKEN_OCTETS)
        account = self.accounts.account(self._publisher)
        organisation_id = "repair" if account is None else account.organisation_id
        account_id = token(self._shell.entropy, 8)
        accounts = self._cloud.cisco.ci.accounts
        accounts.know(account_id, organisation_id, refresh_token, self._clock())
        return refresh_token

    def _management_agent_shell(
        self, state: Path | None, unix_ns_at_zero: int
    ) -> ManagementAgentShell:
        settings = ManagementAgentSettings(
            self.access.alarm_upload_url,
            self._publisher,
            {name: number for number, name in enumerate(self._cluster.nodes, start=1)},
            unix_ns_at_zero,
        )
        memory = None if state is None else read_memory(state)
        agent = ManagementAgent(settings, self._shell.entropy, memory)

        def remember(now: AgentMemory) -> None:
            if state is not None:
                write_memory(state, now)

        return ManagementAgentShell(
            agent,
            self._clock,
            over(self.access.egress[self._publisher]),
            on_condition=self.alarms.feed,
            access_token=self._publishers_token,
            trace=self.trace,
            remember=remember,
        )

    def _publishers_token(self) -> str | None:
        node = self._shell.running_node(self._publisher)
        return None if node is None else node.cpns.access_token

    def _watch_emulators(self) -> None:
        if self._cloud is None or self.traces is None:
            return
        logs: tuple[tuple[Source, PushLog], ...] = (
            (Source.PUSH_REST, self._cloud.push_rest.log),
            (Source.APNS, self._cloud.apns.log),
            (Source.FCM, self._cloud.fcm.log),
        )
        for source, log in logs:
            log.on_record = self._tracer(source)

    def _tracer(self, source: Source) -> Callable[[PushRecord], None]:
        return lambda record: self.trace(cloud_got(source, record))


def _servers(cluster: Cluster, node_names: Sequence[str]) -> Iterable[Server]:
    for node in (cluster.nodes[name] for name in node_names):
        yield Server(node.name, publisher=node.publisher)
    for name in cluster.deployment.im_and_presence_nodes:
        yield Server(name, NodeKind.IM_AND_PRESENCE)
