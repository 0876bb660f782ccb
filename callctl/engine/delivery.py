"""Sending a request to a binding: over the flow we own, or through the node that owns it.

Source: OP-31, RFC 3327 §5.3, RFC 5626 §5.3; design, "Record-Route".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from callctl.call.branch import Branch
from callctl.engine.address_book import is_stream
from callctl.engine.context import NodeContext
from callctl.engine.relay import RelayBranch
from callctl.engine.route_token import (
    DIALOG,
    HOP,
    RouteToken,
    binding_end,
    flow_end,
    flow_mark,
    tag_checksum,
)
from callctl.registration.binding import Binding
from sipstack.message.message import Request
from sipstack.stack import StackOutput
from sipstack.timing import Instant
from sipstack.transport.flow import UNCONNECTED, Flow
from sipstack.transport.rules import same_host

DATAGRAM_MAX: Final = 65_507  # octets: what IPv4 leaves of 65,535


class Outgoing(NamedTuple):
    """A request ready for a client transaction."""

    request: Request
    flow: Flow
    fallback: Callable[[], Outgoing | None] | None = None  # made if the flow cannot be had


def to_binding(
    context: NodeContext,
    request: Request,
    binding: Binding,
    caller_end: str,
    arrived_on: Flow,
    *,
    asserted: tuple[tuple[str, str], ...] = (),
    breadth: int | None = None,
) -> Outgoing | None:
    """An initial request for a binding's contact; None if it cannot be sent after all.

    Args:
        caller_end: end of our Record-Route towards the sender.
        arrived_on: the flow that brought the request.
        asserted: headers that are ours to say, in place of what the sender put there.
        breadth: into how many copies this one may fork in turn; None as it came (RFC 5393 §5.3).
    """
    routes: tuple[str, ...] = binding.path
    callee_end = ""
    if binding.node == context.name:
        flow = context.flow_of(binding) or context.dial(binding.contact)
        callee_end = binding_end(binding.binding_id)
    else:
        node = context.cluster.nodes[binding.node]
        flow, listener = context.book.flow_to(node)
        token = RouteToken(HOP, flow_mark(binding), binding_end(binding.binding_id), "")
        transport = "" if listener.transport == "UDP" else f";transport={flow.transport.lower()}"
        host = f"[{listener.host}]" if ":" in listener.host else listener.host
        hop = f"<sip:{context.tokens.seal(token)}@{host}:{listener.port}{transport};lr>"
        routes = (hop, *routes)
    if flow is None:
        return None

    def over(way: Flow) -> Request:
        stays = record_route(context, request, caller_end, callee_end, arrived_on, way)
        copy = context.forwarder.forward(
            request, binding.contact, way, record_route=stays, routes=routes
        )
        copy.headers.remove("p-asserted-identity")  # a client's own word for who it is (OP-16)
        for name, value in asserted:
            copy.headers.set(name, value)
        if breadth is not None:
            copy.headers.set("Max-Breadth", str(breadth))
        return copy

    def dialled() -> Outgoing | None:
        contact = context.dial(binding.contact)
        return None if contact is None else Outgoing(over(contact), contact)

    outgoing = Outgoing(over(flow), flow)
    if flow.transport == "UDP":
        stream = _stream_instead(context, binding, outgoing)
        if stream is None:
            return outgoing
        smaller = None if fits_no_datagram(outgoing.request) else outgoing
        return Outgoing(over(stream), stream, lambda: smaller)
    if flow.connection != UNCONNECTED and context.may_dial(binding):
        # The connection may be half closed already: its owner listens elsewhere (RFC 3263 §4.3).
        return Outgoing(outgoing.request, flow, dialled)
    return outgoing


def send_copy(
    context: NodeContext, branch: Branch | RelayBranch, outgoing: Outgoing, now: Instant
) -> tuple[StackOutput, ...]:
    """Send one copy in a client transaction that belongs to `branch`."""
    branch.fallback = outgoing.fallback
    branch.transaction, outputs = context.stack.request(
        outgoing.request, outgoing.flow, now, branch
    )
    return outputs


def _stream_instead(context: NodeContext, binding: Binding, outgoing: Outgoing) -> Flow | None:
    """The TCP flow for a request that is too large for a datagram (RFC 3261 §18.1.1).

    Only where the contact says itself where it listens: what is behind a NAT, or asked for
    outbound, has nothing but its flow. If nobody takes the connection, the datagram is sent.
    """
    request, flow, _ = outgoing
    if binding.outbound:
        return None
    if _octets(request) <= context.cluster.service_parameters.udp_request_max:
        return None
    contact = context.dial(binding.contact) if binding.node == context.name else flow
    if contact is None or contact[3:5] != flow[3:5]:
        return None
    return context.book.flow_towards(flow.remote_host, flow.remote_port, "TCP")


def fits_no_datagram(request: Request) -> bool:
    """True if a request is too large for UDP, whatever the way (RFC 3261 §18.1.1)."""
    return _octets(request) > DATAGRAM_MAX


def _octets(request: Request) -> int:
    """About as long as it will be on the wire, and not shorter."""
    lines = request.headers.lines
    return len(request.uri_text) + len(request.body) + sum(map(len, lines)) + 2 * len(lines) + 30


def record_route(
    context: NodeContext,
    request: Request,
    caller_end: str,
    callee_end: str,
    arrived_on: Flow,
    leaves_on: Flow,
    *,
    always: bool = False,
) -> tuple[str, ...]:
    """Our Record-Route for a request that opens a dialog: one value, two where transports differ.

    With two, each side sees a URI it can send to (RFC 5658 §3). `always`: whatever the service
    parameter says, as between a phone and a trunk, which know nothing of one another.
    """
    if request.method not in ("INVITE", "SUBSCRIBE", "REFER", "NOTIFY"):
        return ()
    if (
        not always
        and context.cluster.service_parameters.record_route == "flows"
        and not is_stream(arrived_on)
        and not is_stream(leaves_on)
    ):
        return ()
    token = RouteToken(DIALOG, caller_end, callee_end, tag_checksum(request.from_tag))
    user = context.tokens.seal(token)
    inner = f"<{context.book.own_uri(user, leaves_on)}>"
    if arrived_on.transport == leaves_on.transport:
        return (inner,)
    return inner, f"<{context.book.own_uri(user, arrived_on)}>"


def caller_end(context: NodeContext, request: Request, flow: Flow, now: Instant) -> str:
    """How in-dialog requests will find the sender of a request that came straight from it."""
    user = request.from_.uri.user_unescaped or ""
    for binding in context.table.of_dn(user, now):
        if binding.flow == flow and binding.node == context.name:
            return binding_end(binding.binding_id)
    via = request.top_via
    return flow_end(context.book.index, flow, behind_nat=not same_host(via.host, flow.remote_host))
