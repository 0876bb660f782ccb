"""A certificate that ends is told in steps, in virtual time."""

from __future__ import annotations

from callctl.certificate.certificate import DAY_S
from callctl.certificate.expiry import (
    EXPIRED,
    EXPIRING,
    CertificatesChanged,
    ExpiryWatch,
    Watched,
    step_of,
)
from callctl.serviceability.condition import Condition, ConditionEntered, ConditionLeft
from helpers.certificates import BORN_S, made
from sipstack.timing import SECOND, Instant

ROOT = Watched(made("root", days=41).certificate, "tomcat-trust")  # ends on day 40
PLACE = f"tomcat-trust {ROOT.certificate.fingerprint.short}"


def day(number: float) -> Instant:
    return Instant(round(number * DAY_S) * SECOND)


def words(told: tuple[Condition, ...]) -> list[tuple[str, str]]:
    return [
        ("+", f"{it.alarm}: {it.detail}") if isinstance(it, ConditionEntered) else ("-", it.alarm)
        for it in told
    ]


def test_each_step_is_told_once_at_its_moment() -> None:
    watch = ExpiryWatch("ucm1", BORN_S)
    assert watch.receive(CertificatesChanged((ROOT,)), day(0)) == ()
    told = {}
    while (at := watch.next_deadline()) is not None:
        assert watch.advance(Instant(at - 1)) == ()
        told[at / (DAY_S * SECOND)] = words(watch.advance(at))
    steps = {10: "30 days", 26: "14 days", 33: "7 days", 39: "a day"}
    expected = {
        float(at): [("-", EXPIRING), ("+", f"{EXPIRING}: root in tomcat-trust ends within {left}")]
        for at, left in steps.items()
    }
    expected[10.0].pop(0)
    end = (40 * DAY_S + 1) / DAY_S
    expected[end] = [("-", EXPIRING), ("+", f"{EXPIRED}: root in tomcat-trust")]
    assert told == expected
    assert watch.advance(day(400)) == ()


def test_certificate_that_is_late_already_is_told_when_it_comes_with_its_own_step_alone() -> None:
    watch = ExpiryWatch("ucm1", BORN_S)
    told = watch.receive(CertificatesChanged((ROOT,)), day(34))
    assert told == (
        ConditionEntered(EXPIRING, "ucm1", PLACE, "root in tomcat-trust ends within 7 days"),
    )
    assert watch.receive(CertificatesChanged((ROOT,)), day(35)) == ()
    assert watch.next_deadline() == day(39)


def test_renewed_certificate_ends_the_condition() -> None:
    watch = ExpiryWatch("ucm1", BORN_S)
    renewed = Watched(made("root", days=400).certificate, "tomcat-trust")
    watch.receive(CertificatesChanged((ROOT,)), day(34))
    assert watch.receive(CertificatesChanged((renewed,)), day(34)) == (
        ConditionLeft(EXPIRING, "ucm1", PLACE),
    )
    watch.receive(CertificatesChanged((renewed, ROOT)), day(41))
    assert words(watch.receive(CertificatesChanged((renewed,)), day(41))) == [("-", EXPIRED)]


def test_same_certificate_in_two_places_is_two_conditions() -> None:
    watch = ExpiryWatch("ucm1", BORN_S)
    other = Watched(ROOT.certificate, "Cisco Tomcat of ucm1")
    told = watch.receive(CertificatesChanged((ROOT, other)), day(39.5))
    assert len({it.subject for it in told}) == 2
    assert watch.receive(CertificatesChanged((ROOT,)), day(39.5)) == (
        ConditionLeft(EXPIRING, "ucm1", f"{other.place} {ROOT.certificate.fingerprint.short}"),
    )


def test_steps_are_inclusive_and_the_last_second_is_still_good() -> None:
    ends = ROOT.certificate.not_after_s
    assert step_of(ROOT.certificate, ends - 30 * DAY_S - 1) is None
    assert step_of(ROOT.certificate, ends - 30 * DAY_S) == 30
    assert step_of(ROOT.certificate, ends) == 1
    assert step_of(ROOT.certificate, ends + 1) == 0
