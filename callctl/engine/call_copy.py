"""The copy of a call's INVITE that goes to one device, or to one destination of a trunk."""

from __future__ import annotations

from typing import Final

from callctl.call.branch import Branch
from callctl.call.call import Call
from callctl.call.caller_identity import CallerIdentity, headers_towards, identity_towards
from callctl.engine.context import NodeContext
from callctl.engine.delivery import Outgoing, fits_no_datagram, to_binding
from callctl.engine.forwarding import breadth_of
from callctl.engine.history_info import with_history
from callctl.engine.trunks import Trunks, to_trunk
from callctl.model.device import Device
from callctl.model.trunk import RoutePattern, SipTrunk
from sipstack.message.message import Request
from sipstack.transport.flow import Flow

CALL_UUID_HEADER: Final = "X-Push-Call-UUID"  # OP-07: the app matches push and INVITE by it


class CallFacts:
    """What the engine keeps beside a call: its caller, and where it came from."""

    __slots__ = ("arrived_on", "caller", "caller_end", "device", "trunk", "video")

    def __init__(
        self,
        caller: CallerIdentity,
        end: str,
        flow: Flow,
        video: bool,
        trunk: SipTrunk | None,
        device: Device | None,
    ) -> None:
        self.caller = caller
        self.caller_end = end
        self.arrived_on = flow
        self.video = video
        self.trunk = trunk  # that it came over
        self.device = device  # that it came from, if it is one of ours


def copy_for(
    context: NodeContext, trunks: Trunks, call: Call, branch: Branch, facts: CallFacts
) -> Outgoing | str:
    """The INVITE for a branch, or why there is none (the cause of `BranchFailed`)."""
    leg = branch.leg
    request = call.request
    retargeted = leg.stage is not None and len(leg.stage.trail) > 1
    if leg.behind is not None or retargeted:
        request = with_history(request, leg, context.cluster.domain)
    if branch.binding is None:
        return _to_trunk(context, trunks, call, branch, request, facts) or "transport"
    breadth = _breadth(call, branch)
    if breadth == 0:
        return "breadth"
    asserted: list[tuple[str, str]] = []
    identity = facts.caller.asserted(context.cluster.domain)
    if identity is not None:
        asserted.append(("P-Asserted-Identity", identity))
    if leg.push_binding is not None:
        asserted.append((CALL_UUID_HEADER, call.record.call_uuid))
    outgoing = to_binding(
        context,
        request,
        branch.binding,
        facts.caller_end,
        facts.arrived_on,
        asserted=tuple(asserted),
        breadth=breadth,
    )
    if outgoing is None:
        return "transport"
    if outgoing.flow.transport == "UDP" and fits_no_datagram(outgoing.request):
        return "too large"
    return outgoing


def _breadth(call: Call, branch: Branch) -> int | None:
    """The share of this copy in how far the INVITE may fork; None where it does not fork."""
    stage = branch.leg.stage
    copies = 1 if stage is None else sum(len(leg.branches) for leg in stage.legs)
    return None if copies < 2 else breadth_of(call.request) // copies


def _to_trunk(
    context: NodeContext,
    trunks: Trunks,
    call: Call,
    branch: Branch,
    request: Request,
    facts: CallFacts,
) -> Outgoing | None:
    """The INVITE for a destination of a trunk, with the identity the peer is to know."""
    trunk, destination = branch.trunk, branch.destination
    assert trunk is not None
    assert destination is not None
    cluster = context.cluster
    number = branch.leg.dn
    pattern = cluster.destination(number)
    if isinstance(pattern, RoutePattern):
        number = pattern.sent(number)
    identity = identity_towards(
        trunk, call.request, cluster, came_over=facts.trunk, device=facts.device
    )
    return to_trunk(
        context,
        request,
        number,
        trunk,
        destination,
        facts.caller_end,
        facts.arrived_on,
        asserted=headers_towards(identity, call.request, cluster.domain),
        callee_end=trunks.end_of(trunk),
    )
