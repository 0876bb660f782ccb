"""One push on its way out, the ways out, and what is remembered of the ring pushes of a call."""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Final

from callctl.push.channel import Outgoing, PushChannel
from callctl.push.events import PostPush
from callctl.push.intent import PushIntent
from callctl.push.kind import CALL_PUSHES, PushKind
from sipstack.timing import Instant, Timed

State = Enum("State", "NEW QUEUED HELD POSTED ENDED")

MOVES: Final = {
    State.NEW: {State.QUEUED, State.HELD, State.ENDED},
    State.HELD: {State.QUEUED, State.ENDED},
    State.QUEUED: {State.POSTED, State.ENDED},
    State.POSTED: {State.QUEUED, State.ENDED},
}
"""QUEUED: waits for its turn. HELD: a second push that waits for its ring push (OP-09).

From POSTED back to QUEUED goes a push that was refused unread, for the credential it came with.
"""


class Job(Timed):
    """One intent, from its arrival to its outcome."""

    __slots__ = (
        "again",
        "attempt",
        "intent",
        "lane",
        "outgoing",
        "outlet",
        "post",
        "refused_status",
        "ring",
        "state",
        "tracking_id",
    )

    def __init__(self, intent: PushIntent, ring: Ring | None = None) -> None:
        super().__init__()
        self.intent = intent
        self.ring = ring  # of the same call and device, if this is a ring or a second push
        self.lane: Lane | None = None  # set while it is queued
        self.state = State.NEW
        self.tracking_id = ""  # given when it is posted
        # What was posted, and where; set while it is.
        self.outlet: Outlet | None = None
        self.outgoing: Outgoing | None = None
        self.post: PostPush | None = None
        self.again = True  # may be posted once more with a better credential
        self.refused_status: int | None = None  # of the answer that refused its credential
        self.attempt = 0  # 1: it has been posted by the next address of the proxy, too

    @property
    def is_call(self) -> bool:
        """True for the lane that goes first."""
        return self.intent.kind in CALL_PUSHES

    @property
    def is_ring(self) -> bool:
        """True for the push that makes a device ring."""
        return self.intent.kind is PushKind.INCOMING

    def enter(self, state: State) -> None:
        """Move as the table allows."""
        assert state in MOVES.get(self.state, ()), (self.state, state)
        self.state = state


class Lane:
    """Jobs in the order they came. One that ended while it waited is skipped, not searched for."""

    __slots__ = ("_jobs", "live")

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()
        self.live = 0  # jobs that still wait

    def push(self, job: Job) -> None:
        """Put `job` last."""
        self._jobs.append(job)
        job.lane = self
        self.live += 1

    def push_front(self, job: Job) -> None:
        """Put `job` first: it has had its turn before."""
        self._jobs.appendleft(job)
        job.lane = self
        self.live += 1

    def pop(self) -> Job:
        """Take the first job that still waits; there is one if `live` is not 0."""
        while True:
            job = self._jobs.popleft()
            if job.lane is self:
                self.remove(job)
                return job

    def remove(self, job: Job) -> None:
        """Let `job` wait no longer."""
        job.lane = None
        self.live -= 1
        if not self.live:
            self._jobs.clear()


class Outlet:
    """The pushes of one channel: what waits for its turn, and how much is under way.

    A slow channel holds up nobody's pushes but its own.
    """

    __slots__ = ("calls", "channel", "messages", "posted")

    def __init__(self, channel: PushChannel) -> None:
        self.channel = channel
        self.calls = Lane()
        self.messages = Lane()
        self.posted = 0  # requests under way

    def lane_of(self, job: Job) -> Lane:
        """Where `job` waits: calls go first."""
        return self.calls if job.is_call else self.messages

    def next_lane(self) -> Lane | None:
        """The lane whose turn it is; None if nothing waits, or there is no room.

        Messages never take more than half of the room (CALL-12).
        """
        room = self.channel.room
        if self.calls.live:
            return self.calls if self.posted < room else None
        return self.messages if self.messages.live and self.posted < room // 2 else None


class Ring(Timed):
    """The ring pushes of one call to one device, and the second push that waits for them.

    Usually one; two if the node named in the first went out of service (CALL-16).
    """

    __slots__ = ("held", "jobs", "key", "left", "posted_at", "token_refused")

    def __init__(self, key: tuple[str, str]) -> None:
        super().__init__()
        self.key = key  # call UUID, device name
        self.jobs: list[Job] = []  # those without an outcome yet
        self.held: list[Job] = []
        self.left = 0  # how many were posted
        self.token_refused = False  # by the last answer: no push reaches this device (CLOUD-06)
        self.posted_at = Instant(0)  # of the last one

    @property
    def needs_second(self) -> bool:
        """False if there is nothing on the device that a second push could replace or end."""
        return self.left > 0 and not self.token_refused
