"""The Cisco-managed box: Table I row by row, and the day of a cluster whose cloud changes roots."""

from __future__ import annotations

from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from callctl.certificate.certificate import DAY_S, Certificate
from callctl.certificate.cisco_managed import (
    ANSWER_NS,
    POLL_NS,
    BoxSet,
    BundleFetched,
    BundleIgnored,
    BundleLost,
    CiscoManaged,
    FetchBundle,
    InstallRoots,
    OnboardingChanged,
    PageLoaded,
    Situation,
    StoreChanged,
    TomcatRestarted,
    UploadNeeded,
    Way,
    way_for,
)
from callctl.certificate.cloud_roots import CloudService
from callctl.certificate.fingerprint import Fingerprint
from callctl.certificate.trust_bundle import BundleRules, Roots, sign_bundle
from helpers.certificates import BORN_S, made
from sipstack.timing import SECOND, Instant

OLD: Final = made("old ci root").certificate
NEW: Final = made("new ci root").certificate
FOS: Final = made("fos root").certificate
KEY: Final = ed25519.Ed25519PrivateKey.generate()
IMAGE: Final[Roots] = ((CloudService.CI, OLD), (CloudService.FOS, FOS))
ZERO: Final = Instant(0)


def prints(*certificates: Certificate) -> frozenset[Fingerprint]:
    return frozenset(each.fingerprint for each in certificates)


def way(machine: CiscoManaged) -> Way:
    """Asked anew each time."""
    return machine.way


def managed(*required: Certificate) -> CiscoManaged:
    rules = BundleRules({"k": KEY.public_key()}, prints(OLD, NEW, FOS))
    return CiscoManaged(prints(*required), IMAGE, rules, BORN_S)


def bundle(*ci: Certificate, sequence: int = 1) -> bytes:
    roots = (*((CloudService.CI, each) for each in ci), (CloudService.FOS, FOS))
    days = 30 * DAY_S
    return sign_bundle(
        KEY, "k", roots, sequence=sequence, issued_at_s=BORN_S, expires_at_s=BORN_S + days
    )


@pytest.mark.req("CERT-05")
@pytest.mark.parametrize(
    ("situation", "expected"),
    [
        (Situation(False, True, True, False), Way.FROM_IMAGE),
        (Situation(False, True, False, False), Way.BY_HAND),
        (Situation(True, True, False, False), Way.FETCHED),
    ],
    ids=["first, image has them", "first, requirement changed", "onboarded, new requirement"],
)
def test_three_scenarios_of_table_i(situation: Situation, expected: Way) -> None:
    assert way_for(situation) is expected


@pytest.mark.req("CERT-04")
@pytest.mark.parametrize("onboarded", [False, True])
@pytest.mark.parametrize("image", [False, True])
def test_without_the_box_the_administrator_does_it(onboarded: bool, image: bool) -> None:
    assert way_for(Situation(onboarded, False, image, False)) is Way.BY_HAND


@pytest.mark.req("CERT-03", "CERT-05")
def test_first_onboarding_installs_what_the_image_has_when_tomcat_restarts_and_not_before() -> None:
    """Table I, row 1."""
    machine = managed(OLD, FOS)
    assert machine.receive(BoxSet(on=True), ZERO) == ()
    assert way(machine) is Way.FROM_IMAGE
    assert machine.receive(PageLoaded(), ZERO) == ()  # the bundle is for clusters with an account
    assert machine.receive(TomcatRestarted(), ZERO) == (InstallRoots((OLD, FOS), fetched=False),)
    machine.receive(StoreChanged(prints(OLD, FOS)), ZERO)
    assert way(machine) is Way.NOTHING_TO_DO
    assert machine.missing == frozenset()


@pytest.mark.req("CERT-04", "CERT-05")
def test_first_onboarding_with_an_older_image_needs_an_upload_by_hand() -> None:
    """Table I, row 2."""
    machine = managed(NEW, FOS)
    needed = UploadNeeded(prints(NEW))
    assert machine.receive(BoxSet(on=True), ZERO) == (needed,)
    assert machine.receive(TomcatRestarted(), ZERO) == (
        InstallRoots((OLD, FOS), fetched=False),
        needed,
    )
    machine.receive(StoreChanged(prints(OLD, FOS)), ZERO)
    assert way(machine) is Way.BY_HAND
    assert machine.next_deadline() is None
    machine.receive(StoreChanged(prints(OLD, FOS, NEW)), ZERO)
    assert way(machine) is Way.NOTHING_TO_DO


@pytest.mark.req("CERT-03", "CERT-05")
def test_onboarded_cluster_fetches_and_installs_what_the_cloud_newly_needs() -> None:
    """Table I, row 3."""
    machine = onboarded()
    day = Instant(POLL_NS)
    assert machine.advance(Instant(POLL_NS - 1)) == ()
    assert machine.advance(day) == (FetchBundle(),)
    actions = machine.receive(BundleFetched(bundle(NEW)), day)
    assert actions == (InstallRoots((NEW,), fetched=True),)
    assert machine.missing == prints(NEW)
    assert way(machine) is Way.FETCHED
    machine.receive(StoreChanged(prints(OLD, FOS, NEW)), day)
    assert way(machine) is Way.NOTHING_TO_DO
    assert machine.next_deadline() == 2 * POLL_NS


@pytest.mark.req("CERT-04")
def test_cluster_without_the_box_installs_and_fetches_nothing() -> None:
    machine = managed(OLD, FOS)
    needed = (UploadNeeded(prints(OLD, FOS)),)
    assert machine.receive(BoxSet(on=False), ZERO) == needed
    assert machine.receive(TomcatRestarted(), ZERO) == needed
    assert machine.receive(OnboardingChanged(onboarded=True), ZERO) == ()
    assert machine.receive(PageLoaded(), ZERO) == needed
    assert machine.next_deadline() is None


def test_page_asks_at_once_and_only_once_while_the_answer_is_out() -> None:
    machine = onboarded()
    assert machine.receive(PageLoaded(), ZERO) == (FetchBundle(),)
    assert machine.receive(PageLoaded(), Instant(1)) == ()
    assert machine.next_deadline() == ANSWER_NS
    assert machine.advance(Instant(ANSWER_NS)) == (BundleIgnored("FOS did not answer"),)
    assert machine.receive(PageLoaded(), Instant(ANSWER_NS)) == (FetchBundle(),)
    lost = machine.receive(BundleLost("503"), Instant(ANSWER_NS + 1))
    assert lost == (BundleIgnored("503"),)
    assert machine.next_deadline() == POLL_NS


def test_bundle_that_is_not_believed_changes_nothing_and_says_why() -> None:
    machine = onboarded()
    machine.receive(PageLoaded(), ZERO)
    (ignored,) = machine.receive(BundleFetched(b"{}"), ZERO)
    assert isinstance(ignored, BundleIgnored)
    assert machine.refused == ignored.reason
    assert machine.required == prints(OLD, FOS)
    stranger = made("stranger").certificate
    (ignored,) = machine.receive(BundleFetched(bundle(stranger)), ZERO)
    assert isinstance(ignored, BundleIgnored)
    assert "pinned list" in ignored.reason


def test_older_bundle_does_not_come_back() -> None:
    machine = onboarded()
    machine.receive(BundleFetched(bundle(NEW, sequence=7)), ZERO)
    (ignored,) = machine.receive(BundleFetched(bundle(OLD, sequence=6)), ZERO)
    assert isinstance(ignored, BundleIgnored)
    assert machine.required == prints(NEW, FOS)
    assert machine.sequence == 7


def test_bundle_that_comes_after_the_box_was_cleared_is_not_installed() -> None:
    machine = onboarded()
    machine.receive(PageLoaded(), ZERO)
    machine.receive(BoxSet(on=False), ZERO)
    (ignored,) = machine.receive(BundleFetched(bundle(NEW)), ZERO)
    assert isinstance(ignored, BundleIgnored)
    assert machine.next_deadline() is None


def test_old_time_of_a_bundle_is_told_by_the_wall_clock_that_was_handed_in() -> None:
    machine = onboarded()
    late = Instant(31 * DAY_S * SECOND)
    (ignored,) = machine.receive(BundleFetched(bundle(NEW)), late)
    assert ignored == BundleIgnored("it has expired")


def onboarded() -> CiscoManaged:
    """An onboarded cluster with the box on; what it asked at first is answered."""
    machine = managed(OLD, FOS)
    machine.receive(StoreChanged(prints(OLD, FOS)), ZERO)
    machine.receive(BoxSet(on=True), ZERO)
    assert machine.receive(OnboardingChanged(onboarded=True), ZERO) == (FetchBundle(),)
    assert machine.receive(BundleFetched(bundle(OLD)), ZERO) == ()
    return machine
