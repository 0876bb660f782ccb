"""What became of each push, for people who ask: `push list`, a trace, the demo."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from callctl.push.channel import Channels
from callctl.push.cpns import Cpns, CpnsSettings, FeaturesOf, NewestBinding
from callctl.push.events import CpnsAction, CpnsEvent, Outcome, PostPush, PushOutcome
from callctl.push.intent import PushIntent
from callctl.push.kind import Channel, PushKind
from sipstack.entropy import Entropy
from sipstack.timing import Instant

KEPT_MAX: Final = 2_000  # pushes


@dataclass(slots=True)
class PushEntry:
    """One push, from the wish to its end. Holds no target, key, name or number (I14)."""

    intent_id: str
    call_uuid: str
    device_name: str
    kind: PushKind
    wanted_at: Instant
    service: str = ""  # the subscriber service of the device
    channel: Channel | None = None  # None if it never left
    posted_at: Instant | None = None  # None if it never left
    ended_at: Instant | None = None
    tracking_id: str | None = None
    outcome: Outcome | None = None  # None while it is under way
    status: int | None = None  # of Push REST
    reason: str = ""


class RememberingCpns(Cpns):
    """A push service that remembers its last `KEPT_MAX` pushes, oldest first."""

    def __init__(
        self,
        settings: CpnsSettings,
        entropy: Entropy,
        newest_binding: NewestBinding,
        features: FeaturesOf,
        channels: Channels | None = None,
        entries: deque[PushEntry] | None = None,
    ) -> None:
        """`entries`: of an earlier life, to go on with."""
        super().__init__(settings, entropy, newest_binding, features, channels)
        self.entries: deque[PushEntry] = deque(maxlen=KEPT_MAX) if entries is None else entries
        self._open: dict[str, PushEntry] = {}  # without an end yet, by intent id

    def receive(
        self, event: CpnsEvent, now: Instant, *, more: bool = False
    ) -> tuple[CpnsAction, ...]:
        """Take what happened."""
        if isinstance(event, PushIntent):
            entry = PushEntry(
                event.intent_id,
                event.call_uuid,
                event.device_name,
                event.kind,
                wanted_at=now,
                service=event.binding.subscriber_service,
            )
            self.entries.append(entry)
            self._open[event.intent_id] = entry
        return self._noted(super().receive(event, now, more=more), now)

    def advance(self, now: Instant) -> tuple[CpnsAction, ...]:
        """Do what is due at `now`."""
        return self._noted(super().advance(now), now)

    def posted(self, tracking_id: str) -> PushEntry | None:
        """The push that is under way with this tracking id."""
        job = self._posted.get(tracking_id)
        entry = None if job is None else self._open.get(job.intent.intent_id)
        if job is not None and entry is not None and job.outgoing is not None:
            entry.channel = job.outgoing.channel
        return entry

    def _noted(self, actions: tuple[CpnsAction, ...], now: Instant) -> tuple[CpnsAction, ...]:
        for action in actions:
            if isinstance(action, PostPush):
                entry = self.posted(action.tracking_id)
                if entry is not None:
                    entry.tracking_id = action.tracking_id
                    entry.posted_at = entry.posted_at or now
            elif isinstance(action, PushOutcome):
                entry = self._open.pop(action.intent_id, None)
                if entry is not None:
                    entry.ended_at, entry.outcome = now, action.outcome
                    entry.status, entry.reason = action.status, action.reason
        return actions
