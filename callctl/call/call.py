"""A call: one INVITE for a number, offered to its devices, awake or asleep, until one final answer.

The rules of parking, ring-back, drop and second pushes, of hunts, forwarding and mobility, and of
RFC 3261 §16.7 for the answers. It knows neither SIP transactions nor sockets nor the push service:
see `callctl.call.event`. Source: CALL-01 to CALL-21, SHL-01 to SHL-09, MOB-01 to MOB-07, OP-04 to
OP-09, OP-66; design section 3.
"""

from __future__ import annotations

from typing import Final

from callctl.call.best_response import Candidate, absent
from callctl.call.branch import Branch, BranchState
from callctl.call.event import (
    AnswerCaller,
    BranchFailed,
    BranchOver,
    BranchResponded,
    CallAction,
    CallerCancelled,
    CallEvent,
    CancelBranch,
    CountMobility,
    DeviceRegistered,
    DoubtPeer,
    Forget,
    HangUp,
    MobilityOutcome,
    NodeLost,
    NodeStopping,
    PassResponse,
    PushEnded,
    PushResult,
    Reached,
)
from callctl.call.itinerary import Cause, Stage
from callctl.call.leg import Leg, LegState
from callctl.call.parties import ELSEWHERE, CallParties, CallState
from callctl.model.device import Device
from callctl.push.kind import PushKind
from callctl.registration.binding import Binding
from sipstack.message.message import Response
from sipstack.timing import MS, SECOND, Instant

FLOW_FAILED: Final = 430
"""A node of the cluster found the flow of the device gone (RFC 5626 §11.5)."""

MERGED: Final = 482
"""A device that still has the copy of a node that went down takes the next one for the same again
(RFC 3261 §8.2.2.2): it says nothing of its owner, and the device may come once more."""

DECLINED: Final = frozenset({486, 600, 603, 604, 606})
"""The owner of the device said no: no second push for it (SHL-09)."""

UNSENDABLE: Final = {"breadth": 440, "too large": 513}
"""Causes for which a copy cannot be sent to a device, now or later, and what the caller is told:
the request may not fork further (RFC 5393 §5.3), or fits no datagram and the device has no TCP."""

PEER_TROUBLE: Final = frozenset({401, 407, 408, 500, 502, 503, 504})
"""Answers that speak of one destination of a trunk, not of the called party. A challenge is one
that our credentials did not meet: it is not for the caller to answer."""

NO_PEER: Final = Candidate(503, None, (("Retry-After", "10"),))
"""No destination of a trunk takes the call."""


class Call(CallParties):
    """One INVITE and all that became of it."""

    __slots__ = ()

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
            case DeviceRegistered(binding, device):
                self._registered(binding, device, now, actions)
            case Reached(reach, target):
                self._reached(reach, target, now, actions)
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
        """Fire ring-back, flow probe, mobility, drop, no-answer and Timer C where they are due."""
        actions: list[CallAction] = []
        for leg in tuple(self.legs):
            if leg.ring_back_at is not None and leg.ring_back_at <= now:
                leg.ring_back_at = None
                self._ring_back(now, actions)
            if leg.probe_at is not None and leg.probe_at <= now:
                leg.probe_at = None
                self._doubt(leg, now, actions)
            if leg.timer_c_at is not None and leg.timer_c_at <= now:
                leg.timer_c_at = None
                self._silent(leg, now, actions)
            waits = leg.state is LegState.WAITING
            if waits and leg.mobility_at is not None and leg.mobility_at <= now:
                wait_s = self._parameters.mobility_wait_s
                self._extend(leg, f"did not register within {wait_s} s", now, actions)
            elif waits and leg.drop_at is not None and leg.drop_at <= now:
                self._drop(leg, now, actions)
        stage = self.stage
        if stage is not None and stage.ends_at is not None and stage.ends_at <= now:
            stage.ends_at = None
            self._give_up(stage, now, actions)
        if self.state is not CallState.PROCEEDING and self.over:
            actions.append(Forget())
        return tuple(actions)

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
                self._rejected(branch, response, now, actions)

    def _provisional(
        self, branch: Branch, response: Response, now: Instant, actions: list[CallAction]
    ) -> None:
        leg = branch.leg
        branch.state = BranchState.PROCEEDING
        leg.probe_at = None
        if response.status == 100 or not leg.expects:
            return
        leg.timer_c_at = Instant(now + self._timer_c_ns)
        stage = leg.stage
        assert stage is not None
        if leg.state is not LegState.RINGING:
            leg.enter(LegState.RINGING)
            self.record.note(now, "ringing", leg.name, status=response.status)
            forwards = stage.forwarding.no_answer is not None
            if forwards and stage.pilot is None and stage.ends_at is None:
                stage.ends_at = Instant(now + stage.forwarding.no_answer_s * SECOND)
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
            self.record.note(now, "late-answer", leg.name, status=response.status)
            actions.append(HangUp(branch, response))
            return
        branch.state = BranchState.ACCEPTED
        branch.to_tag = response.to_tag
        self.answered_by = branch
        leg.enter(LegState.ANSWERED)
        self.record.note(now, "answered", leg.name, status=response.status)
        self._end(CallState.ANSWERED, response.status, now)
        for other in self.legs:
            self._cancel_branches(other, ELSEWHERE, now, actions)
            if other is not leg:
                self._close(other, PushKind.ANSWERED_ELSEWHERE, now, actions)

    def _rejected(
        self, branch: Branch, response: Response, now: Instant, actions: list[CallAction]
    ) -> None:
        leg, status = branch.leg, response.status
        if leg.outside and status in PEER_TROUBLE:
            self._destination_lost(branch, f"it answered {status}", now, actions)
            return
        merged = status == MERGED and len(leg.branches) > 1
        if status == FLOW_FAILED or merged:
            why = f"its flow at {branch.node} is gone"
            if merged:
                why = "it has the INVITE of a node that went down, and takes this for the same"
            self._flow_lost(leg, Candidate(480, None), why, now, actions)
            return
        if status in DECLINED:
            leg.declined = True
            leg.outcome = Cause.BUSY
            self.record.note(now, "declined", leg.name, status=status)
        else:
            leg.outcome = Cause.NO_ANSWER
            self.record.note(now, "failed", leg.name, status=status)
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
                self._close(other, self._missed(other), now, actions)
            self._finish(now, actions)
        elif status in DECLINED or not leg.hopeful:
            self._cancel_branches(leg, None, now, actions)
            self._close(leg, None, now, actions)
            self._go_on_if_last(leg, now, actions)

    def _failed(self, branch: Branch, cause: str, now: Instant, actions: list[CallAction]) -> None:
        branch.done = True
        branch.transaction = None
        if branch.state is BranchState.ENDED:
            return
        branch.state = BranchState.ENDED
        leg = branch.leg
        if self.state is not CallState.PROCEEDING or not leg.live:
            return
        silent = cause == "timeout"
        if leg.outside:
            why = "no answer" if silent else "no connection"
            self._destination_lost(branch, why, now, actions)
            return
        if cause in UNSENDABLE:
            leg.outcome = Cause.NO_ANSWER
            self.record.note(now, "unsendable", leg.name, why=cause)
            self._candidates.append(Candidate(UNSENDABLE[cause], None))
            self._close(leg, self._missed(leg), now, actions)
            self._go_on_if_last(leg, now, actions)
            return
        # 408 is for a device that got an INVITE and kept silent, never for a push wait (OP-02).
        status = 408 if silent and leg.push_binding is None else 480
        why = "it answered nothing" if silent else "its connection is gone"
        self._flow_lost(leg, Candidate(status, None), why, now, actions)

    def _destination_lost(
        self, branch: Branch, why: str, now: Instant, actions: list[CallAction]
    ) -> None:
        """A destination of a trunk does not take the call: the next, while none has rung."""
        leg = branch.leg
        destination = str(branch.destination)
        self.record.note(now, "trunk-failed", leg.name, destination=destination, why=why)
        actions.append(DoubtPeer(branch))
        if not leg.rang and self._try_next(leg, now, actions):
            return
        leg.outcome = Cause.NO_ANSWER
        self._candidates.append(NO_PEER)
        self._close(leg, None, now, actions)
        self._go_on_if_last(leg, now, actions)

    def _flow_lost(
        self,
        leg: Leg,
        candidate: Candidate,
        why: str,
        now: Instant,
        actions: list[CallAction],
        lost_node: str | None = None,
    ) -> None:
        """The flow of an unanswered INVITE is gone: wait on, if the device may still come."""
        if leg.hopeful or leg.state is LegState.EXTENDED:
            return
        if leg.drop_at is not None and now < leg.drop_at and not leg.token_refused:
            leg.timer_c_at = None
            if leg.state is not LegState.WAITING:
                leg.enter(LegState.WAITING)
                left_ms = (leg.drop_at - now) // MS
                self.record.note(now, "flow-lost", leg.name, why=why, left_ms=left_ms)
                self._park(leg, now)
            newest, leg.newest = leg.newest, None
            if newest is not None and newest.node != lost_node:
                self._came(leg, newest, now, actions)
            return
        self.record.note(now, "lost", leg.name, why=why)
        leg.outcome = Cause.NO_ANSWER if leg.rang else Cause.UNREGISTERED
        self._candidates.append(candidate)
        self._close(leg, self._missed(leg), now, actions)
        self._go_on_if_last(leg, now, actions)

    def _registered(
        self, binding: Binding, device: Device, now: Instant, actions: list[CallAction]
    ) -> None:
        stage = self.stage
        known = [leg for leg in self.legs if leg.name == device.name]
        for leg in known:
            if binding.dn != leg.dn:
                continue
            if self.state is not CallState.PROCEEDING or not leg.expects:
                if not leg.branches:
                    self.record.note_late(now, leg.name)
                return
            self._came(leg, binding, now, actions)
            return
        proceeding = self.state is CallState.PROCEEDING and stage is not None and stage.expects
        if known or not proceeding or stage is None or binding.dn not in stage_lines(stage):
            return
        # A device that could not be reached when the call came joins while it still rings.
        leg = Leg(device, None, binding.dn)
        leg.stage = stage
        self.legs.append(leg)
        stage.legs.append(leg)
        leg.enter(LegState.DIRECT)
        self.record.note(now, "joined", leg.name, node=binding.node)
        self._offer(leg, binding, now, actions)

    def _came(self, leg: Leg, binding: Binding, now: Instant, actions: list[CallAction]) -> None:
        """A device of the call registered: give it the parked INVITE (CALL-02)."""
        stored, asked = binding.stamp[0], binding.asked_at  # for the time that each stage took
        self.record.note(
            now, "registered", leg.name, node=binding.node, stored_ns=stored, asked_ns=asked
        )
        known = leg.offered(binding)
        if leg.state is LegState.RINGING:
            leg.newest = None if known else binding  # should the flow it rings by be lost
            return
        if known and not leg.hopeful:
            return
        if leg.state is LegState.WAITING:
            if leg.mobility is not None:
                leg.mobility = None
                self.record.note(now, "in-time", leg.name)
                actions.append(CountMobility(MobilityOutcome.TO_JABBER))
            leg.enter(LegState.OFFERED)
        if not known:
            self._offer(leg, binding, now, actions)
            self.record.note(now, "offered", leg.name, node=binding.node)

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
        name = leg.name
        if result is PushResult.ACCEPTED:
            self.record.note(now, "push-accepted", name)
            return
        if result in (PushResult.FAILED, PushResult.LOST):
            if result is PushResult.LOST:
                leg.pushes -= 1  # what never rang has not been missed (I6)
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
            self._abandon(leg, None, now, actions)

    def _node_lost(self, node: str, now: Instant, actions: list[CallAction]) -> None:
        if self.state is not CallState.PROCEEDING:
            return
        for leg in tuple(self.legs):
            for branch in leg.branches:
                if branch.node == node and branch.state is not BranchState.ENDED:
                    # Should the node be only cut off, the CANCEL stops the phone; should it be
                    # dead, the CANCEL's timer ends the copy.
                    branch.state = BranchState.ENDED
                    actions.append(CancelBranch(branch, None))
                    why = f"{node} went out of service"
                    self._flow_lost(leg, Candidate(480, None), why, now, actions, node)
            if leg.state is LegState.WAITING and leg.pushed_node == node and not leg.repushed:
                leg.repushed = True
                actions.append(self._ring_push(leg))

    def _node_stopping(self, now: Instant, actions: list[CallAction]) -> None:
        """Nobody would ever answer the caller: it may try again, at another node."""
        if self.state is not CallState.PROCEEDING:
            return
        self.record.note(now, "node-stopping", node=self.node)
        self._end(CallState.ENDED, 503, now)
        actions.append(AnswerCaller(503, (("Retry-After", "1"),)))
        for leg in self.legs:
            self._cancel_branches(leg, None, now, actions)
            self._close(leg, None, now, actions)

    def _ring_back(self, now: Instant, actions: list[CallAction]) -> None:
        if self._rings or self.state is not CallState.PROCEEDING:
            return
        self._rings = True
        ring_back_s = self._parameters.ring_back_s
        if self.reliable_ringing:
            self.record.note(now, "ring-back-held", ring_back_s=ring_back_s)
            return
        self.record.note(now, "ring-back", ring_back_s=ring_back_s)
        actions.append(AnswerCaller(180))

    def _doubt(self, leg: Leg, now: Instant, actions: list[CallAction]) -> None:
        """No word for some time: a flow that may be dead, or a peer that is."""
        if leg.outside:
            self._cancel_branches(leg, None, now, actions)
            self._destination_lost(leg.branches[-1], "no answer in time", now, actions)
            return
        # What a flow taken for dead says later still counts.
        leg.enter(LegState.WAITING)
        assert leg.drop_at is not None
        probe_s, left_ms = self._parameters.flow_probe_s, (leg.drop_at - now) // MS
        self.record.note(now, "flow-doubtful", leg.name, probe_s=probe_s, left_ms=left_ms)
        self._park(leg, now)

    def _drop(self, leg: Leg, now: Instant, actions: list[CallAction]) -> None:
        self.record.note(now, "dropped", leg.name, drop_s=self._parameters.drop_s)
        self._cancel_branches(leg, None, now, actions)
        self._abandon(leg, self._missed(leg), now, actions)

    def _abandon(
        self, leg: Leg, second_push: PushKind | None, now: Instant, actions: list[CallAction]
    ) -> None:
        """The device does not come: its user's mobility identity, or the leg ends (CALL-09)."""
        leg.outcome = Cause.UNREGISTERED
        if leg.mobility is not None:
            self._extend(leg, "did not come", now, actions)
            return
        self._candidates.append(absent(cloud_failed=leg.cloud_failed))
        self._close(leg, second_push, now, actions)
        self._go_on_if_last(leg, now, actions)

    def _silent(self, leg: Leg, now: Instant, actions: list[CallAction]) -> None:
        """Timer C: it rang for ever, or never said more than that it tries."""
        if self.state is not CallState.PROCEEDING or not leg.live:
            return
        leg.outcome = Cause.NO_ANSWER
        self.record.note(now, "no-answer", leg.name)
        self._candidates.append(Candidate(408, None))
        self._cancel_branches(leg, None, now, actions)
        self._close(leg, self._missed(leg), now, actions)
        self._go_on_if_last(leg, now, actions)


def stage_lines(stage: Stage) -> tuple[str, ...]:
    """The lines that a stage is for: its number, or all members if a hunt asks them at once."""
    pilot = stage.pilot
    if pilot is not None and stage.number == pilot.dn:
        return pilot.members
    return (stage.number,)


def call_of(branch: Branch) -> Call:
    """The call that a branch belongs to."""
    assert isinstance(branch.call, Call)
    return branch.call
