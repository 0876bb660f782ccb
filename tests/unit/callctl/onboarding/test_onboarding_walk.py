"""Onboarding under every order of events that an administrator, a cloud and time can make."""

from __future__ import annotations

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from callctl.model.cloud import ProxySettings
from callctl.onboarding.event import (
    CertificateReport,
    CloudChecked,
    InForce,
    InForceChanged,
    LicenseDeregistered,
    LicenseRegistered,
    LicensesSynchronised,
    OnboardingAction,
    OnboardingEvent,
    PageLoaded,
    PageSaved,
    PushSwitched,
    RequestSubscription,
    ReservationChanged,
    ServiceRestarted,
    StatusChanged,
    SubscriptionAnswered,
    SubscriptionFailed,
    VoucherReceived,
    VoucherRequested,
)
from callctl.onboarding.guide import StepKind, next_step
from callctl.onboarding.home import HomeCluster
from callctl.onboarding.licensing import DAY_NS, Manager
from callctl.onboarding.onboarding import Onboarding
from callctl.onboarding.page import KEPT, Kept, PageChange
from callctl.onboarding.restarts import CPNS, TOMCAT, XCP_CONFIG_MANAGER, XCP_ROUTER
from callctl.onboarding.snapshot import decode, encode, restore, taken
from callctl.onboarding.state import FAILED_TEXT, State
from helpers.onboarding_rig import ANSWER, HOME, OLD, WITH_IMP, voucher
from helpers.pushes import CountedEntropy
from sipstack.timing import Instant

PROXY = ProxySettings("http", "proxy.example", 3128)
BOX = st.sampled_from([None, True, False])
NODES = st.sampled_from(WITH_IMP.all_nodes)
TEXTS = {
    State.PENDING: "Cisco Cloud Onboarding Pending",
    State.COMPLETED: "Cloud Onboarding Completed",
    State.ACTIVE: "Cloud Onboarding Completed",
}


class Walk(RuleBasedStateMachine):
    """Each rule is one event; each invariant a promise of Table L."""

    @initialize(home=st.sampled_from([HOME, WITH_IMP, OLD]))
    def begin(self, home: HomeCluster) -> None:
        self.home = home
        self.core = Onboarding(self.home, CountedEntropy())
        self.now = Instant(0)
        self.told_push = False
        self.told_status = ""
        self.was_active = False
        self.requests = 0
        self._look(self.core.start(self.now), None)

    def tell(self, event: OnboardingEvent) -> None:
        before = dict(self.core.in_force)
        self._look(self.core.receive(event, self.now), event, before)

    def _look(
        self,
        out: tuple[OnboardingAction, ...],
        event: OnboardingEvent | None,
        before: dict[str, InForce] | None = None,
    ) -> None:
        changed = {action.node for action in out if isinstance(action, InForceChanged)}
        if before is not None:
            differs = {node for node in before if before[node] != self.core.in_force[node]}
            assert differs == changed
            if changed:
                assert isinstance(event, ServiceRestarted), event
                assert changed == {event.node}
        for action in out:
            match action:
                case PushSwitched(on):
                    assert on is not self.told_push, "said twice"
                    self.told_push = on
                case StatusChanged(_, text):
                    self.told_status = text
                case RequestSubscription(publisher=publisher):
                    assert publisher == "ucm1"
                    assert self.core.state is State.REQUESTING
                    self.requests += 1
        if self.core.state is State.ACTIVE:
            self.was_active = True
        elif self.core.state not in (State.ACTIVE, State.COMPLETED):
            self.was_active = False

    @rule(push=BOX, managed=BOX, pii=BOX, proxy=st.sampled_from([KEPT, None, PROXY]), node=NODES)
    def save(
        self,
        push: bool | None,
        managed: bool | None,
        pii: bool | None,
        proxy: ProxySettings | Kept | None,
        node: str,
    ) -> None:
        change = PageChange(push, managed, proxy, None, pii)
        self.tell(PageSaved(change, node))

    @rule()
    def save_with_push(self) -> None:
        self.tell(PageSaved(PageChange(push_enabled=True), "ucm1"))

    @rule(service=st.sampled_from([TOMCAT, CPNS, XCP_CONFIG_MANAGER, XCP_ROUTER]), node=NODES)
    def restart(self, service: str, node: str) -> None:
        self.tell(ServiceRestarted(service, node))

    @rule()
    def restart_what_is_due(self) -> None:
        for service, nodes in self.core.due.listed():
            for node in nodes:
                self.tell(ServiceRestarted(service, node))

    @rule()
    def license_and_voucher(self) -> None:
        self.tell(LicenseRegistered(Manager.CSSM))
        self.tell(VoucherRequested("ucm1"))
        self.tell(LicensesSynchronised())
        self.tell(VoucherReceived(voucher("voucher", self.home.release)))

    @rule(steps=st.integers(1, 8))
    def go_on(self, steps: int) -> None:
        """As far as an administrator gets with so many steps; random events seldom get far."""
        for _ in range(steps):
            match next_step(self.core).kind:
                case StepKind.REGISTER | StepKind.VOUCHER:
                    self.license_and_voucher()
                case StepKind.SAVE:
                    self.save_with_push()
                case StepKind.RESTART:
                    self.restart_what_is_due()
                case StepKind.WAIT:
                    self.tell(CertificateReport(()))
                    self.tell(SubscriptionAnswered(201, msgspec.json.encode(ANSWER)))
                case StepKind.NONE:
                    return

    @rule()
    def nobody_licenses_the_cluster_any_more(self) -> None:
        self.tell(LicenseDeregistered())
        self.time_passes(100)

    @rule()
    def disable(self) -> None:
        self.tell(PageSaved(PageChange(push_enabled=False), "ucm1"))

    @rule(missing=st.sampled_from([(), (), ("a root",)]))
    def certificates(self, missing: tuple[str, ...]) -> None:
        self.tell(CertificateReport(missing))

    @rule(
        event=st.sampled_from(
            [
                SubscriptionAnswered(201, msgspec.json.encode(ANSWER)),
                SubscriptionAnswered(201, msgspec.json.encode(ANSWER)),
                SubscriptionAnswered(403, b'{"error":"VoucherExpired"}'),
                SubscriptionFailed("dns"),
                SubscriptionFailed("proxy authentication"),
                PageLoaded(),
                CloudChecked(),
                ReservationChanged(True),
                ReservationChanged(False),
                LicenseDeregistered(),
            ]
        )
    )
    def world(self, event: OnboardingEvent) -> None:
        self.tell(event)

    @rule(days=st.sampled_from([1, 30, 100]))
    def days_pass(self, days: int) -> None:
        self.time_passes(days)

    def time_passes(self, days: int) -> None:
        self.now = Instant(self.now + days * DAY_NS)
        self._look(self.core.advance(self.now), None)

    @rule()
    def restart_of_the_whole_cluster(self) -> None:
        core = Onboarding(self.home, CountedEntropy())
        since = restore(core, decode(encode(taken(self.core, 0))), 0)
        self.core, self.told_push, self.told_status = core, False, ""
        self._look(core.start(self.now, since), None)
        self._look(core.advance(self.now), None)

    @invariant()
    def push_is_on_only_where_onboarding_was_finished_and_licensing_allows_it(self) -> None:
        core = self.core
        assert core.pushing is self.told_push
        if core.pushing:
            assert core.state in (State.ACTIVE, State.COMPLETED)
            assert self.was_active
            assert core.licensing.allows_provisioning
            assert all(core.in_force[node].account is not None for node in self.home.nodes), (
                "a node pushes without an account"
            )

    @invariant()
    def status_is_one_of_the_texts_and_was_told(self) -> None:
        core = self.core
        if core.state is State.FAILED:
            assert core.failure is not None
            assert core.status == FAILED_TEXT + core.failure.reason.value
        elif core.status.startswith(FAILED_TEXT):
            assert core.state in (State.NOT_ONBOARDED, State.VOUCHER_READY)
            assert core.refusal is not None
        else:
            assert core.status == TEXTS.get(core.state, "")
        assert self.told_status == core.status

    @invariant()
    def what_is_saved_and_not_in_force_is_shown_as_due(self) -> None:
        core = self.core
        if core.state not in (State.ACTIVE, State.COMPLETED, State.DISABLING):
            return
        for node in self.home.nodes:
            saved = (core.page, core.account)
            held = core.in_force[node]
            if (held.page, held.account) != saved:
                assert core.due.is_due(CPNS, node)

    @invariant()
    def active_means_that_no_push_service_waits_for_a_restart(self) -> None:
        if self.core.state is State.ACTIVE:
            assert not self.core.due.any(CPNS, XCP_CONFIG_MANAGER, XCP_ROUTER)
            assert self.requests


TestWalk = Walk.TestCase
TestWalk.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
