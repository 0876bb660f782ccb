"""What the parts of a node say when something begins to be wrong, and when it is right again.

Whoever notices says so each time; that an alarm is raised once for each condition is the business
of the alarm board. Source: ALARM-10, OP-36.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class ConditionEntered:
    """The condition behind an alarm holds; said again while it does, it is no news."""

    alarm: str  # its name in the catalogue, exactly
    node: str
    subject: str = field(default="", repr=False)  # what it is about, as a device: personal
    detail: str = ""  # for the one who reads the alarm; never personal, never a secret


@dataclass(frozen=True, slots=True)
class ConditionLeft:
    """The condition behind an alarm is over; said without having been entered, it is no news."""

    alarm: str
    node: str
    subject: str = field(default="", repr=False)


Condition: TypeAlias = ConditionEntered | ConditionLeft
