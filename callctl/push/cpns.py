"""The push service of one node: orders, seals and posts pushes, and learns how they ended.

Source: section 12 of the catalogue; OP-09 and OP-13; invariants I5 and I6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from callctl.model.release import Release
from callctl.push.events import (
    AbandonPush,
    CpnsAction,
    CpnsEvent,
    Ignored,
    Outcome,
    PostPush,
    PushAnswered,
    PushLost,
    PushOutcome,
    PushWithdrawn,
    ServiceStarted,
    ServiceStopped,
    TokenChanged,
)
from callctl.push.features import features_of
from callctl.push.intent import PushIntent
from callctl.push.job import Job, Lane, Ring, State
from callctl.push.kind import SECOND_PUSHES, channel_of, target_of
from callctl.push.request import outer_request
from callctl.registration.push_binding import PushBinding
from sipstack.entropy import Entropy, uuid4
from sipstack.timing import MS, SECOND, DeadlineQueue, Instant, Timed

NewestBinding: TypeAlias = Callable[[str], PushBinding | None]

# How long a ring push is remembered after its end, so that a second push can ask whether it left.
# A second push that comes later than this is sent: the engine asks for one only after a first.
RING_MEMORY_NS: Final = 60 * SECOND

NEVER_WRITTEN: Final = frozenset({"connect", "tls", "deadline", "stopped"})
"""Losses after which the push has certainly not left this node."""

_REASON_MAX: Final = 200  # octets of an error answer kept for the trace


@dataclass(frozen=True, slots=True)
class CpnsSettings:
    """What the service works by; each number is a service parameter of the cluster."""

    url: str  # of Push REST
    release: Release  # decides the parts of a push, Table C3
    second_push_wait_ns: int = 5 * SECOND  # OP-09
    response_timeout_ns: int = 5 * SECOND  # OP-13
    in_flight_max: int = 64  # requests at once; each holds a connection
    queue_max: int = 5_000  # call pushes that wait for their turn
    message_queue_max: int = 15_000
    android_caller_id: bool = False  # OP-17
    unix_ms_at_zero: int = 0  # wall-clock time at Instant 0: clients see how old a push is


class Cpns:
    """Takes push intents, posts them to Push REST, and gives each intent exactly one outcome.

    Calls go before messages, which in addition never take more than half of the connections. A
    second push waits for the answer to the ring push of its call and device. `newest_binding` is
    asked when a push is about to leave: the key is the newest, and who signed out gets nothing.
    """

    def __init__(
        self, settings: CpnsSettings, entropy: Entropy, newest_binding: NewestBinding
    ) -> None:
        self.settings = settings
        self.running = True
        self._entropy = entropy
        self._newest_binding = newest_binding
        self._token: str | None = None
        self._calls = Lane()
        self._messages = Lane()
        self._held = 0
        self._posted: dict[str, Job] = {}  # by tracking id
        self._rings: dict[tuple[str, str], Ring] = {}  # by call UUID and device name
        self._deadlines: DeadlineQueue[Timed] = DeadlineQueue()

    def receive(self, event: CpnsEvent, now: Instant) -> tuple[CpnsAction, ...]:
        """Take what happened."""
        out: list[CpnsAction] = []
        match event:
            case PushIntent():
                self._accept(event, now, out)
            case PushAnswered(tracking_id, status, body):
                job = self._posted.get(tracking_id)
                if job is None:
                    return (Ignored("stray push answer", tracking_id),)
                self._end(job, now, out, outcome_of(status), _reason(status, body), status)
            case PushLost(tracking_id, reason):
                job = self._posted.get(tracking_id)
                if job is None:
                    return (Ignored("stray push loss", tracking_id),)
                if job.is_ring and job.ring is not None and reason in NEVER_WRITTEN:
                    job.ring.left -= 1
                outcome = Outcome.EXPIRED if reason == "deadline" else Outcome.FAILED
                self._end(job, now, out, outcome, reason)
            case PushWithdrawn(call_uuid, device_name):
                self._withdraw((call_uuid, device_name), now, out)
            case TokenChanged(token):
                self._token = token
            case ServiceStarted():
                self.running = True
            case ServiceStopped():
                self._stop(now, out)
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
        self._pump(now, out)
        return tuple(out)

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        return self._deadlines.next_deadline()

    def counts(self) -> dict[str, int]:
        """What is held; at rest each is 0 (I13)."""
        return {
            "queued_calls": self._calls.live,
            "queued_messages": self._messages.live,
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
        lane = self._calls if job.is_call else self._messages
        if lane.live >= (limits.queue_max if job.is_call else limits.message_queue_max):
            self._end(job, now, out, Outcome.FAILED, "queue full")
            return
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

    def _pump(self, now: Instant, out: list[CpnsAction]) -> None:
        """Post what there is room for: calls first, messages in at most half of the room."""
        room = self.settings.in_flight_max
        while self._calls.live and len(self._posted) < room:
            self._post(self._calls.pop(), now, out)
        while self._messages.live and not self._calls.live and len(self._posted) < room // 2:
            self._post(self._messages.pop(), now, out)

    def _post(self, job: Job, now: Instant, out: list[CpnsAction]) -> None:
        intent, settings = job.intent, self.settings
        if now >= intent.deadline:
            self._end(job, now, out, Outcome.EXPIRED)
            return
        if self._token is None:
            self._end(job, now, out, Outcome.REFUSED, "no access token")
            return
        binding = self._newest_binding(intent.device_name)
        if binding is None:
            self._end(job, now, out, Outcome.WITHDRAWN, "no push binding")
            return
        features = features_of(
            settings.release,
            binding.platform,
            binding.os_version,
            android_caller_id=settings.android_caller_id,
        )
        target = target_of(channel_of(intent.kind, binding, features), binding)
        if target is None:
            self._end(job, now, out, Outcome.REFUSED, "no device token")
            return
        tracking_id = f"CPNS_{uuid4(self._entropy)}"
        body = outer_request(
            intent,
            binding,
            target,
            features,
            tracking_id=tracking_id,
            ttl_s=(intent.deadline - now) // SECOND,
            sent_at_unix_ms=settings.unix_ms_at_zero + now // MS,
            entropy=self._entropy,
        )
        job.enter(State.POSTED)
        job.tracking_id = tracking_id
        self._posted[tracking_id] = job
        self._deadlines.set(job, Instant(now + settings.response_timeout_ns))
        if job.is_ring and job.ring is not None:
            job.ring.left += 1
            job.ring.posted_at = now
        headers = (
            ("Authorization", f"Bearer {self._token}"),
            ("Content-Type", "application/json"),
            ("TrackingID", tracking_id),
        )
        out.append(PostPush(tracking_id, settings.url, headers, body, intent.deadline))

    def _job_is_due(self, job: Job, now: Instant, out: list[CpnsAction]) -> None:
        if job.state is State.POSTED:
            out.append(AbandonPush(job.tracking_id))
            self._end(job, now, out, Outcome.FAILED, "no answer")
        elif job.state is State.QUEUED or now >= job.intent.deadline:
            self._end(job, now, out, Outcome.EXPIRED)
        else:
            self._unhold(job)
            self._enqueue(job, now, out)

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
        if job.lane is not None:
            job.lane.remove(job)
        elif job.state is State.HELD:
            self._unhold(job)
        elif job.state is State.POSTED:
            del self._posted[job.tracking_id]
        job.enter(State.ENDED)
        self._deadlines.set(job, None)
        tracking_id = job.tracking_id or None
        out.append(PushOutcome(job.intent.intent_id, outcome, status, reason, tracking_id))
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
                self._unhold(second)
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
            if job.state is State.QUEUED:
                self._end(job, now, out, Outcome.WITHDRAWN, "call is over")

    def _stop(self, now: Instant, out: list[CpnsAction]) -> None:
        self.running = False
        held = [job for ring in self._rings.values() for job in ring.held]
        for job in held:
            self._end(job, now, out, Outcome.REFUSED, "service stopped")
        for lane in (self._calls, self._messages):
            while lane.live:
                self._end(lane.pop(), now, out, Outcome.REFUSED, "service stopped")
        for job in tuple(self._posted.values()):
            out.append(AbandonPush(job.tracking_id))
            self._end(job, now, out, Outcome.FAILED, "service stopped")
        for ring in self._rings.values():
            self._deadlines.set(ring, None)
        self._rings.clear()


def outcome_of(status: int) -> Outcome:
    """What an answer of Push REST means for the push (OP-13, OP-20)."""
    if status == 200:
        return Outcome.ACCEPTED
    if status == 410:
        return Outcome.REFUSED_TOKEN
    # 408 and 429 are a matter of time, like 5xx; every other one would be the same next time.
    return Outcome.REFUSED if 400 <= status < 500 and status not in (408, 429) else Outcome.FAILED


def _reason(status: int, body: bytes) -> str:
    return "" if status == 200 else body[:_REASON_MAX].decode(errors="replace")
