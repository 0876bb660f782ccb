"""Warns that a certificate is about to end, in steps, and says when it has.

Source: CERT-03, CERT-04 (somebody has to renew them in time); the steps are ours (D).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from callctl.certificate.certificate import DAY_S, Certificate
from callctl.certificate.fingerprint import Fingerprint
from callctl.serviceability.condition import Condition, ConditionEntered, ConditionLeft
from sipstack.timing import SECOND, Instant

EXPIRING: Final = "CertificateExpiring"
EXPIRED: Final = "CertificateExpired"
STEPS_DAYS: Final = (30, 14, 7, 1)


@dataclass(frozen=True, slots=True)
class Watched:
    """A certificate, and where it stands: "tomcat-trust", "Cisco Tomcat of ucm1"."""

    certificate: Certificate
    place: str


@dataclass(frozen=True, slots=True)
class CertificatesChanged:
    """All that are to be watched from now on."""

    watched: tuple[Watched, ...]


def step_of(certificate: Certificate, unix_s: float) -> int | None:
    """The step that it has reached: 30, 14, 7, 1 days before its end, 0 after it; else None."""
    if certificate.expired(unix_s):
        return 0
    left_s = certificate.not_after_s - unix_s
    return min((days for days in STEPS_DAYS if left_s <= days * DAY_S), default=None)


class ExpiryWatch:
    """Three doors. Each step is told once: the condition of the step before it is left then."""

    def __init__(self, node: str, unix_s_at_zero: float) -> None:
        """`node`: in whose name it is told, usually the publisher."""
        self._node = node
        self._zero_s = unix_s_at_zero
        self._watched: dict[tuple[Fingerprint, str], Watched] = {}
        self._told: dict[tuple[Fingerprint, str], int] = {}
        self._next: Instant | None = None

    def receive(self, event: CertificatesChanged, now: Instant) -> tuple[Condition, ...]:
        self._watched = {(it.certificate.fingerprint, it.place): it for it in event.watched}
        gone = [key for key in self._told if key not in self._watched]
        left = tuple(self._leave(key) for key in gone)
        return (*left, *self._look(now))

    def advance(self, now: Instant) -> tuple[Condition, ...]:
        if self._next is None or now < self._next:
            return ()
        return self._look(now)

    def next_deadline(self) -> Instant | None:
        return self._next

    def _look(self, now: Instant) -> tuple[Condition, ...]:
        told: list[Condition] = []
        unix_s = self._zero_s + now / SECOND
        for key, it in self._watched.items():
            step = step_of(it.certificate, unix_s)
            if step is None or self._told.get(key) == step:
                continue
            if key in self._told:
                told.append(self._leave(key))
            told.append(self._enter(key, it, step))
        self._next = min(
            (at for it in self._watched.values() for at in self._steps(it) if at > now),
            default=None,
        )
        return tuple(told)

    def _steps(self, it: Watched) -> Iterable[Instant]:
        end_s = it.certificate.not_after_s
        for days in STEPS_DAYS:
            yield self._instant(end_s - days * DAY_S)
        yield self._instant(end_s + 1)  # it is good for the whole of its last second

    def _instant(self, unix_s: float) -> Instant:
        return Instant(round((unix_s - self._zero_s) * SECOND))

    def _enter(self, key: tuple[Fingerprint, str], it: Watched, step: int) -> ConditionEntered:
        self._told[key] = step
        name, place = it.certificate.common_name, it.place
        if step == 0:
            return ConditionEntered(EXPIRED, self._node, _subject(key), f"{name} in {place}")
        days = "a day" if step == 1 else f"{step} days"
        detail = f"{name} in {place} ends within {days}"
        return ConditionEntered(EXPIRING, self._node, _subject(key), detail)

    def _leave(self, key: tuple[Fingerprint, str]) -> ConditionLeft:
        alarm = EXPIRED if self._told.pop(key) == 0 else EXPIRING
        return ConditionLeft(alarm, self._node, _subject(key))


def _subject(key: tuple[Fingerprint, str]) -> str:
    fingerprint, place = key
    return f"{place} {fingerprint.short}"
