"""The engine of one node, behind the three doors.

    shell -- EngineEvent --> Engine -- EngineAction --> shell

It owns the order of everything: what a request is, who may send it, and which part answers for it.
The same lines run behind live sockets, behind a capture player and in a simulated world.
Source: design section 2; RFC 3261 §16.3 to §16.6 for the checks and their order.
"""

from __future__ import annotations

from dataclasses import replace

from callctl.call.branch import Branch
from callctl.call.call import Call
from callctl.cluster.event import (
    SnapshotRequested,
)
from callctl.cluster.membership import Membership, MembershipAction, NodeDown, Publish
from callctl.engine.address_book import AddressBook
from callctl.engine.admission import Admission
from callctl.engine.call_control import CallControl
from callctl.engine.context import NodeContext, Out
from callctl.engine.counters import Counters
from callctl.engine.event import (
    ClusterEventReceived,
    CpnsChanged,
    DeviceSignedIn,
    DeviceSignedOut,
    EngineAction,
    EngineEvent,
    LookedUp,
    PushSwitched,
)
from callctl.engine.fault import Orphan
from callctl.engine.forwarding import Forwarder
from callctl.engine.kept_flows import KeptFlows
from callctl.engine.proxy import Proxy
from callctl.engine.registry import Registry
from callctl.engine.relay import Relay, RelayBranch
from callctl.engine.route_token import RouteTokens
from callctl.engine.trunk_monitor import TrunkProbe
from callctl.engine.trunks import Trunks
from callctl.model.cluster import Cluster
from callctl.push.events import PushOutcome, PushSent
from callctl.push.features import PushFeatures
from callctl.registration.binding import BindingTable
from callctl.registration.push_binding import PushBinding, PushBindingTable, Stamp
from sipstack.entropy import Entropy
from sipstack.stack import FlowEnded, KeepAliveReceived, Observer, Stack, StackOutput
from sipstack.timing import MS, Instant
from sipstack.transaction.events import (
    AckReceived,
    CancelReceived,
    Ignored,
    RequestReceived,
    ResponseReceived,
    TransactionEnded,
    TransactionFailed,
)
from sipstack.transaction.timers import TimerValues
from sipstack.transport.flow import BytesReceived, CloseFlow, FlowClosed, Send


class Engine:
    """One call-control node."""

    __slots__ = (
        "_admission",
        "_cluster",
        "_context",
        "_kept",
        "_proxy",
        "_registry",
        "calls",
        "name",
        "trunks",
    )

    def __init__(
        self,
        cluster: Cluster,
        name: str,
        entropy: Entropy,
        *,
        key: bytes,
        incarnation: int = 1,
        observer: Observer | None = None,
    ) -> None:
        """A node called `name` of `cluster`.

        Args:
            key: secret that all nodes of the cluster share, 32 octets: seals Record-Route.
            incarnation: grows with each start of the node.
        """
        parameters = cluster.service_parameters
        self.name = name
        self._cluster = cluster
        timers = TimerValues(
            t1_ns=parameters.t1_ms * MS, t2_ns=parameters.t2_ms * MS, t4_ns=parameters.t4_ms * MS
        )
        book = AddressBook(cluster, name)
        table = BindingTable(name, incarnation)
        self._context = context = NodeContext(
            cluster=cluster,
            name=name,
            incarnation=incarnation,
            entropy=entropy,
            stack=Stack(timers, observer=observer),
            book=book,
            forwarder=Forwarder(book, entropy),
            tokens=RouteTokens(key),
            table=table,
            push_bindings=PushBindingTable(),
            membership=Membership(
                name,
                cluster.nodes,
                heartbeat_ns=parameters.heartbeat_ms * MS,
                suspect_ns=parameters.node_suspect_ms * MS,
                incarnation=incarnation,
            ),
            tag_salt=entropy.octets(8).hex(),
            ignored={},
        )
        self._kept = KeptFlows(parameters.flow_timer_s)
        self.trunks = Trunks(context, self._take)
        self._proxy = Proxy(context, self.trunks, self._take)
        self.calls = CallControl(context, self._proxy, self.trunks, self._take)
        self._registry = Registry(context, self._proxy, self.calls)
        self._admission = Admission(context, self._proxy, self.calls, self._registry)

    # The doors.

    def start(self, now: Instant) -> tuple[EngineAction, ...]:
        """Come into service, and ask the others what they know."""
        out: Out = []
        self.calls.counters.start(now)
        self._membership(self._context.membership.start(now), now, out)
        self.trunks.start(now)
        out.append(Publish(SnapshotRequested(self.name)))
        return tuple(out)

    def stop(self, now: Instant) -> tuple[EngineAction, ...]:
        """Leave the cluster in order: who waits gets an answer, and the other nodes know.

        The engine is not to be used any more.
        """
        out: Out = []
        self.calls.stop(now, out)
        self._proxy.stop(now, out)
        self._membership(self._context.membership.stop(), now, out)
        return tuple(out)

    def receive(self, event: EngineEvent, now: Instant) -> tuple[EngineAction, ...]:
        """What an event leads to, in order."""
        out: Out = []
        if type(event) is BytesReceived or isinstance(event, FlowClosed):
            if event.flow.connection in self._kept.flows:
                self._kept.heard(event.flow.connection, now)
            self._take(self._context.stack.receive(event, now), now, out)
            return tuple(out)
        match event:
            case ClusterEventReceived(cluster_event):
                self._registry.learn(cluster_event, now, out)
                self._membership(self._context.membership.receive(cluster_event, now), now, out)
            case PushSent(intent_id):
                self.calls.pushes.sent(intent_id)
            case PushOutcome():
                self._push_ended(event, now, out)
            case DeviceSignedIn(push_binding):
                self._registry.store_push(replace(push_binding, stamp=(now, self.name)), out)
            case DeviceSignedOut(device_name):
                self._registry.remove_push(device_name, now, out)
            case LookedUp():
                self._proxy.looked_up(event, now, out)
            case PushSwitched(on):
                self._context.push_on = on
            case CpnsChanged(running):
                self._membership(self._context.membership.set_cpns(running, now), now, out)
        return tuple(out)

    def advance(self, now: Instant) -> tuple[EngineAction, ...]:
        """Fire every timer that is due."""
        out: Out = []
        context = self._context
        self._take(context.stack.advance(now), now, out)
        self.calls.advance(now, out)
        self._proxy.advance(now, out)
        self.trunks.advance(now, out)
        out.extend(CloseFlow(flow) for flow in self._kept.silent(now))
        self._membership(context.membership.advance(now), now, out)
        sweep_at = context.table.next_sweep()
        if sweep_at is not None and sweep_at <= now:
            context.table.sweep(now)
        return tuple(out)

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        context = self._context
        earliest: Instant | None = None
        for at in (
            context.stack.next_deadline(),
            self.calls.next_deadline(),
            self._proxy.next_deadline(),
            self.trunks.next_deadline(),
            self._kept.next_deadline(),
            context.membership.next_deadline(),
            context.table.next_sweep(),
        ):
            if at is not None and (earliest is None or at < earliest):
                earliest = at
        return earliest

    # What others may look at.

    @property
    def ignored(self) -> dict[str, int]:
        """By reason: what had no effect, and how often."""
        return self._context.ignored

    @property
    def bindings(self) -> BindingTable:
        """The bindings of the cluster as this node knows them."""
        return self._context.table

    def push_binding(self, device_name: str) -> PushBinding | None:
        """The newest push binding of a device: asked by the push service as a push leaves.

        None if it has none, or no push may leave the cluster (GEN-09).
        """
        return self._context.push_bindings.get(device_name) if self._context.push_on else None

    def stored_push_binding(self, device_name: str) -> PushBinding | None:
        """The same, whether pushes may leave or not."""
        return self._context.push_bindings.get(device_name)

    def features(self, binding: PushBinding) -> PushFeatures:
        """What may be in a push to the device of `binding`."""
        return self._context.features(binding)

    @property
    def push_bindings(self) -> tuple[PushBinding, ...]:
        """All push bindings of the cluster as this node knows them."""
        return tuple(self._context.push_bindings)

    @property
    def push_removals(self) -> tuple[tuple[str, Stamp], ...]:
        """Devices that signed out or lost their target, and when."""
        return self._context.push_bindings.removals()

    @property
    def membership(self) -> Membership:
        """Which nodes this one holds for alive."""
        return self._context.membership

    @property
    def counters(self) -> Counters:
        """The performance counters of this node since its start."""
        return self.calls.counters

    def active_node(self, device_name: str) -> str | None:
        """Where the device should register now (CMG-07)."""
        return self._context.active_node(self._cluster.devices[device_name])

    def counts(self) -> dict[str, int]:
        """What is alive; all zero at rest but idle streams (I13)."""
        return {
            **self._context.stack.counts(),
            **self.calls.counts(),
            **self._proxy.counts(),
            **self.trunks.counts(),
        }

    # From the stack.

    def _take(self, outputs: tuple[StackOutput, ...], now: Instant, out: Out) -> None:
        """Keep what is for the shell, hear the rest."""
        for output in outputs:
            kind = type(output)
            if kind is Send:
                out.append(output)  # type: ignore[arg-type]
            elif kind is RequestReceived:
                self._admission.request(output.transaction, output.request, now, out)  # type: ignore[union-attr,arg-type]
            elif kind is ResponseReceived:
                owner = output.transaction.owner  # type: ignore[union-attr]
                if type(owner) is Branch:
                    self.calls.responded(owner, output.response, now, out)  # type: ignore[union-attr]
                elif type(owner) is RelayBranch:
                    self._proxy.responded(owner, output.response, now, out)  # type: ignore[union-attr]
                elif type(owner) is TrunkProbe:
                    self.trunks.responded(owner, output.response, now)  # type: ignore[union-attr]
                elif type(owner) is Orphan:
                    copy, response = output  # type: ignore[misc]
                    self._proxy.orphan_answered(copy, owner, response, now, out)  # type: ignore[arg-type]
            else:
                self._take_rare(output, now, out)

    def _take_rare(self, output: StackOutput, now: Instant, out: Out) -> None:
        match output:
            case TransactionEnded(transaction):
                owner = transaction.owner
                # Only the newest transaction of a copy ends it: another may have been tried first.
                if type(owner) is Branch and owner.transaction is transaction:
                    self.calls.over(owner, now, out)
                elif type(owner) is RelayBranch and owner.transaction is transaction:
                    self._proxy.over(owner)
                transaction.owner = None  # a circle less
            case TransactionFailed(transaction, cause):
                owner = transaction.owner
                if type(owner) is Branch:
                    self.calls.failed(owner, cause, now, out)
                elif type(owner) is RelayBranch:
                    self._proxy.failed(owner, cause, now, out)
                elif type(owner) is TrunkProbe:
                    self.trunks.failed(owner, cause, now)
            case AckReceived(request, flow):
                self._admission.ack(request, flow, now, out)
            case CancelReceived(invite, request):
                reason = request.headers.first("reason")
                owner = invite.owner
                if type(owner) is Call:
                    self.calls.cancelled(owner, reason, now, out)
                elif type(owner) is Relay:
                    self._proxy.cancelled(owner, reason, now, out)
            case FlowEnded(flow):
                self._kept.ended(flow)
                self._registry.flow_ended(flow, now, out)
            case Ignored(reason, detail):
                self._context.ignore(reason, detail, out)
            case KeepAliveReceived(flow):
                self._kept.pinged(flow, now)
            case _:
                out.append(output)  # type: ignore[arg-type]

    def _push_ended(self, outcome: PushOutcome, now: Instant, out: Out) -> None:
        left = self.calls.pushes.has_left(outcome.intent_id)
        intent = self.calls.pushes.ended(outcome, now)
        if intent is not None and outcome.target_mark:
            # Stopped until the client gives a new token (REG-06).
            self._registry.refuse_target(intent.device_name, outcome.target_mark, out)
        self.calls.push_ended(outcome, left, now, out)

    def _membership(self, actions: tuple[MembershipAction, ...], now: Instant, out: Out) -> None:
        for action in actions:
            if isinstance(action, Publish):
                out.append(action)
            elif isinstance(action, NodeDown):
                self.calls.node_lost(action.node, now, out)
            else:
                # It may have been cut off and not down: each takes over what the other knows.
                out.append(Publish(SnapshotRequested(self.name, of=action.node)))
