"""A call: one INVITE for a line, offered to its devices, awake or asleep, until one final answer.

The rules of parking, ring-back, drop and second pushes, and of RFC 3261 §16.7 for the answers. It
knows neither SIP transactions nor sockets nor the push service: see `callctl.call.event`.
Source: CALL-01 to CALL-21, SHL-01 to SHL-09, OP-04 to OP-09; design section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final

from callctl.call.best_response import Candidate, absent, best
from callctl.call.event import (
    AnswerCaller,
    BranchFailed,
    BranchOver,
    BranchResponded,
    CallAction,
    CallerCancelled,
    CallEvent,
    CancelBranch,
    DeviceRegistered,
    Forget,
    HangUp,
    NodeLost,
    NodeStopping,
    Offer,
    PassResponse,
    PushEnded,
    PushResult,
    RequestPush,
)
from callctl.call.leg import Branch, BranchState, Leg, LegState, ParkedCall
from callctl.call.story import CallRecord
from callctl.model.service_parameter import ServiceParameters
from callctl.push.kind import PushKind
from callctl.registration.binding import Binding
from sipstack.message.message import Request, Response
from sipstack.timing import SECOND, Instant, Timed

ELSEWHERE: Final = 'SIP;cause=200;text="Call completed elsewhere"'
"""Reason of the CANCEL to those who did not answer first (SHL-05, RFC 3326 §3.1)."""

FLOW_FAILED: Final = 430
"""A node of the cluster found the flow of the device gone (RFC 5626 §11.5)."""

DECLINED: Final = frozenset({486, 600, 603, 604, 606})
"""The owner of the device said no: no second push for it (SHL-09)."""


class CallState(Enum):
    """What the caller has got so far."""

    PROCEEDING = "proceeding"
    ANSWERED = "answered"  # a 2xx was passed on
    ENDED = "ended"  # another final response


class Call(Timed):
    """One INVITE and all that became of it."""

    __slots__ = (
        "_candidates",
        "_parameters",
        "_rings",
        "_timer_c_ns",
        "answered_by",
        "dn",
        "fence",
        "legs",
        "node",
        "record",
        "reliable_ringing",
        "request",
        "state",
        "transaction",
    )

    def __init__(
        self,
        request: Request,
        dn: str,
        node: str,
        fence: int,
        record: CallRecord,
        parameters: ServiceParameters,
    ) -> None:
        super().__init__()
        self.request = request
        self.dn = dn
        self.node = node
        self.fence = fence
        self.record = record
        self.state = CallState.PROCEEDING
        self.legs: list[Leg] = []
        self.answered_by: Branch | None = None
        self.transaction: object = None  # the engine's server transaction
        self.reliable_ringing = "100rel" in request.require
        self._parameters = parameters
        self._timer_c_ns = parameters.timer_c_s * SECOND
        self._candidates: list[Candidate] = []
        self._rings = False  # the caller has been told that it rings

    def start(
        self, targets: Sequence[tuple[Leg, tuple[Binding, ...]]], now: Instant
    ) -> tuple[CallAction, ...]:
        """Offer the call to its devices: each leg with the live bindings of its device.

        A leg without a binding must be one that can be pushed.
        """
        actions: list[CallAction] = []
        for leg, bindings in targets:
            self.legs.append(leg)
            if bindings:
                leg.enter(LegState.DIRECT)
                for binding in bindings:
                    self._offer(leg, binding, now, actions)
                self.record.note(now, "direct", leg.device.name, node=bindings[0].node)
            else:
                leg.enter(LegState.WAITING)
            if leg.push_binding is not None:
                self._start_clocks(leg, now)
                actions.append(self._ring_push(leg))
        if not self.legs:
            self._finish(now, actions)
        return tuple(actions)

    def receive(self, event: CallEvent, now: Instant) -> tuple[CallAction, ...]:
        """React to what happened to a branch, a device, a push, a node or the caller."""
        actions: list[CallAction] = []
        match event:
            case BranchResponded(branch, response):
                self._responded(branch, response, now, actions)
            case BranchFailed(branch, cause):
                self._failed(branch, cause, now, actions)
            case BranchOver(branch):
                branch.done = True
                branch.transaction = None
            case DeviceRegistered(binding):
                self._registered(binding, now, actions)
            case CallerCancelled(reason):
                self._cancelled(reason, now, actions)
            case PushEnded(leg, result):
                self._push_ended(leg, result, now, actions)
            case NodeLost(node):
                self._node_lost(node, now, actions)
            case NodeStopping():
                self._node_stopping(now, actions)
        if self.state is not CallState.PROCEEDING and self.over:
            actions.append(Forget())
        return tuple(actions)

    def advance(self, now: Instant) -> tuple[CallAction, ...]:
        """Fire ring-back, flow probe, drop and Timer C where they are due."""
        actions: list[CallAction] = []
        for leg in self.legs:
            if leg.ring_back_at is not None and leg.ring_back_at <= now:
                leg.ring_back_at = None
                self._ring_back(now, actions)
            if leg.probe_at is not None and leg.probe_at <= now:
                leg.probe_at = None
                self._doubt(leg, now)
            if leg.timer_c_at is not None and leg.timer_c_at <= now:
                leg.timer_c_at = None
                self._no_answer(leg, now, actions)
            if leg.state is LegState.WAITING and leg.drop_at is not None and leg.drop_at <= now:
                self._drop(leg, now, actions)
        if self.state is not CallState.PROCEEDING and self.over:
            actions.append(Forget())
        return tuple(actions)

    def next_deadline(self) -> Instant | None:
        """The earliest timer of all legs."""
        earliest: Instant | None = None
        for leg in self.legs:
            at = leg.next_deadline()
            if at is not None and (earliest is None or at < earliest):
                earliest = at
        return earliest

    @property
    def over(self) -> bool:
        """True if nothing can come of any branch any more."""
        return all(branch.done for leg in self.legs for branch in leg.branches)

    @property
    def waits_for(self) -> tuple[str, ...]:
        """Devices whose registration would release something."""
        if self.state is not CallState.PROCEEDING:
            return ()
        return tuple(leg.device.name for leg in self.legs if leg.live)

    def _start_clocks(self, leg: Leg, now: Instant) -> None:
        """Both clocks start as the push is handed over, not when the INVITE came (CALL-08)."""
        parameters = self._parameters
        leg.ring_back_at = Instant(now + parameters.ring_back_s * SECOND)
        leg.drop_at = Instant(now + parameters.drop_s * SECOND)
        if leg.state is LegState.DIRECT:
            leg.probe_at = Instant(now + parameters.flow_probe_s * SECOND)
        else:
            self._park(leg, now)

    def _park(self, leg: Leg, now: Instant) -> None:
        assert leg.drop_at is not None
        leg.parked = ParkedCall(
            call_uuid=self.record.call_uuid,
            device_name=leg.device.name,
            dn=self.dn,
            owner=self.node,
            fence=self.fence,
            call_id=self.request.call_id,
            caller_via=self.request.headers.first("via") or "",
            parked_at=now,
            ring_back_at=leg.ring_back_at or now,
            drop_at=leg.drop_at,
        )
        parameters = self._parameters
        self.record.note(
            now,
            "parked",
            leg.device.name,
            ring_back_s=parameters.ring_back_s,
            drop_s=parameters.drop_s,
        )

    @staticmethod
    def _ring_push(leg: Leg) -> RequestPush:
        leg.pushes += 1
        return RequestPush(leg, PushKind.INCOMING)

    def _offer(self, leg: Leg, binding: Binding, now: Instant, actions: list[CallAction]) -> None:
        branch = Branch(self, leg, binding)
        leg.branches.append(branch)
        leg.timer_c_at = Instant(now + self._timer_c_ns)
        actions.append(Offer(branch))

    def _responded(
        self, branch: Branch, response: Response, now: Instant, actions: list[CallAction]
    ) -> None:
        status = response.status
        if status < 200:
            if self.state is CallState.PROCEEDING and branch.state is not BranchState.ENDED:
                self._provisional(branch, response, now, actions)
        elif status < 300:
            self._answered(branch, response, now, actions)
        elif branch.state is not BranchState.ENDED or status in DECLINED:
            # What its owner declines is declined, even on a copy that was given up before.
            branch.state = BranchState.ENDED
            if self.state is CallState.PROCEEDING and branch.leg.live:
                self._rejected(branch.leg, response, now, actions)

    def _provisional(
        self, branch: Branch, response: Response, now: Instant, actions: list[CallAction]
    ) -> None:
        leg = branch.leg
        branch.state = BranchState.PROCEEDING
        leg.probe_at = None
        if response.status == 100 or not leg.live:
            return
        leg.timer_c_at = Instant(now + self._timer_c_ns)
        if leg.state is not LegState.RINGING:
            leg.enter(LegState.RINGING)
            self.record.note(now, "ringing", leg.device.name)
        self._rings = True
        actions.append(PassResponse(response))

    def _answered(
        self, branch: Branch, response: Response, now: Instant, actions: list[CallAction]
    ) -> None:
        leg = branch.leg
        if branch is self.answered_by and response.to_tag == branch.to_tag:
            actions.append(PassResponse(response))  # a repetition: the ACK was lost somewhere
            return
        # Any 2xx goes to the caller, even a late or second one (I10), but only the first is a call.
        actions.append(PassResponse(response))
        if self.state is not CallState.PROCEEDING:
            branch.state = BranchState.ENDED
            self.record.note(now, "late-answer", leg.device.name)
            actions.append(HangUp(branch, response))
            return
        branch.state = BranchState.ACCEPTED
        branch.to_tag = response.to_tag
        self.answered_by = branch
        leg.enter(LegState.ANSWERED)
        self.record.note(now, "answered", leg.device.name)
        self._end(CallState.ANSWERED, response.status, now)
        for other in self.legs:
            self._cancel_branches(other, ELSEWHERE, now, actions)
            if other is not leg:
                self._close(other, PushKind.ANSWERED_ELSEWHERE, now, actions)

    def _rejected(
        self, leg: Leg, response: Response, now: Instant, actions: list[CallAction]
    ) -> None:
        status = response.status
        if status == FLOW_FAILED:
            self._flow_lost(leg, Candidate(480, None), now, actions)
            return
        if status in DECLINED:
            leg.declined = True
            self.record.note(now, "declined", leg.device.name, status=status)
        else:
            self.record.note(now, "failed", leg.device.name, status=status)
        if status == 503:
            # One device that is overloaded says nothing of this server (RFC 3261 §16.7 6).
            self._candidates.append(Candidate(500, None))
        else:
            self._candidates.append(Candidate(status, response))
        if status >= 600 and status != 603:
            # Nobody is to ring any more. A 603 speaks for one device only (OP-05).
            self._close(leg, None, now, actions)
            for other in self.legs:
                self._cancel_branches(other, None, now, actions)
                self._close(other, PushKind.MISSED, now, actions)
            self._finish(now, actions)
        elif status in DECLINED or not leg.hopeful:
            self._cancel_branches(leg, None, now, actions)
            self._close(leg, None, now, actions)
            self._finish_if_last(now, actions)

    def _failed(self, branch: Branch, cause: str, now: Instant, actions: list[CallAction]) -> None:
        branch.done = True
        branch.transaction = None
        if branch.state is BranchState.ENDED:
            return
        branch.state = BranchState.ENDED
        leg = branch.leg
        if self.state is not CallState.PROCEEDING or not leg.live:
            return
        # 408 is for a device that got an INVITE and kept silent, never for a push wait (OP-02).
        status = 408 if cause == "timeout" and leg.push_binding is None else 480
        self._flow_lost(leg, Candidate(status, None), now, actions)

    def _flow_lost(
        self, leg: Leg, candidate: Candidate, now: Instant, actions: list[CallAction]
    ) -> None:
        """The flow of an unanswered INVITE is gone: wait on, if the device may still come."""
        if leg.hopeful:
            return
        if leg.drop_at is not None and now < leg.drop_at and not leg.token_refused:
            leg.timer_c_at = None
            if leg.state is not LegState.WAITING:
                leg.enter(LegState.WAITING)
                self.record.note(now, "flow-lost", leg.device.name)
                self._park(leg, now)
            return
        self.record.note(now, "failed", leg.device.name, status=candidate.status)
        self._candidates.append(candidate)
        self._close(leg, PushKind.MISSED, now, actions)
        self._finish_if_last(now, actions)

    def _registered(self, binding: Binding, now: Instant, actions: list[CallAction]) -> None:
        if binding.dn != self.dn:
            return
        for leg in self.legs:
            if leg.device.name != binding.device_name:
                continue
            if self.state is not CallState.PROCEEDING or not leg.live:
                self.record.note(now, "late-register", leg.device.name)
                return
            self.record.note(now, "registered", leg.device.name, node=binding.node)
            if leg.state is LegState.RINGING:
                return
            known = leg.offered(binding)
            if known and not leg.hopeful:
                return
            if leg.state is LegState.WAITING:
                leg.enter(LegState.OFFERED)
            if not known:
                self._offer(leg, binding, now, actions)
                self.record.note(now, "offered", leg.device.name, node=binding.node)

    def _cancelled(self, reason: str | None, now: Instant, actions: list[CallAction]) -> None:
        if self.state is not CallState.PROCEEDING:
            return
        self.record.note(now, "cancelled")
        self._end(CallState.ENDED, 487, now)
        actions.append(AnswerCaller(487))
        for leg in self.legs:
            self._cancel_branches(leg, reason, now, actions)
            self._close(leg, PushKind.MISSED, now, actions)

    def _push_ended(
        self, leg: Leg, result: PushResult, now: Instant, actions: list[CallAction]
    ) -> None:
        if self.state is not CallState.PROCEEDING:
            return
        name = leg.device.name
        if result is PushResult.ACCEPTED:
            self.record.note(now, "push-accepted", name)
            return
        if result is PushResult.FAILED:
            leg.cloud_failed = True
            self.record.note(now, "push-failed", name)
            return
        leg.token_refused = True
        if result is PushResult.NO_SERVICE:
            leg.cloud_failed = True
            self.record.note(now, "push-no-service", name)
        else:
            self.record.note(now, "push-refused", name)
        if leg.state is LegState.WAITING and not leg.hopeful:
            self._candidates.append(absent(cloud_failed=leg.cloud_failed))
            self._close(leg, None, now, actions)
            self._finish_if_last(now, actions)

    def _node_lost(self, node: str, now: Instant, actions: list[CallAction]) -> None:
        if self.state is not CallState.PROCEEDING:
            return
        for leg in self.legs:
            for branch in leg.branches:
                if branch.binding.node == node and branch.state is not BranchState.ENDED:
                    # Should the node be only cut off, the CANCEL stops the phone; should it be
                    # dead, the CANCEL's timer ends the copy.
                    branch.state = BranchState.ENDED
                    actions.append(CancelBranch(branch, None))
                    self._flow_lost(leg, Candidate(480, None), now, actions)
            if leg.state is LegState.WAITING and leg.pushed_node == node and not leg.repushed:
                leg.repushed = True
                actions.append(self._ring_push(leg))

    def _node_stopping(self, now: Instant, actions: list[CallAction]) -> None:
        """Nobody would ever answer the caller: it may try again, at another node."""
        if self.state is not CallState.PROCEEDING:
            return
        self.record.note(now, "node-stopping")
        self._end(CallState.ENDED, 503, now)
        actions.append(AnswerCaller(503, (("Retry-After", "1"),)))
        for leg in self.legs:
            self._cancel_branches(leg, None, now, actions)
            self._close(leg, None, now, actions)

    def _ring_back(self, now: Instant, actions: list[CallAction]) -> None:
        if self._rings or self.state is not CallState.PROCEEDING:
            return
        self._rings = True
        if self.reliable_ringing:
            self.record.note(now, "ring-back-held")
            return
        self.record.note(now, "ring-back")
        actions.append(AnswerCaller(180))

    def _doubt(self, leg: Leg, now: Instant) -> None:
        """A flow that said nothing for 2 s is taken for dead; what it says later still counts."""
        leg.enter(LegState.WAITING)
        self.record.note(now, "flow-doubtful", leg.device.name)
        self._park(leg, now)

    def _drop(self, leg: Leg, now: Instant, actions: list[CallAction]) -> None:
        self.record.note(now, "dropped", leg.device.name)
        self._candidates.append(absent(cloud_failed=leg.cloud_failed))
        self._cancel_branches(leg, None, now, actions)
        self._close(leg, PushKind.MISSED, now, actions)
        self._finish_if_last(now, actions)

    def _no_answer(self, leg: Leg, now: Instant, actions: list[CallAction]) -> None:
        if self.state is not CallState.PROCEEDING or not leg.live:
            return
        self.record.note(now, "no-answer", leg.device.name)
        self._candidates.append(Candidate(408, None))
        self._cancel_branches(leg, None, now, actions)
        self._close(leg, PushKind.MISSED, now, actions)
        self._finish_if_last(now, actions)

    def _cancel_branches(
        self, leg: Leg, reason: str | None, now: Instant, actions: list[CallAction]
    ) -> None:
        for branch in leg.branches:
            if branch.state in (BranchState.CALLING, BranchState.PROCEEDING):
                branch.state = BranchState.ENDED
                self.record.note(now, "branch-cancelled", leg.device.name)
                actions.append(CancelBranch(branch, reason))

    def _close(
        self, leg: Leg, second_push: PushKind | None, now: Instant, actions: list[CallAction]
    ) -> None:
        """End a leg; its device hears of it if it was sent a ring push and has not said no."""
        if not leg.live:
            return
        leg.enter(LegState.ENDED)
        if second_push is None or leg.declined or leg.token_refused or not leg.pushes:
            return
        if leg.second_push is None:
            leg.second_push = second_push
            code = "missed-push" if second_push is PushKind.MISSED else "elsewhere-push"
            self.record.note(now, code, leg.device.name)
            actions.append(RequestPush(leg, second_push))

    def _finish_if_last(self, now: Instant, actions: list[CallAction]) -> None:
        """The caller gets a final answer only when the last leg is gone (OP-04)."""
        if not any(leg.live for leg in self.legs):
            self._finish(now, actions)

    def _finish(self, now: Instant, actions: list[CallAction]) -> None:
        if self.state is not CallState.PROCEEDING:
            return
        chosen = best(self._candidates)
        self.record.note(now, "final", status=chosen.status)
        self._end(CallState.ENDED, chosen.status, now)
        if chosen.response is not None:
            actions.append(PassResponse(chosen.response))
        else:
            actions.append(AnswerCaller(chosen.status, chosen.headers))
        if not self.legs:
            actions.append(Forget())

    def _end(self, state: CallState, status: int, now: Instant) -> None:
        self.state = state
        self.record.status = status
        self.record.ended_at = now


def call_of(branch: Branch) -> Call:
    """The call that a branch belongs to."""
    assert isinstance(branch.call, Call)
    return branch.call
