"""The calls of one node: finds the devices of a line, and does what each `Call` wants done.

Here a call's wishes become transactions, pushes with their content, and answers to the caller.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from callctl.call.branch import Branch, BranchState
from callctl.call.call import Call, call_of
from callctl.call.caller_identity import CallerIdentity, caller_identity
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
    NodeLost,
    NodeStopping,
    Offer,
    PassResponse,
    PushEnded,
    PushResult,
    Reach,
    Reached,
    RequestPush,
)
from callctl.call.itinerary import Cause, Onward
from callctl.call.leg import Leg
from callctl.call.parties import CallState
from callctl.call.story import CallRecord
from callctl.engine.call_copy import CallFacts, copy_for
from callctl.engine.calling_device import calling_device
from callctl.engine.context import NodeContext, Out
from callctl.engine.counters import Counters
from callctl.engine.delivery import caller_end, fits_no_datagram, send_copy
from callctl.engine.event import SendPush, WithdrawPush
from callctl.engine.forwarding import returned, without_claims
from callctl.engine.proxy import Proxy, Take
from callctl.engine.pushes import PushesUnderWay
from callctl.engine.targets import TargetFinder, WaitingCalls
from callctl.engine.trunks import Trunks
from callctl.engine.unwanted_dialog import hang_up
from callctl.model.device import Device
from callctl.model.trunk import SipTrunk
from callctl.push.call_manager_link import SERVICE_LOST
from callctl.push.content import ActiveNode, CallContent
from callctl.push.events import Outcome, PushOutcome, PushWithdrawn
from callctl.push.intent import PushIntent
from callctl.push.kind import PushKind
from callctl.registration.binding import Binding
from sipstack.entropy import token, uuid4
from sipstack.message.message import Request, Response
from sipstack.timing import SECOND, DeadlineQueue, Instant
from sipstack.transaction.machine import ServerTransaction
from sipstack.transport.flow import Flow

RECORDS_MAX: Final = 2_000
"""Ended calls whose story is kept. A story is about 2 kB."""

LATE_NS: Final = 60 * SECOND
"""A device that registers so long after its call ended is noted there as late."""

RESULTS: Final[dict[Outcome, PushResult | None]] = {
    Outcome.ACCEPTED: PushResult.ACCEPTED,
    Outcome.REFUSED_TOKEN: PushResult.TARGET_INVALID,
    Outcome.REFUSED: PushResult.NO_SERVICE,
    Outcome.FAILED: PushResult.FAILED,
    Outcome.EXPIRED: PushResult.FAILED,
    Outcome.WITHDRAWN: None,  # the call was over: it does not care
}


def hunt_pilot_of(leg: Leg) -> str | None:
    """The hunt pilot through which a device is called (CALL-20)."""
    pilot = None if leg.stage is None else leg.stage.pilot
    return None if pilot is None else pilot.dn


def note_caller(
    record: CallRecord,
    caller: CallerIdentity,
    device: Device | None,
    trunk: SipTrunk | None,
    now: Instant,
) -> None:
    """The first steps of a story: who calls, and whom the called side is shown."""
    known = caller.number or ("an anonymous caller" if caller.anonymous else "an unknown caller")
    over = "" if trunk is None else f" over trunk {trunk.name}"
    record.note(now, "received", caller=known, dn=record.dn, node=record.node, over=over)
    if caller.anonymous:
        record.note(now, "anonymous")
    elif device is not None and caller.number and caller.number not in device.lines:
        record.note(now, "presented", device.name, number=caller.number)


class CallControl:
    """Every call of a node, by what may concern it."""

    __slots__ = (
        "_context",
        "_deadlines",
        "_finder",
        "_missed",
        "_proxy",
        "_release",
        "_rings",
        "_take",
        "_trunks",
        "calls",
        "counters",
        "pushes",
        "records",
        "waiting",
    )

    def __init__(self, context: NodeContext, proxy: Proxy, trunks: Trunks, take: Take) -> None:
        self._context = context
        self._proxy = proxy
        self._take = take
        self._trunks = trunks
        self._deadlines: DeadlineQueue[Call] = DeadlineQueue()
        self._rings: dict[str, tuple[Call, Leg]] = {}  # ring pushes without outcome, by intent id
        self.calls: dict[Call, CallFacts] = {}
        self.waiting = WaitingCalls()
        self.counters = Counters()
        self.pushes = PushesUnderWay(self.counters)
        self._finder = TargetFinder(context, self.calls, self.waiting, trunks)
        self.records: deque[CallRecord] = deque(maxlen=RECORDS_MAX)
        # The newest call of a device that ended before the device had come, for its story alone.
        self._missed: dict[str, CallRecord] = {}
        self._release = str(context.cluster.release)

    def invite(
        self,
        transaction: ServerTransaction,
        request: Request,
        number: str,
        flow: Flow,
        now: Instant,
        out: Out,
        *,
        trunk: SipTrunk | None = None,
    ) -> None:
        """A new call for a number that leads somewhere; `trunk` if it came over one."""
        context = self._context
        cluster = context.cluster
        device = calling_device(context, request, flow, now)
        caller = caller_identity(request, cluster, trunk, device)
        record = CallRecord(
            uuid4(context.entropy),
            request.call_id,
            context.name,
            caller.number,
            number,
            now,
            self._release,
        )
        note_caller(record, caller, device, trunk, now)
        self.records.append(record)
        call = Call(
            request, number, context.name, context.incarnation, record, cluster.service_parameters
        )
        call.transaction = transaction
        transaction.owner = call
        # At once, not after 200 ms: a parked call waits far longer than that (CALL-19).
        self._proxy.answer(transaction, request, 100, (), now, out)
        end = caller_end(context, request, flow, now)
        if trunk is not None and not end:
            end = self._trunks.end_of(trunk)
        self.calls[call] = CallFacts(
            caller,
            end,
            flow,
            b"m=video" in request.body,
            trunk,
            device,
        )
        target = self._finder.target(call, Onward(number, Cause.UNCONDITIONAL), now)
        self._perform(call, call.start(target, now), now, out)

    def device_registered(self, binding: Binding, now: Instant, out: Out) -> None:
        """An authenticated REGISTER was answered: release what waits for the device, in order."""
        missed = self._missed.pop(binding.device_name, None)
        if missed is not None and now - (missed.ended_at or now) < LATE_NS:
            missed.note_late(now, binding.device_name)
        calls = self.waiting.of(binding.device_name)
        if calls:
            event = DeviceRegistered(binding, self._context.cluster.devices[binding.device_name])
            for call in calls:
                self._tell(call, event, now, out)

    def node_lost(self, node: str, now: Instant, out: Out) -> None:
        """A node went out of service: calls under way may need another way to their device."""
        for call in tuple(self.calls):
            if call.state is CallState.PROCEEDING:
                self._tell(call, NodeLost(node), now, out)

    def stop(self, now: Instant, out: Out) -> None:
        """Answer every caller that still waits; this node will not be there to do it (I1)."""
        for call in tuple(self.calls):
            self._tell(call, NodeStopping(), now, out)

    def push_ended(self, outcome: PushOutcome, left: bool, now: Instant, out: Out) -> None:
        """The push service told how a push ended. Only ring pushes matter to a call.

        `left`: it had told before that it sent the push.
        """
        found = self._rings.pop(outcome.intent_id, None)
        result = RESULTS[outcome.outcome]
        if outcome.reason == SERVICE_LOST and not left:
            result = PushResult.LOST
        if found is None or result is None:
            return
        call, leg = found
        if call in self.calls:
            self._tell(call, PushEnded(leg, result), now, out)

    def responded(self, branch: Branch, response: Response, now: Instant, out: Out) -> None:
        """A device or peer answered."""
        if branch.trunk is not None and response.status in (401, 407):
            again = self._trunks.answer_challenge(branch.transaction, response, branch.answers)
            if again is not None:
                branch.answers += 1
                self._take(send_copy(self._context, branch, again, now), now, out)
                return
        if branch.trunk is None or not branch.trunk.trust_identity:
            without_claims(response)
        call = call_of(branch)
        self._tell(call, BranchResponded(branch, response), now, out)

    def failed(self, branch: Branch, cause: str, now: Instant, out: Out) -> None:
        """A device kept silent, or could not be sent to."""
        wanted = branch.state is BranchState.CALLING
        if cause == "transport" and branch.fallback is not None and wanted:
            outgoing = branch.fallback()
            if outgoing is not None:
                self._take(send_copy(self._context, branch, outgoing, now), now, out)
                return
            if fits_no_datagram(branch.transaction.request):
                cause = "too large"
        call = call_of(branch)
        self._tell(call, BranchFailed(branch, cause), now, out)

    def over(self, branch: Branch, now: Instant, out: Out) -> None:
        """A branch's transaction has ended."""
        call = call_of(branch)
        if call in self.calls:
            self._tell(call, BranchOver(branch), now, out)

    def cancelled(self, call: Call, reason: str | None, now: Instant, out: Out) -> None:
        """The caller gave up."""
        self._tell(call, CallerCancelled(reason), now, out)

    def advance(self, now: Instant, out: Out) -> None:
        """Fire the calls' timers."""
        for call in self._deadlines.due(now):
            try:
                self._perform(call, call.advance(now), now, out)
            except Exception as error:
                self.contain(call, error, now, out)

    def next_deadline(self) -> Instant | None:
        """The earliest timer of any call."""
        return self._deadlines.next_deadline()

    def counts(self) -> dict[str, int]:
        """What is alive; all zero at rest (I13)."""
        return {
            "calls": len(self.calls),
            "waiting_devices": len(self.waiting),
            "pushes": len(self.pushes),
            "call_deadlines": len(self._deadlines),
        }

    def contain(self, call: Call, error: Exception, now: Instant, out: Out) -> None:
        """A fault of our own in this call: it ends, and no other."""
        self.calls.pop(call, None)
        self._deadlines.set(call, None)
        self._stop_waiting(call, out)
        copies = []
        for leg in call.legs:
            for branch in leg.branches:
                if branch.state is not BranchState.ACCEPTED and branch.transaction is not None:
                    copies.append(branch.transaction)
                elif branch.transaction is not None:
                    branch.transaction.owner = None  # the call it is of stands: nobody hangs it up
        call.record.note(now, "fault", node=self._context.name)
        if call.record.status is None:
            call.record.status, call.record.ended_at = 500, now
        transaction: ServerTransaction = call.transaction  # type: ignore[assignment]
        self._proxy.abandon(transaction, call.request, copies, error, now, out)

    def _tell(self, call: Call, event: CallEvent, now: Instant, out: Out) -> None:
        """Let a call react."""
        try:
            self._perform(call, call.receive(event, now), now, out)
        except Exception as error:
            self.contain(call, error, now, out)

    def _perform(self, call: Call, actions: tuple[CallAction, ...], now: Instant, out: Out) -> None:
        context = self._context
        stack = context.stack
        transaction: ServerTransaction = call.transaction  # type: ignore[assignment]
        for action in actions:
            match action:
                case Offer(branch):
                    self._offer(call, branch, now, out)
                case Reach(onward):
                    target = self._finder.target(call, onward, now)
                    self._perform(call, call.receive(Reached(action, target), now), now, out)
                case PassResponse(response):
                    back = returned(response)
                    self._take(stack.respond(transaction, back, now), now, out)
                case AnswerCaller(status, headers):
                    self._proxy.answer(transaction, call.request, status, headers, now, out)
                case RequestPush(leg, kind):
                    self._push(call, leg, kind, now, out)
                case CancelBranch(branch, reason):
                    if branch.transaction is not None:
                        self._take(stack.cancel(branch.transaction, now, reason), now, out)
                case HangUp(branch, response):
                    if branch.transaction is not None:
                        again = branch.to_tag == response.to_tag
                        branch.to_tag = response.to_tag
                        outputs = hang_up(context, branch.transaction, response, now, again=again)
                        self._take(outputs, now, out)
                case CountMobility(outcome):
                    self.counters.extended(outcome)
                case DoubtPeer(branch):
                    if branch.trunk is not None and branch.destination is not None:
                        self._trunks.doubt(branch.trunk, branch.destination, now)
                case Forget():
                    self.calls.pop(call, None)
        if call.state is not CallState.PROCEEDING:
            self._stop_waiting(call, out)
        if call in self.calls:
            self._deadlines.set(call, call.next_deadline())
        else:
            self._deadlines.set(call, None)
            call.release()

    def _offer(self, call: Call, branch: Branch, now: Instant, out: Out) -> None:
        outgoing = copy_for(self._context, self._trunks, call, branch, self.calls[call])
        if isinstance(outgoing, str):
            self.failed(branch, outgoing, now, out)
        else:
            self._take(send_copy(self._context, branch, outgoing, now), now, out)

    def _push(self, call: Call, leg: Leg, kind: PushKind, now: Instant, out: Out) -> None:
        """Ask for one push, unless the device has signed out or its release knows no such push."""
        context = self._context
        device = leg.device
        binding = None if device is None else context.push_bindings.get(device.name)
        if device is None:
            return
        if not context.push_on:
            call.record.note(now, "push-off", device.name)
            return
        if binding is None:
            call.record.note(now, "signed-out", device.name)
            return
        features = context.features(binding)
        if kind is not PushKind.INCOMING and not leg.told_end:
            return
        facts = self.calls[call]
        node = context.active_node(device)
        parameters = context.cluster.service_parameters
        deadline = Instant(now + parameters.drop_s * SECOND)
        if kind is PushKind.INCOMING and node is None:
            group = ", ".join(context.cluster.group_of(device).nodes)
            call.record.note(now, "no-node", device.name, group=group)  # nowhere to go
            return
        if kind is PushKind.INCOMING:
            code = "ring-push" if leg.pushed_node is None else "ring-push-again"
            if features.active_node and binding.key is not None:
                leg.pushed_node = node
            else:
                code = "ring-push-plain"  # it names no node that could go down (CALL-16)
            deadline = leg.drop_at or deadline
            why = context.why_active(device, node or "")
            call.record.note(now, code, device.name, node=node or "-", why=why)
        intent = PushIntent(
            intent_id=token(context.entropy),
            device_name=device.name,
            kind=kind,
            call_uuid=call.record.call_uuid,
            binding=binding,
            content=CallContent(
                event=kind,
                call_uuid=call.record.call_uuid,
                display_name=facts.caller.display_name,
                display_number=facts.caller.number,
                hunt_pilot_dn=hunt_pilot_of(leg),
                video=facts.video,
                active_node=self._active_node(device, node),
            ),
            deadline=deadline,
        )
        if kind is PushKind.INCOMING:
            self._rings[intent.intent_id] = (call, leg)
        self.pushes.wanted(intent, now)
        out.append(SendPush(intent))

    def _active_node(self, device: Device, name: str | None) -> ActiveNode | None:
        """How the push names the node to register at (CMG-05, OP-30)."""
        if name is None:
            return None
        cluster = self._context.cluster
        node = cluster.nodes[name]
        listener = node.listener("TLS") or node.listener("TCP") or node.dialled
        return ActiveNode(
            fqdn=node.fqdn,
            ip=listener.host,
            port=listener.port,
            transport=listener.transport.lower(),
            role=cluster.group_of(device).role_of(name) or "primary",
        )

    def _remember_missed(self, device_name: str, record: CallRecord) -> None:
        if len(self._missed) >= RECORDS_MAX:
            del self._missed[next(iter(self._missed))]
        self._missed[device_name] = record

    def _stop_waiting(self, call: Call, out: Out) -> None:
        """No REGISTER releases this call any more, and no ring push that has not left may leave."""
        if not self.waiting.forget(call):
            return
        for leg in call.legs:
            if leg.pushes and not leg.branches:
                self._remember_missed(leg.name, call.record)
            if leg.pushes:  # also where a second push is wanted: the release may know none
                out.append(WithdrawPush(PushWithdrawn(call.record.call_uuid, leg.name)))
