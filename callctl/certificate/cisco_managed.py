"""Cloud certificates that the system looks after: the Cisco-managed box and what it can do.

Source: CERT-03 to CERT-05, Table I; ONB-03, ONB-05, ONB-06 for the moments; OP-50.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from callctl.certificate.certificate import Certificate
from callctl.certificate.cloud_roots import CloudService
from callctl.certificate.fingerprint import Fingerprint
from callctl.certificate.trust_bundle import BundleRefused, BundleRules, TrustBundle, open_bundle
from sipstack.timing import SECOND, Instant

POLL_NS: Final = 86_400 * SECOND  # a day, OP-50
ANSWER_NS: Final = 60 * SECOND  # the page takes about a minute to load (ONB-03)


class Way(Enum):
    """How a cluster gets the certificates that the cloud needs."""

    NOTHING_TO_DO = "nothing to do"
    FROM_IMAGE = "installed from the installation image when Tomcat restarts"
    FETCHED = "fetched and installed by the system"
    BY_HAND = "to be obtained from the CA and uploaded to CUCM and IM&P as tomcat-trust"


@dataclass(frozen=True, slots=True)
class Situation:
    """The columns of Table I, and what the store has."""

    onboarded: bool
    box_on: bool
    image_has_them: bool  # the installation image has what the cloud needs now
    store_has_them: bool  # they are in tomcat-trust, however they came there


def way_for(situation: Situation) -> Way:
    """Table I; with the box off the administrator does it, CERT-04."""
    if situation.store_has_them:
        return Way.NOTHING_TO_DO
    if not situation.box_on:
        return Way.BY_HAND
    if situation.onboarded:
        return Way.FETCHED
    return Way.FROM_IMAGE if situation.image_has_them else Way.BY_HAND


@dataclass(frozen=True, slots=True)
class BoxSet:
    """The page was saved with the Cisco-managed box in this state."""

    on: bool


@dataclass(frozen=True, slots=True)
class OnboardingChanged:
    """The cluster is onboarded now, or no longer."""

    onboarded: bool


@dataclass(frozen=True, slots=True)
class PageLoaded:
    """The administrator opened the onboarding page."""


@dataclass(frozen=True, slots=True)
class TomcatRestarted:
    """Cisco Tomcat was restarted on all nodes (ONB-06)."""


@dataclass(frozen=True, slots=True)
class StoreChanged:
    """What the trust store holds."""

    fingerprints: frozenset[Fingerprint]


@dataclass(frozen=True, slots=True)
class BundleFetched:
    """FOS answered 200."""

    data: bytes


@dataclass(frozen=True, slots=True)
class BundleLost:
    """FOS did not, and will be asked another time."""

    reason: str


@dataclass(frozen=True, slots=True)
class FetchBundle:
    """Ask FOS for its trust bundle."""


@dataclass(frozen=True, slots=True)
class InstallRoots:
    """Put these into the trust store."""

    certificates: tuple[Certificate, ...]
    fetched: bool  # else from the image


@dataclass(frozen=True, slots=True)
class UploadNeeded:
    """The system cannot help itself: an onboarding fails until these are uploaded."""

    fingerprints: frozenset[Fingerprint]


@dataclass(frozen=True, slots=True)
class BundleIgnored:
    """A bundle came and nothing of it is installed."""

    reason: str


Event: TypeAlias = (
    BoxSet
    | OnboardingChanged
    | PageLoaded
    | TomcatRestarted
    | StoreChanged
    | BundleFetched
    | BundleLost
)
Action: TypeAlias = FetchBundle | InstallRoots | UploadNeeded | BundleIgnored


class CiscoManaged:
    """Knows what the cloud needs, and what the store has; fetches when it may.

    Three doors. What the cloud needs is Table H1 until a believed bundle says otherwise.
    """

    def __init__(
        self,
        required: frozenset[Fingerprint],
        image: tuple[tuple[CloudService, Certificate], ...],
        rules: BundleRules,
        unix_s_at_zero: float,
        *,
        box_on: bool = False,
        onboarded: bool = False,
    ) -> None:
        """`image`: the roots that the installation brought along."""
        self.required = required
        self.sequence = rules.last_sequence  # of the last bundle believed; to be kept
        self.refused = ""  # why the last bundle was not taken
        self._image = tuple(certificate for _, certificate in image)
        self._rules = rules
        self._zero_s = unix_s_at_zero
        self._box_on, self._onboarded = box_on, onboarded
        self._store: frozenset[Fingerprint] = frozenset()
        self._poll_timer: Instant | None = None
        self._answer_timer: Instant | None = None  # runs while a bundle is on its way

    @property
    def situation(self) -> Situation:
        """Where we are in Table I."""
        image = frozenset(each.fingerprint for each in self._image)
        return Situation(
            self._onboarded, self._box_on, self.required <= image, self.required <= self._store
        )

    @property
    def way(self) -> Way:
        """How the certificates come that are missing."""
        return way_for(self.situation)

    @property
    def missing(self) -> frozenset[Fingerprint]:
        """What the cloud needs and the store has not."""
        return self.required - self._store

    def receive(self, event: Event, now: Instant) -> tuple[Action, ...]:
        match event:
            case BoxSet(on):
                self._box_on = on
                return (*self._told_if_by_hand(), *self._poll_again(now))
            case OnboardingChanged(onboarded):
                self._onboarded = onboarded
                return self._poll_again(now)
            case PageLoaded():
                return (*self._told_if_by_hand(), *self._fetch(now))
            case TomcatRestarted():
                return self._from_image()
            case StoreChanged(fingerprints):
                self._store = fingerprints
                return ()
            case BundleFetched(data):
                self._answer_timer = None
                return self._fetched(data, now)
            case BundleLost(reason):
                self._answer_timer = None
                return (BundleIgnored(reason),)

    def advance(self, now: Instant) -> tuple[Action, ...]:
        actions: list[Action] = []
        if self._answer_timer is not None and now >= self._answer_timer:
            self._answer_timer = None
            actions.append(BundleIgnored("FOS did not answer"))
        if self._poll_timer is not None and now >= self._poll_timer:
            self._poll_timer = Instant(now + POLL_NS)
            actions += self._fetch(now)
        return tuple(actions)

    def next_deadline(self) -> Instant | None:
        timers = (self._poll_timer, self._answer_timer)
        return min((timer for timer in timers if timer is not None), default=None)

    @property
    def _may_fetch(self) -> bool:
        return self._onboarded and self._box_on

    def _poll_again(self, now: Instant) -> tuple[Action, ...]:
        if not self._may_fetch:
            self._poll_timer = None
            return ()
        if self._poll_timer is not None:
            return ()
        self._poll_timer = Instant(now + POLL_NS)
        return self._fetch(now)

    def _fetch(self, now: Instant) -> tuple[Action, ...]:
        if not self._may_fetch or self._answer_timer is not None:
            return ()
        self._answer_timer = Instant(now + ANSWER_NS)
        return (FetchBundle(),)

    def _told_if_by_hand(self) -> tuple[Action, ...]:
        brought = {each.fingerprint for each in self._image} if self._box_on else set()
        needed = self.missing - brought
        return (UploadNeeded(needed),) if needed and self.way is Way.BY_HAND else ()

    def _from_image(self) -> tuple[Action, ...]:
        if not self._box_on:
            return self._told_if_by_hand()
        absent = tuple(each for each in self._image if each.fingerprint not in self._store)
        install = (InstallRoots(absent, fetched=False),) if absent else ()
        return (*install, *self._told_if_by_hand())

    def _fetched(self, data: bytes, now: Instant) -> tuple[Action, ...]:
        if not self._may_fetch:  # the box was cleared meanwhile
            return (BundleIgnored("not onboarded, or the box is off"),)
        try:
            bundle = self._believed(data, now)
        except BundleRefused as error:
            self.refused = str(error)
            return (BundleIgnored(str(error)),)
        self.required, self.sequence, self.refused = bundle.fingerprints, bundle.sequence, ""
        fresh = tuple(it for _, it in bundle.roots if it.fingerprint not in self._store)
        return (InstallRoots(fresh, fetched=True),) if fresh else ()

    def _believed(self, data: bytes, now: Instant) -> TrustBundle:
        rules = BundleRules(self._rules.signers, self._rules.pinned, self.sequence)
        return open_bundle(data, rules, self._zero_s + now / SECOND)
