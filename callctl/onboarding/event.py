"""What goes into and comes out of onboarding."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from callctl.egress.failure import Step
from callctl.model.cloud import ProxySettings
from callctl.model.machine_account import MachineAccount
from callctl.onboarding.licensing import Issuer, Manager, Voucher
from callctl.onboarding.page import PageChange, PageSettings
from callctl.onboarding.state import Reason, State
from callctl.onboarding.tasks import Prerequisites


@dataclass(frozen=True, slots=True)
class VoucherRequested:
    """The administrator clicked Generate Voucher on this node."""

    node: str


@dataclass(frozen=True, slots=True)
class LicensesSynchronised:
    """The licence manager knows the cluster as it is now."""


@dataclass(frozen=True, slots=True)
class VoucherReceived:
    """A `FetchVoucher` was answered."""

    voucher: Voucher


@dataclass(frozen=True, slots=True)
class LicenseManagerFailed:
    """The licence manager did not do what was asked for."""

    detail: str


@dataclass(frozen=True, slots=True)
class LicenseRegistered:
    """The cluster is registered with a smart license manager."""

    manager: Manager


@dataclass(frozen=True, slots=True)
class LicenseDeregistered:
    """It is not any more."""


@dataclass(frozen=True, slots=True)
class ReservationChanged:
    """Specific License Reservation was turned on or off."""

    on: bool


@dataclass(frozen=True, slots=True)
class PageLoaded:
    """Somebody opened the page, which looks at the cloud while it loads (ONB-03)."""


@dataclass(frozen=True, slots=True)
class PageSaved:
    """The administrator clicked Save on this node."""

    change: PageChange
    node: str


@dataclass(frozen=True, slots=True)
class CertificateReport:
    """Which of the certificates the cloud needs are not in the trust store; () for none."""

    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CloudChecked:
    """A `CheckCloud` is done; `step` is the first that failed, None if FOS is reached."""

    step: Step | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SubscriptionAnswered:
    """FOS, or somebody in its place, answered the subscription."""

    status: int
    body: bytes = field(default=b"", repr=False)  # holds the refresh token


@dataclass(frozen=True, slots=True)
class SubscriptionFailed:
    """The subscription has no answer and gets none."""

    step: Step
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ServiceRestarted:
    """A service was started on a node, whoever did it."""

    service: str
    node: str


@dataclass(frozen=True, slots=True)
class AccountRepaired:
    """Somebody replaced the machine account's refresh token by hand (TRB-20)."""

    account: MachineAccount


@dataclass(frozen=True, slots=True)
class AccountRenewed:
    """CI gave another refresh token for the account in use; it is good at once, everywhere."""

    account: MachineAccount


@dataclass(frozen=True, slots=True)
class PrerequisitesSeen:
    """What onboarding depends on was looked at."""

    prerequisites: Prerequisites


@dataclass(frozen=True, slots=True)
class TaskMarked:
    """The administrator says that a task is done, or is not."""

    number: int
    done: bool


@dataclass(frozen=True, slots=True)
class SynchroniseLicenses:
    """Ask the licence manager to take note of the cluster; report what came of it."""

    manager: Manager


@dataclass(frozen=True, slots=True)
class FetchVoucher:
    """Ask the licence manager for a voucher; report `VoucherReceived`."""

    manager: Manager


@dataclass(frozen=True, slots=True)
class PrepareCertificates:
    """Put the cloud's certificates where the restart of Tomcat finds them, if managed (ONB-05)."""

    managed: bool


@dataclass(frozen=True, slots=True)
class InstallCertificates:
    """Tomcat was restarted on all nodes: what was prepared is installed now (ONB-06)."""

    managed: bool


@dataclass(frozen=True, slots=True)
class CheckCertificates:
    """Look into the trust store and give a `CertificateReport`."""


@dataclass(frozen=True, slots=True)
class CheckCloud:
    """Find out whether FOS can be reached, and report `CloudChecked`."""

    proxy: ProxySettings | None


@dataclass(frozen=True, slots=True)
class RequestSubscription:
    """Send the subscription to FOS from the publisher (ONB-01) and report what came of it."""

    voucher: Voucher = field(repr=False)
    cluster_id: str
    release: str
    publisher: str
    tracking_id: str
    proxy: ProxySettings | None


@dataclass(frozen=True, slots=True)
class StoreMachineAccount:
    """Write `machineaccountdetails` on these nodes; None removes the row (ONB-21)."""

    account: MachineAccount | None
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeleteVouchers:
    """Remove every voucher of this issuer from the database (LIC-07)."""

    issuer: Issuer


@dataclass(frozen=True, slots=True)
class RestartDue:
    """What was saved has no effect before this service was restarted on these nodes (SVC-04)."""

    service: str
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InForce:
    """What a node works with: the page and the account as of its last restart (CPNS-11)."""

    page: PageSettings = field(default_factory=PageSettings)
    account: MachineAccount | None = None


@dataclass(frozen=True, slots=True)
class InForceChanged:
    """A node has taken over what was saved."""

    node: str
    in_force: InForce


@dataclass(frozen=True, slots=True)
class PushSwitched:
    """From now on pushes may leave the cluster, or none may (GEN-02, GEN-09)."""

    on: bool


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """The page shows something else."""

    state: State
    text: str  # "" where the sources give none


@dataclass(frozen=True, slots=True)
class Refused:
    """What the administrator asked for is not done."""

    problem: str
    reason: Reason | None = None  # where it is one of OP-49


@dataclass(frozen=True, slots=True)
class Ignored:
    """Nothing is dropped in silence."""

    what: str
    detail: str


OnboardingEvent: TypeAlias = (
    VoucherRequested
    | LicensesSynchronised
    | VoucherReceived
    | LicenseManagerFailed
    | LicenseRegistered
    | LicenseDeregistered
    | ReservationChanged
    | PageLoaded
    | PageSaved
    | CertificateReport
    | CloudChecked
    | SubscriptionAnswered
    | SubscriptionFailed
    | ServiceRestarted
    | AccountRepaired
    | AccountRenewed
    | PrerequisitesSeen
    | TaskMarked
)
OnboardingAction: TypeAlias = (
    SynchroniseLicenses
    | FetchVoucher
    | PrepareCertificates
    | InstallCertificates
    | CheckCertificates
    | CheckCloud
    | RequestSubscription
    | StoreMachineAccount
    | DeleteVouchers
    | RestartDue
    | InForceChanged
    | PushSwitched
    | StatusChanged
    | Refused
    | Ignored
)
