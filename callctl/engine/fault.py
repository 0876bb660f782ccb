"""Faults of our own: what goes wrong over one message ends its call or request, and nothing else.

The machine that raised is not asked again, because nobody knows what state it is in. Its caller
gets 500, its copies are cancelled, and what a phone answers all the same is hung up (I4).
Source: research 1.4, "uncaught exception"; design, I1 and I4.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import Final

from sipstack.transaction.machine import ClientTransaction

FAULT: Final = "engine fault"
"""Counted under this reason; any at all is worth an alarm."""


class Orphan:
    """Owner of a copy whose call or relay ended by a fault."""

    __slots__ = ("acknowledged",)

    def __init__(self) -> None:
        self.acknowledged: set[str | None] = set()  # To tags that were hung up already


def orphan(transaction: ClientTransaction) -> None:
    """Take a copy away from the machine that it belonged to."""
    transaction.owner = Orphan()


def place_of(error: Exception) -> str:
    """Where it went wrong: "KeyError at call.py:120". Its own text may name people (I14)."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error).__name__
    name = PurePath(trace.tb_frame.f_code.co_filename).name
    return f"{type(error).__name__} at {name}:{trace.tb_lineno}"
