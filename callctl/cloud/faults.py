"""Faults that a test or a lab puts into an emulated cloud: what hurts in the field, on demand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import Final

from callctl.cloud.http import HttpAnswer, Manner
from sipstack.entropy import Entropy
from sipstack.timing import Instant

PER_MILLE: Final = 1000
FINGERPRINT_MIN: Final = 6  # characters of a fingerprint that are enough to name a target
BODY_OCTETS_MAX: Final = 64_000_000  # of an answer that a fault makes long
GARBAGE: Final = b'\x00\xff<html>\x80{"reason":'  # neither JSON nor UTF-8


class Goodbye(Enum):
    """What APNs says with GOAWAY about the requests that are open (RFC 9113 §6.8)."""

    TAKEN = "taken"  # they are answered
    UNREAD = "unread"  # they were not read, and may go again


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, for whom, and how often.

    In Push REST `delay_ns`, `lose` and `duplicate` act between the request and the partner cloud,
    in a partner cloud between its answer and the device. Several may be set in one fault.
    """

    status: int | None = None  # answer this, and do nothing else
    reason: str = ""  # of that answer, in the words of the cloud
    retry_after_s: int | None = None
    location: str = ""  # of a redirection
    dead_for_ns: int | None = None  # of a 410: how long the token has been dead, as it says
    silent: bool = False  # never answer, and do nothing else
    delay_ns: int = 0
    lose: bool = False  # say yes, and never deliver: a stale token
    duplicate: bool = False
    ignore_expiry: bool = False  # deliver after the expiration too
    late_410_ns: int = 0  # say yes, and deliver nothing, for so long after the app was removed
    body_octets: int = 0  # the answer has a body of so many, of no sense
    garbage: bool = False  # the answer has a body that cannot be read
    octet_every_ns: int = 0  # the body of the answer comes octet by octet
    break_after: int | None = None  # octets of the answer's body, then a reset
    goodbye: Goodbye | None = None  # APNs says goodbye when it gets this push
    deaf: bool = False  # its connection is dead from now on: takes octets, answers nothing
    token: str | None = None  # for this target only
    fingerprint: str = ""  # for the target with this fingerprint only
    service: str = ""  # Push REST: for this subscriber service; APNs: topic; FCM: project id
    times: int | None = None  # then it is over; None: until it is cleared
    per_mille: int = PER_MILLE  # how many pushes of a thousand it hits
    ends_at: Instant | None = None  # it acts before this time only


NO_FAULT: Final = Fault()


def fingerprint_of(target: str) -> str:
    """What names a device token where the token itself must not stand: SHA-256 in hexadecimal."""
    return sha256(target.encode()).hexdigest()


@dataclass(slots=True)
class FaultInForce:
    """A fault, how often it has acted, and how often it still may."""

    number: int
    fault: Fault
    left: int | None
    hits: int = 0


class FaultPlan:
    """The faults in force, in the order they were added; the first that fits a push acts on it."""

    __slots__ = ("_added", "_entropy", "_faults")

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._added = 0
        self._faults: list[FaultInForce] = []

    def __iter__(self) -> Iterator[FaultInForce]:
        """In the order they were added."""
        return iter(self._faults)

    def __len__(self) -> int:
        return len(self._faults)

    def add(self, fault: Fault) -> int:
        """Put `fault` behind those in force. Returns: its number, which no other ever has."""
        self._added += 1
        self._faults.append(FaultInForce(self._added, fault, fault.times))
        return self._added

    def remove(self, number: int) -> bool:
        """End one fault; False if it is over already."""
        before = len(self._faults)
        self._faults = [each for each in self._faults if each.number != number]
        return len(self._faults) < before

    def clear(self) -> None:
        """From now on all is well."""
        self._faults.clear()

    def take(self, token: str, now: Instant | None = None, service: str = "") -> Fault:
        """The fault that hits this push to `token`, `NO_FAULT` if none does.

        Without `now` no fault is over for its time.
        """
        if not self._faults:
            return NO_FAULT
        if now is not None:
            self._faults = [f for f in self._faults if not _is_over(f.fault, now)]
        for each in self._faults:
            fault = each.fault
            if not _fits(fault, token, service):
                continue
            if fault.per_mille < PER_MILLE and self._entropy.below(PER_MILLE) >= fault.per_mille:
                continue
            each.hits += 1
            if each.left is not None:
                each.left -= 1
                if each.left <= 0:
                    self._faults.remove(each)
            return fault
        return NO_FAULT


def spoiled(answer: HttpAnswer, fault: Fault) -> HttpAnswer:
    """The answer as `fault` lets it leave."""
    body = answer.body
    headers = answer.headers
    if fault.location:
        headers = (*headers, ("location", fault.location))
    if fault.garbage:
        body = GARBAGE
    if fault.body_octets:
        body = bytes(min(fault.body_octets, BODY_OCTETS_MAX))
    manner: Manner | None = None
    if fault.octet_every_ns or fault.break_after is not None:
        manner = Manner(fault.octet_every_ns, fault.break_after)
    if (headers, body, manner) == (answer.headers, answer.body, None):
        return answer
    return HttpAnswer(answer.status, headers, body, manner)


def _fits(fault: Fault, token: str, service: str) -> bool:
    if fault.token is not None and fault.token != token:
        return False
    if fault.service and fault.service != service:
        return False
    return not fault.fingerprint or fingerprint_of(token).startswith(fault.fingerprint)


def _is_over(fault: Fault, now: Instant) -> bool:
    return fault.ends_at is not None and now >= fault.ends_at
