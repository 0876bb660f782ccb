"""Licensing as far as push needs it: who licenses the cluster, and who makes its vouchers.

Prime License Manager (PLM) before 12.0, Cisco Smart Software Manager (CSSM) or its satellite from
12.0 on. Source: LIC-01 to LIC-11, OP-57.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from callctl.model.release import Release
from callctl.model.user import Secret
from sipstack.timing import SECOND, Instant

EVALUATION_DAYS: Final = 90
DAY_NS: Final = 86_400 * SECOND
SMART_SINCE: Final = Release(12, 0)  # LIC-02
RESERVATION_SINCE: Final = Release(12, 5)  # LIC-03
SU2: Final = Release(11, 5, 1, 2)  # the one release with push and the old onboarding (REL-10)


class Issuer(Enum):
    """Who made a voucher (OP-57)."""

    PLM = "PLM"
    CSSM = "CSSM"


class Manager(Enum):
    """Who a cluster gets its licences from; vouchers of a satellite are those of CSSM (LIC-04)."""

    PLM = "plm"
    CSSM = "cssm"
    SATELLITE = "satellite"

    @property
    def issuer(self) -> Issuer:
        """Of its vouchers."""
        return Issuer.PLM if self is Manager.PLM else Issuer.CSSM


@dataclass(frozen=True, slots=True)
class Voucher:
    """What the cluster shows FOS once; nobody but its issuer and FOS reads it."""

    code: Secret = field(repr=False)
    issuer: Issuer


class LicenseMode(Enum):
    """How the cluster is licensed."""

    PLM = "Prime License Manager"
    REGISTERED = "registered"
    RESERVATION = "specific license reservation"
    EVALUATION = "evaluation"
    EVALUATION_EXPIRED = "evaluation expired"


def issuer_for(release: Release) -> Issuer:
    """Whose vouchers this release onboards with (LIC-04)."""
    return Issuer.CSSM if release >= SMART_SINCE else Issuer.PLM


class Licensing:
    """The licences of one cluster. `started` first; then whatever happens to them."""

    def __init__(self, release: Release, evaluation_days: int = EVALUATION_DAYS) -> None:
        self.release = release
        self.synchronised = False  # in PLM, Product Instance tab (LIC-01)
        self.manager: Manager | None = None  # the smart one it is registered with
        self.reserved = False
        self.evaluation_ends_at: Instant | None = None  # counted once, from its first day
        self.expired = False
        self._evaluation_ns = evaluation_days * DAY_NS

    @property
    def smart(self) -> bool:
        """True if Smart Licensing has taken the place of PLM."""
        return self.release >= SMART_SINCE

    @property
    def mode(self) -> LicenseMode:
        """How the cluster is licensed now."""
        if not self.smart:
            return LicenseMode.PLM
        if self.reserved:
            return LicenseMode.RESERVATION
        if self.manager is not None:
            return LicenseMode.REGISTERED
        return LicenseMode.EVALUATION_EXPIRED if self.expired else LicenseMode.EVALUATION

    @property
    def allows_provisioning(self) -> bool:
        """False once the evaluation is over and nobody has registered the cluster (LIC-08)."""
        return self.mode is not LicenseMode.EVALUATION_EXPIRED

    @property
    def voucher_manager(self) -> Manager | None:
        """Who can make a voucher now; None while the cluster is not registered (LIC-05)."""
        return self.manager if self.smart else Manager.PLM

    @property
    def ready(self) -> bool:
        """Licensing is as onboarding needs it (ONB-02)."""
        if not self.smart:
            return self.synchronised
        return self.mode is LicenseMode.REGISTERED

    def started(self, now: Instant) -> None:
        """Whoever is not registered is being evaluated (LIC-06)."""
        unlicensed = self.smart and self.manager is None and not self.reserved
        if unlicensed and self.evaluation_ends_at is None:
            self.evaluation_ends_at = Instant(now + self._evaluation_ns)

    def registered(self, manager: Manager) -> str | None:
        """With CSSM or a satellite. Returns: why not, None if it is done."""
        if not self.smart:
            return f"{self.release} has no Smart Licensing; synchronise licenses in PLM"
        if manager is Manager.PLM:
            return f"{self.release} is not licensed by PLM; register with CSSM or a satellite"
        self.manager = manager
        return None

    def deregistered(self, now: Instant) -> str | None:
        """From then on it is evaluated, for what is left of that. Returns: why not."""
        if self.manager is None:
            return "not registered"
        self.manager = None
        self.started(now)
        return None

    def reservation(self, on: bool, now: Instant) -> str | None:
        """Specific License Reservation goes on or off. Returns: why not."""
        if on and self.release < RESERVATION_SINCE:
            return f"{self.release} has no license reservation; it came with {RESERVATION_SINCE}"
        self.reserved = on
        self.started(now)
        return None

    def upgraded(self, release: Release, now: Instant) -> None:
        """The cluster runs another release now; with Smart Licensing it starts unregistered."""
        if self.smart is not (release >= SMART_SINCE):
            self.manager, self.synchronised = None, False
        self.release = release
        self.started(now)

    def advance(self, now: Instant) -> bool:
        """Returns: whether the evaluation has come to its end just now."""
        if self.expired or self.evaluation_ends_at is None or now < self.evaluation_ends_at:
            return False
        self.expired = True
        return self.mode is LicenseMode.EVALUATION_EXPIRED

    def next_deadline(self) -> Instant | None:
        """The end of the evaluation; None if there is none, or it is past."""
        return None if self.expired else self.evaluation_ends_at
