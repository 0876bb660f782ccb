"""Faults by name: what each is called, what it does, where it fits, what it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from callctl.cloud.fault_orders import (
    APNS,
    FCM,
    FCM_TOKENS,
    PUSH_REST,
    SERVICES,
    BadFault,
    CertificateFault,
    FaultOrder,
    OrderedFault,
)
from callctl.cloud.faults import BODY_OCTETS_MAX, FINGERPRINT_MIN, PER_MILLE, Fault, Goodbye
from callctl.cloud.wire_faults import CERTIFICATE_FAULTS, WireEffect, WireFault
from sipstack.timing import MS, SECOND, Instant

STATUS_LEAST: Final = 100
STATUS_MOST: Final = 599
FOR_S_MAX: Final = 86_400.0
_DEFAULT_DELAY_MS: Final = 5_000
_BIG_OCTETS: Final = 50_000_000
_SLOW_MS: Final = 100
_ELSEWHERE: Final = "https://elsewhere.invalid/"


@dataclass(frozen=True, slots=True)
class KnownFault:
    """One name: what it does, where, with which values of an order."""

    text: str
    services: frozenset[str]
    takes: frozenset[str]
    make: Callable[[FaultOrder, Instant | None], OrderedFault]


def made(order: FaultOrder, now: Instant) -> OrderedFault:
    """The fault. Raises: BadFault."""
    if order.service not in SERVICES:
        raise BadFault(f"no service is called {order.service!r}: {_list(SERVICES)}")
    known = KNOWN_FAULTS.get(order.name)
    if known is None:
        raise BadFault(f"no fault is called {order.name!r}: {_list(KNOWN_FAULTS)}")
    if order.service not in known.services:
        where = _list(name for name in SERVICES if name in known.services)
        raise BadFault(f"{order.name} is no fault of {order.service}, but of {where}")
    _check(order, known)
    ends_at = None if order.for_s is None else Instant(now + round(order.for_s * SECOND))
    return known.make(order, ends_at)


def name_of(fault: OrderedFault) -> str:
    """What a fault is called, or nearly: one made by hand may do several things at once."""
    if isinstance(fault, CertificateFault):
        return f"certificate-{fault.what.replace('_', '-')}"
    if isinstance(fault, WireFault):
        return _WIRE_NAMES[fault.effect]
    does = [name for name, is_so in _TELLING.items() if is_so(fault)]
    return " ".join(does) or "nothing"


def _check(order: FaultOrder, known: KnownFault) -> None:
    given = {
        "status": order.status is not None,
        "reason": bool(order.reason),
        "retry_after_s": order.retry_after_s is not None,
        "location": bool(order.location),
        "delay_ms": order.delay_ms is not None,
        "octets": order.octets is not None,
        "target": bool(order.target),
        "subscriber_service": bool(order.subscriber_service),
        "times": order.times is not None,
        "percent": order.percent != 100.0,
    }
    extra = [name for name, is_given in given.items() if is_given and name not in known.takes]
    if extra:
        raise BadFault(f"{order.name} takes no {_list(extra)}")
    numbers: tuple[tuple[str, float | None, float, float], ...] = (
        ("status", order.status, STATUS_LEAST, STATUS_MOST),
        ("retry_after_s", order.retry_after_s, 0, FOR_S_MAX),
        ("delay_ms", order.delay_ms, 0, FOR_S_MAX * 1000),
        ("octets", order.octets, 0, BODY_OCTETS_MAX),
        ("times", order.times, 1, 1_000_000),
        ("percent", order.percent, 0.1, 100),
        ("for_s", order.for_s, 0.001, FOR_S_MAX),
    )
    for name, value, least, most in numbers:
        if value is not None and not least <= value <= most:
            raise BadFault(f"{name} is {value}, not from {least:g} to {most:g}")
    target = order.target
    if target and (len(target) < FINGERPRINT_MIN or set(target) - set("0123456789abcdef")):
        raise BadFault(f"target is no fingerprint of {FINGERPRINT_MIN} characters or more")
    for name, text in (("reason", order.reason), ("location", order.location)):
        if not (text.isascii() and text.isprintable()):
            raise BadFault(f"{name} is not printable ASCII")


def _whom(order: FaultOrder, ends_at: Instant | None) -> Fault:
    """A fault that does nothing yet, for whom and how often the order says."""
    return Fault(
        fingerprint=order.target,
        service=order.subscriber_service,
        times=order.times,
        per_mille=round(order.percent * PER_MILLE / 100),
        ends_at=ends_at,
    )


def _fault(**what: object) -> Callable[[FaultOrder, Instant | None], Fault]:
    """A maker of faults whose values are constants, or functions of the order."""

    def make(order: FaultOrder, ends_at: Instant | None) -> Fault:
        values = {name: value(order) if callable(value) else value for name, value in what.items()}
        whom = _whom(order, ends_at)
        return Fault(
            fingerprint=whom.fingerprint,
            service=whom.service,
            times=whom.times,
            per_mille=whom.per_mille,
            ends_at=whom.ends_at,
            **values,  # type: ignore[arg-type]
        )

    return make


def _wire(
    effect: WireEffect, *, octets: int = 0
) -> Callable[[FaultOrder, Instant | None], WireFault]:
    def make(order: FaultOrder, ends_at: Instant | None) -> WireFault:
        given = octets if order.octets is None else order.octets
        return WireFault(
            effect,
            after_octets=given,
            delay_ns=_delay_ns(order),
            octets_per_s=given,
            times=order.times,
            per_mille=round(order.percent * PER_MILLE / 100),
            ends_at=ends_at,
        )

    return make


def _certificate(what: str) -> Callable[[FaultOrder, Instant | None], CertificateFault]:
    return lambda _, ends_at: CertificateFault(what, ends_at)


def _delay_ns(order: FaultOrder) -> int:
    return (_DEFAULT_DELAY_MS if order.delay_ms is None else order.delay_ms) * MS


def _status(order: FaultOrder) -> int:
    if order.status is None:
        raise BadFault("status needs a status, such as 503")
    return order.status


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)


_ALL: Final = frozenset(SERVICES)
_PARTNERS: Final = frozenset({APNS, FCM})
_PUSHES: Final = frozenset({PUSH_REST, APNS, FCM})
_OFTEN: Final = frozenset({"times", "percent"})
_WHOM: Final = _OFTEN | {"target", "subscriber_service"}

KNOWN_FAULTS: Final[dict[str, KnownFault]] = {
    "status": KnownFault(
        "answers this status, and does nothing else",
        _ALL,
        _WHOM | {"status", "reason", "retry_after_s"},
        _fault(status=_status, reason=lambda o: o.reason, retry_after_s=lambda o: o.retry_after_s),
    ),
    "silent": KnownFault("takes the request and never answers", _ALL, _WHOM, _fault(silent=True)),
    "delay": KnownFault(
        "pushes reach the device late; answers of the services around come late",
        _ALL - {FCM_TOKENS},
        _WHOM | {"delay_ms"},
        _fault(delay_ns=_delay_ns),
    ),
    "stale-token": KnownFault("answers 200 and never delivers", _PUSHES, _WHOM, _fault(lose=True)),
    "late-410": KnownFault(
        "answers 200 and delivers nothing for so long after the app was removed, then 410",
        _PARTNERS,
        _WHOM | {"delay_ms"},
        _fault(late_410_ns=_delay_ns),
    ),
    "old-410": KnownFault(
        "answers 410 with a time so long ago, as for a token that was registered anew since",
        frozenset({APNS}),
        _WHOM | {"delay_ms"},
        _fault(status=410, reason="Unregistered", dead_for_ns=_delay_ns),
    ),
    "duplicate": KnownFault("delivers twice", _PUSHES, _WHOM, _fault(duplicate=True)),
    "ignored-expiration": KnownFault(
        "delivers after the expiration too, so late",
        _PARTNERS,
        _WHOM | {"delay_ms"},
        _fault(ignore_expiry=True, delay_ns=_delay_ns),
    ),
    "goaway": KnownFault(
        "says GOAWAY in the middle of a burst, and answers what is open",
        frozenset({APNS}),
        _WHOM,
        _fault(goodbye=Goodbye.TAKEN),
    ),
    "goaway-unread": KnownFault(
        "says GOAWAY in the middle of a burst, and that it has not read what is open",
        frozenset({APNS}),
        _WHOM,
        _fault(goodbye=Goodbye.UNREAD),
    ),
    "dead-connection": KnownFault(
        "the connection of a push takes octets, answers nothing, not even PING, never closes",
        frozenset({APNS}),
        _WHOM,
        _fault(deaf=True),
    ),
    "big-answer": KnownFault(
        "answers with a body of 50 MB",
        _ALL,
        _WHOM | {"octets"},
        _fault(body_octets=lambda o: _BIG_OCTETS if o.octets is None else o.octets),
    ),
    "garbage": KnownFault(
        "answers with a body that cannot be read", _ALL, _WHOM, _fault(garbage=True)
    ),
    "redirect": KnownFault(
        "answers 307 and another address",
        _ALL,
        _WHOM | {"status", "location"},
        _fault(
            status=lambda o: o.status or 307,
            reason="Moved",
            location=lambda o: o.location or _ELSEWHERE,
        ),
    ),
    "slow-answer": KnownFault(
        "the body of the answer comes octet by octet",
        _ALL,
        _WHOM | {"delay_ms"},
        _fault(octet_every_ns=lambda o: (o.delay_ms or _SLOW_MS) * MS),
    ),
    "broken-answer": KnownFault(
        "the connection is reset in the middle of the answer",
        _ALL,
        _WHOM | {"octets"},
        _fault(break_after=lambda o: o.octets or 0),
    ),
    "refuse": KnownFault("resets each new connection", _ALL, _OFTEN, _wire(WireEffect.REFUSE)),
    "reset": KnownFault(
        "resets connections once they have carried so many octets to the client",
        _ALL,
        _OFTEN | {"octets"},
        _wire(WireEffect.RESET),
    ),
    "black-hole": KnownFault(
        "connections are half-open: octets are taken, none come back, nobody closes",
        _ALL,
        _OFTEN | {"octets"},
        _wire(WireEffect.BLACK_HOLE),
    ),
    "late-octets": KnownFault(
        "everything the server sends comes late",
        _ALL,
        _OFTEN | {"delay_ms"},
        _wire(WireEffect.DELAY),
    ),
    "throttle": KnownFault(
        "the server sends so many octets a second, 1000 if none are given",
        _ALL,
        _OFTEN | {"octets"},
        _wire(WireEffect.THROTTLE, octets=1000),
    ),
    **{
        f"certificate-{what.replace('_', '-')}": KnownFault(
            f"new connections see a certificate that is {text}",
            _ALL,
            frozenset(),
            _certificate(what),
        )
        for what, text in CERTIFICATE_FAULTS.items()
    },
}
"""Every fault, by the name it is asked for."""

_WIRE_NAMES: Final = {
    WireEffect.REFUSE: "refuse",
    WireEffect.RESET: "reset",
    WireEffect.BLACK_HOLE: "black-hole",
    WireEffect.DELAY: "late-octets",
    WireEffect.THROTTLE: "throttle",
}

_TELLING: Final[dict[str, Callable[[Fault], bool]]] = {
    "redirect": lambda f: bool(f.location),
    "old-410": lambda f: f.dead_for_ns is not None,
    "status": lambda f: f.status is not None and not f.location and f.dead_for_ns is None,
    "silent": lambda f: f.silent,
    "stale-token": lambda f: f.lose,
    "late-410": lambda f: bool(f.late_410_ns),
    "duplicate": lambda f: f.duplicate,
    "ignored-expiration": lambda f: f.ignore_expiry,
    "delay": lambda f: bool(f.delay_ns) and not f.ignore_expiry,
    "goaway": lambda f: f.goodbye is Goodbye.TAKEN,
    "goaway-unread": lambda f: f.goodbye is Goodbye.UNREAD,
    "dead-connection": lambda f: f.deaf,
    "big-answer": lambda f: bool(f.body_octets),
    "garbage": lambda f: f.garbage,
    "slow-answer": lambda f: bool(f.octet_every_ns),
    "broken-answer": lambda f: f.break_after is not None,
}
