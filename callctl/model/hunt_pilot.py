"""Hunt pilots: one number in front of several lines."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Distribution(Enum):
    """How a hunt goes over its members."""

    SEQUENTIAL = "sequential"  # one after the other, in order ("top down")
    SIMULTANEOUS = "simultaneous"  # all at once ("broadcast")


@dataclass(frozen=True, slots=True)
class HuntPilot:
    """A number that stands for a list of lines (CALL-20, OP-66)."""

    dn: str
    members: tuple[str, ...]  # directory numbers, each a line
    distribution: Distribution = Distribution.SEQUENTIAL
    display_name: str = ""
    member_ring_s: int = 10  # how long one member is tried; the wait for a push counts as ringing
    forward_unanswered: str | None = None  # number to call when no member took the call
