"""Faults of the emulated clouds: which there are, whom they hit, when they are over."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callctl.cloud.fault_orders import (
    APNS,
    CI,
    FCM,
    SERVICES,
    BadFault,
    CertificateFault,
    FaultOrder,
)
from callctl.cloud.faults import GARBAGE, NO_FAULT, Fault, FaultPlan, fingerprint_of, spoiled
from callctl.cloud.http import HttpAnswer, Manner
from callctl.cloud.known_faults import KNOWN_FAULTS, made, name_of
from callctl.cloud.wire_faults import WireEffect, WireFault, WirePlan, pace_ns
from helpers.pushes import CountedEntropy, at
from sipstack.timing import MS, SECOND


def plan(*faults: Fault) -> FaultPlan:
    made_plan = FaultPlan(CountedEntropy())
    for fault in faults:
        made_plan.add(fault)
    return made_plan


def test_fault_hits_the_target_whose_fingerprint_it_names_and_nobody_else() -> None:
    hit = Fault(lose=True, fingerprint=fingerprint_of("one")[:8])
    faults = plan(hit)
    assert faults.take("two", at(0)) is NO_FAULT
    assert faults.take("one", at(0)) is hit


def test_fault_hits_the_service_it_names_and_nobody_else() -> None:
    hit = Fault(status=503, service="APNS:beta")
    faults = plan(hit)
    assert faults.take("one", at(0), "APNS") is NO_FAULT
    assert faults.take("one", at(0), "APNS:beta") is hit


def test_fault_is_over_at_its_time_and_after_its_times() -> None:
    timed, counted = Fault(lose=True, ends_at=at(1_000)), Fault(duplicate=True, times=2)
    faults = plan(timed, counted)
    assert faults.take("one", at(999)) is timed
    assert [faults.take("one", at(1_000)) for _ in range(3)] == [counted, counted, NO_FAULT]
    assert len(faults) == 0


def test_each_fault_has_its_number_and_its_hits_and_can_be_ended_alone() -> None:
    faults = plan(Fault(lose=True, token="one"), Fault(duplicate=True))
    faults.take("one", at(0))
    faults.take("two", at(0))
    faults.take("two", at(0))
    assert [(each.number, each.hits) for each in faults] == [(1, 1), (2, 2)]
    assert faults.remove(1)
    assert not faults.remove(1)
    assert faults.take("one", at(0)).duplicate
    assert faults.add(Fault()) == 3


def test_answer_is_spoiled_as_the_fault_says() -> None:
    answer = HttpAnswer(200, (("apns-id", "x"),), b"{}")
    assert spoiled(answer, NO_FAULT) is answer
    assert spoiled(answer, Fault(garbage=True)).body == GARBAGE
    assert len(spoiled(answer, Fault(body_octets=50_000_000)).body) == 50_000_000
    moved = spoiled(answer, Fault(status=307, location="https://elsewhere.invalid/"))
    assert moved.header("location") == "https://elsewhere.invalid/"
    assert moved.header("apns-id") == "x"
    slow = spoiled(answer, Fault(octet_every_ns=5 * MS, break_after=1))
    assert slow.manner == Manner(5 * MS, 1)
    with pytest.raises(UnicodeDecodeError):
        GARBAGE.decode()


def order(name: str, service: str = APNS) -> FaultOrder:
    """With what the fault cannot do without."""
    return FaultOrder(service, name, status=503 if name == "status" else None)


@pytest.mark.req("CLOUD-13")
@pytest.mark.parametrize("name", KNOWN_FAULTS)
def test_every_fault_that_has_a_name_can_be_ordered_where_it_fits_and_nowhere_else(
    name: str,
) -> None:
    for service in SERVICES:
        if service in KNOWN_FAULTS[name].services:
            fault = made(order(name, service), at(0))
            assert name_of(fault) == name
        else:
            with pytest.raises(BadFault, match=f"{name} is no fault of {service}"):
                made(order(name, service), at(0))


def test_two_names_never_mean_the_same_fault() -> None:
    fitting = {name: sorted(known.services)[0] for name, known in KNOWN_FAULTS.items()}
    faults = [repr(made(order(name, service), at(0))) for name, service in fitting.items()]
    assert len(set(faults)) == len(KNOWN_FAULTS)


def test_order_says_for_whom_how_often_and_how_long() -> None:
    asked = FaultOrder(
        FCM,
        "late-410",
        delay_ms=60_000,
        target="abcdef",
        subscriber_service="callctl-phone",
        times=3,
        percent=12.5,
        for_s=2.5,
    )
    assert made(asked, at(1_000)) == Fault(
        late_410_ns=60 * SECOND,
        fingerprint="abcdef",
        service="callctl-phone",
        times=3,
        per_mille=125,
        ends_at=at(3_500),
    )
    hole = made(FaultOrder(CI, "black-hole", octets=100, times=1, for_s=1), at(0))
    assert hole == WireFault(
        WireEffect.BLACK_HOLE,
        after_octets=100,
        delay_ns=5_000 * MS,
        octets_per_s=100,
        times=1,
        ends_at=at(1_000),
    )
    shown = made(FaultOrder(CI, "certificate-expired", for_s=1), at(0))
    assert shown == CertificateFault("expired", at(1_000))


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (FaultOrder("apple", "silent"), "no service is called 'apple': push-rest, apns, fcm"),
        (FaultOrder(APNS, "fire"), "no fault is called 'fire': status, silent, delay"),
        (FaultOrder(APNS, "status"), "status needs a status"),
        (FaultOrder(APNS, "status", status=99), "status is 99, not from 100 to 599"),
        (FaultOrder(APNS, "silent", status=503), "silent takes no status"),
        (FaultOrder(APNS, "silent", percent=0), "percent is 0, not from 0.1 to 100"),
        (FaultOrder(APNS, "silent", times=0), "times is 0"),
        (FaultOrder(APNS, "silent", for_s=-1.0), "for_s is -1"),
        (FaultOrder(APNS, "silent", target="abc"), "target is no fingerprint"),
        (FaultOrder(APNS, "silent", target="not-hex"), "target is no fingerprint"),
        (FaultOrder(APNS, "refuse", target="abcdef"), "refuse takes no target"),
        (FaultOrder(APNS, "big-answer", octets=10**9), "octets is 1000000000"),
        (FaultOrder(APNS, "redirect", location="https://x/\r\nA: b"), "location is not printable"),
    ],
)
def test_bad_order_is_refused_and_told_what_is_known(asked: FaultOrder, says: str) -> None:
    with pytest.raises(BadFault, match=says):
        made(asked, at(0))


def wires(*faults: WireFault) -> WirePlan:
    made_plan = WirePlan(CountedEntropy())
    for fault in faults:
        made_plan.add(fault)
    return made_plan


HOLE = WireFault(WireEffect.BLACK_HOLE)


def test_fault_of_connections_is_drawn_once_for_each_and_stays_with_it() -> None:
    faults = wires(replace(HOLE, times=1))
    assert faults.acts_on(7, at(0)) is not None
    assert faults.acts_on(8, at(0)) is None
    assert faults.acts_on(7, at(1)) is not None
    assert [each.hits for each in faults] == [1]
    faults.forget(7)
    assert len(faults) == 0


def test_share_of_connections_is_hit() -> None:
    faults = wires(replace(HOLE, per_mille=500))
    hit = [faults.acts_on(number, at(0)) is not None for number in range(2_000)]
    assert 0 < sum(hit) < 2_000
    assert hit == [faults.acts_on(number, at(1)) is not None for number in range(2_000)]


def test_refusal_meets_new_connections_alone() -> None:
    faults = wires(WireFault(WireEffect.REFUSE))
    assert faults.acts_on(1, at(0)) is None
    assert faults.acts_on(2, at(0), new=True) is not None


def test_fault_of_connections_ends_at_its_time() -> None:
    faults = wires(replace(HOLE, ends_at=at(10)))
    assert faults.acts_on(1, at(9)) is not None
    assert faults.acts_on(1, at(10)) is None


def test_pace_of_late_and_slow_octets() -> None:
    assert pace_ns(WireFault(WireEffect.DELAY, delay_ns=5 * MS), 10_000) == 5 * MS
    assert pace_ns(WireFault(WireEffect.THROTTLE, octets_per_s=1_000), 500) == 500 * MS
    assert pace_ns(HOLE, 500) == 0
