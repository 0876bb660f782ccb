"""The stateful proxy of a node: requests in dialogs, from node to node, and outside calls.

Calls to a line are `callctl.engine.call_control`'s. Source: RFC 3261 §16, RFC 5626 §5.3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from callctl.engine.context import NodeContext, Out
from callctl.engine.delivery import Outgoing, record_route, send_copy, to_binding
from callctl.engine.event import LookedUp, LookUp
from callctl.engine.fault import Orphan, orphan
from callctl.engine.forwarding import breadth_of, returned, without_claims
from callctl.engine.relay import (
    AnswerBack,
    CancelRelayed,
    HangUpRelayed,
    PassBack,
    Relay,
    RelayAction,
    RelayBranch,
)
from callctl.engine.route_token import DIALOG, RouteToken, flow_mark, tag_checksum
from callctl.engine.trunks import TRUNK_END, Trunks
from callctl.engine.unwanted_dialog import hang_up
from callctl.registration.binding import Binding
from sipstack.message.message import Request, Response
from sipstack.message.response import respond
from sipstack.stack import StackOutput
from sipstack.timing import SECOND, DeadlineQueue, Instant
from sipstack.transaction.invite_client import InviteClient
from sipstack.transaction.machine import ClientTransaction, ServerTransaction
from sipstack.transport.flow import Flow
from sipstack.transport.locate import Answers, LookupsNeeded

Take = Callable[[tuple[StackOutput, ...], Instant, Out], None]
"""The engine's reaction to what its stack says: it keeps the actions and hears the rest."""


LOOKUPS_MAX: Final = 1_000
"""Requests that wait for the name service at once; a resolver that hangs must not fill memory."""

NOTHING_KNOWN: Final[Answers] = {}


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A request in a dialog whose next hop is a name that is being looked up."""

    transaction: ServerTransaction | None
    request: Request
    token: RouteToken | None
    flow: Flow
    answers: Answers


class Proxy:
    """Relays of one node. `take` is given every output of the stack."""

    __slots__ = ("_context", "_deadlines", "_lookups", "_take", "_trunks", "_waiting", "relays")

    def __init__(self, context: NodeContext, trunks: Trunks, take: Take) -> None:
        self._context = context
        self._trunks = trunks
        self._take = take
        self._deadlines: DeadlineQueue[Relay] = DeadlineQueue()
        self._lookups = 0
        self._waiting: dict[int, _Waiting] = {}
        self.relays: dict[Relay, None] = {}

    def own_routes(self, request: Request) -> RouteToken | None:
        """Take our own values off the top of the Route set.

        Returns: what the first of them says, None if the cluster did not make it. A Route of
        another node that is up is not ours: it goes there.
        """
        context = self._context
        token: RouteToken | None = None
        found = False
        while request.headers.has("route"):
            top = request.routes[0].uri
            node = context.book.node_at(top)
            if node is None and not context.book.names_us(top):
                break
            if node is not None and node != context.name and context.membership.is_up(node):
                break
            request.headers.remove_first_value("route")
            if not found:
                found = True
                token = context.tokens.open(top.user_unescaped or "")
        return token

    def in_dialog(
        self,
        transaction: ServerTransaction | None,
        request: Request,
        token: RouteToken | None,
        flow: Flow,
        now: Instant,
        out: Out,
        *,
        answers: Answers = NOTHING_KNOWN,
    ) -> None:
        """Pass on a request within a dialog; an ACK has no transaction and no answer."""
        targets = self._dialog_targets(request, token, flow, now, answers)
        if isinstance(targets, LookupsNeeded):
            self._look_up(_Waiting(transaction, request, token, flow, answers), targets, out)
            return
        if transaction is None:
            for outgoing in targets:
                outputs = self._context.stack.send_request_stateless(
                    outgoing.request, outgoing.flow, now
                )
                self._take(outputs, now, out)
            if not targets:
                self._context.ignore("ACK leads nowhere", request.call_id, out)
            return
        if not targets:
            self.answer(transaction, request, 481, (), now, out)
            return
        self._start(transaction, request, targets, now, out)

    def looked_up(self, event: LookedUp, now: Instant, out: Out) -> None:
        """The name service has answered: go on with the request that waited for it."""
        waiting = self._waiting.pop(event.lookup_id, None)
        if waiting is None:
            self._context.ignore("stray look-up", str(event.lookup_id), out)
            return
        answers = {**waiting.answers, **dict(event.answers)}
        self.in_dialog(
            waiting.transaction,
            waiting.request,
            waiting.token,
            waiting.flow,
            now,
            out,
            answers=answers,
        )

    def hop(
        self,
        transaction: ServerTransaction,
        request: Request,
        token: RouteToken,
        flow: Flow,
        now: Instant,
        out: Out,
    ) -> None:
        """A request another node sends through us, because the flow of the device is ours."""
        context = self._context
        binding = context.table.get(token.callee[1:])
        if binding is None or binding.node != context.name or not context.lives(binding):
            self.answer(transaction, request, 430, (), now, out)
            return
        if request.to_tag is None and token.caller != flow_mark(binding):
            self.answer(transaction, request, 430, (), now, out)
            return
        outgoing = to_binding(context, request, binding, "", flow)
        if outgoing is None:
            self.answer(transaction, request, 430, (), now, out)
            return
        self._keep_asserted(request, outgoing.request)
        self._start(transaction, request, [outgoing], now, out, hop=True)

    def to_bindings(
        self,
        transaction: ServerTransaction,
        request: Request,
        bindings: tuple[Binding, ...],
        caller: str,
        flow: Flow,
        asserted: tuple[tuple[str, str], ...],
        now: Instant,
        out: Out,
    ) -> None:
        """Fork a request other than INVITE to the bindings of a line."""
        targets = []
        breadth = breadth_of(request) // len(bindings) if len(bindings) > 1 else None
        if breadth == 0:
            self.answer(transaction, request, 440, (), now, out)
            return
        for binding in bindings:
            outgoing = to_binding(
                self._context, request, binding, caller, flow, asserted=asserted, breadth=breadth
            )
            if outgoing is not None:
                targets.append(outgoing)
        if not targets:
            self.answer(transaction, request, 480, (), now, out)
            return
        self._start(transaction, request, targets, now, out)

    def answer(
        self,
        transaction: ServerTransaction,
        request: Request,
        status: int,
        headers: tuple[tuple[str, str], ...],
        now: Instant,
        out: Out,
    ) -> None:
        """Answer a request ourselves, once and for all."""
        tag = None if status == 100 else self._context.local_tag(request)
        response = respond(request, status, to_tag=tag, headers=headers)
        self._take(self._context.stack.respond(transaction, response, now), now, out)

    def responded(self, branch: RelayBranch, response: Response, now: Instant, out: Out) -> None:
        """A copy was answered."""
        relay = branch.relay
        try:
            if response.status in (401, 407):  # peers of trunks challenge BYE and re-INVITE too
                again = self._trunks.answer_challenge(branch.transaction, response, branch.answers)
                if again is not None:
                    branch.answers += 1
                    self._take(send_copy(self._context, branch, again, now), now, out)
                    return
            without_claims(response)
            self._perform(relay, relay.responded(branch, response, now), now, out)
        except Exception as error:
            self.contain(relay, error, now, out)

    def failed(self, branch: RelayBranch, cause: str, now: Instant, out: Out) -> None:
        """A copy was not answered, or could not be sent."""
        relay = branch.relay
        try:
            if cause == "transport" and branch.fallback is not None and not branch.ended:
                outgoing = branch.fallback()
                if outgoing is not None:
                    self._take(send_copy(self._context, branch, outgoing, now), now, out)
                    return
            self._perform(relay, relay.failed(branch, cause), now, out)
        except Exception as error:
            self.contain(relay, error, now, out)

    def over(self, branch: RelayBranch) -> None:
        """The transaction of a copy has ended."""
        if branch.relay.over(branch):
            self._deadlines.set(branch.relay, None)
            self.relays.pop(branch.relay, None)

    def cancelled(self, relay: Relay, reason: str | None, now: Instant, out: Out) -> None:
        """The sender gave up."""
        try:
            self._perform(relay, relay.cancelled(reason), now, out)
        except Exception as error:
            self.contain(relay, error, now, out)

    def contain(self, relay: Relay, error: Exception, now: Instant, out: Out) -> None:
        """A fault of our own in this relay: it ends, and no other."""
        self._deadlines.set(relay, None)
        self.relays.pop(relay, None)
        copies = [branch.transaction for branch in relay.branches if not branch.done]
        self.abandon(relay.transaction, relay.request, copies, error, now, out)

    def abandon(
        self,
        transaction: ServerTransaction,
        request: Request,
        copies: Sequence[ClientTransaction | None],
        error: Exception,
        now: Instant,
        out: Out,
    ) -> None:
        """Give up a request that met a fault of our own: 500, unless it has its final answer.

        Args:
            copies: of the request, that may still be answered.
        """
        context = self._context
        context.fault(error, out)
        for copy in copies:
            if copy is None:
                continue
            orphan(copy)
            if isinstance(copy, InviteClient):
                self._take(context.stack.cancel(copy, now), now, out)
        transaction.owner = None
        last = transaction.last_response
        if last is None or last.status < 200:
            self.answer(transaction, request, 500, (), now, out)

    def orphan_answered(
        self,
        copy: ClientTransaction,
        owner: Orphan,
        response: Response,
        now: Instant,
        out: Out,
    ) -> None:
        """A phone picked up a call that has ended by a fault: let it go (I4)."""
        if response.status < 200 or response.status > 299 or copy.request.method != "INVITE":
            return
        again = response.to_tag in owner.acknowledged
        owner.acknowledged.add(response.to_tag)
        self._take(hang_up(self._context, copy, response, now, again=again), now, out)

    def counts(self) -> dict[str, int]:
        """What is alive; all zero at rest (I13)."""
        return {"relays": len(self.relays), "look_ups": len(self._waiting)}

    def stop(self, now: Instant, out: Out) -> None:
        """Answer everything that waits; this node will not be there to do it."""
        for relay in tuple(self.relays):
            self._perform(relay, relay.stopped(), now, out)

    def advance(self, now: Instant, out: Out) -> None:
        """Fire Timer C where it is due."""
        for relay in self._deadlines.due(now):
            try:
                self._perform(relay, relay.advance(now), now, out)
            except Exception as error:
                self.contain(relay, error, now, out)

    def next_deadline(self) -> Instant | None:
        """The earliest Timer C."""
        return self._deadlines.next_deadline()

    def _start(
        self,
        transaction: ServerTransaction,
        request: Request,
        targets: list[Outgoing],
        now: Instant,
        out: Out,
        *,
        hop: bool = False,
    ) -> None:
        context = self._context
        timer_c_ns = context.cluster.service_parameters.timer_c_s * SECOND
        relay = Relay(request, timer_c_ns, hop=hop)
        relay.transaction = transaction
        transaction.owner = relay
        self.relays[relay] = None
        if request.method == "INVITE":
            self.answer(transaction, request, 100, (), now, out)
        branches = [relay.add_branch(now) for _ in targets]
        for branch, outgoing in zip(branches, targets, strict=True):
            self._take(send_copy(context, branch, outgoing, now), now, out)
        self._deadlines.set(relay, relay.next_deadline())

    def _look_up(self, waiting: _Waiting, needed: LookupsNeeded, out: Out) -> None:
        """Hold a request until its next hop has an address; its sender repeats or gives up."""
        if len(self._waiting) >= LOOKUPS_MAX:
            self._context.ignore("too many look-ups", waiting.request.call_id, out)
            return
        self._lookups += 1
        self._waiting[self._lookups] = waiting
        out.append(LookUp(self._lookups, needed.queries))

    def _dialog_targets(
        self,
        request: Request,
        token: RouteToken | None,
        flow: Flow,
        now: Instant,
        answers: Answers,
    ) -> list[Outgoing] | LookupsNeeded:
        context = self._context
        end = ""
        if token is not None and token.kind == DIALOG:
            from_caller = token.caller_tag == tag_checksum(request.from_tag)
            end = token.callee if from_caller else token.caller
            if end.startswith(TRUNK_END):
                end = ""  # a peer: its Contact or its own Route says where it is
        next_hop: Flow | LookupsNeeded | None = None
        if request.headers.has("route"):
            if token is None:
                return []  # a Route of a stranger, and no word of ours: not through us
            next_hop = context.locate(request.routes[0].uri, answers)
        elif end:
            return self._to_end(request, token, end, flow, now)
        elif context.book.names_us(request.uri):
            return self._to_line(request, flow, now)
        elif token is not None:
            next_hop = context.locate(request.uri, answers)
        if next_hop is None:
            return []
        if isinstance(next_hop, LookupsNeeded):
            return next_hop
        if token is not None and not self._trunks.open_to(next_hop, token):
            return []  # to the peer of a trunk, in a dialog with somebody else
        return [Outgoing(self._copy(request, request.uri_text, flow, next_hop), next_hop)]

    def _to_end(
        self, request: Request, token: RouteToken | None, end: str, flow: Flow, now: Instant
    ) -> list[Outgoing]:
        """Send to an end named by our own token: a binding, a connection, or a peer behind NAT."""
        context = self._context
        if end[0] == "b":
            binding = context.table.get(end[1:])
            if binding is not None and binding.node != context.name:
                outgoing = to_binding(context, request, binding, "", flow)
                if outgoing is None:
                    return []
                outgoing.request.set_uri(request.uri_text)
                return [outgoing]
            target = context.flow_of(binding) if binding is not None else None
            target = target or context.dial(request.uri_text)
        elif end[0] == "c":
            target = context.stack.connection(int(end.rpartition(".")[2]))
        else:
            host, _, port = end.partition(".")[2].rpartition(".")
            target = context.book.flow_towards(host.replace("_", ":"), int(port), "UDP")
        if target is None or (token is not None and not self._trunks.open_to(target, token)):
            return []
        return [Outgoing(self._copy(request, request.uri_text, flow, target), target)]

    def _to_line(self, request: Request, flow: Flow, now: Instant) -> list[Outgoing]:
        """A Request-URI of our own domain in a dialog: a GRUU, or a client that ignores Contact."""
        context = self._context
        user = request.uri.user_unescaped or ""
        bindings = [b for b in context.table.of_dn(user, now) if context.lives(b)]
        gruu = request.uri.params.get("gr")
        if gruu:
            wanted = gruu.replace("%3A", ":").replace("%3a", ":")
            bindings = [b for b in bindings if b.instance == wanted]
        made = (to_binding(context, request, binding, "", flow) for binding in bindings)
        return [outgoing for outgoing in made if outgoing is not None]

    def _copy(self, request: Request, uri: str, arrived_on: Flow, leaves_on: Flow) -> Request:
        stays: tuple[str, ...] = ()
        if request.to_tag is None:
            stays = record_route(self._context, request, "", "", arrived_on, leaves_on)
        return self._context.forwarder.forward(request, uri, leaves_on, record_route=stays)

    @staticmethod
    def _keep_asserted(request: Request, copy: Request) -> None:
        """What the owning node asserts about the caller is ours to pass on."""
        for value in request.headers.all("p-asserted-identity"):
            copy.headers.append("P-Asserted-Identity", value)

    def _perform(
        self, relay: Relay, actions: tuple[RelayAction, ...], now: Instant, out: Out
    ) -> None:
        stack = self._context.stack
        for action in actions:
            match action:
                case PassBack(response):
                    back = returned(response)
                    self._take(stack.respond(relay.transaction, back, now), now, out)
                case AnswerBack(status, headers):
                    self.answer(relay.transaction, relay.request, status, headers, now, out)
                case CancelRelayed(branch, reason):
                    if branch.transaction is not None:
                        self._take(stack.cancel(branch.transaction, now, reason), now, out)
                case HangUpRelayed(branch, response):
                    if branch.transaction is not None:
                        repeated = branch.to_tag == response.to_tag
                        branch.to_tag = response.to_tag
                        sent = branch.transaction
                        self._take(
                            hang_up(self._context, sent, response, now, again=repeated), now, out
                        )
        self._deadlines.set(relay, relay.next_deadline())
