"""The onboarding page and the licences, as the admin API shows them.

No secret is among it but the support token, which shows here and nowhere else (TRB-12).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import BaseModel, Field

from callctl.io.onboarding import GuidedRun, OnboardingShell
from callctl.model.cloud import ProxySettings
from callctl.model.machine_account import MachineAccount
from callctl.onboarding.guide import next_step
from callctl.onboarding.licensing import Licensing
from callctl.onboarding.page import PageSettings
from callctl.onboarding.state import State
from callctl.onboarding.tasks import Task
from sipstack.timing import SECOND, Instant


@dataclass(frozen=True, slots=True)
class Support:
    """What a customer hands over when asking for help (TRB-09, TRB-12)."""

    customer_cluster_id: str | None = None  # None until troubleshooting information was sent once
    token: str | None = field(default=None, repr=False)


NO_SUPPORT = Support()
"""Nothing was made yet."""


class ProxyView(BaseModel):
    """The proxy; its password does not show."""

    url: str
    user: str | None
    has_password: bool

    @classmethod
    def of(cls, proxy: ProxySettings | None) -> ProxyView | None:
        if proxy is None:
            return None
        return cls(url=str(proxy), user=proxy.user, has_password=proxy.password is not None)


class PageView(BaseModel):
    """The boxes."""

    push: bool = Field(description="Enable Push Notifications.")
    managed_certificates: bool = Field(
        description="I want Cisco to manage the Cisco Cloud Service CA Certificates."
    )
    proxy: ProxyView | None = Field(description="Enable HTTP(S) Proxy.")
    troubleshooting: bool = Field(
        description="Send Troubleshooting Information to the Cisco Cloud; on with push."
    )
    pii: bool = Field(description="Send encrypted PII to the Cisco Cloud for troubleshooting.")

    @classmethod
    def of(cls, page: PageSettings) -> PageView:
        return cls(
            push=page.push_enabled,
            managed_certificates=page.manage_certificates,
            proxy=ProxyView.of(page.proxy),
            troubleshooting=page.sends_troubleshooting,
            pii=page.encrypted_pii,
        )


class AccountView(BaseModel):
    """The machine account, without its refresh token."""

    account_id: str
    organisation_id: str
    token_url: str
    push_rest_url: str

    @classmethod
    def of(cls, account: MachineAccount | None) -> AccountView | None:
        if account is None:
            return None
        return cls(
            account_id=account.account_id,
            organisation_id=account.organisation_id,
            token_url=account.token_url,
            push_rest_url=account.push_rest_url,
        )


class InForceView(BaseModel):
    """What a node works with."""

    node: str
    page: PageView
    account_id: str | None
    up_to_date: bool = Field(description="False: what is saved waits for a restart (SVC-04).")


class RestartView(BaseModel):
    """A restart that is due."""

    service: str
    nodes: list[str]


class StepView(BaseModel):
    """One step, and what it brings about."""

    text: str
    effect: str
    nodes: list[str]
    outcome: str | None = None


class RunView(BaseModel):
    """All steps, done one after another."""

    running: bool
    steps: list[StepView]
    problem: str = Field(description="Why it did not reach its end.")


class TaskView(BaseModel):
    """One task of a full set-up."""

    number: int
    text: str
    state: str = Field(description="done, due, unknown or not needed")


class LicensingView(BaseModel):
    """The licences."""

    release: str
    mode: str
    manager: str | None
    synchronised: bool
    ready: bool = Field(description="As onboarding needs it.")
    allows_provisioning: bool
    reservation: bool
    evaluation_days_left: float | None

    @classmethod
    def of(cls, licensing: Licensing, now: Instant) -> LicensingView:
        ends_at = licensing.next_deadline()
        days = None if ends_at is None else max(0, ends_at - now) / SECOND / 86_400
        return cls(
            release=str(licensing.release),
            mode=licensing.mode.value,
            manager=None if licensing.manager is None else licensing.manager.value,
            synchronised=licensing.synchronised,
            ready=licensing.ready,
            allows_provisioning=licensing.allows_provisioning,
            reservation=licensing.reserved,
            evaluation_days_left=None if days is None else round(days, 1),
        )


class OnboardingView(BaseModel):
    """The page, and what stands behind it."""

    state: str
    status: str = Field(description="As on the page; empty where the sources give no text.")
    detail: str = Field(description="More about a failure.")
    refusal: str = Field(description="The last thing the page said no to, until it says yes.")
    notices: list[str]
    busy: bool = Field(description="The cloud or a license manager is asked now.")
    publisher: str
    cluster_id: str
    customer_cluster_id: str | None = Field(
        description="By which support staff know the alarms of this customer (TRB-09)."
    )
    support_token: str | None = Field(
        description="Opens the personal data in uploads; whoever asks for help hands it over."
    )
    pushing: bool = Field(description="Pushes may leave.")
    uploads_fail: bool = Field(description="Until the cluster is onboarded anew (ONB-20).")
    voucher: str | None = Field(description="Its issuer; it is good for one subscription.")
    page: PageView
    account: AccountView | None
    in_force: list[InForceView]
    restarts_due: list[RestartView]
    next: StepView
    tasks: list[TaskView]
    certificates_missing: list[str] | None
    cloud_step_failed: str | None = Field(description="At the last load of the page.")
    not_kept: str = Field(description="Why this could not be written to the state directory.")
    run: RunView | None

    @classmethod
    def of(cls, shell: OnboardingShell, support: Support = NO_SUPPORT) -> OnboardingView:
        it = shell.onboarding
        step = next_step(it)
        voucher, failure, check = it.desk.voucher, it.failure, it.cloud_check
        return cls(
            state=it.state.value,
            status=it.status,
            detail="" if failure is None else failure.detail,
            refusal="" if it.refusal is None else it.refusal.problem,
            notices=list(it.notices),
            busy=it.desk.fetching or it.state is State.REQUESTING,
            publisher=it.home.publisher,
            cluster_id=it.home.cluster_id,
            customer_cluster_id=support.customer_cluster_id,
            support_token=support.token,
            pushing=it.pushing,
            uploads_fail=it.uploads_fail,
            voucher=None if voucher is None else voucher.issuer.value,
            page=PageView.of(it.page),
            account=AccountView.of(it.account),
            in_force=[
                InForceView(
                    node=node,
                    page=PageView.of(held.page),
                    account_id=None if held.account is None else held.account.account_id,
                    up_to_date=(held.page, held.account) == (it.page, it.account),
                )
                for node, held in it.in_force.items()
            ],
            restarts_due=[
                RestartView(service=service, nodes=list(nodes))
                for service, nodes in it.due.listed()
            ],
            next=StepView(text=step.text, effect=step.effect, nodes=list(step.nodes)),
            tasks=[
                TaskView(number=task.number, text=task.text, state=_state_of(task))
                for task in it.tasks()
            ],
            certificates_missing=(
                None if it.certificates_missing is None else list(it.certificates_missing)
            ),
            cloud_step_failed=None if check is None else check.step,
            not_kept=shell.not_kept,
            run=None if shell.guided is None else run_view(shell.guided),
        )


def run_view(run: GuidedRun) -> RunView:
    """The steps of a run so far."""
    steps = [
        StepView(
            text=taken.step.text,
            effect=taken.step.effect,
            nodes=list(taken.step.nodes),
            outcome=taken.outcome or None,
        )
        for taken in run.steps
    ]
    return RunView(running=run.ended is None, steps=steps, problem=run.ended or "")


def _state_of(task: Task) -> str:
    if not task.needed:
        return "not needed"
    if task.done is None:
        return "unknown"
    return "done" if task.done else "due"
