"""Cisco Management Agent Service: uploads push alarms to the Cisco cloud at fixed intervals.

Source: TRB-01 to TRB-03, TRB-05, TRB-07 to TRB-13, TRB-18; ALARM-07, ALARM-08; OP-36, OP-51, OP-52.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Final

from callctl.serviceability.agent_event import (
    AgentActions,
    AgentEvent,
    AgentIgnored,
    AgentMemory,
    LastUpload,
    ManagementAgentSettings,
    OnboardingChanged,
    PushChanged,
    RememberAgent,
    ServiceChanged,
    UploadAlarms,
    UploadAnswered,
    UploadFailed,
)
from callctl.serviceability.alarm import AlarmCleared, AlarmNotice, AlarmRaised, AlarmRepeated
from callctl.serviceability.alarm_queue import AlarmQueue
from callctl.serviceability.alarm_upload import AlarmRecord, upload_body
from callctl.serviceability.condition import ConditionEntered, ConditionLeft
from callctl.serviceability.severity import UploadLevel
from callctl.serviceability.support_token import SupportToken
from sipstack.entropy import Entropy, token, uuid4
from sipstack.timing import SECOND, Instant

FREQUENCY_LEAST_MIN: Final = 5
FREQUENCY_MOST_MIN: Final = 90
MINUTE_NS: Final = 60 * SECOND
UPLOAD_TIMEOUT_NS: Final = 30 * SECOND
BATCH_MAX: Final = 1_000  # alarms of one upload
FAILED: Final = "AlarmUploadFailed"


class PushNowRefused(ValueError):
    """`pushnow` cannot be done; the text says why."""


@dataclass(frozen=True, slots=True)
class _UnderWay:
    number: int
    records: tuple[AlarmRecord, ...]
    ends_at: Instant


class ManagementAgent:
    """Collects alarms while sending is on, and uploads one batch an interval."""

    def __init__(
        self,
        settings: ManagementAgentSettings,
        entropy: Entropy,
        memory: AgentMemory | None = None,
    ) -> None:
        """Raises: ValueError if `memory` has a frequency that cannot be set."""
        self._settings = settings
        self._entropy = entropy
        self._memory = memory or AgentMemory()
        _check_frequency(self._memory.frequency_min)
        self._running = True  # TRB-02: enabled by default
        self._push = False
        self._onboarded = True
        self._under_way: _UnderWay | None = None
        self._next_at: Instant | None = None
        self._numbers = 0
        self._counts: Counter[str] = Counter()
        self._pending = AlarmQueue(self._counts)
        self.last_upload: LastUpload | None = None

    # Readers.

    @property
    def node(self) -> str:
        """The publisher."""
        return self._settings.node

    @property
    def frequency_min(self) -> int:
        """Minutes between two uploads."""
        return self._memory.frequency_min

    @property
    def level(self) -> UploadLevel:
        """The least grave that is uploaded."""
        return self._memory.level

    @property
    def sending(self) -> bool:
        """The box Send Troubleshooting Information to the Cisco Cloud."""
        return self._memory.sending

    @property
    def encrypted_pii(self) -> bool:
        """The box Send encrypted PII to the Cisco Cloud for troubleshooting."""
        return self._memory.encrypted_pii

    @property
    def running(self) -> bool:
        """True unless the service is stopped."""
        return self._running

    @property
    def cluster_id(self) -> str | None:
        """The customer's cluster id, for the onboarding page (TRB-09)."""
        return self._memory.cluster_id

    @property
    def support_token(self) -> str | None:
        """A secret, for the onboarding page alone (TRB-12); made with the cluster id."""
        held = self._memory.support_token
        return None if held is None else str(held)

    @property
    def pending(self) -> int:
        """Alarms that wait for an upload."""
        return len(self._pending) + (len(self._under_way.records) if self._under_way else 0)

    @property
    def next_upload_at(self) -> Instant | None:
        """When the interval ends; None while nothing is to be sent."""
        return self._next_at

    def counts(self) -> dict[str, int]:
        """What became of alarms and uploads."""
        return dict(self._counts)

    def why_not(self) -> str:
        """Why no upload can leave; "" if one can."""
        if not self._running:
            return "Cisco Management Agent Service is stopped"
        if not self._push:
            return "push is not enabled"
        if not self._memory.sending:
            return "sending troubleshooting information is switched off"
        if self._settings.url is None:
            return "no address to upload to"
        return ""

    # The three doors.

    def receive(self, event: AgentEvent, now: Instant) -> AgentActions:
        """Take what happened."""
        match event:
            case AlarmRaised() | AlarmRepeated() | AlarmCleared():
                self._offered(event)
                return ()
            case ServiceChanged(running):
                self._running = running
                return self._switched(now)
            case PushChanged(enabled):
                self._push = enabled
                return self._switched(now)
            case OnboardingChanged(valid):
                self._onboarded = valid
                return ()
            case UploadAnswered(number, status):
                error = "" if 200 <= status < 300 else f"the cloud answered {status}"
                return self._ended(number, error, now)
            case UploadFailed(number, reason):
                return self._ended(number, reason or "no answer", now)

    def advance(self, now: Instant) -> AgentActions:
        """Do what is due at `now`."""
        out: AgentActions = ()
        if self._under_way is not None and now >= self._under_way.ends_at:
            out += self._ended(self._under_way.number, "no answer in time", now)
        if self._next_at is not None and now >= self._next_at:
            self._next_at = self._interval_from(now)
            out += self._upload(now)
        return out

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        ends_at = None if self._under_way is None else self._under_way.ends_at
        both = [at for at in (ends_at, self._next_at) if at is not None]
        return min(both, default=None)

    # What the administrator does.

    def set_frequency(self, minutes: int, now: Instant) -> AgentActions:
        """Upload every `minutes`, from now on. Raises: ValueError if it is not 5 to 90."""
        _check_frequency(minutes)
        return self._remember(now, replace(self._memory, frequency_min=minutes))

    def set_level(self, level: UploadLevel, now: Instant) -> AgentActions:
        """Upload nothing below `level`, neither of what waits nor of what comes."""
        return self._remember(now, replace(self._memory, level=level))

    def set_sending(self, on: bool, now: Instant) -> AgentActions:
        """Send troubleshooting information or not; what waits is not sent any more."""
        return self._remember(now, replace(self._memory, sending=on))

    def set_encrypted_pii(self, on: bool, now: Instant) -> AgentActions:
        """Send what identifies people, encrypted, or not at all."""
        return self._remember(now, replace(self._memory, encrypted_pii=on))

    def renew_support_token(self, now: Instant) -> AgentActions:
        """A new support token: the old one opens nothing that is uploaded from now on (OP-52)."""
        made = SupportToken.make(self._entropy)
        return self._remember(now, replace(self._memory, support_token=made))

    def push_now(self, now: Instant) -> AgentActions:
        """Upload what waits, and begin a new interval. Raises: PushNowRefused."""
        if why := self.why_not():
            raise PushNowRefused(why)
        if self._under_way is not None:
            raise PushNowRefused("an upload is under way")
        self._next_at = self._interval_from(now)
        return self._upload(now)

    def _offered(self, notice: AlarmNotice) -> None:
        if not (self._push and self._memory.sending and notice.definition.upload):
            return
        if not self._memory.level.lets_through(notice.severity):
            self._counts["below the level"] += 1
            return
        under_way = 0 if self._under_way is None else len(self._under_way.records)
        self._pending.add(AlarmRecord(token(self._entropy), notice), under_way)

    def _remember(self, now: Instant, memory: AgentMemory) -> AgentActions:
        changed = memory != self._memory
        frequency = memory.frequency_min != self._memory.frequency_min
        self._memory = memory
        if frequency and self._next_at is not None:
            self._next_at = self._interval_from(now)
        out = self._switched(now)
        if changed and not any(isinstance(action, RememberAgent) for action in out):
            out = (RememberAgent(memory), *out)
        return out

    def _switched(self, now: Instant) -> AgentActions:
        """Something that decides whether alarms are sent has perhaps changed."""
        out: AgentActions = ()
        if self._push and self._memory.sending:
            out = self._with_identity()
        else:
            self._pending.clear()
        if self.why_not():
            self._next_at = None
        elif self._next_at is None:
            self._next_at = self._interval_from(now)
        return out

    def _with_identity(self) -> AgentActions:
        memory = self._memory
        if memory.cluster_id is not None and memory.support_token is not None:
            return ()
        self._memory = replace(
            memory,
            cluster_id=memory.cluster_id or uuid4(self._entropy),
            support_token=memory.support_token or SupportToken.make(self._entropy),
        )
        return (RememberAgent(self._memory),)

    def _interval_from(self, now: Instant) -> Instant:
        return Instant(now + self._memory.frequency_min * MINUTE_NS)

    def _upload(self, now: Instant) -> AgentActions:
        url, cluster_id = self._settings.url, self._memory.cluster_id
        self._pending.drop_stale(self._memory.level, now)
        if not self._pending or self._under_way is not None or url is None or cluster_id is None:
            return ()
        if not self._onboarded:
            return self._judged(len(self._pending), "onboarded with 11.5(1)SU2 only", now)
        records = self._pending.take(BATCH_MAX)
        self._numbers += 1
        self._under_way = _UnderWay(self._numbers, records, Instant(now + UPLOAD_TIMEOUT_NS))
        body = upload_body(
            records,
            cluster_id=cluster_id,
            batch=self._numbers,
            sent_at_unix_ns=self._settings.unix_ns_at_zero + now,
            unix_ns_at_zero=self._settings.unix_ns_at_zero,
            node_numbers=self._settings.node_numbers,
            token=self._memory.support_token if self._memory.encrypted_pii else None,
            entropy=self._entropy,
        )
        return (UploadAlarms(self._numbers, url, body),)

    def _ended(self, number: int, error: str, now: Instant) -> AgentActions:
        under_way = self._under_way
        if under_way is None or under_way.number != number:
            return (AgentIgnored("late answer", str(number)),)
        self._under_way = None
        records = under_way.records
        if error and self._push and self._memory.sending:
            self._pending.put_back(records)
        elif not error:
            self._counts["alarms uploaded"] += len(records)
        return self._judged(len(records), error, now)

    def _judged(self, alarms: int, error: str, now: Instant) -> AgentActions:
        self.last_upload = LastUpload(now, alarms, error)
        node = self._settings.node
        if error:
            self._counts["uploads failed"] += 1
            return (ConditionEntered(FAILED, node, detail=error),)
        self._counts["uploads"] += 1
        return (ConditionLeft(FAILED, node),)


def _check_frequency(minutes: int) -> None:
    """Raises: ValueError if it is not 5 to 90 (TRB-03)."""
    if not FREQUENCY_LEAST_MIN <= minutes <= FREQUENCY_MOST_MIN:
        raise ValueError(f"{minutes} is not {FREQUENCY_LEAST_MIN} to {FREQUENCY_MOST_MIN} minutes")
