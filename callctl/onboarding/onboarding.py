"""The onboarding of a cluster: from a voucher to pushes that flow, and back.

What is saved is one thing, what a node works with another: only the restart of its push service
brings the first into the second (CPNS-11, SVC-04). Whether pushes may leave at all is a switch of
the cluster, and that one acts at once when it goes off (GEN-09).

Source: group ONB with Table L, group LIC, CLOUD-02, GEN-02, GEN-07, GEN-09, OP-15, OP-49, OP-59.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from callctl.model.machine_account import MachineAccount
from callctl.model.release import Release
from callctl.onboarding.event import (
    AccountRenewed,
    AccountRepaired,
    CertificateReport,
    CheckCertificates,
    CheckCloud,
    CloudChecked,
    Ignored,
    InForce,
    InForceChanged,
    InstallCertificates,
    LicenseDeregistered,
    LicenseManagerFailed,
    LicenseRegistered,
    LicensesSynchronised,
    OnboardingAction,
    OnboardingEvent,
    PageLoaded,
    PageSaved,
    PrepareCertificates,
    PrerequisitesSeen,
    PushSwitched,
    Refused,
    RequestSubscription,
    ReservationChanged,
    RestartDue,
    ServiceRestarted,
    StatusChanged,
    StoreMachineAccount,
    SubscriptionAnswered,
    SubscriptionFailed,
    TaskMarked,
    VoucherReceived,
    VoucherRequested,
)
from callctl.onboarding.failure import Failure, failure_of_step, outcome_of
from callctl.onboarding.home import HomeCluster
from callctl.onboarding.licensing import SU2, Licensing
from callctl.onboarding.page import (
    ACTIVATION_CODE_NOTICE,
    XCP_ROUTER_NOTICE,
    PageSettings,
)
from callctl.onboarding.restarts import (
    CPNS,
    MANAGEMENT_AGENT,
    TOMCAT,
    XCP_CONFIG_MANAGER,
    XCP_ROUTER,
    DueRestarts,
)
from callctl.onboarding.state import MOVES, ONBOARDED, STATUS, Reason, State, failed_text
from callctl.onboarding.tasks import TASKS_MAX, Prerequisites, Task, TaskFacts, task_list
from callctl.onboarding.voucher_desk import LicenseEvent, VoucherDesk
from sipstack.entropy import Entropy, uuid4
from sipstack.timing import Instant

OLD_BOXES: Final = "11.5(1)SU2 set push up: clear both troubleshooting boxes, too"  # ONB-20
NOT_THE_PUBLISHER: Final = "run on the publisher"  # OP-53
Actions = tuple[OnboardingAction, ...]

_PREPARING: Final = (State.CERTS_PREPARED, State.PENDING, State.FAILED)


class Onboarding:
    """The page of one cluster and what stands behind it. `start` it, then use its three doors."""

    def __init__(self, home: HomeCluster, entropy: Entropy) -> None:
        self.home = home
        self.licensing = Licensing(home.release, home.evaluation_days)
        self.desk = VoucherDesk(self.licensing, unrestricted=home.unrestricted)
        self.state = State.NOT_ONBOARDED
        self.page = PageSettings()
        self.account: MachineAccount | None = None  # saved; see `in_force`
        self.in_force = {node: InForce() for node in home.all_nodes}
        self.due = DueRestarts()
        self.failure: Failure | None = None
        self.refusal: Refused | None = None  # what the page says no to, until something is done
        self.notices: tuple[str, ...] = ()
        self.switched_on = False  # from the first restart after onboarding until push is disabled
        self.pushing = False  # `switched_on`, and licensing allows it
        self.old_interface = False  # onboarded by 11.5(1)SU2, never since (ONB-20)
        self.prerequisites = Prerequisites()
        self.marked_tasks: frozenset[int] = frozenset()
        self.certificates_missing: tuple[str, ...] | None = None  # None: nobody has looked
        self.cloud_check: CloudChecked | None = None
        self._checking_certificates = False
        self._entropy = entropy
        self._shown = ""

    # --- What it shows ---

    @property
    def status(self) -> str:
        """The status text of the page."""
        if self.failure is not None:
            return failed_text(self.failure.reason)
        if self.state in (State.NOT_ONBOARDED, State.VOUCHER_READY) and self.refusal is not None:
            reason = self.refusal.reason
            return "" if reason is None else failed_text(reason)
        return STATUS.get(self.state, "")

    @property
    def uploads_fail(self) -> bool:
        """Alarms cannot be uploaded before the cluster is onboarded anew (ONB-20, TRB-18)."""
        return self.old_interface

    def tasks(self) -> tuple[Task, ...]:
        """The task list of a full set-up."""
        facts = TaskFacts(
            self.home.release,
            self.licensing.synchronised,
            self.state,
            bool(self.home.message_nodes),
            self.home.mobile_remote_access,
            self.page.troubleshooting is not None or self.page.push_enabled,
            self.prerequisites,
        )
        return task_list(facts, self.marked_tasks)

    # --- The doors ---

    def start(self, now: Instant, since: Release | None = None) -> Actions:
        """Begin, after a restore too; `since` is the release before an upgrade."""
        out: list[OnboardingAction] = []
        if self.state is State.REQUESTING:  # nobody waits for that answer any more
            self.state = State.PENDING
        if since is not None and since != self.home.release:
            out += self._upgraded(since, now)
        self.licensing.started(now)
        return self._settled(out)

    def receive(self, event: OnboardingEvent, now: Instant) -> Actions:
        """Take what happened."""
        match event:
            case VoucherRequested(node):
                out = self._voucher_requested(node)
            case PageSaved():
                out = self._saved(event)
            case LicensesSynchronised() | VoucherReceived() | LicenseManagerFailed():
                out = self._licensed(event, now)
            case LicenseRegistered() | LicenseDeregistered() | ReservationChanged():
                out = self._licensed(event, now)
            case PageLoaded():
                out = [CheckCertificates(), CheckCloud(self.page.proxy)]
            case CertificateReport(missing):
                out = self._certificates_seen(missing)
            case CloudChecked(step):
                self.cloud_check = event
                if step is None:
                    self._corrected(Reason.CLOUD_NOT_REACHABLE)
                out = []
            case SubscriptionAnswered(status, body):
                out = self._subscribed(outcome_of(status, body, lambda: uuid4(self._entropy)))
            case SubscriptionFailed(step, detail):
                out = self._subscribed(failure_of_step(step, detail))
            case ServiceRestarted(service, node):
                out = self._restarted(service, node)
            case AccountRepaired(account):
                out = self._repaired(account)
            case AccountRenewed(account):
                out = self._renewed(account)
            case PrerequisitesSeen(prerequisites):
                self.prerequisites = prerequisites
                out = []
            case TaskMarked(number, done):
                out = self._task_marked(number, done)
        return self._settled(out)

    def advance(self, now: Instant) -> Actions:
        """Do what is due at `now`: the end of the evaluation (LIC-08)."""
        self.licensing.advance(now)
        return self._settled([])

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        return self.licensing.next_deadline()

    # --- Vouchers and licences ---

    def _voucher_requested(self, node: str) -> list[OnboardingAction]:
        if node != self.home.publisher:
            return self._refuse(Refused(NOT_THE_PUBLISHER))
        action = self.desk.request()
        if isinstance(action, Refused):
            return self._refuse(action)
        self.refusal = None
        return [action]

    def _licensed(self, event: LicenseEvent, now: Instant) -> list[OnboardingAction]:
        action = self.desk.receive(event, now)
        if isinstance(action, Refused):
            return self._refuse(action)
        if self.desk.voucher is not None:
            if self.state is State.NOT_ONBOARDED:
                self._enter(State.VOUCHER_READY)
            self._corrected(Reason.VOUCHER_MISSING)
        if not self.licensing.reserved:
            self._corrected(Reason.LICENSE_RESERVATION)
        return [] if action is None else [action]

    def _upgraded(self, since: Release, now: Instant) -> list[OnboardingAction]:
        """The cluster ran `since`, and runs another release now."""
        if (since.train, since.service_update) == (SU2.train, SU2.service_update):
            self.old_interface |= self.state in ONBOARDED
        action = self.desk.upgraded(self.home.release, now)
        if self.desk.voucher is None and self.state in (State.VOUCHER_READY, *_PREPARING):
            self._back_to_voucher()
        return [] if action is None else [action]

    # --- The page ---

    def _saved(self, event: PageSaved) -> list[OnboardingAction]:
        page = event.change.applied_to(self.page)
        refusal = self._not_savable(page, event.node)
        if refusal is not None:
            return self._refuse(refusal)
        was, self.page = self.page, page
        self.refusal, self.notices = None, ()
        match self.state:
            case State.VOUCHER_READY if page.push_enabled:
                self._enter(State.CERTS_PREPARED)
                return self._prepare_certificates()
            case State.CERTS_PREPARED | State.PENDING | State.FAILED if (
                was.push_enabled and not page.push_enabled
            ):
                return self._back_to_voucher()
            case State.CERTS_PREPARED:
                changed = was.manage_certificates is not page.manage_certificates
                return self._prepare_certificates() if changed else []
            case State.PENDING | State.FAILED:
                if not page.push_enabled:  # the restart cleared the box, and it still is
                    return []
                return self._request()
            case State.COMPLETED | State.ACTIVE if not page.push_enabled:
                return self._disable()
            case State.ACTIVE:
                self._enter(State.COMPLETED)
        return self._due(CPNS, self.home.nodes)  # ONB-15

    def _not_savable(self, page: PageSettings, node: str) -> Refused | None:
        if node != self.home.publisher:
            return Refused(NOT_THE_PUBLISHER)
        if self.state is State.REQUESTING:
            return Refused("the subscription request is under way")
        if not page.push_enabled:
            boxes_left = page.troubleshooting is True or page.encrypted_pii
            if self.old_interface and self.state in ONBOARDED and boxes_left:
                return Refused(OLD_BOXES)
            return None
        if self.state is State.DISABLING:
            return Refused(f"push is being disabled: restart {XCP_ROUTER} first")
        if self.state not in (State.NOT_ONBOARDED, State.VOUCHER_READY):
            return None  # what has come up since then ends in FAILED
        reason = self.desk.forbidden()
        if reason is None and self.state is State.NOT_ONBOARDED:
            reason = Reason.VOUCHER_MISSING
        if reason is not None:
            return Refused(reason.value, reason)
        for running, name in (
            (self.prerequisites.cpns_running, CPNS),
            (self.prerequisites.management_agent_running, MANAGEMENT_AGENT),
        ):
            if running is False:  # ONB-02
                return Refused(f"{name} does not run on the publisher")
        return None

    def _prepare_certificates(self) -> list[OnboardingAction]:
        prepare = PrepareCertificates(self.page.manage_certificates)
        return [prepare, *self._due(TOMCAT, self.home.all_nodes)]

    def _back_to_voucher(self) -> list[OnboardingAction]:
        self.due.drop(TOMCAT)
        wanted = State.NOT_ONBOARDED if self.desk.voucher is None else State.VOUCHER_READY
        if self.state is not wanted:
            self._enter(wanted)
        return []

    def _disable(self) -> list[OnboardingAction]:
        self._enter(State.DISABLING)
        self.switched_on = False
        self.account = self.desk.voucher = None
        self.due.drop(TOMCAT, CPNS, XCP_CONFIG_MANAGER, XCP_ROUTER)
        out: list[OnboardingAction] = [StoreMachineAccount(None, self.home.all_nodes)]
        out += self._due(CPNS, self.home.nodes)
        if self.home.message_nodes:
            out += self._due(XCP_ROUTER, self.home.message_nodes)
            self.notices = (XCP_ROUTER_NOTICE,)
        return out

    # --- The subscription ---

    def _request(self) -> list[OnboardingAction]:
        """The second Save: look at what is needed, then ask FOS."""
        if self.state is State.FAILED:
            self._enter(State.PENDING)
        self._enter(State.REQUESTING)
        forbidden = self.desk.forbidden()
        if forbidden is not None:
            return self._subscribed(Failure(forbidden))
        if self.desk.voucher is None:
            return self._subscribed(Failure(Reason.VOUCHER_MISSING))
        self._checking_certificates = True
        return [CheckCertificates()]

    def _certificates_seen(self, missing: tuple[str, ...]) -> list[OnboardingAction]:
        self.certificates_missing = missing
        if self.state is State.REQUESTING and self._checking_certificates:
            self._checking_certificates = False
            if missing:
                return self._subscribed(Failure(Reason.CERTIFICATE_MISSING, ", ".join(missing)))
            assert self.desk.voucher is not None  # `_request` saw to it
            home = self.home
            tracking_id = f"FOS_{uuid4(self._entropy)}"  # OP-11
            return [
                RequestSubscription(
                    self.desk.voucher,
                    home.cluster_id,
                    str(home.release),
                    home.publisher,
                    tracking_id,
                    self.page.proxy,
                )
            ]
        if not missing:
            self._corrected(Reason.CERTIFICATE_MISSING)
        return []

    def _subscribed(self, outcome: MachineAccount | Failure) -> list[OnboardingAction]:
        if self.state is not State.REQUESTING or self._checking_certificates:
            return [Ignored("subscription", "none is under way")]
        if isinstance(outcome, Failure):
            self.failure = outcome
            if outcome.reason is Reason.VOUCHER_MISSING:
                self.desk.voucher = None
            self._enter(State.FAILED)
            return []
        self._enter(State.COMPLETED)
        self.desk.voucher = None  # it is good for one subscription
        self.old_interface = False
        return self._new_account(outcome)

    def _new_account(self, account: MachineAccount) -> list[OnboardingAction]:
        """The restarts of ONB-11 and ONB-12, in this order."""
        self.account = account
        out: list[OnboardingAction] = [StoreMachineAccount(account, self.home.all_nodes)]
        out += self._due(CPNS, self.home.nodes)
        self.notices = (ACTIVATION_CODE_NOTICE,)
        if self.home.message_nodes:
            out += self._due(XCP_CONFIG_MANAGER, self.home.message_nodes)
            out += self._due(XCP_ROUTER, self.home.message_nodes)
            self.notices = (XCP_ROUTER_NOTICE, ACTIVATION_CODE_NOTICE)
        return out

    def _repaired(self, account: MachineAccount) -> list[OnboardingAction]:
        if self.account is None or self.state not in ONBOARDED:
            return self._refuse(Refused("there is no machine account to repair"))
        if self.state is State.ACTIVE:
            self._enter(State.COMPLETED)
        return [*self._new_account(account), *self._due(TOMCAT, self.home.all_nodes)]

    def _renewed(self, account: MachineAccount) -> list[OnboardingAction]:
        was = self.account
        if was is None or was.account_id != account.account_id:
            return [Ignored("renewed account", "not the one that is saved")]
        self.account = account
        for node, in_force in self.in_force.items():
            if in_force.account is not None and in_force.account.account_id == account.account_id:
                self.in_force[node] = InForce(in_force.page, account)
        return [StoreMachineAccount(account, self.home.all_nodes)]

    def _corrected(self, reason: Reason) -> None:
        """What made onboarding fail is out of the way: it waits for another Save."""
        if self.refusal is not None and self.refusal.reason is reason:
            self.refusal = None
        if self.failure is not None and self.failure.reason is reason:
            self._enter(State.PENDING)

    # --- Restarts ---

    def _restarted(self, service: str, node: str) -> list[OnboardingAction]:
        if node not in self.in_force:
            return [Ignored("restart", f"no node {node}")]
        self.due.done(service, node)
        takes_over = service == CPNS if node in self.home.nodes else service == XCP_ROUTER
        if not takes_over or self.due.is_due(XCP_CONFIG_MANAGER, node):
            return []
        in_force = InForce(self.page, self.account)
        if in_force == self.in_force[node]:
            return []
        self.in_force[node] = in_force
        return [InForceChanged(node, in_force)]

    def _due(self, service: str, nodes: tuple[str, ...]) -> list[OnboardingAction]:
        self.due.add(service, nodes)
        return [RestartDue(service, nodes)]

    def _task_marked(self, number: int, done: bool) -> list[OnboardingAction]:
        if not 1 <= number <= TASKS_MAX:
            return self._refuse(Refused(f"tasks have the numbers 1 to {TASKS_MAX}"))
        self.marked_tasks = self.marked_tasks | {number} if done else self.marked_tasks - {number}
        return []

    # --- Moves ---

    def _enter(self, state: State) -> None:
        assert state in MOVES[self.state], (self.state, state)
        self.state = state
        if state is not State.FAILED:
            self.failure = None

    def _refuse(self, refusal: Refused) -> list[OnboardingAction]:
        self.refusal = refusal
        return [refusal]

    def _settled(self, out: list[OnboardingAction]) -> Actions:
        """Make the moves that wait for nothing any more, and tell what has changed."""
        due = self.due.any
        if self.state is State.CERTS_PREPARED and not due(TOMCAT):
            self._enter(State.PENDING)
            out.append(InstallCertificates(self.page.manage_certificates))
            if self.home.tomcat_clears_boxes:
                self.page = replace(self.page, push_enabled=False, manage_certificates=False)
        elif self.state is State.COMPLETED and not due(CPNS, XCP_CONFIG_MANAGER, XCP_ROUTER):
            self._enter(State.ACTIVE)
            self.switched_on = True
        elif self.state is State.DISABLING and not due(XCP_ROUTER):
            self._enter(State.NOT_ONBOARDED)
        pushing = self.switched_on and self.licensing.allows_provisioning
        if pushing is not self.pushing:
            self.pushing = pushing
            out.append(PushSwitched(pushing))
        shown = f"{self.state.value} {self.status}"
        if shown != self._shown:
            self._shown = shown
            out.append(StatusChanged(self.state, self.status))
        return tuple(out)
