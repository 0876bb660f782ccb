"""Licences, vouchers and upgrades: what onboarding may build on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callctl.model.release import Release
from callctl.onboarding.event import (
    DeleteVouchers,
    LicenseDeregistered,
    LicenseRegistered,
    LicensesSynchronised,
    PushSwitched,
    ReservationChanged,
    VoucherRequested,
)
from callctl.onboarding.licensing import DAY_NS, Issuer, LicenseMode, Licensing, Manager
from callctl.onboarding.onboarding import Onboarding
from callctl.onboarding.page import PageChange
from callctl.onboarding.snapshot import decode, encode, restore, taken
from callctl.onboarding.state import State
from helpers.onboarding_rig import HOME, OFF, OLD, ON, SU2_HOME, Rig, refused
from helpers.pushes import CountedEntropy
from sipstack.timing import Instant

NEW = Release.parse("12.5(1)SU3")


def upgraded(rig: Rig, release: Release = NEW, evaluation_days: int = 90) -> Rig:
    """The same cluster with its next release, brought up from what it had kept."""
    home = replace(rig.home, release=release, evaluation_days=evaluation_days)
    after = Rig(home, rig.now)
    after.core = Onboarding(home, CountedEntropy())
    since = restore(after.core, decode(encode(taken(rig.core, 0))), 0)
    after.actions = list(after.core.start(rig.now, since))
    return after


@pytest.mark.req("LIC-01")
def test_plm_cluster_is_ready_once_it_was_synchronised_even_without_new_licenses() -> None:
    rig = Rig(OLD)
    assert rig.core.licensing.mode is LicenseMode.PLM
    assert not rig.ready()
    rig.tell(LicensesSynchronised())
    assert rig.ready()
    assert refused(rig.tell(LicenseRegistered(Manager.CSSM))) == (
        "11.5(1)SU4 has no Smart Licensing; synchronise licenses in PLM"
    )


@pytest.mark.req("LIC-02", "LIC-05")
def test_smart_cluster_has_to_be_registered_before_it_gets_a_voucher() -> None:
    rig = Rig()
    assert rig.core.licensing.mode is LicenseMode.EVALUATION
    why = "register with Cisco Smart Software Manager or a satellite first"
    assert refused(rig.tell(VoucherRequested("ucm1"))) == why
    assert refused(rig.tell(LicenseRegistered(Manager.PLM))) == (
        "14SU3 is not licensed by PLM; register with CSSM or a satellite"
    )
    rig.tell(LicenseRegistered(Manager.SATELLITE))
    assert rig.core.licensing.ready
    assert rig.core.licensing.voucher_manager is Manager.SATELLITE
    assert Manager.SATELLITE.issuer is Issuer.CSSM


@pytest.mark.req("LIC-03")
def test_license_reservation_came_with_12_5() -> None:
    rig = Rig(replace(HOME, release=Release.parse("12.0(1)SU2")))
    out = rig.tell(ReservationChanged(True))
    assert refused(out) == "12.0(1)SU2 has no license reservation; it came with 12.5(1)"
    at_12_5 = Rig(replace(HOME, release=Release.parse("12.5(1)")))
    assert at_12_5.tell(ReservationChanged(True)) == ()
    assert at_12_5.core.licensing.mode is LicenseMode.RESERVATION


@pytest.mark.req("LIC-06")
def test_evaluation_lasts_90_days_unless_set_and_goes_on_after_a_deregistration() -> None:
    rig = Rig()
    assert rig.core.next_deadline() == 90 * DAY_NS
    assert Rig(replace(HOME, evaluation_days=7)).core.next_deadline() == 7 * DAY_NS
    rig.license()
    rig.now = Instant(80 * DAY_NS)
    rig.tell(LicenseDeregistered())
    assert rig.core.licensing.mode is LicenseMode.EVALUATION
    assert rig.core.next_deadline() == 90 * DAY_NS  # counted from its first day
    assert refused(rig.tell(LicenseDeregistered())) == "not registered"


@pytest.mark.req("LIC-06", "LIC-07", "LIC-08")
def test_upgrade_from_su2_deletes_plm_vouchers_and_push_goes_on_in_evaluation() -> None:
    old = Rig(SU2_HOME)
    old.active()
    old.voucher("spare")  # fetched and not used
    new = upgraded(old)
    assert new.of(DeleteVouchers) == [DeleteVouchers(Issuer.PLM)]
    assert new.core.desk.voucher is None
    assert new.core.licensing.mode is LicenseMode.EVALUATION
    assert (new.state(), new.pushing()) == (State.ACTIVE, True)


@pytest.mark.req("LIC-08")
def test_push_stops_when_the_evaluation_ends_and_comes_back_with_a_registration() -> None:
    old = Rig(SU2_HOME)
    old.active()
    new = upgraded(old, evaluation_days=30)
    end = new.core.next_deadline()
    assert end == 30 * DAY_NS
    assert new.core.advance(Instant(end - 1)) == ()
    assert new.core.advance(end) == (PushSwitched(False),)
    assert new.core.next_deadline() is None
    assert new.core.licensing.mode is LicenseMode.EVALUATION_EXPIRED
    assert new.tell(LicenseRegistered(Manager.CSSM)) == (PushSwitched(True),)


@pytest.mark.req("LIC-09")
def test_push_that_was_disabled_in_evaluation_needs_a_voucher_of_the_smart_manager() -> None:
    old = Rig(SU2_HOME)
    old.active()
    new = upgraded(old)
    new.save(OFF)
    assert new.state() is State.NOT_ONBOARDED
    assert refused(new.save(ON)) == "voucher missing"
    why = "register with Cisco Smart Software Manager or a satellite first"
    assert refused(new.tell(VoucherRequested("ucm1"))) == why
    new.active()
    assert new.pushing()


@pytest.mark.req("LIC-07", "LIC-10")
@pytest.mark.parametrize("way", ["voucher", "certificates prepared", "pending", "failed"])
def test_cluster_that_was_not_onboarded_before_the_upgrade_starts_anew(way: str) -> None:
    old = Rig(SU2_HOME)
    if way == "failed":
        old.requesting("some root")
    elif way == "pending":
        old.pending()
    else:
        old.voucher()
        if way != "voucher":
            old.save(ON)
    new = upgraded(old)
    assert new.state() is State.NOT_ONBOARDED
    assert not new.core.uploads_fail
    new.active()
    assert new.pushing()


@pytest.mark.req("LIC-05")
def test_upgrade_from_before_push_leaves_a_cluster_that_registers_and_onboards() -> None:
    new = upgraded(Rig(replace(OLD, release=Release.parse("11.5(1)SU1"))))
    assert new.state() is State.NOT_ONBOARDED
    new.active()
    assert new.pushing()


@pytest.mark.req("LIC-11")
def test_push_that_was_disabled_before_the_upgrade_is_onboarded_anew_after_it() -> None:
    old = Rig(SU2_HOME)
    old.active()
    old.save(OFF)
    new = upgraded(old)
    assert not new.core.uploads_fail
    new.active()
    assert new.pushing()


@pytest.mark.req("ONB-20")
def test_uploads_fail_after_an_upgrade_from_su2_until_push_is_disabled_and_onboarded_anew() -> None:
    old = Rig(SU2_HOME)
    old.active()
    old.save(PageChange(troubleshooting=True, encrypted_pii=True))
    old.all_restarts()
    new = upgraded(old)
    assert new.core.uploads_fail
    new.save(PageChange(encrypted_pii=False))  # any other Save does not help
    new.all_restarts()
    assert new.core.uploads_fail
    assert refused(new.save(OFF)) == (
        "11.5(1)SU2 set push up: clear both troubleshooting boxes, too"
    )
    assert new.pushing()
    new.save(PageChange(push_enabled=False, troubleshooting=False, encrypted_pii=False))
    assert new.state() is State.NOT_ONBOARDED
    assert new.core.uploads_fail
    new.active()
    assert not new.core.uploads_fail


@pytest.mark.req("ONB-20")
def test_upgrade_within_11_5_from_su2_fails_uploads_too_and_keeps_plm() -> None:
    old = Rig(SU2_HOME)
    old.active()
    new = upgraded(old, Release.parse("11.5(1)SU3"))
    assert new.core.uploads_fail
    assert new.of(DeleteVouchers) == []
    assert new.core.licensing.voucher_manager is Manager.PLM


def test_upgrade_from_a_later_release_leaves_uploads_alone() -> None:
    old = Rig(OLD)
    old.active()
    new = upgraded(old)
    assert not new.core.uploads_fail
    assert new.pushing()


def test_release_that_stays_is_no_upgrade() -> None:
    rig = Rig()
    rig.active()
    again = upgraded(rig, HOME.release)
    assert again.core.licensing.mode is LicenseMode.REGISTERED
    assert again.pushing()


def test_licensing_of_a_reserved_cluster_is_not_evaluated() -> None:
    licensing = Licensing(HOME.release)
    licensing.reservation(True, Instant(0))
    licensing.started(Instant(0))
    assert licensing.next_deadline() is None
    assert licensing.allows_provisioning
