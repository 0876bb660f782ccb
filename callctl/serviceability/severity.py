"""How grave an alarm is, and from which gravity on alarms are uploaded.

Source: ALARM-09, TRB-07, OP-36; RFC 5424 §6.2.1.
"""

from __future__ import annotations

from enum import Enum, IntEnum


class Severity(IntEnum):
    """The eight severities by their syslog number: the lower, the graver."""

    EMERGENCY = 0
    ALERT = 1
    CRITICAL = 2
    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFORMATIONAL = 6
    DEBUG = 7

    @property
    def alarm_name(self) -> str:
        """As the alarm catalogue writes it, such as `ALERT_ALARM`."""
        return f"{self.name}_ALARM"

    @property
    def word(self) -> str:
        """As people write it, such as `Alert`."""
        return self.name.capitalize()


class UploadLevel(Enum):
    """The five levels that `minpushlevel` takes, gravest first (TRB-07)."""

    CRITICAL = "Critical"
    ERROR = "Error"
    WARNING = "Warning"
    NOTICE = "Notice"
    INFORMATION = "Information"

    @classmethod
    def parse(cls, text: str) -> UploadLevel:
        """The level named `text`, in upper or lower case.

        Raises: ValueError for any other word.
        """
        for level in cls:
            if level.value.lower() == text.lower():
                return level
        names = ", ".join(level.value for level in cls)
        raise ValueError(f"{text!r} is not a level: it is one of {names}")

    @property
    def severity(self) -> Severity:
        """The least grave that this level still uploads."""
        return _SEVERITY_OF[self]

    def lets_through(self, severity: Severity) -> bool:
        """True unless `severity` is below this level; Alert is below none (OP-36)."""
        return severity <= self.severity


_SEVERITY_OF = {
    UploadLevel.CRITICAL: Severity.CRITICAL,
    UploadLevel.ERROR: Severity.ERROR,
    UploadLevel.WARNING: Severity.WARNING,
    UploadLevel.NOTICE: Severity.NOTICE,
    UploadLevel.INFORMATION: Severity.INFORMATIONAL,
}
