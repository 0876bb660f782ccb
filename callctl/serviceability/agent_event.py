"""What the management agent hears, does and remembers.

Source: TRB-01 to TRB-03, TRB-08 to TRB-12, TRB-18; OP-51, OP-52.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias

from callctl.serviceability.alarm import AlarmNotice
from callctl.serviceability.condition import Condition
from callctl.serviceability.severity import UploadLevel
from callctl.serviceability.support_token import SupportToken
from sipstack.timing import Instant

FREQUENCY_DEFAULT_MIN: Final = 30


@dataclass(frozen=True, slots=True)
class ServiceChanged:
    """Cisco Management Agent Service was started or stopped (TRB-02)."""

    running: bool


@dataclass(frozen=True, slots=True)
class PushChanged:
    """Push was enabled or disabled (TRB-01)."""

    enabled: bool


@dataclass(frozen=True, slots=True)
class OnboardingChanged:
    """Not valid after an upgrade from 11.5(1)SU2 with push on, until onboarded anew (TRB-18)."""

    valid: bool


@dataclass(frozen=True, slots=True)
class UploadAnswered:
    """The cloud answered an upload."""

    number: int
    status: int


@dataclass(frozen=True, slots=True)
class UploadFailed:
    """An upload had no answer."""

    number: int
    reason: str  # a few words, nothing personal


@dataclass(frozen=True, slots=True)
class UploadAlarms:
    """Post `body` as JSON, and report `UploadAnswered` or `UploadFailed`."""

    number: int
    url: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class AgentMemory:
    """What outlives a restart."""

    frequency_min: int = FREQUENCY_DEFAULT_MIN
    level: UploadLevel = UploadLevel.ERROR
    sending: bool = True  # TRB-01: on, once push is enabled
    encrypted_pii: bool = False
    cluster_id: str | None = None  # made when alarms are first to be sent (TRB-08)
    support_token: SupportToken | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class RememberAgent:
    """Keep this, readable by its owner alone, for the next start."""

    memory: AgentMemory


@dataclass(frozen=True, slots=True)
class AgentIgnored:
    """Nothing is dropped in silence."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class LastUpload:
    """How the last upload went; with an error its alarms wait for the next."""

    at: Instant
    alarms: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class ManagementAgentSettings:
    """What the agent of a cluster is given at its start; it runs on the publisher."""

    url: str | None  # of the upload; None: nothing is sent
    node: str  # the publisher
    node_numbers: dict[str, int]  # uploads name no host
    unix_ns_at_zero: int = 0


AgentEvent: TypeAlias = (
    AlarmNotice | ServiceChanged | PushChanged | OnboardingChanged | UploadAnswered | UploadFailed
)
AgentAction: TypeAlias = UploadAlarms | RememberAgent | Condition | AgentIgnored
AgentActions: TypeAlias = tuple[AgentAction, ...]
