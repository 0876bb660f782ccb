"""How long to wait for the next attempt: the wait strategies of tenacity, on the clock of a core.

Nothing else of tenacity is used in a core: its loops sleep, and its own `RetryCallState` and
`stop_after_delay` read the clock of the system, which virtual time is not.
"""

from __future__ import annotations

from tenacity import RetryCallState
from tenacity.wait import wait_base

from sipstack.timing import SECOND


class _Attempts(RetryCallState):
    """All that a wait strategy asks for: how many attempts have failed."""

    def __init__(self, failed: int) -> None:  # not that of the base: it reads a clock
        self.attempt_number = failed


def wait_ns(strategy: wait_base, failed: int) -> int:
    """The wait after the attempt number `failed`, from 1 on.

    Not for the strategies of tenacity that throw dice: chance is handed in.
    """
    return round(strategy(_Attempts(failed)) * SECOND)
