"""What a pool of connections says of itself: the condition of HttpClientPoolCreationError.

Source: CPNS-07, PROXY-11, alarm F6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from callctl.egress.failure import Step


@dataclass(frozen=True, slots=True)
class PoolFailed:
    """The pool could not be made: it has no connection and gets none as things are set."""

    step: Step
    detail: str  # for the one who reads the alarm; holds no secret

    def __str__(self) -> str:
        return f"{self.step}: {self.detail}"


@dataclass(frozen=True, slots=True)
class PoolMade:
    """The pool has got a connection: its settings are right."""


PoolState: TypeAlias = PoolFailed | PoolMade
