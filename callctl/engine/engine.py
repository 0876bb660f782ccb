"""The engine of one node, behind the three doors.

    shell -- EngineEvent --> Engine -- EngineAction --> shell

It owns the order of everything: what a request is, who may send it, and which part answers for it.
The same lines run behind live sockets, behind a capture player and in a simulated world.
Source: design section 2; RFC 3261 §16.3 to §16.6 for the checks and their order.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from callctl.call.call import Call
from callctl.call.caller_identity import caller_identity
from callctl.call.leg import Branch
from callctl.cluster.event import (
    BindingRemoved,
    BindingStored,
    ClusterEvent,
    PushBindingRemoved,
    PushBindingStored,
    Snapshot,
    SnapshotRequested,
)
from callctl.cluster.membership import Membership, MembershipAction, NodeDown, Publish
from callctl.engine.address_book import AddressBook
from callctl.engine.call_control import CallControl
from callctl.engine.context import NodeContext, Out
from callctl.engine.delivery import caller_end
from callctl.engine.event import (
    ClusterEventReceived,
    CpnsChanged,
    DeviceSignedIn,
    DeviceSignedOut,
    EngineAction,
    EngineEvent,
    LookedUp,
)
from callctl.engine.forwarding import Forwarder
from callctl.engine.proxy import Proxy
from callctl.engine.relay import Relay, RelayBranch
from callctl.engine.route_token import HOP, RouteToken, RouteTokens
from callctl.model.cluster import Cluster
from callctl.push.events import Outcome, PushOutcome
from callctl.registration.authenticator import Authenticator, Challenged
from callctl.registration.binding import Binding, BindingTable
from callctl.registration.push_binding import PushBinding
from callctl.registration.registrar import Refused, Registrar
from sipstack.entropy import Entropy
from sipstack.errors import SipSyntaxError
from sipstack.message.message import Request
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
from sipstack.transaction.machine import ServerTransaction
from sipstack.transaction.timers import TimerValues
from sipstack.transport.flow import BytesReceived, Flow, FlowClosed, Send

ALLOW: Final = (
    "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, MESSAGE, REFER, NOTIFY, INFO, UPDATE, PRACK, "
    "SUBSCRIBE, PUBLISH"
)
IN_DIALOG_ONLY: Final = frozenset({"BYE", "UPDATE", "PRACK", "INFO"})


class Engine:
    """One call-control node."""

    __slots__ = (
        "_authenticator",
        "_cluster",
        "_context",
        "_proxy",
        "_registrar",
        "calls",
        "ignored",
        "name",
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
            push_bindings={},
            membership=Membership(
                name,
                cluster.nodes,
                heartbeat_ns=parameters.heartbeat_ms * MS,
                suspect_ns=parameters.node_suspect_ms * MS,
                incarnation=incarnation,
            ),
            tag_salt=entropy.octets(8).hex(),
        )
        self._proxy = Proxy(context, self._take)
        self.calls = CallControl(context, self._proxy, self._take)
        self._registrar = Registrar(cluster, name, table, entropy)
        self._authenticator = Authenticator(cluster, name, entropy.octets(32))
        self.ignored: dict[str, int] = {}  # by reason: what had no effect, and how often

    # The doors.

    def start(self, now: Instant) -> tuple[EngineAction, ...]:
        """Come into service, and ask the others what they know."""
        out: Out = []
        self._membership(self._context.membership.start(now), now, out)
        out.append(Publish(SnapshotRequested(self.name)))
        return tuple(out)

    def stop(self) -> tuple[EngineAction, ...]:
        """Leave the cluster in order. The engine is not to be used any more."""
        return tuple(
            action for action in self._context.membership.stop() if isinstance(action, Publish)
        )

    def receive(self, event: EngineEvent, now: Instant) -> tuple[EngineAction, ...]:
        """What an event leads to, in order."""
        out: Out = []
        if type(event) is BytesReceived or isinstance(event, FlowClosed):
            self._take(self._context.stack.receive(event, now), now, out)
            return tuple(out)
        match event:
            case ClusterEventReceived(cluster_event):
                self._cluster_event(cluster_event, now, out)
            case PushOutcome():
                self._push_ended(event, now, out)
            case DeviceSignedIn(push_binding):
                self._store_push(replace(push_binding, stamp=(now, self.name)), out)
            case DeviceSignedOut(device_name):
                self._remove_push(device_name, now, out)
            case LookedUp():
                self._proxy.looked_up(event, now, out)
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
            context.membership.next_deadline(),
            context.table.next_sweep(),
        ):
            if at is not None and (earliest is None or at < earliest):
                earliest = at
        return earliest

    # What others may look at.

    @property
    def bindings(self) -> BindingTable:
        """The bindings of the cluster as this node knows them."""
        return self._context.table

    def push_binding(self, device_name: str) -> PushBinding | None:
        """The newest push binding of a device: asked by the push service as a push leaves."""
        return self._context.push_bindings.get(device_name)

    @property
    def push_bindings(self) -> tuple[PushBinding, ...]:
        """All push bindings of the cluster as this node knows them."""
        return tuple(self._context.push_bindings.values())

    @property
    def membership(self) -> Membership:
        """Which nodes this one holds for alive."""
        return self._context.membership

    def active_node(self, device_name: str) -> str | None:
        """Where the device should register now (CMG-07)."""
        return self._context.active_node(self._cluster.devices[device_name])

    def counts(self) -> dict[str, int]:
        """What is alive; all zero at rest but idle streams (I13)."""
        return {
            **self._context.stack.counts(),
            **self.calls.counts(),
            **self._proxy.counts(),
        }

    # From the stack.

    def _take(self, outputs: tuple[StackOutput, ...], now: Instant, out: Out) -> None:
        """Keep what is for the shell, hear the rest."""
        for output in outputs:
            kind = type(output)
            if kind is Send:
                out.append(output)  # type: ignore[arg-type]
            elif kind is RequestReceived:
                self._request(output.transaction, output.request, now, out)  # type: ignore[union-attr,arg-type]
            elif kind is ResponseReceived:
                owner = output.transaction.owner  # type: ignore[union-attr]
                if type(owner) is Branch:
                    self.calls.responded(owner, output.response, now, out)  # type: ignore[union-attr]
                elif type(owner) is RelayBranch:
                    self._proxy.responded(owner, output.response, now, out)  # type: ignore[union-attr]
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
            case TransactionFailed(transaction, cause):
                owner = transaction.owner
                if type(owner) is Branch:
                    self.calls.failed(owner, cause, now, out)
                elif type(owner) is RelayBranch:
                    self._proxy.failed(owner, cause, now, out)
            case AckReceived(request, flow):
                self._ack(request, flow, now, out)
            case CancelReceived(invite, request):
                reason = request.headers.first("reason")
                owner = invite.owner
                if type(owner) is Call:
                    self.calls.cancelled(owner, reason, now, out)
                elif type(owner) is Relay:
                    self._proxy.cancelled(owner, reason, now, out)
            case FlowEnded(flow):
                self._flow_ended(flow, now, out)
            case Ignored(reason):
                self.ignored[reason] = self.ignored.get(reason, 0) + 1
                out.append(output)
            case KeepAliveReceived():
                pass
            case _:
                out.append(output)  # type: ignore[arg-type]

    def _request(
        self, transaction: ServerTransaction, request: Request, now: Instant, out: Out
    ) -> None:
        """One new request: check it, find out who sent it, give it to the part it is for."""
        try:
            self._dispatch(transaction, request, now, out)
        except SipSyntaxError as error:
            # Read no further than needed before; the part that needed this header found it bad.
            self._proxy.answer(transaction, request, error.status, (), now, out)
            self._ignore("syntax error", str(error), out)

    def _dispatch(
        self, transaction: ServerTransaction, request: Request, now: Instant, out: Out
    ) -> None:
        flow = transaction.flow
        answer = self._proxy.answer
        if request.uri.scheme not in ("sip", "sips", "tel"):
            answer(transaction, request, 416, (), now, out)
            return
        if request.max_forwards == 0 and request.method not in ("REGISTER", "OPTIONS"):
            answer(transaction, request, 483, (), now, out)
            return
        token: RouteToken | None = None
        if request.headers.has("route"):
            request = request.copy()
            token = self._proxy.own_routes(request)
        if request.proxy_require:
            unsupported = (("Unsupported", ", ".join(request.proxy_require)),)
            answer(transaction, request, 420, unsupported, now, out)
        elif self._proxy_loops(request):
            answer(transaction, request, 482, (), now, out)
        elif token is not None and token.kind == HOP:
            self._proxy.hop(transaction, request, token, flow, now, out)
        elif request.to_tag is not None and request.method != "REGISTER":
            self._in_dialog(transaction, request, token, flow, now, out)
        elif request.method == "REGISTER":
            self._register(transaction, request, flow, now, out)
        else:
            self._initial(transaction, request, flow, now, out)

    def _proxy_loops(self, request: Request) -> bool:
        return self._context.forwarder.loops(request)

    def _in_dialog(
        self,
        transaction: ServerTransaction,
        request: Request,
        token: RouteToken | None,
        flow: Flow,
        now: Instant,
        out: Out,
    ) -> None:
        if request.method == "OPTIONS" and token is None and request.uri.user is None:
            self._options(transaction, request, now, out)
            return
        if token is None and self._context.book.names_us(request.uri):
            # Without our Route nothing tells that there is a dialog: a To tag alone must not get
            # a stranger past the password. A client that lost the Route is known by its flow.
            authenticated = self._authenticated_in_dialog(transaction, request, flow, now, out)
            if authenticated is None:
                return
            request = authenticated
        self._proxy.in_dialog(transaction, request, token, flow, now, out)

    def _initial(
        self,
        transaction: ServerTransaction,
        request: Request,
        flow: Flow,
        now: Instant,
        out: Out,
    ) -> None:
        """A request outside any dialog, from a client that we do not know yet."""
        context = self._context
        answer = self._proxy.answer
        uri = request.uri
        ours = uri.scheme == "tel" or context.book.dialled_here(uri)
        if ours and uri.user is None and uri.scheme != "tel":
            if request.method == "OPTIONS":
                self._options(transaction, request, now, out)
            else:
                answer(transaction, request, 405, (("Allow", ALLOW),), now, out)
            return
        if request.max_forwards == 0:
            answer(transaction, request, 483, (), now, out)
            return
        if request.method in IN_DIALOG_ONLY:
            answer(transaction, request, 481, (), now, out)
            return
        authenticated = self._authenticated(transaction, request, now, out)
        if authenticated is None:
            return
        request = authenticated
        if not ours or request.headers.has("route"):
            # Nothing leaves the cluster on a stranger's wish: no open relay.
            answer(transaction, request, 403, (), now, out)
            return
        dn = self._dialled(request)
        if dn not in self._cluster.lines:
            answer(transaction, request, 404, (), now, out)
        elif request.method == "INVITE":
            self.calls.invite(transaction, request, dn, flow, now, out)
        else:
            bindings = tuple(b for b in context.table.of_dn(dn, now) if context.lives(b))
            end = caller_end(context, request, flow, now)
            identity = caller_identity(request, self._cluster).asserted(self._cluster.domain)
            asserted = () if identity is None else (("P-Asserted-Identity", identity),)
            self._proxy.to_bindings(transaction, request, bindings, end, flow, asserted, now, out)

    def _authenticated(
        self, transaction: ServerTransaction, request: Request, now: Instant, out: Out
    ) -> Request | None:
        """The request without the credentials that were for us; None if it has been refused."""
        if self._cluster.service_parameters.authentication == "none":
            return request
        answer = self._proxy.answer
        verdict = self._authenticator.check(request, now)
        if isinstance(verdict, Challenged):
            answer(transaction, request, verdict.status, (verdict.header,), now, out)
            return None
        if not self._may_speak_as(request, verdict.user_id):
            answer(transaction, request, 403, (), now, out)
            return None
        stripped = request.copy()
        stripped.headers.remove("proxy-authorization")  # RFC 3261 §22.3
        return stripped

    def _authenticated_in_dialog(
        self,
        transaction: ServerTransaction,
        request: Request,
        flow: Flow,
        now: Instant,
        out: Out,
    ) -> Request | None:
        sender = request.from_.uri.user_unescaped or ""
        for binding in self._context.table.of_dn(sender, now):
            if binding.flow == flow and binding.node == self.name:
                return request
        return self._authenticated(transaction, request, now, out)

    def _may_speak_as(self, request: Request, user_id: str) -> bool:
        """True if From is a line of the authenticated user, or the user's own id."""
        sender = request.from_.uri.user_unescaped
        if sender == user_id:
            return True
        devices = self._cluster.devices_of_user.get(user_id, ())
        return any(sender in device.lines for device in devices)

    def _dialled(self, request: Request) -> str:
        """The directory number a Request-URI asks for; a GRUU or tel URI names one too."""
        number = request.uri.user_unescaped or ""
        if request.uri.scheme == "tel" or number not in self._cluster.lines:
            number = "".join(c for c in number if c not in "-.() ")
        return number

    def _options(
        self, transaction: ServerTransaction, request: Request, now: Instant, out: Out
    ) -> None:
        headers = (
            ("Allow", ALLOW),
            ("Accept", "*/*"),
            ("Supported", "path, outbound, gruu"),
        )
        self._proxy.answer(transaction, request, 200, headers, now, out)

    def _ack(self, request: Request, flow: Flow, now: Instant, out: Out) -> None:
        token: RouteToken | None = None
        try:
            if request.headers.has("route"):
                token = self._proxy.own_routes(request)
            if request.max_forwards == 0:
                self._ignore("ACK out of hops", request.call_id, out)
                return
            if token is None and not request.uri.params.has("gr"):
                # The ACK of a 2xx comes with our Route. One without belongs to a failure whose
                # transaction is over, and such an ACK goes no further (I10).
                self._ignore("ACK without our Route", request.call_id, out)
                return
            self._proxy.in_dialog(None, request, token, flow, now, out)
        except SipSyntaxError as error:
            self._ignore("syntax error", str(error), out)

    # Registration.

    def _register(
        self,
        transaction: ServerTransaction,
        request: Request,
        flow: Flow,
        now: Instant,
        out: Out,
    ) -> None:
        answer = self._proxy.answer
        context = self._context
        if not context.book.dialled_here(request.uri):
            answer(transaction, request, 403, (), now, out)
            return
        user_id: str | None = None
        if self._cluster.service_parameters.authentication == "digest":
            verdict = self._authenticator.check(request, now)
            if isinstance(verdict, Challenged):
                answer(transaction, request, verdict.status, (verdict.header,), now, out)
                return
            user_id = verdict.user_id
        outcome = self._registrar.register(request, user_id, flow, now)
        if isinstance(outcome, Refused):
            answer(transaction, request, outcome.status, outcome.headers, now, out)
            return
        for binding in outcome.removed:
            stamp = (now, self.name)
            context.table.remove(binding.binding_id, stamp)
            out.append(Publish(BindingRemoved(binding.binding_id, stamp)))
        for binding in outcome.stored:
            context.table.store(binding)
        if outcome.push_removed is not None:
            self._remove_push(outcome.push_removed, now, out)
        if outcome.push_stored is not None:
            self._store_push(outcome.push_stored, out)
        # The 200 first: a phone gets its INVITE after it, never before (I3).
        answer(transaction, request, 200, outcome.headers, now, out)
        for binding in outcome.stored:
            out.append(Publish(BindingStored(binding, fresh=True)))
            self.calls.device_registered(binding, now, out)

    def _flow_ended(self, flow: Flow, now: Instant, out: Out) -> None:
        """A connection is gone: its contacts stay, but cannot be reached over it."""
        table = self._context.table
        for binding in table.on_connection(flow.connection):
            changed = binding.without_flow((now, self.name))
            if table.store(changed):
                out.append(Publish(BindingStored(changed, fresh=False)))

    def _store_push(self, push_binding: PushBinding, out: Out) -> None:
        self._context.push_bindings[push_binding.device_name] = push_binding
        out.append(Publish(PushBindingStored(push_binding)))

    def _remove_push(self, device_name: str, now: Instant, out: Out) -> None:
        if self._context.push_bindings.pop(device_name, None) is not None:
            out.append(Publish(PushBindingRemoved(device_name, (now, self.name))))

    def _push_ended(self, outcome: PushOutcome, now: Instant, out: Out) -> None:
        if outcome.outcome is Outcome.REFUSED_TOKEN:
            device_name = self.calls.device_of_push(outcome.intent_id)
            if device_name is not None:
                # Stopped until the client gives a new token (REG-06).
                self._remove_push(device_name, now, out)
        self.calls.push_ended(outcome, now, out)

    # From the cluster.

    def _cluster_event(self, event: ClusterEvent, now: Instant, out: Out) -> None:
        context = self._context
        match event:
            case BindingStored(binding, fresh):
                if context.table.store(binding) and fresh:
                    self.calls.device_registered(binding, now, out)
            case BindingRemoved(binding_id, stamp):
                context.table.remove(binding_id, stamp)
            case PushBindingStored(push_binding):
                known = context.push_bindings.get(push_binding.device_name)
                if known is None or known.stamp < push_binding.stamp:
                    context.push_bindings[push_binding.device_name] = push_binding
            case PushBindingRemoved(device_name, stamp):
                known = context.push_bindings.get(device_name)
                if known is not None and known.stamp <= stamp:
                    del context.push_bindings[device_name]
            case SnapshotRequested(node):
                everything = Snapshot(node, tuple(context.table), self.push_bindings)
                out.append(Publish(everything))
            case Snapshot(to, bindings, push_bindings):
                if to == self.name:
                    self._merge(bindings, push_bindings)
            case _:
                self._membership(context.membership.receive(event, now), now, out)

    def _merge(self, bindings: tuple[Binding, ...], push_bindings: tuple[PushBinding, ...]) -> None:
        context = self._context
        for binding in bindings:
            context.table.store(binding)
        for push_binding in push_bindings:
            known = context.push_bindings.get(push_binding.device_name)
            if known is None or known.stamp < push_binding.stamp:
                context.push_bindings[push_binding.device_name] = push_binding

    def _membership(self, actions: tuple[MembershipAction, ...], now: Instant, out: Out) -> None:
        for action in actions:
            if isinstance(action, Publish):
                out.append(action)
            elif isinstance(action, NodeDown):
                self.calls.node_lost(action.node, now, out)

    def _ignore(self, reason: str, detail: str, out: Out) -> None:
        self.ignored[reason] = self.ignored.get(reason, 0) + 1
        out.append(Ignored(reason, detail))
