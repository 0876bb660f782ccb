"""An alarm as it is told and as it is listed, for whoever logs, sends, uploads or shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from callctl.serviceability.alarm_catalogue import AlarmDefinition
from callctl.serviceability.severity import Severity
from sipstack.timing import Instant


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm as it is told; never of this class itself, but of one of the three below."""

    number: int  # of the condition: its repeats and its clearing have the same
    definition: AlarmDefinition = field(repr=False)
    node: str  # who noticed
    at: Instant
    raised_at: Instant
    occurrences: int  # how often it was noticed so far
    subject: str = field(default="", repr=False)  # personal
    detail: str = ""

    @property
    def name(self) -> str:
        """Its name in the catalogue."""
        return self.definition.name

    @property
    def severity(self) -> Severity:
        """How grave it is."""
        return self.definition.severity


@dataclass(frozen=True, slots=True)
class AlarmRaised(Alarm):
    """A condition began."""


@dataclass(frozen=True, slots=True)
class AlarmRepeated(Alarm):
    """A condition lasts; or what happened in a moment happened again."""


@dataclass(frozen=True, slots=True)
class AlarmCleared(Alarm):
    """A condition is over."""


AlarmNotice: TypeAlias = AlarmRaised | AlarmRepeated | AlarmCleared
AlarmState: TypeAlias = Literal["raised", "repeated", "cleared"]


@dataclass(frozen=True, slots=True)
class AlarmIgnored:
    """No alarm came of it; counted by reason."""

    reason: str
    alarm: str


AlarmAction: TypeAlias = AlarmNotice | AlarmIgnored


@dataclass(frozen=True, slots=True)
class ActiveAlarm:
    """A condition that holds, as people see it."""

    number: int
    definition: AlarmDefinition = field(repr=False)
    node: str
    raised_at: Instant
    last_seen_at: Instant
    occurrences: int
    subject: str = field(repr=False)
    detail: str


def state_of(notice: AlarmNotice) -> AlarmState:
    """What a notice tells, in one word."""
    match notice:
        case AlarmRaised():
            return "raised"
        case AlarmRepeated():
            return "repeated"
        case AlarmCleared():
            return "cleared"
