"""The push service of one node: orders and seals pushes, hands them to a channel, judges their end.

Source: section 12 of the catalogue; OP-09 and OP-13; invariants I5 and I6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from callctl.push.channel import PUSH_REST, Channels, Readiness, hold_keys
from callctl.push.events import (
    AbandonPush,
    CallersGone,
    CpnsAction,
    CpnsEvent,
    Ignored,
    Outcome,
    PushAnswered,
    PushLost,
    PushOutcome,
    PushSent,
    PushWithdrawn,
    PushWritten,
    ServiceStarted,
    ServiceStopped,
    TokenChanged,
    TokenFetched,
    TokenFetchLost,
)
from callctl.push.features import PushFeatures
from callctl.push.intent import PushIntent
from callctl.push.job import Job, Outlet, Ring, State
from callctl.push.kind import SECOND_PUSHES, channel_of, target_of
from callctl.push.request import outgoing_push
from callctl.push.rest import PushRestChannel
from callctl.push.token_events import MachineAccountGiven
from callctl.registration.push_binding import PushBinding, mark_of
from sipstack.entropy import Entropy, uuid4
from sipstack.timing import SECOND, DeadlineQueue, Instant, Timed

NewestBinding: TypeAlias = Callable[[str], PushBinding | None]
FeaturesOf: TypeAlias = Callable[[PushBinding], PushFeatures]

# How long a ring push is remembered after its end, so that a second push can ask whether it left.
# A second push that comes later than this is sent: the engine asks for one only after a first.
RING_MEMORY_NS: Final = 60 * SECOND

NEVER_READ: Final = frozenset(
    {"connect", "tls", "proxy", "deadline", "stopped", "queue full", "refused unread"}
)
"""Losses after which nobody has certainly seen the push."""


@dataclass(frozen=True, slots=True)
class CpnsSettings:
    """What the service works by; each number is a service parameter of the cluster."""

    url: str  # of Push REST
    second_push_wait_ns: int = 5 * SECOND  # OP-09
    response_timeout_ns: int = 5 * SECOND  # OP-13
    in_flight_max: int = 64  # requests to Push REST at once; each holds a connection
    queue_max: int = 5_000  # call pushes that wait for their turn
    message_queue_max: int = 15_000
    unix_ms_at_zero: int = 0  # wall-clock time at Instant 0: clients see how old a push is
    next_address: bool = False  # behind a proxy: what is not answered goes once more (OP-35)


class Cpns:
    """Takes push intents, posts them by the channel of the device, gives each exactly one outcome.

    Calls go before messages, which in addition never take more than half of a channel's room. A
    second push waits for the answer to the ring push of its call and device. `newest_binding` is
    asked when a push is about to leave: the key is the newest, and who signed out gets nothing.
    `features` says what may be in a push to the device of a binding. Without `channels`, all go
    through Push REST.
    """

    def __init__(
        self,
        settings: CpnsSettings,
        entropy: Entropy,
        newest_binding: NewestBinding,
        features: FeaturesOf,
        channels: Channels | None = None,
    ) -> None:
        self.settings = settings
        self.running = True
        self._entropy = entropy
        self._newest_binding = newest_binding
        self._features = features
        if channels is None:
            channels = Channels(
                PushRestChannel(
                    settings.url,
                    room=settings.in_flight_max,
                    unix_ms_at_zero=settings.unix_ms_at_zero,
                )
            )
        self._channel_for = channels.name_for
        self._outlets = {channel.name: Outlet(channel) for channel in channels}
        self._held = 0
        self._posted: dict[str, Job] = {}  # by tracking id
        self._rings: dict[tuple[str, str], Ring] = {}  # by call UUID and device name
        self._deadlines: DeadlineQueue[Timed] = DeadlineQueue()

    def receive(
        self, event: CpnsEvent, now: Instant, *, more: bool = False
    ) -> tuple[CpnsAction, ...]:
        """Take what happened.

        `more`: other events came with it, and nothing is posted before `advance` follows the last:
        one of them may say that a call is over (I5).
        """
        out: list[CpnsAction] = []
        match event:
            case PushIntent():
                self._accept(event, now, out)
            case PushAnswered(tracking_id):
                job = self._posted.get(tracking_id)
                if job is None:
                    return (Ignored("stray push answer", tracking_id),)
                self._answered(job, event, now, out)
            case PushWritten(tracking_id):
                job = self._posted.get(tracking_id)
                if job is None:
                    return (Ignored("stray push written", tracking_id),)
                out.append(PushSent(job.intent.intent_id))
            case PushLost(tracking_id, reason):
                job = self._posted.get(tracking_id)
                if job is None:
                    return (Ignored("stray push loss", tracking_id),)
                if (
                    job.is_ring
                    and job.ring is not None
                    and reason in NEVER_READ
                    and not job.attempt
                ):
                    job.ring.left -= 1
                waited = reason == "deadline" and not job.attempt
                outcome = Outcome.EXPIRED if waited else Outcome.FAILED
                self._end(job, now, out, outcome, reason)
            case PushWithdrawn(call_uuid, device_name):
                self._withdraw((call_uuid, device_name), now, out)
            case CallersGone():
                self._forget_waiting(now, out)
            case TokenChanged():
                self._outlets[PUSH_REST].channel.receive(event, now)
            case TokenFetched(channel) | TokenFetchLost(channel):
                outlet = self._outlets.get(channel)
                if outlet is None:
                    return (Ignored("stray token", channel),)
                outlet.channel.receive(event, now)
            case MachineAccountGiven():
                self._outlets[PUSH_REST].channel.receive(event, now)
            case ServiceStarted() if not self.running:
                self.running = True
                for outlet in self._outlets.values():
                    out += outlet.channel.start(now)
            case ServiceStarted():
                pass  # to be made is to be started
            case ServiceStopped():
                self._stop(now, out)
        if not more:
            self._pump(now, out)
        return tuple(out)

    def advance(self, now: Instant) -> tuple[CpnsAction, ...]:
        """Do what is due at `now`."""
        out: list[CpnsAction] = []
        for owner in self._deadlines.due(now):
            if isinstance(owner, Ring):
                del self._rings[owner.key]  # nothing waits for it: it is due only once at rest
            elif isinstance(owner, Job):
                self._job_is_due(owner, now, out)
        for outlet in self._outlets.values():
            out += outlet.channel.advance(now)
        self._pump(now, out)
        return tuple(out)

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        earliest = self._deadlines.next_deadline()
        for outlet in self._outlets.values():
            at = outlet.channel.next_deadline()
            if at is not None and (earliest is None or at < earliest):
                earliest = at
        return earliest

    def counts(self) -> dict[str, int]:
        """What is held; at rest each is 0 (I13)."""
        return {
            "queued_calls": sum(outlet.calls.live for outlet in self._outlets.values()),
            "queued_messages": sum(outlet.messages.live for outlet in self._outlets.values()),
            "held_second_pushes": self._held,
            "posted_pushes": len(self._posted),
            "remembered_rings": len(self._rings),
        }

    def _accept(self, intent: PushIntent, now: Instant, out: list[CpnsAction]) -> None:
        job = Job(intent)
        if not self.running:
            self._end(job, now, out, Outcome.REFUSED, "service stopped")
            return
        if intent.kind in SECOND_PUSHES:
            key = (intent.call_uuid, intent.device_name)
            self._withdraw(key, now, out)
            ring = self._rings.get(key)
            if ring is not None and ring.jobs:
                self._hold(job, ring, now, out)
            elif ring is not None and not ring.needs_second:
                self._drop_second(job, ring, now, out)
            else:
                self._enqueue(job, now, out)
            return
        if job.is_ring:
            job.ring = self._ring_for(job)
        self._enqueue(job, now, out)

    def _ring_for(self, job: Job) -> Ring:
        key = (job.intent.call_uuid, job.intent.device_name)
        ring = self._rings.get(key)
        if ring is None:
            ring = self._rings[key] = Ring(key)
        self._deadlines.set(ring, None)
        ring.jobs.append(job)
        return ring

    def _enqueue(self, job: Job, now: Instant, out: list[CpnsAction]) -> None:
        limits = self.settings
        outlet = self._outlet_for(job.intent.binding)
        if outlet is None:
            self._end(job, now, out, Outcome.REFUSED, "no such push channel")
            return
        lane = outlet.lane_of(job)
        if lane.live >= (limits.queue_max if job.is_call else limits.message_queue_max):
            self._end(job, now, out, Outcome.FAILED, "queue full")
            return
        if job.state is State.HELD:
            self._unhold(job)
        job.enter(State.QUEUED)
        lane.push(job)
        self._deadlines.set(job, job.intent.deadline)

    def _hold(self, job: Job, ring: Ring, now: Instant, out: list[CpnsAction]) -> None:
        if self._held >= self.settings.queue_max:
            self._end(job, now, out, Outcome.FAILED, "queue full")
            return
        job.enter(State.HELD)
        job.ring = ring
        ring.held.append(job)
        self._held += 1
        until = ring.posted_at + self.settings.second_push_wait_ns
        self._deadlines.set(job, Instant(min(until, job.intent.deadline)))

    def _outlet_for(self, binding: PushBinding) -> Outlet | None:
        return self._outlets.get(self._channel_for(binding))

    def _pump(self, now: Instant, out: list[CpnsAction]) -> None:
        """Post what there is room for."""
        for outlet in self._outlets.values():
            while (lane := outlet.next_lane()) is not None:
                readiness, actions = outlet.channel.prepare(now)
                out += actions
                if readiness is Readiness.WAITING:
                    break  # until the credential is there, or a deadline
                self._post(lane.pop(), outlet, readiness, now, out)

    def _post(
        self, job: Job, outlet: Outlet, readiness: Readiness, now: Instant, out: list[CpnsAction]
    ) -> None:
        intent, settings = job.intent, self.settings
        if now >= intent.deadline:
            self._end(job, now, out, Outcome.EXPIRED)
            return
        if readiness is Readiness.NONE:
            self._end(job, now, out, Outcome.REFUSED, "no access token")
            return
        binding = self._newest_binding(intent.device_name)
        if binding is None:
            self._end(job, now, out, Outcome.WITHDRAWN, "no push binding")
            return
        if self._outlet_for(binding) is not outlet:
            self._end(job, now, out, Outcome.REFUSED, "its push channel was changed")
            return
        features = self._features(binding)
        target = target_of(channel_of(intent.kind, binding, features), binding)
        if target is None:
            self._end(job, now, out, Outcome.REFUSED, "no device token")
            return
        # A push that is posted again is the same push, and keeps its tracking id (PUSH-06).
        job.tracking_id = job.tracking_id or f"CPNS_{uuid4(self._entropy)}"
        outgoing = outgoing_push(
            intent,
            binding,
            target,
            features,
            tracking_id=job.tracking_id,
            now=now,
            unix_ms_at_zero=settings.unix_ms_at_zero,
            entropy=self._entropy,
        )
        if outlet.channel.holds.until(hold_keys(outgoing), now) is not None:
            # Fails at once: the call need not wait for a push that may not leave.
            self._end(job, now, out, Outcome.REFUSED, "asked to retry later")
            return
        post = outlet.channel.post(outgoing, now)
        job.enter(State.POSTED)
        job.outlet, job.outgoing, job.post = outlet, outgoing, post
        outlet.posted += 1
        self._posted[job.tracking_id] = job
        self._deadlines.set(job, Instant(now + settings.response_timeout_ns))
        if job.is_ring and job.ring is not None:
            job.ring.left += 1
            job.ring.posted_at = now
        out.append(post)

    def _answered(
        self, job: Job, answer: PushAnswered, now: Instant, out: list[CpnsAction]
    ) -> None:
        outlet, outgoing, post = job.outlet, job.outgoing, job.post
        assert outlet is not None
        assert outgoing is not None
        assert post is not None
        verdict = outlet.channel.judge(outgoing, post, answer, now)
        if not (verdict.again and job.again and now < job.intent.deadline):
            outcome = verdict.outcome
            if job.attempt and outcome is Outcome.REFUSED:
                outcome = Outcome.FAILED  # nobody knows what became of the first
            self._end(job, now, out, outcome, verdict.reason, answer.status)
            return
        # Refused for the credential, so nobody has acted on it: it may go once more (OP-13).
        job.refused_status = answer.status
        self._unpost(job)
        job.again = False
        if job.is_ring and job.ring is not None:
            job.ring.left -= 1
        job.enter(State.QUEUED)
        outlet.lane_of(job).push_front(job)
        self._deadlines.set(job, job.intent.deadline)

    def _unpost(self, job: Job) -> None:
        assert job.outlet is not None
        del self._posted[job.tracking_id]
        job.outlet.posted -= 1
        job.outlet = job.outgoing = job.post = None

    def _job_is_due(self, job: Job, now: Instant, out: list[CpnsAction]) -> None:
        if job.state is State.POSTED:
            assert job.post is not None
            out.append(AbandonPush(job.tracking_id, job.post.channel))
            if self._goes_again(job, now):
                job.again = False  # whatever comes of it: a push goes twice at most
                job.attempt = 1
                job.post = replace(job.post, attempt=1)
                until = min(now + self.settings.response_timeout_ns, job.intent.deadline)
                self._deadlines.set(job, Instant(until))
                out.append(job.post)
                return
            self._end(job, now, out, Outcome.FAILED, "no answer")
        elif job.state is State.QUEUED or now >= job.intent.deadline:
            self._end(job, now, out, Outcome.EXPIRED)
        else:
            self._enqueue(job, now, out)

    def _goes_again(self, job: Job, now: Instant) -> bool:
        """A push through a proxy may have been stuck there: the proxy's next address, once.

        Never where an answer or an error has come: that push may have been acted on (OP-35).
        Nor where the call is over, or its device has signed out.
        """
        return (
            self.settings.next_address
            and job.again
            and job.post is not None
            and job.post.channel == PUSH_REST
            and now < job.intent.deadline
            and self._newest_binding(job.intent.device_name) is not None
        )

    def _end(
        self,
        job: Job,
        now: Instant,
        out: list[CpnsAction],
        outcome: Outcome,
        reason: str = "",
        status: int | None = None,
    ) -> None:
        """Give `job` its outcome and let go of it, wherever it is."""
        outgoing = job.outgoing
        if job.lane is not None:
            job.lane.remove(job)
        elif job.state is State.HELD:
            self._unhold(job)
        elif job.state is State.POSTED:
            self._unpost(job)
        job.enter(State.ENDED)
        self._deadlines.set(job, None)
        tracking_id = job.tracking_id or None
        mark = ""
        if outcome is Outcome.REFUSED_TOKEN and outgoing is not None:
            mark = mark_of(outgoing.target)
        status = job.refused_status if status is None else status
        out.append(PushOutcome(job.intent.intent_id, outcome, status, reason, tracking_id, mark))
        if job.is_ring and job.ring is not None:
            self._ring_job_ended(job, job.ring, now, out, outcome)

    def _ring_job_ended(
        self, job: Job, ring: Ring, now: Instant, out: list[CpnsAction], outcome: Outcome
    ) -> None:
        ring.jobs.remove(job)
        ring.token_refused = outcome is Outcome.REFUSED_TOKEN
        if ring.jobs:
            return
        self._deadlines.set(ring, Instant(now + RING_MEMORY_NS))
        for second in tuple(ring.held):
            if ring.needs_second:
                self._enqueue(second, now, out)
            else:
                self._drop_second(second, ring, now, out)

    def _drop_second(self, job: Job, ring: Ring, now: Instant, out: list[CpnsAction]) -> None:
        if ring.token_refused:
            self._end(job, now, out, Outcome.REFUSED_TOKEN, "ring push refused")
        else:
            self._end(job, now, out, Outcome.WITHDRAWN, "ring push never left")

    def _unhold(self, job: Job) -> None:
        assert job.ring is not None
        job.ring.held.remove(job)
        self._held -= 1

    def _withdraw(self, key: tuple[str, str], now: Instant, out: list[CpnsAction]) -> None:
        ring = self._rings.get(key)
        for job in tuple(ring.jobs) if ring is not None else ():
            job.again = False  # if it has left, then this once
            if job.state is State.QUEUED:
                self._end(job, now, out, Outcome.WITHDRAWN, "call is over")

    def _forget_waiting(self, now: Instant, out: list[CpnsAction]) -> None:
        """Nobody can say any more that a call is over: what waits must not leave (I5)."""
        for ring in tuple(self._rings.values()):
            for job in tuple(ring.held):
                self._end(job, now, out, Outcome.WITHDRAWN, "CallManager is gone")
        for job in self._posted.values():
            job.again = False
        for outlet in self._outlets.values():
            for lane in (outlet.calls, outlet.messages):
                while lane.live:
                    self._end(lane.pop(), now, out, Outcome.WITHDRAWN, "CallManager is gone")

    def _stop(self, now: Instant, out: list[CpnsAction]) -> None:
        self.running = False
        held = [job for ring in self._rings.values() for job in ring.held]
        for job in held:
            self._end(job, now, out, Outcome.REFUSED, "service stopped")
        for outlet in self._outlets.values():
            for lane in (outlet.calls, outlet.messages):
                while lane.live:
                    self._end(lane.pop(), now, out, Outcome.REFUSED, "service stopped")
            out += outlet.channel.stop()
        for job in tuple(self._posted.values()):
            assert job.post is not None
            out.append(AbandonPush(job.tracking_id, job.post.channel))
            self._end(job, now, out, Outcome.FAILED, "service stopped")
        for ring in self._rings.values():
            self._deadlines.set(ring, None)
        self._rings.clear()
