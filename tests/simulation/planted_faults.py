"""Deliberate faults, each a mistake somebody could make. The judges must find every one of them.

A fault is planted by wrapping methods of the product for the time of a run: the product has no
switch for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import callctl.engine.call_control as call_control
import callctl.push.cpns as cpns
from callctl.call.branch import Branch
from callctl.call.call import Call
from callctl.call.event import AnswerCaller, CancelBranch, Offer, PassResponse, RequestPush
from callctl.call.leg import Leg, LegState
from callctl.call.parties import CallState
from callctl.cluster.event import BindingStored
from callctl.cluster.membership import Publish
from callctl.engine.call_control import CallControl
from callctl.engine.context import NodeContext
from callctl.engine.node_core import NodeCore, NodeEvent
from callctl.engine.proxy import Proxy
from callctl.engine.relay import Relay
from callctl.model.device import Device
from callctl.model.service_parameter import ServiceParameters
from callctl.push.channel import Outgoing
from callctl.push.cpns import Cpns
from callctl.push.intent import PushIntent
from callctl.push.job import Job, Ring
from callctl.push.kind import PushKind
from callctl.registration.binding import Binding
from sipstack.message.message import Request, Response
from sipstack.timing import SECOND, Instant
from sipstack.transaction.events import AckReceived, CancelReceived
from sipstack.transaction.invite_server import InviteServer
from sipstack.transaction.layer import TransactionLayer
from sipstack.transaction.machine import ClientTransaction, ServerTransaction
from sipstack.transport.flow import Flow, Send

Original = Callable[..., Any]
Wrapper = Callable[..., Any]
"""Takes the original, then what the method takes."""

Out = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class PlantedFault:
    """One mistake: its name, what it breaks, and how it is made."""

    name: str
    found_by: frozenset[str]  # invariants, any of which may be the one that finds it
    wraps: tuple[tuple[object, str, Wrapper], ...]

    def __str__(self) -> str:
        return self.name.replace(" ", "-")

    @contextmanager
    def planted(self) -> Iterator[None]:
        """The product has the fault inside."""
        with ExitStack() as stack:
            for owner, name, wrapper in self.wraps:
                original = getattr(owner, name)
                stack.enter_context(patch.object(owner, name, _wrapped(original, wrapper)))
            yield


def _wrapped(original: Original, wrapper: Wrapper) -> Original:
    def faulty(*args: object, **kwargs: object) -> object:
        return wrapper(original, *args, **kwargs)

    return faulty


FAULTS: list[PlantedFault] = []


def fault(name: str, found_by: str, *wraps: tuple[object, str, Wrapper]) -> None:
    """Add one; `found_by` are invariants, separated by blanks."""
    FAULTS.append(PlantedFault(name, frozenset(found_by.split()), wraps))


# Timers.


def _keep_ring_back(original: Original, leg: Leg, state: LegState) -> None:
    kept = leg.ring_back_at
    original(leg, state)
    leg.ring_back_at = kept


def _ring_back_blindly(original: Original, call: Call, now: Instant, actions: list[Any]) -> None:
    actions.append(AnswerCaller(180))


fault(
    "ring-back timer not stopped when the leg ends",
    "crash",
    (Leg, "enter", _keep_ring_back),
    (Call, "_ring_back", _ring_back_blindly),
)


def _drop_late(original: Original, leg: Leg, parameters: ServiceParameters, now: Instant) -> None:
    original(leg, parameters, now)
    assert leg.drop_at is not None
    leg.drop_at = Instant(leg.drop_at + SECOND)


fault("drop clock started a second late", "I2", (Leg, "start_clocks", _drop_late))


def _acknowledged_for_ever(original: Original, server: InviteServer, now: Instant) -> Out:
    outputs: Out = original(server, now)
    if server._end_at is not None:
        server._end_at = Instant(now + 86_400 * SECOND)
    return outputs


fault("Timer I never ends", "I13", (InviteServer, "_receive_ack", _acknowledged_for_ever))

# Release.


def _release_twice(
    original: Original,
    call: Call,
    binding: Binding,
    device: Device,
    now: Instant,
    actions: list[Any],
) -> None:
    before = len(actions)
    original(call, binding, device, now, actions)
    for action in actions[before:]:
        if isinstance(action, Offer):
            call._offer(action.branch.leg, binding, now, actions)
            return


fault("parked call released twice by one REGISTER", "I3", (Call, "_registered", _release_twice))


def _release_the_dead(
    original: Original,
    call: Call,
    binding: Binding,
    device: Device,
    now: Instant,
    actions: list[Any],
) -> None:
    original(call, binding, device, now, actions)
    if call.state is CallState.ENDED:
        for leg in call.legs:
            if leg.name == binding.device_name and not leg.branches:
                call._offer(leg, binding, now, actions)


fault(
    "late REGISTER releases a call that is over",
    "I3",
    (Call, "_registered", _release_the_dead),
    (CallControl, "_stop_waiting", lambda original, *args: None),
)


def _invite_before_ok(original: Original, core: NodeCore, event: NodeEvent, now: Instant) -> Out:
    actions: list[object] = list(original(core, event, now))
    for index, action in enumerate(actions):
        if type(action) is Send and action.data.startswith(b"INVITE"):
            for earlier in range(index):
                answer = actions[earlier]
                if type(answer) is Send and b" REGISTER\r\n" in answer.data:
                    actions.insert(earlier, actions.pop(index))
                    break
    return tuple(actions)


fault("INVITE sent before the 200 of REGISTER", "I3", (NodeCore, "receive", _invite_before_ok))


def _keep_bindings(original: Original, core: NodeCore, event: NodeEvent, now: Instant) -> Out:
    return tuple(
        action
        for action in original(core, event, now)
        if not (isinstance(action, Publish) and isinstance(action.event, BindingStored))
    )


fault("bindings not told to the other nodes", "I7", (NodeCore, "receive", _keep_bindings))

# Answers to the caller.

fault(
    "480 at the end forgotten",
    "I1 I2",
    (Call, "_go_on_if_last", lambda original, *args: None),
)


def _no_late_answer(
    original: Original,
    call: Call,
    branch: Branch,
    response: Response,
    now: Instant,
    actions: list[Any],
) -> None:
    late = call.state is not CallState.PROCEEDING and branch is not call.answered_by
    before = len(actions)
    original(call, branch, response, now, actions)
    if late:
        actions[before:] = [a for a in actions[before:] if not isinstance(a, PassResponse)]


fault("2xx dropped when it is late", "I10", (Call, "_answered", _no_late_answer))


def _say_480(
    original: Original, call: Call, reason: str | None, now: Instant, actions: list[Any]
) -> None:
    original(call, reason, now, actions)
    actions[:] = [AnswerCaller(480) if isinstance(a, AnswerCaller) else a for a in actions]


fault("cancelled call answered 480", "I9", (Call, "_cancelled", _say_480))

# CANCEL.


def _no_cancel(
    original: Original, call: Call, leg: Leg, reason: str | None, now: Instant, actions: list[Any]
) -> None:
    before = len(actions)
    original(call, leg, reason, now, actions)
    actions[before:] = [a for a in actions[before:] if not isinstance(a, CancelBranch)]


fault("CANCEL to the branches lost", "I9", (Call, "_cancel_branches", _no_cancel))
fault(
    "CANCEL not passed on by the node in between",
    "I9",
    (Relay, "_cancel_all", lambda original, *args: ()),
)
fault(
    "CANCEL not answered",
    "I9",
    (
        TransactionLayer,
        "_receive_cancel",
        lambda original, *args: tuple(o for o in original(*args) if isinstance(o, CancelReceived)),
    ),
)

# ACK.


def _ack_goes_on(
    original: Original, layer: TransactionLayer, request: Request, flow: Flow, now: Instant
) -> Out:
    outputs: Out = original(layer, request, flow, now)
    if any(isinstance(output, AckReceived) for output in outputs):
        return outputs
    return (*outputs, AckReceived(request, flow))


fault(
    "ACK of a failure forwarded",
    "I10",
    (TransactionLayer, "_receive_ack", _ack_goes_on),
)


def _no_ack(
    original: Original,
    proxy: Proxy,
    transaction: ServerTransaction | None,
    request: Request,
    *rest: object,
) -> None:
    if transaction is not None:
        original(proxy, transaction, request, *rest)


fault("ACK of a 2xx swallowed", "I10", (Proxy, "in_dialog", _no_ack))

# Legs.


def _ack_alone(
    original: Original,
    context: NodeContext,
    transaction: ClientTransaction,
    response: Response,
    now: Instant,
    *,
    again: bool,
) -> Out:
    outputs: Out = original(context, transaction, response, now, again=True)
    return outputs


fault("late answer acknowledged but not hung up", "I4", (call_control, "hang_up", _ack_alone))

# Pushes.


def _close_twice(
    original: Original,
    call: Call,
    leg: Leg,
    second: PushKind | None,
    now: Instant,
    actions: list[Any],
) -> None:
    before = len(actions)
    original(call, leg, second, now, actions)
    actions += [a for a in actions[before:] if isinstance(a, RequestPush)]


fault("second push sent twice", "I6", (Call, "_close", _close_twice))


def _tell_the_answerer(
    original: Original,
    call: Call,
    branch: Branch,
    response: Response,
    now: Instant,
    actions: list[Any],
) -> None:
    first = call.state is CallState.PROCEEDING
    original(call, branch, response, now, actions)
    if first and call.state is CallState.ANSWERED and branch.leg.pushes:
        actions.append(RequestPush(branch.leg, PushKind.ANSWERED_ELSEWHERE))


fault("elsewhere push to the device that answered", "I6", (Call, "_answered", _tell_the_answerer))


def _push_the_dead(
    original: Original, call: Call, reason: str | None, now: Instant, actions: list[Any]
) -> None:
    original(call, reason, now, actions)
    for leg in call.legs:
        if leg.pushes:
            actions.insert(1, RequestPush(leg, PushKind.INCOMING))


fault("ring push sent after the call has ended", "I5 I6", (Call, "_cancelled", _push_the_dead))


def _name_outside(
    original: Original, intent: PushIntent, *args: object, **kwargs: object
) -> Outgoing:
    made: Outgoing = original(intent, *args, **kwargs)
    return replace(made, topic=intent.content.display_number)


fault("caller's number beside the sealed content", "I14", (cpns, "outgoing_push", _name_outside))

# What is left.

fault(
    "devices of ended calls still waited for",
    "I13",
    (CallControl, "_stop_waiting", lambda original, *args: None),
)


def _never_forgotten(
    original: Original, service: Cpns, job: Job, ring: Ring, now: Instant, *rest: object
) -> None:
    original(service, job, ring, now, *rest)
    service._deadlines.set(ring, None)


fault("ring pushes remembered for ever", "I13", (Cpns, "_ring_job_ended", _never_forgotten))
