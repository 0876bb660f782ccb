"""Faults that a test or a lab puts into an emulated cloud."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sipstack.entropy import Entropy

PER_MILLE: Final = 1000


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, for whom, and how often.

    In Push REST `delay_ns`, `lose` and `duplicate` act between the request and the partner cloud,
    in a partner cloud between its answer and the device. Several may be set in one fault.
    """

    status: int | None = None  # answer this, and do nothing else
    reason: str = ""  # of that answer, in the words of the cloud
    retry_after_s: int | None = None
    silent: bool = False  # never answer, and do nothing else
    delay_ns: int = 0
    lose: bool = False  # say yes, and never deliver
    duplicate: bool = False
    token: str | None = None  # for this target only
    times: int | None = None  # then it is over; None: until it is cleared
    per_mille: int = PER_MILLE  # how many pushes of a thousand it hits


NO_FAULT: Final = Fault()


class FaultPlan:
    """The faults in force, in the order they were added; the first that fits a push acts on it."""

    __slots__ = ("_entropy", "_faults")

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._faults: list[tuple[Fault, int | None]] = []  # and how many times are left

    def add(self, fault: Fault) -> None:
        """Put `fault` behind those in force."""
        self._faults.append((fault, fault.times))

    def clear(self) -> None:
        """From now on all is well."""
        self._faults.clear()

    def take(self, token: str) -> Fault:
        """The fault that hits this push to `token`, `NO_FAULT` if none does."""
        for index, (fault, left) in enumerate(self._faults):
            if fault.token not in (None, token):
                continue
            if fault.per_mille < PER_MILLE and self._entropy.below(PER_MILLE) >= fault.per_mille:
                continue
            if left == 1:
                del self._faults[index]
            elif left is not None:
                self._faults[index] = (fault, left - 1)
            return fault
        return NO_FAULT
