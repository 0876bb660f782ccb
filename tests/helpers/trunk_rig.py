"""The trunks of one node with a stack of its own, in virtual time: for tests of `Trunks` alone."""

from __future__ import annotations

from callctl.cluster.membership import Membership
from callctl.engine.address_book import AddressBook
from callctl.engine.context import NodeContext, Out
from callctl.engine.forwarding import Forwarder
from callctl.engine.route_token import RouteTokens
from callctl.engine.trunk_monitor import TrunkProbe
from callctl.engine.trunks import Trunks
from callctl.model.cluster import Cluster
from callctl.registration.binding import BindingTable
from callctl.registration.push_binding import PushBindingTable
from helpers.engine_rig import CountedEntropy
from sipstack.message.message import Request
from sipstack.message.parser import parse_message
from sipstack.message.response import respond
from sipstack.stack import Stack, StackOutput
from sipstack.timing import MS, SECOND, Instant
from sipstack.transaction.events import ResponseReceived, TransactionFailed
from sipstack.transport.flow import BytesReceived, Flow, FlowClosed, Send


def context_of(cluster: Cluster, node: str = "ucm1") -> NodeContext:
    """What the parts of a node share."""
    entropy = CountedEntropy(1)
    book = AddressBook(cluster, node)
    return NodeContext(
        cluster=cluster,
        name=node,
        incarnation=1,
        entropy=entropy,
        stack=Stack(),
        book=book,
        forwarder=Forwarder(book, entropy),
        tokens=RouteTokens(b"k" * 32),
        table=BindingTable(node, 1),
        push_bindings=PushBindingTable(),
        membership=Membership(
            node, cluster.nodes, heartbeat_ns=SECOND, suspect_ns=4 * SECOND, incarnation=1
        ),
        tag_salt="0123456789abcdef",
        ignored={},
    )


class TrunkRig:
    """Trunks, a clock, and what was sent to peers."""

    def __init__(self, cluster: Cluster) -> None:
        self.now = Instant(0)
        self.context = context_of(cluster)
        self.trunks = Trunks(self.context, self._take)
        self.sent: list[tuple[Instant, Flow, Request]] = []
        self.trunks.start(self.now)

    def run_to(self, at_ms: float) -> list[tuple[Instant, Flow, Request]]:
        """Let time pass; what was sent meanwhile, repetitions too."""
        target, before = Instant(round(at_ms * MS)), len(self.sent)
        while True:
            doors = (self.context.stack.next_deadline(), self.trunks.next_deadline())
            due = [at for at in doors if at is not None and at <= target]
            if not due:
                break
            self.now = max(self.now, min(due))
            self._take(self.context.stack.advance(self.now), self.now, [])
            out: Out = []
            self.trunks.advance(self.now, out)
        self.now = target
        return self.sent[before:]

    def answer(self, request: Request, flow: Flow, status: int) -> None:
        """The peer answers."""
        data = respond(request, status, to_tag="peer").to_bytes()
        self._take(self.context.stack.receive(BytesReceived(flow, data), self.now), self.now, [])

    def close(self, flow: Flow) -> None:
        """A connection could not be had."""
        outputs = self.context.stack.receive(FlowClosed(flow, "refused"), self.now)
        self._take(outputs, self.now, [])

    def _take(self, outputs: tuple[StackOutput, ...], now: Instant, out: Out) -> None:
        for output in outputs:
            match output:
                case Send(flow, data):
                    message = parse_message(data)
                    assert isinstance(message, Request)
                    self.sent.append((now, flow, message))
                case ResponseReceived(transaction, response):
                    assert isinstance(transaction.owner, TrunkProbe)
                    self.trunks.responded(transaction.owner, response, now)
                case TransactionFailed(transaction, cause):
                    assert isinstance(transaction.owner, TrunkProbe)
                    self.trunks.failed(transaction.owner, cause, now)
