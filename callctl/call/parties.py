"""Who a call is offered to: its stages, the legs of each, and how a leg begins and ends.

Source: CALL-01 to CALL-09, SHL-01 to SHL-09, MOB-02, OP-04 to OP-08, OP-66.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from callctl.call.best_response import NO_ANSWER, Candidate, absent, best
from callctl.call.branch import Branch, BranchState
from callctl.call.event import (
    AnswerCaller,
    CallAction,
    CancelBranch,
    CountMobility,
    Forget,
    MobilityOutcome,
    Offer,
    PassResponse,
    Reach,
    RequestPush,
)
from callctl.call.itinerary import Cause, Itinerary, Onward, Stage, Target
from callctl.call.leg import Leg, LegState, ParkedCall
from callctl.call.story import CallRecord
from callctl.model.service_parameter import ServiceParameters
from callctl.push.kind import PushKind
from callctl.registration.binding import Binding
from sipstack.message.message import Request
from sipstack.timing import SECOND, Instant, Timed

SECOND_PUSH_STEPS: Final = {
    PushKind.MISSED: "missed-push",
    PushKind.ANSWERED_ELSEWHERE: "elsewhere-push",
    PushKind.CANCELLED: "cancelled-push",
}


NOT_CHOSEN: Final = 'Q.850;cause=26;text="Non-selected user clearing"'
"""Reason of the CANCEL to a member that a hunt leaves: it has missed nothing (OP-66, RFC 3326)."""

ELSEWHERE: Final = 'SIP;cause=200;text="Call completed elsewhere"'
"""Reason of the CANCEL to those who did not answer first (SHL-05, RFC 3326 §3.1)."""

CANCEL_STEPS: Final = {ELSEWHERE: "branch-cancelled", NOT_CHOSEN: "branch-left"}
"""Step of a CANCEL by its Reason; any other is "branch-ended"."""

FORWARD_STEPS: Final = {
    Cause.UNCONDITIONAL: "forward-unconditional",
    Cause.BUSY: "forward-busy",
    Cause.NO_ANSWER: "forward-no-answer",
    Cause.UNREGISTERED: "forward-unregistered",
}


class CallState(Enum):
    """What the caller has got so far."""

    PROCEEDING = "proceeding"
    ANSWERED = "answered"  # a 2xx was passed on
    ENDED = "ended"  # another final response


class CallParties(Timed):
    """The legs of a call. `Call` is this with what happens to them."""

    __slots__ = (
        "_candidates",
        "_itinerary",
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
        "stage",
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
        self.dn = dn  # the number that was dialled
        self.node = node
        self.fence = fence
        self.record = record
        self.state = CallState.PROCEEDING
        self.stage: Stage | None = None
        self.legs: list[Leg] = []  # of all stages
        self.answered_by: Branch | None = None
        self.transaction: object = None  # the engine's server transaction
        self.reliable_ringing = "100rel" in request.require
        self._itinerary = Itinerary(dn, parameters.forward_hops_max)
        self._parameters = parameters
        self._timer_c_ns = parameters.timer_c_s * SECOND
        self._candidates: list[Candidate] = []
        self._rings = False  # the caller has been told that it rings

    def start(self, target: Target, now: Instant) -> tuple[CallAction, ...]:
        """Offer the call to what the dialled number leads to."""
        actions: list[CallAction] = []
        self._arrive(target, now, actions)
        if self.state is not CallState.PROCEEDING and self.over and Forget() not in actions:
            actions.append(Forget())
        return tuple(actions)

    def next_deadline(self) -> Instant | None:
        """The earliest timer of all legs and of the stage."""
        earliest = None if self.stage is None else self.stage.ends_at
        for leg in self.legs:
            at = leg.next_deadline()
            if at is not None and (earliest is None or at < earliest):
                earliest = at
        return earliest

    @property
    def over(self) -> bool:
        """True if nothing can come of any branch any more."""
        return all(branch.done for leg in self.legs for branch in leg.branches)

    def release(self) -> None:
        """The call is over and forgotten: break its circles, so that no collector has to.

        A node under load would spend a tenth of its time on finding them (design, speed).
        """
        for leg in self.legs:
            leg.branches.clear()
            leg.stage = leg.behind = None
        self.legs.clear()
        self.stage = None

    def _arrive(self, target: Target, now: Instant, actions: list[CallAction]) -> None:
        """The call is for another number now."""
        itinerary = self._itinerary
        pilot = itinerary.trail[-1].pilot or target.pilot
        stage = Stage(target.number, target.forwarding, pilot, itinerary.trail)
        self.stage = stage
        onward = itinerary.arrived(target)
        if onward is not None:
            self._go_to(onward, now, actions)
            return
        if target.refusal is not None:
            retry = (("Retry-After", "10"),) if target.refusal == 503 else ()
            self._candidates.append(Candidate(target.refusal, None, retry))
        if pilot is not None:
            stage.ends_at = Instant(now + pilot.member_ring_s * SECOND)
            if target.pilot is not None:
                self.record.note(now, "hunt-all", pilot=pilot.dn, wait_s=pilot.member_ring_s)
        self._join(stage, target, now, actions)
        if not stage.expects:
            busy = target.refusal == 486
            self._go_on(stage, now, actions, Cause.BUSY if busy else stage.outcome)

    def _join(self, stage: Stage, target: Target, now: Instant, actions: list[CallAction]) -> None:
        """Offer the call to the parties of a target."""
        for leg, bindings in target.legs:
            self.legs.append(leg)
            stage.legs.append(leg)
            leg.stage = stage
            if leg.outside:
                leg.enter(LegState.DIRECT)
                self._try_next(leg, now, actions)
                continue
            if bindings:
                leg.enter(LegState.DIRECT)
                for binding in bindings:
                    self._offer(leg, binding, now, actions)
                self.record.note(now, "direct", leg.name, node=bindings[0].node)
            elif leg.push_binding is None:
                # It cannot be woken, but its user can be reached.
                self._extend(leg, "had no live flow and could not be woken", now, actions)
                continue
            else:
                leg.enter(LegState.WAITING)
            if leg.push_binding is not None:
                leg.start_clocks(self._parameters, now)
                if leg.state is LegState.WAITING:
                    self._park(leg, now)
                    ring_back_s, drop_s = self._parameters.ring_back_s, self._parameters.drop_s
                    self.record.note(
                        now, "parked", leg.name, ring_back_s=ring_back_s, drop_s=drop_s
                    )
                actions.append(self._ring_push(leg))

    def _go_on(self, stage: Stage, now: Instant, actions: list[CallAction], outcome: Cause) -> None:
        """Nobody of the stage takes the call: the next number, or the end."""
        stage.ends_at = None
        onward = self._itinerary.onward(stage.forwarding, outcome)
        if stage.pilot is not None and (onward is None or onward.cause is not Cause.HUNT):
            self.record.note(now, "hunt-over", pilot=stage.pilot.dn)
        if onward is None:
            self._finish(now, actions)
        else:
            self._go_to(onward, now, actions)

    def _go_to(self, onward: Onward, now: Instant, actions: list[CallAction]) -> None:
        number, pilot, stage = onward.number, onward.pilot, self.stage
        assert stage is not None
        if not self._itinerary.enter(onward):
            self.record.note(now, "forward-refused", number=number)
            self._finish(now, actions)
            return
        if pilot is not None:
            wait_s = pilot.member_ring_s
            self.record.note(now, "hunt", pilot=pilot.dn, number=number, wait_s=wait_s)
        else:
            left = stage.number if stage.pilot is None else stage.pilot.dn
            self.record.note(now, FORWARD_STEPS[onward.cause], dn=left, number=number)
        actions.append(Reach(onward))

    def _reached(
        self, reach: Reach, target: Target, now: Instant, actions: list[CallAction]
    ) -> None:
        if self.state is not CallState.PROCEEDING:
            return
        if reach.behind is None:
            self._arrive(target, now, actions)
            return
        stage = reach.behind.stage
        assert stage is not None
        stage.asking -= 1
        for leg, _ in target.legs:
            leg.behind = reach.behind
            leg.mobility = None
        self._join(stage, target, now, actions)
        if stage is self.stage and not stage.expects:
            self._go_on(stage, now, actions, stage.outcome)

    def _go_on_if_last(self, leg: Leg, now: Instant, actions: list[CallAction]) -> None:
        """The call moves only when the last leg of its stage is gone (OP-04)."""
        stage = leg.stage
        if self.state is not CallState.PROCEEDING or stage is None or stage is not self.stage:
            return
        if not stage.expects:
            self._go_on(stage, now, actions, stage.outcome)

    def _give_up(self, stage: Stage, now: Instant, actions: list[CallAction]) -> None:
        """The time of a member, or that of a line before it forwards, is over."""
        if self.state is not CallState.PROCEEDING:
            return
        reason, wait_s = None, stage.forwarding.no_answer_s
        if stage.pilot is not None:
            reason, wait_s = NOT_CHOSEN, stage.pilot.member_ring_s
        for leg in stage.legs:
            if leg.expects:
                leg.outcome = Cause.NO_ANSWER
                self.record.note(now, "gave-up", leg.name, wait_s=wait_s)
                if leg.state is LegState.WAITING:
                    self._candidates.append(absent(cloud_failed=leg.cloud_failed))
                else:
                    self._candidates.append(Candidate(480, None, (NO_ANSWER,)))
                self._cancel_branches(leg, reason, now, actions)
                self._close(leg, self._missed(leg), now, actions)
        self._go_on(stage, now, actions, Cause.NO_ANSWER)

    def _park(self, leg: Leg, now: Instant) -> None:
        assert leg.drop_at is not None
        leg.parked = ParkedCall(
            call_uuid=self.record.call_uuid,
            device_name=leg.name,
            dn=leg.dn,
            owner=self.node,
            fence=self.fence,
            call_id=self.request.call_id,
            caller_via=self.request.headers.first("via") or "",
            parked_at=now,
            ring_back_at=leg.ring_back_at or now,
            drop_at=leg.drop_at,
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

    def _try_next(self, leg: Leg, now: Instant, actions: list[CallAction]) -> bool:
        """Send the INVITE to the next destination of its trunks; False if there is none."""
        if not leg.ways:
            return False
        trunk, destination = way = leg.ways.popleft()
        branch = Branch(self, leg, None, way)
        leg.branches.append(branch)
        leg.probe_at = Instant(now + trunk.try_s * SECOND)
        leg.timer_c_at = Instant(now + self._timer_c_ns)
        self.record.note(now, "trunk", leg.name, destination=str(destination))
        actions.append(Offer(branch))
        return True

    def _extend(self, leg: Leg, why: str, now: Instant, actions: list[CallAction]) -> None:
        """Call the user's mobility identity; the wait for the app ends for this call (OP-38).

        `why`: what the device has not done, for the story.
        """
        assert leg.mobility is not None
        assert leg.stage is not None
        number, leg.mobility = leg.mobility, None
        leg.stage.asking += 1
        self._cancel_branches(leg, None, now, actions)
        self.record.note(now, "extended", leg.name, number=number, why=why)
        leg.outcome = Cause.UNREGISTERED
        self._candidates.append(absent(cloud_failed=leg.cloud_failed))
        leg.enter(LegState.EXTENDED)
        if leg.pushes:
            actions.append(CountMobility(MobilityOutcome.TO_MOBILITY_IDENTITY))
        actions.append(Reach(Onward(number, Cause.MOBILITY), leg))

    @staticmethod
    def _missed(leg: Leg) -> PushKind:
        """What a device is told whose call goes elsewhere or nowhere: a hunt that goes on has not
        been missed by one of its members (OP-66)."""
        hunted = leg.stage is not None and leg.stage.pilot is not None
        return PushKind.CANCELLED if hunted else PushKind.MISSED

    def _cancel_branches(
        self, leg: Leg, reason: str | None, now: Instant, actions: list[CallAction]
    ) -> None:
        for branch in leg.branches:
            if branch.state in (BranchState.CALLING, BranchState.PROCEEDING):
                branch.state = BranchState.ENDED
                code = CANCEL_STEPS.get(reason or "", "branch-ended")
                self.record.note(now, code, leg.name)
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
        if not leg.told_end:
            self.record.note(now, "no-second-push", leg.name)
        elif leg.second_push is None:
            leg.second_push = second_push
            self.record.note(now, SECOND_PUSH_STEPS[second_push], leg.name)
            actions.append(RequestPush(leg, second_push))

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
        for leg in self.legs:
            self._close(leg, PushKind.MISSED, now, actions)  # those whose other number was called

    def _end(self, state: CallState, status: int, now: Instant) -> None:
        self.state = state
        if self.stage is not None:
            self.stage.ends_at = None
        self.record.status = status
        self.record.ended_at = now
