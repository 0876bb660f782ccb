"""A machine of onboarding, driven as an administrator would, and what came out of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import msgspec

from callctl.model.machine_account import MachineAccount
from callctl.model.release import Release
from callctl.model.user import Secret
from callctl.onboarding.event import (
    CertificateReport,
    LicenseRegistered,
    LicensesSynchronised,
    OnboardingAction,
    OnboardingEvent,
    PageSaved,
    Refused,
    ServiceRestarted,
    SubscriptionAnswered,
    VoucherReceived,
    VoucherRequested,
)
from callctl.onboarding.home import HomeCluster
from callctl.onboarding.licensing import Issuer, Manager, Voucher, issuer_for
from callctl.onboarding.onboarding import Onboarding
from callctl.onboarding.page import PageChange, PageSettings
from callctl.onboarding.restarts import CPNS, TOMCAT, XCP_CONFIG_MANAGER, XCP_ROUTER
from callctl.onboarding.state import State
from helpers.pushes import CountedEntropy
from sipstack.timing import Instant

A = TypeVar("A")

START = Instant(0)
HOME = HomeCluster("cluster-1", Release.parse("14SU3"), "ucm1", ("ucm1", "ucm2"))
WITH_IMP = replace(HOME, im_and_presence_nodes=("imp1", "imp2"))
OLD = replace(HOME, release=Release.parse("11.5(1)SU4"))
SU2_HOME = replace(HOME, release=Release.parse("11.5(1)SU2"))

ON = PageChange(push_enabled=True)
OFF = PageChange(push_enabled=False)

ANSWER = {
    "accountId": "account-1",
    "organisationId": "organisation-1",
    "tokenUrl": "https://idbroker.webex.com/idb/oauth2/v1/access_token",
    "refreshToken": "refresh-1",
    "pushRestUrl": "https://push.webexconnect.com",
}


@dataclass
class Rig:
    """The machine, its time, and every action so far."""

    home: HomeCluster = HOME
    now: Instant = START
    actions: list[OnboardingAction] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.core = Onboarding(self.home, CountedEntropy())
        self.actions += self.core.start(self.now)

    def tell(self, event: OnboardingEvent) -> tuple[OnboardingAction, ...]:
        """Feed one event."""
        out = self.core.receive(event, self.now)
        self.actions += out
        return out

    def save(self, change: PageChange, node: str = "ucm1") -> tuple[OnboardingAction, ...]:
        return self.tell(PageSaved(change, node))

    def restart(self, service: str, *nodes: str) -> tuple[OnboardingAction, ...]:
        out: tuple[OnboardingAction, ...] = ()
        for node in nodes:
            out += self.tell(ServiceRestarted(service, node))
        return out

    def of(self, kind: type[A]) -> list[A]:
        """The actions of one kind."""
        return [action for action in self.actions if isinstance(action, kind)]

    # What it shows. Methods, because a type checker takes it that attributes stay as asserted.

    def state(self) -> State:
        return self.core.state

    def page(self) -> PageSettings:
        return self.core.page

    def notices(self) -> tuple[str, ...]:
        return self.core.notices

    def pushing(self) -> bool:
        return self.core.pushing

    def account_on(self, node: str) -> MachineAccount | None:
        return self.core.in_force[node].account

    def ready(self) -> bool:
        return self.core.licensing.ready

    # The way, step by step.

    def license(self) -> None:
        if self.core.licensing.smart:
            self.tell(LicenseRegistered(Manager.CSSM))

    def voucher(self, code: str = "voucher-1") -> None:
        self.license()
        self.tell(VoucherRequested("ucm1"))
        self.tell(LicensesSynchronised())
        self.tell(VoucherReceived(voucher(code, self.home.release)))

    def pending(self) -> None:
        self.voucher()
        self.save(ON)
        self.restart(TOMCAT, *self.home.all_nodes)

    def requesting(self, *missing: str) -> None:
        self.pending()
        self.save(ON)
        self.tell(CertificateReport(missing))

    def answered(self, status: int = 201, **changes: Any) -> None:  # noqa: ANN401
        body = msgspec.json.encode({**ANSWER, **changes})
        self.tell(SubscriptionAnswered(status, body))

    def completed(self) -> None:
        self.requesting()
        self.answered()

    def all_restarts(self) -> None:
        self.restart(CPNS, *self.home.nodes)
        for node in self.home.im_and_presence_nodes:
            self.restart(XCP_CONFIG_MANAGER, node)
            self.restart(XCP_ROUTER, node)

    def active(self) -> None:
        self.completed()
        self.all_restarts()


def voucher(code: str = "voucher-1", release: Release = HOME.release) -> Voucher:
    return Voucher(Secret(code), issuer_for(release))


def plm_voucher() -> Voucher:
    return Voucher(Secret("plm-voucher"), Issuer.PLM)


def refused(actions: tuple[OnboardingAction, ...]) -> str:
    """Why; fails if nothing was refused."""
    (found,) = [action for action in actions if isinstance(action, Refused)]
    return found.problem
